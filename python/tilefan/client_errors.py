"""What calls of the client raise."""
import builtins


class TilefanError(Exception):
    """Base of all of them. `code` is for programs."""

    def __init__(self, message, code=None):
        super().__init__(message)
        self.code = code


class RunError(TilefanError):
    """A run that could not be started, or failed as a whole."""

    def __init__(self, message, code=None, run=None, exit_code=None):
        super().__init__(message, code)
        self.run = run
        self.exit_code = exit_code


class RunCancelled(RunError):
    """A run that was cancelled. What is finished is kept; the same run id goes on with it."""


class ItemError(TilefanError):
    """
    An item that failed. It is also an exception of the class that the function raised, if that is a built-in one: `except ValueError` finds it.

    item: what was given to `map`; index: its place; type: the name of the class that was raised; traceback: the traceback of the function, as text; stdout, stderr: the end of what it
    printed.
    """

    def __init__(self, message):
        super().__init__(message)
        self.item = self.index = self.type = self.traceback = self.stdout = self.stderr = self.where = None


def item_error(outcome, item):
    """@param outcome a line of `tilefan results`; @param item as the caller gave it"""
    error = outcome['error']
    where = error.get('where') or {}
    traceback = where.get('traceback')
    text = 'item %d, %s: %s' % (outcome['index'], shown(item), error['message'])
    if traceback and '\n' in traceback.strip():
        text += '\n\n' + traceback.rstrip()
    failure = class_for(where.get('type'))(text)
    failure.code = error['code']
    failure.item, failure.index, failure.where = item, outcome['index'], where
    failure.type, failure.traceback = where.get('type'), traceback
    failure.stdout, failure.stderr = where.get('stdout'), where.get('stderr')
    return failure


def class_for(name):
    """A class that is also the built-in one of this name, where there is one that only takes a message."""
    own = getattr(builtins, str(name), None)
    if not isinstance(own, type) or not issubclass(own, Exception):
        return ItemError
    try:
        both = type('ItemError', (ItemError, own), {'__module__': ItemError.__module__, '__doc__': ItemError.__doc__, '__str__': Exception.__str__})
        both('')
        return both
    except TypeError:
        return ItemError


def shown(item):
    text = repr(item)
    return text if len(text) <= 200 else text[:200] + '…'
