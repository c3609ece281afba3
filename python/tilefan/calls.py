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

    def __init__(self, function, single):
        """@param single whether it is called with the plain value that an item is"""
        self.function = function
        self.single = single
        self.__name__ = getattr(function, '__name__', type(function).__name__)

    @property
    def __signature__(self):
        if self.single:
            return inspect.Signature([inspect.Parameter('value', inspect.Parameter.POSITIONAL_OR_KEYWORD)])
        return inspect.signature(self.function)

    def __call__(self, *listed, **named):
        if self.single:
            return encoded(self.function(decoded(named['value'] if 'value' in named else listed[0])))
        for item in [*listed, *named.values()]:
            if type(item).__name__ == 'Item' and hasattr(item, 'parameters'):
                item.parameters.update({name: decoded(value) for name, value in item.parameters.items()})
        return encoded(self.function(*listed, **{name: decoded(value) for name, value in named.items()}))
