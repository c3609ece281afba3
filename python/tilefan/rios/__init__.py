"""
For scripts that were written for RIOS: `from tilefan.rios import applier, cuiprogress`. What is different is told in docs/python.md.

The functions here have the names and arguments of RIOS's; what they do is tilefan's. No code is RIOS's.
"""

# The version of RIOS whose names and arguments these are.
RIOS_VERSION = '2.0.9'
__version__ = RIOS_VERSION

_NOT_HERE = {
    'rat': 'works on finished files',
    'ratapplier': 'goes through attribute tables, not through pixels',
    'calcstats': 'works on finished files; tilefan writes statistics and overviews by itself',
    'colortable': 'works on finished files; ApplierControls.setColorTable of tilefan.rios gives an output its colours',
    'computemanager': 'manages the workers of RIOS; tilefan has its own',
}


def __getattr__(name):
    if name in _NOT_HERE:
        raise ImportError('tilefan.rios has no %s: it %s. What RIOS has under this name can be used beside it: from rios import %s' % (name, _NOT_HERE[name], name))
    raise AttributeError('module %r has no attribute %r' % (__name__, name))
