"""The class of `info`, where scripts import it from."""
from ..info import ReaderInfo  # noqa: F401
