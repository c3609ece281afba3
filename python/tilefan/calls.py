"""
A function on its way to other processes, and its values: both sides of a call know this module. What JSON has goes as JSON, so that other runs and tables can read it; anything
else is pickled.
"""
import base64
import inspect
import math
import os
import pickle

from .failures import Failure

PICKLED = 'tilefanPickle'
# Whole numbers that JSON keeps exactly, whoever reads it.
LARGEST = 2 ** 53


def is_plain(value, exact):
    """
    Whether JSON gives back the very same.
    @param exact whether 1.0 has to stay a float: on the way JSON makes it 1
    """
    kind = type(value)
    if value is None or kind in (bool, str):
        return True
    if kind is int:
        return -LARGEST <= value <= LARGEST
    if kind is float:
        # JSON has no 2.0 on the way, and -0.0 is whole, too.
        return math.isfinite(value) and not (exact and value.is_integer())
    if kind is list:
        return all(is_plain(each, exact) for each in value)
    if kind is dict:
        return PICKLED not in value and all(type(key) is str and is_plain(each, exact) for key, each in value.items())
    return False


def encoded(value, exact=False):
    """@raises whatever keeps it from being pickled"""
    return value if is_plain(value, exact) else pickled(value)


def pickled(value):
    try:
        import cloudpickle as pickler
    except ImportError:
        pickler = pickle
    return {PICKLED: base64.b64encode(pickler.dumps(value)).decode('ascii')}


def decoded(value):
    if isinstance(value, dict) and set(value) == {PICKLED}:
        return pickle.loads(base64.b64decode(value[PICKLED]))
    return value


def described(value):
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ in ('builtins', '__main__') else '%s.%s' % (kind.__module__, kind.__qualname__)
    return 'an object of type %s' % name


class Call:
    """The user's function as a worker calls it: with its arguments decoded, and its result encoded."""

    def __init__(self, function, kind, parameters=None, exact=True):
        """
        @param kind what items are: object, parameters, value, or, of another run's results, any
        @param parameters for kinds value and any: named values besides the item's own, which can't be told from these among the parameters of a job
        @param exact whether 1.0 has to come back as a float; in a table of results it stays a number
        """
        self.function = function
        self.kind = kind
        self.parameters = parameters or {}
        self.exact = exact
        self.__name__ = getattr(function, '__name__', type(function).__name__)

    @property
    def __signature__(self):
        """By which the worker knows how to call it."""
        if self.kind == 'value':
            return inspect.Signature([inspect.Parameter('value', inspect.Parameter.POSITIONAL_OR_KEYWORD)])
        if self.kind == 'any':
            # A file comes as an item, a value by its fields, whatever they are called.
            return inspect.Signature([inspect.Parameter('item', inspect.Parameter.POSITIONAL_ONLY, default=None), inspect.Parameter('fields', inspect.Parameter.VAR_KEYWORD)])
        return inspect.signature(self.function)

    def __call__(self, *listed, **named):
        return self.encoded(self.result(listed, named))

    def result(self, listed, named):
        if self.kind == 'value':
            return self.function(decoded(named['value'] if 'value' in named else listed[0]), **self.parameters)
        for item in [*listed, *named.values()]:
            if type(item).__name__ == 'Item' and hasattr(item, 'parameters'):
                item.parameters.update({**self.parameters, **{name: decoded(value) for name, value in item.parameters.items()}})
        if self.kind != 'any':
            return self.function(*listed, **{name: decoded(value) for name, value in named.items()})
        # A file has those that the function names, as with files that are listed; its item has all.
        return self.function(*listed, **self.known()) if listed else self.on_value(named)

    def encoded(self, value):
        """@raises Failure that says what was returned, and by which function, where it can't be sent"""
        try:
            # Without a table there is only the next step to read it, to which {'value': 1} would be the value 1.
            if self.exact and type(value) is dict and set(value) == {'value'}:
                return pickled(value)
            return encoded(value, self.exact)
        except MemoryError:
            raise
        except Exception as error:
            code = getattr(self.function, '__code__', None)
            place = {'function': self.__name__, **({'file': os.path.basename(code.co_filename), 'line': code.co_firstlineno} if code else {})}
            wanted = 'a list of what it gives' if inspect.isgenerator(value) else 'what can be pickled'
            raise Failure('output', 'returned %s, which can\'t be sent back (%s: %s); wanted %s' % (described(value), type(error).__name__, error, wanted), type(error).__name__, place) from None

    def on_value(self, fields):
        """What another run has come to: f(**value) of a dict where that fits, else f(value)."""
        if set(fields) == {PICKLED}:
            value = decoded(fields)
        elif set(fields) == {'value'} and self.fits([fields['value']], self.parameters):
            # What is no dict comes as the parameter `value`.
            return self.function(fields['value'], **self.parameters)
        else:
            value = fields
        if isinstance(value, dict):
            named = {**self.parameters, **value}
            if self.fits([], named):
                return self.function(**named)
        return self.function(value, **self.parameters)

    def known(self):
        try:
            taken = inspect.signature(self.function).parameters.values()
        except (TypeError, ValueError):
            return {}
        every = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in taken)
        names = [each.name for each in taken if each.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)]
        return {name: value for name, value in self.parameters.items() if every or name in names}

    def fits(self, listed, named):
        try:
            inspect.signature(self.function).bind(*listed, **named)
            return True
        except (TypeError, ValueError):
            return False
