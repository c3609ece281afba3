"""
A function on its way to other processes, and its values: both sides of a call know this module. What JSON has goes as JSON, so that other runs and tables can read it; anything
else is pickled.
"""
import base64
import inspect
import math
import pickle

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
        return math.isfinite(value) and not (exact and value.is_integer())
    if kind is list:
        return all(is_plain(each, exact) for each in value)
    if kind is dict:
        return PICKLED not in value and all(type(key) is str and is_plain(each, exact) for key, each in value.items())
    return False


def encoded(value, exact=False):
    """@raises whatever keeps it from being pickled"""
    if is_plain(value, exact):
        return value
    try:
        import cloudpickle as pickler
    except ImportError:
        pickler = pickle
    return {PICKLED: base64.b64encode(pickler.dumps(value)).decode('ascii')}


def decoded(value):
    if isinstance(value, dict) and set(value) == {PICKLED}:
        return pickle.loads(base64.b64decode(value[PICKLED]))
    return value


class Call:
    """The user's function as a worker calls it: with its arguments decoded, and its result encoded."""

    def __init__(self, function, kind):
        """@param kind what items are: object, parameters, value, or, of another run's results, any"""
        self.function = function
        self.kind = kind
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
        if self.kind == 'value':
            return encoded(self.function(decoded(named['value'] if 'value' in named else listed[0])))
        for item in [*listed, *named.values()]:
            if type(item).__name__ == 'Item' and hasattr(item, 'parameters'):
                item.parameters.update({name: decoded(value) for name, value in item.parameters.items()})
        if self.kind == 'any':
            return encoded(self.function(*listed) if listed else self.on_value(named))
        return encoded(self.function(*listed, **{name: decoded(value) for name, value in named.items()}))

    def on_value(self, fields):
        """What another run has come to: f(**fields) of a dict where that fits, else f(value)."""
        if set(fields) == {PICKLED}:
            return self.function(decoded(fields))
        if self.fits(fields):
            return self.function(**fields)
        return self.function(fields['value'] if set(fields) == {'value'} else fields)

    def fits(self, fields):
        try:
            inspect.signature(self.function).bind(**fields)
            return True
        except (TypeError, ValueError):
            return False
