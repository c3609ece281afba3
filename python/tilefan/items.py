"""One item: what the user's function makes of it."""
import json

from .failures import Failure, describe
from .item import Item
from .item_function import load_item_function
from .results import LONGEST_BYTES, to_json


class Items:
    """Calls the function with one item after another."""

    def __init__(self, setup, source):
        self.source = source
        self.user = load_item_function(setup['code'], setup.get('function'), source)
        self.name = self.user.name

    def run(self, call):
        """@returns the JSON of what the function returned, or None, and no arrays; @raises Failure"""
        item = Item(call)
        listed, named = self.user.arguments(item)
        try:
            returned = self.user.function(*listed, **named)
        except BaseException as error:
            raise describe(error, 'function', self.source, self.name) from None
        if returned is None:
            return None, []
        try:
            text = json.dumps(to_json(returned, 'what %s returned' % self.name), separators=(',', ':'))
        except Failure as failure:
            failure.place = self.user.place
            raise
        if len(text) > LONGEST_BYTES:
            raise Failure('output', 'returned %.0f MiB of JSON; wanted %d MiB at most: what is larger belongs into a file in item.folder'
                          % (len(text) / 1048576, LONGEST_BYTES // 1048576), 'ResultError', self.user.place)
        return text, []
