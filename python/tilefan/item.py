"""What a function over items gets: an object, or a set of parameters."""
import difflib


class Parameters(dict):
    """Named values, as `parameters.width` or `parameters['width']`. Those with the name of one of dict's methods are found by the latter only."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            pass
        near = difflib.get_close_matches(name, self, 1)
        raise AttributeError('there is no parameter %s%s' % (name, '; did you mean %s?' % near[0] if near else ': ' + (', '.join(self) or 'the item has none')))


class Item:
    """One of the items of a job."""

    def __init__(self, call):
        about = call['item']
        # Place among all items of the run, from 0.
        self.index = call['index']
        # The object; None for a set of parameters.
        self.href = about['href']
        # Below the prefix of the job; of a set of parameters its index in 8 digits.
        self.path = about['path']
        # The last part of the path.
        self.name = about['name']
        # Bytes of the object.
        self.size = about['size']
        # The object as a local file, to be read only.
        self.file = about['file']
        # An empty folder: what is in it when the function returns becomes outputs of the item.
        self.folder = call['folder']
        # The job's, and in front of them the item's own.
        self.parameters = Parameters(call['parameters'])

    def __repr__(self):
        return '<item %d: %s>' % (self.index, self.href or dict(self.parameters))
