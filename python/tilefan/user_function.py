"""The user's function: found in a module, or in a pickle."""
import importlib.util
import inspect
import os
import pickle
import sys

from .failures import Failure, describe, python_words

WANTED = '(info, inputs, outputs) or (info, inputs, outputs, otherargs)'


class UserFunction:
    """A function that can be called on tiles, and what goes with it."""

    def __init__(self, function, name, takes_others, pickled=None, names=None):
        self.function = function
        self.name = name
        # Whether it is called with otherargs.
        self.takes_others = takes_others
        # Bytes of the pickled otherargs; None where it comes from a module, or has none.
        self.pickled = pickled
        # What a script calls its files, where a job can't: {"inputLists", "outputLists"}, each {name: names of the job}.
        self.names = names or {}


def load(path, name, source):
    """
    @param name None: the only function of a module, or the pickled one
    @raises Failure load, missing, signature or requirement
    """
    if path.endswith('.pkl'):
        return load_pickle(path, source)
    module = load_module(path, source)
    function, found = pick(module, name, path)
    takes = check_signature(function, found, source, optional=True)
    return UserFunction(function, found, takes)


def load_module(path, source):
    folder, file = os.path.split(os.path.abspath(path))
    stem = os.path.splitext(file)[0]
    # The module's own name lets it pickle its classes and find itself; one that another module has already would take its place.
    name = stem if stem.isidentifier() and stem not in sys.modules else 'tilefan_function'
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        place = {'file': source.name(error.filename or path), 'line': error.lineno or 0}
        raise Failure('load', '%s:%s has a syntax error: %s' % (place['file'], place['line'], error.msg), type(error).__name__, place,
                      describe(error, 'load', source).traceback_text) from None
    except FileNotFoundError as error:
        if error.filename != path:
            raise failed_import(error, file, source) from None
        raise Failure('load', 'there is no file %s' % path, type(error).__name__) from None
    except BaseException as error:
        raise failed_import(error, file, source) from None
    return module


def failed_import(error, file, source):
    """An exception of the module's own code, outside of its functions."""
    failure = describe(error, 'load', source)
    line = failure.place.get('line')
    where = '%s%s' % (failure.place.get('file', file), '' if line is None else ':%d' % line)
    if failure.place.get('function') == '<module>':
        del failure.place['function']
    if isinstance(error, ModuleNotFoundError) and error.name:
        failure.message = '%s imports %s, which %s does not have; a file beside the module doesn\'t come along with it: make a package of several, and install it' % (where, error.name, python_words())
    elif failure.kind != 'memory':
        failure.message = '%s could not be imported: %s%s' % (where, '' if isinstance(error, SystemExit) else type(error).__name__ + ': ', failure.message)
    return failure


def pick(module, name, path):
    """The function with this name. @raises Failure that says which there are"""
    file = os.path.basename(path)
    own = [each for each, value in vars(module).items() if inspect.isfunction(value) and value.__module__ == module.__name__ and not each.startswith('_')]
    there = 'it has %s' % ', '.join(own) if own else 'it has none'
    if name is None:
        if len(own) != 1:
            raise Failure('missing', 'which function of %s is meant has to be said: %s' % (file, there), 'FunctionMissing', {'file': file})
        name = own[0]
    value = getattr(module, name, None)
    if value is None:
        raise Failure('missing', '%s has no function %s: %s' % (file, name, there), 'FunctionMissing', {'file': file})
    if not callable(value):
        raise Failure('missing', '%s of %s is no function but %s: %s' % (name, file, type(value).__name__, there), 'FunctionMissing', {'file': file})
    return value, name


def check_signature(function, name, source, optional, others=True):
    """
    Whether the function is to be called with otherargs.
    @param optional otherargs are left out where the function doesn't take them
    @param others whether there are any
    """
    place = source.place_of(function)
    refuse_kind(function, name, WANTED, place)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        # Of a function written in C nothing is known.
        return others
    four, three = fits(signature, 4), fits(signature, 3)
    if (four and others) or (three and optional) or (three and not others):
        return four and others
    if three and not optional:
        raise Failure('signature', '%s%s takes three arguments, and otherargs are given; wanted %s(info, inputs, outputs, otherargs)' % (name, signature, name), place=place)
    if four:
        raise Failure('signature', '%s%s takes four arguments, and no otherargs are given; wanted otherArgs, or %s(info, inputs, outputs)' % (name, signature, name), place=place)
    raise Failure('signature', '%s%s can\'t be called with a tile; wanted %s%s' % (name, signature, name, WANTED), place=place)


def refuse_kind(function, name, wanted, place):
    """@raises Failure for what can be called, and gives no result then"""
    for test, what in ((inspect.iscoroutinefunction, 'is async'), (inspect.isgeneratorfunction, 'is a generator (it has yield)'), (inspect.isclass, 'is a class')):
        if test(function):
            raise Failure('signature', '%s %s; wanted a plain function %s%s' % (name, what, name, wanted), place=place)


def fits(signature, count):
    try:
        signature.bind(*[None] * count)
        return True
    except TypeError:
        return False


def load_pickle(path, source):
    """`(function, otherargs)`, and in the header what the script calls its files."""
    header, (function, others) = read_pickle(path, source, '(function, otherargs)', pair=True)
    import cloudpickle
    if not callable(function):
        raise Failure('missing', '%s holds no function but %s' % (os.path.basename(path), type(function).__name__), 'FunctionMissing')
    name = getattr(function, '__name__', type(function).__name__)
    takes = check_signature(function, name, source, optional=False, others=others is not None)
    return UserFunction(function, name, takes, None if others is None else cloudpickle.dumps(others), header.get('names'))


def read_pickle(path, source, wanted, pair=False):
    """
    What cloudpickle has made, perhaps with a header in front that says which Python it was made by.
    @param pair whether it has to be one
    @returns the header, a dict, and what comes after it; @raises Failure
    """
    header = {}
    try:
        import cloudpickle  # noqa: F401
    except ImportError as error:
        raise Failure('requirement', 'a function in %s needs cloudpickle, which %s does not have: %s' % (os.path.basename(path), python_words(), error), 'CloudpickleMissing') from None
    try:
        with open(path, 'rb') as file:
            value = pickle.load(file)
            if isinstance(value, dict) and 'tilefan' in value:
                header = value
                check_versions(header)
                value = pickle.load(file)
        if pair:
            first, second = value
            value = first, second
        return header, value
    except Failure:
        raise
    except ModuleNotFoundError as error:
        raise Failure('load', 'the pickled function needs the module %s, which %s does not have' % (error.name, python_words()), type(error).__name__) from None
    except Exception as error:
        described = describe(error, 'load', source)
        raise Failure('load', '%s could not be read as %s by %s: %s: %s' % (os.path.basename(path), wanted, python_words(), type(error).__name__, described.message),
                      type(error).__name__, described.place, described.traceback_text) from None


def check_versions(header):
    """Bytecode is that of one minor version of Python: another one may do anything with it."""
    made = tuple(header['python'][:2])
    if made != tuple(sys.version_info[:2]):
        raise Failure('requirement', 'the function was pickled by Python %d.%d, which %s can\'t run; wanted the same minor version on both sides' % (made + (python_words(),)), 'PythonVersion')
