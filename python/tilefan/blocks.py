"""The objects that a function gets: arrays by name, and arguments by name."""
import difflib


def no_such(what, name, there, known):
    """
    What is to be raised for a name that isn't there, with those that are; of names that Python itself asks for, as Python has it.
    @param what for example `input`
    """
    if name.startswith('__'):
        return AttributeError(name)
    near = difflib.get_close_matches(name, known, 1)
    hint = ' did you mean %s?' % near[0] if near else ''
    return AttributeError('there is no %s %s%s %s' % (what, name, ';' + hint if hint else ':', there % ', '.join(known) if known else 'there are none'))


class BlockAssociations:
    """
    Arrays of one tile by name: an attribute is an array (bands, rows, columns), or a list of such arrays.

    Indexing with `(name, number)` gives an array of a list, with `(name, None)` or `name` the attribute itself.
    """

    def __init__(self, names=None):
        """`names`: an object whose attributes are file names or lists of them; the new object has None in their places."""
        for name, value in vars(names).items() if names is not None else ():
            setattr(self, name, [None] * len(value) if isinstance(value, list) else None)

    def _split(self, key):
        name, number = key if isinstance(key, tuple) else (key, None)
        if not isinstance(name, str):
            raise KeyError(key)
        return name, number

    def __getitem__(self, key):
        name, number = self._split(key)
        if name not in self.__dict__:
            raise KeyError(key)
        value = self.__dict__[name]
        if not isinstance(value, list):
            return value
        if number is None or not 0 <= number < len(value):
            raise KeyError(key)
        return value[number]

    def __setitem__(self, key, array):
        name, number = self._split(key)
        value = self.__dict__.get(name)
        if isinstance(value, list):
            if number is None or not 0 <= number < len(value):
                raise KeyError(key)
            value[number] = array
        elif number is not None and name not in self.__dict__:
            raise KeyError(key)
        else:
            self.__dict__[name] = array

    def __len__(self):
        return sum(len(value) if isinstance(value, list) else 1 for value in self.__dict__.values())


class Inputs(BlockAssociations):
    """The inputs of a tile of a job, which say what there is when something else is asked for."""

    _there = "the job's inputs are %s"

    def __getattr__(self, name):
        """Only called for what isn't there."""
        raise no_such('input', name, self._there, list(vars(self)))


class ScriptInputs(Inputs):
    """The same of a script, which has no job."""

    _there = 'infiles has %s'


class OtherInputs:
    """Whatever else a function needs, or leaves: attributes of any names."""

    def __getattr__(self, name):
        """Only called for what isn't there."""
        raise no_such('field', name, 'otherargs has %s', list(vars(self)))
