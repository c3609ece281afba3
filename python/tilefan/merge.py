"""Results of tiles, merged by the user's own function: merge(a, b), of the same module as the function over tiles."""
import inspect
import json

from .failures import Failure, describe
from .results import to_json
from .user_function import fits, load_module, pick

WORDS = {'nan': float('nan'), 'inf': float('inf'), '-inf': float('-inf'), '-0': -0.0}


def numbers(value):
    """A result with the words that stand for numbers in JSON (lib/base/json-number.ts) as numbers again."""
    if isinstance(value, str):
        return WORDS.get(value, value)
    if isinstance(value, list):
        return [numbers(each) for each in value]
    if isinstance(value, dict):
        return {key: numbers(each) for key, each in value.items()}
    return value


class Merger:
    """Makes one result of many, two at a time, in the order in which they come."""

    def __init__(self, setup, source):
        self.source = source
        path, name = setup['code'], setup.get('function')
        if path.endswith('.pkl'):
            raise Failure('missing', 'a pickled function has no module in which %s could be; wanted a .py file' % name, 'FunctionMissing')
        function, self.name = pick(load_module(path, source), name, path)
        self.place = source.place_of(function)
        self.function = function
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):
            # Of a function written in C nothing is known.
            return
        if not fits(signature, 2):
            raise Failure('signature', "%s%s can't be called with two results; wanted %s(a, b)" % (self.name, signature, self.name), place=self.place)

    def run(self, request):
        """@returns the JSON of the one result, and no outputs; @raises Failure"""
        values = iter(request['values'])
        merged = numbers(next(values))
        for index, value in enumerate(values, 1):
            try:
                merged = self.function(merged, numbers(value))
            except BaseException as error:
                failure = describe(error, 'function', self.source, self.name)
                failure.place = {**failure.place, 'merged': index}
                raise failure from None
            if merged is None:
                raise Failure('output', 'returned nothing; it has to return what comes of its two results', place={**self.place, 'merged': index})
        return json.dumps(to_json(merged), separators=(',', ':')), []
