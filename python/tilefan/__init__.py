"""Python functions over the tiles of rasters (docs/python.md) and over items (docs/items.md); `tilefan.map` and its kind, which start runs (docs/clients.md)."""

__version__ = '0.1.0'

_CLIENT = {'map': 'client', 'submit': 'client', 'run': 'client', 'start': 'client', 'Run': 'client',
           'TilefanError': 'client_errors', 'RunError': 'client_errors', 'RunCancelled': 'client_errors', 'ItemError': 'client_errors'}
__all__ = list(_CLIENT)


def __getattr__(name):
    # Imported when they are asked for: a worker has no use for them.
    if name in _CLIENT:
        import importlib
        return getattr(importlib.import_module('.' + _CLIENT[name], __name__), name)
    raise AttributeError('module %r has no attribute %r' % (__name__, name))
