"""The objects that a function gets: arrays by name, and arguments by name."""


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


class OtherInputs:
    """Whatever else a function needs, or leaves: attributes of any names."""
