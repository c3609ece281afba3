"""The function and its arguments as bytes for other processes, and back."""
import base64
import contextlib
import os
import pickle
import sys

from ..failures import library_folders
from .rioserrors import ParameterError, UnavailableError


def need_cloudpickle():
    try:
        import cloudpickle
    except ImportError as error:
        raise UnavailableError('apply needs cloudpickle beside the script (pip install cloudpickle), which %s does not have: %s' % (sys.executable, error)) from None
    return cloudpickle


def own_modules():
    """Modules of the user's own: those that lie in no library. Other machines don't have them, so they travel along."""
    package = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), '')
    libraries = library_folders() + (package,)
    for name, module in list(sys.modules.items()):
        file = getattr(module, '__file__', None)
        if file and name != '__main__' and not os.path.abspath(file).startswith(libraries) and file.endswith('.py') and getattr(module, '__spec__', None) is not None:
            yield module


@contextlib.contextmanager
def by_value(cloudpickle):
    """While it lasts, functions of the user's own modules are pickled whole, and not by their names."""
    registered = []
    try:
        for module in own_modules():
            try:
                cloudpickle.register_pickle_by_value(module)
                registered.append(module)
            except ValueError:
                # Imported in some odd way: it goes by its name then.
                continue
        yield
    finally:
        for module in registered:
            cloudpickle.unregister_pickle_by_value(module)


def pickled(function, others, names):
    """
    A header that says which Python it is for, and what the function calls its files; then (function, others): as the host reads it.
    @raises ParameterError, UnavailableError
    """
    cloudpickle = need_cloudpickle()
    try:
        with by_value(cloudpickle):
            data = cloudpickle.dumps((function, others))
    except Exception as error:
        raise ParameterError('the function or otherArgs can\'t be sent to another process: %s: %s. What can\'t be (open files, locks, GDAL datasets) is made inside of the function' % (type(error).__name__, error)) from error
    return pickle.dumps({'tilefan': 1, 'python': list(sys.version_info[:3]), 'cloudpickle': cloudpickle.__version__, 'names': names}, protocol=2) + data


def unpickled(value):
    """otherArgs as a tile has left them."""
    return pickle.loads(base64.b64decode(value['otherargs']))


def take_over(mine, its):
    """Has the caller's own object become what the run has left, so that every name for it sees it. @returns whether that could be done"""
    if isinstance(mine, dict):
        mine.clear()
        mine.update(its)
    elif isinstance(mine, list):
        mine[:] = its
    elif isinstance(mine, set):
        mine.clear()
        mine.update(its)
    elif hasattr(mine, 'shape') and hasattr(its, 'shape') and mine.shape == its.shape and mine.shape != ():
        mine[...] = its
    elif hasattr(mine, '__dict__') and hasattr(its, '__dict__'):
        vars(mine).clear()
        vars(mine).update(vars(its))
    else:
        return False
    return True
