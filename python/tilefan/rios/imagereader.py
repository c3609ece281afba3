"""Defaults of reading, as scripts import them. The reading itself is tilefan's."""
import sys

from .const import DEFAULTFOOTPRINT, DEFAULTOVERLAP, DEFAULTWINDOWXSIZE, DEFAULTWINDOWYSIZE  # noqa: F401

DEFAULTLOGGINGSTREAM = sys.stdout
