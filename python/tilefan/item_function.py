"""How a function is called with an item: f(item) or, as functions over sets of parameters are written elsewhere, f(**parameters)."""
import difflib
import inspect

from .failures import Failure
from .user_function import load_module, pick, read_pickle, refuse_kind

WANTED = '(item), or (**parameters) for sets of parameters'
EMPTY = inspect.Parameter.empty
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class ArgumentsFailure(Failure):
    """The parameters of this item are none for the function; those of others may be."""

    def __init__(self, message, place):
        super().__init__('function', message, 'ArgumentsError', place)

    def record(self):
        return {**super().record(), 'code': 'FUNCTION_ARGUMENTS'}


class ItemFunction:
    """
    The user's function. Of an object it gets the item: as its first argument, or as the one called `item`. Of a set of parameters it gets these by their names, and the item
    if it has an argument of that name, or one argument whose name is none of theirs. Parameters that a function over objects names it gets, too.
    """

    def __init__(self, function, name, source):
        self.function = function
        self.name = name
        self.place = source.place_of(function)
        refuse_kind(function, name, WANTED, self.place)
        try:
            self.signature = inspect.signature(function)
        except (TypeError, ValueError):
            # Of a function written in C nothing is known.
            self.signature = None
        found = [] if self.signature is None else list(self.signature.parameters.values())
        self.positional = [each.name for each in found if each.kind in POSITIONAL]
        self.named = [each.name for each in found if each.kind in NAMED]
        self.needed = [each.name for each in found if each.kind in POSITIONAL + NAMED and each.default is EMPTY]
        self.takes_any_name = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in found)
        self.takes_any_number = any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in found)

    def called(self):
        return '%s%s' % (self.name, self.signature)

    def arguments(self, item):
        """@returns what the function is called with: a list, and a dict by names; @raises Failure where it can't be called"""
        parameters = dict(item.parameters)
        if self.signature is None:
            return ([], parameters) if item.href is None else ([item], {})
        if item.href is None:
            listed, named = self.for_parameters(item, parameters)
        else:
            listed, named = self.for_object(item, parameters)
        try:
            self.signature.bind(*listed, **named)
        except TypeError:
            raise self.failure(item, named, bool(listed)) from None
        return listed, named

    def for_object(self, item, parameters):
        if 'item' in self.named:
            return [], {**self.known(parameters), 'item': item}
        if not self.positional and not self.takes_any_number:
            raise Failure('signature', "%s can't be called with an object; wanted %s(item)" % (self.called(), self.name), place=self.place)
        first = self.positional[0] if self.positional else None
        return [item], self.known({name: value for name, value in parameters.items() if name != first})

    def for_parameters(self, item, parameters):
        if 'item' in self.named and 'item' not in parameters:
            # All the others have to be known, unless the item alone is wanted: it has the parameters.
            return [], {**(self.known(parameters) if len(self.named) == 1 else parameters), 'item': item}
        missing = [name for name in self.needed if name not in parameters]
        first = self.positional[0] if self.positional else None
        # Beside others it is more likely a name that is wrong.
        if len({*self.positional, *self.named}) == 1 and missing == [first] and not difflib.get_close_matches(first, parameters, 1):
            return [item], self.known(parameters)
        return [], parameters

    def known(self, parameters):
        """Those that the function names; the item has the others."""
        return parameters if self.takes_any_name else {name: value for name, value in parameters.items() if name in self.named}

    def failure(self, item, named, takes_item):
        """Why it can't be called so: one sentence."""
        given = [name for name in item.parameters]
        there = 'the item has %s' % ('no parameters' if not given else 'the parameter%s %s' % ('' if len(given) == 1 else 's', ', '.join(given)))
        missing = [name for name in self.needed if name not in named and not (takes_item and name == self.positional[0])]
        unknown = [] if self.takes_any_name else [name for name in named if name not in self.named]
        hints = []
        if missing:
            hints.append('nothing gives %s' % ', '.join(missing))
        if unknown:
            hints.append('it takes no %s' % ', '.join(unknown))
        near = difflib.get_close_matches(missing[0], unknown or given, 1) if missing else []
        if near:
            hints.append('is %s meant to be %s?' % (near[0], missing[0]))
        # Whether it ever can be called depends on the item's parameters.
        return ArgumentsFailure("%s can't be called with this item: %s; %s" % (self.called(), there, '; '.join(hints) or 'wanted %s' % WANTED), self.place)


def load_item_function(path, name, source):
    """
    @param name None: the only function of a module, or the pickled one
    @raises Failure load, missing, signature or requirement
    """
    if path.endswith('.pkl'):
        _, function = read_pickle(path, source, 'a function')
        # A pair, as functions over tiles are pickled.
        if isinstance(function, tuple) and len(function) == 2:
            function = function[0]
        if not callable(function):
            raise Failure('missing', 'the pickle holds no function but %s' % type(function).__name__, 'FunctionMissing')
        return ItemFunction(function, getattr(function, '__name__', type(function).__name__), source)
    function, found = pick(load_module(path, source), name, path)
    return ItemFunction(function, found, source)
