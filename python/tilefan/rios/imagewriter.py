"""Defaults of writing, as scripts import them. The writing itself is tilefan's."""
from .const import DEFAULTCREATIONOPTIONS, DEFAULTDRIVERNAME, dfltDriverOptions  # noqa: F401
