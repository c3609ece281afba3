"""What the host process asks of the system: channels that prints can't reach, an end together with its parent, and a limit to its memory."""
import ctypes
import fcntl
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

# Channels move up here, away from the numbers that programs take for granted.
FIRST_CHANNEL = 64


def move_channel(fd):
    """The same open file under another number, which programs that the user's code starts don't inherit."""
    try:
        moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_CHANNEL)
    except OSError:
        # A limit of 64 open files and fewer.
        moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 6)
    os.close(fd)
    return moved


def end_with_parent():
    """Linux kills this process when the one that has started it is gone, also while the user's code hangs."""
    if sys.platform == 'linux':
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def limit_memory(limit_bytes):
    """From here on an allocation beyond the limit is a MemoryError; pages of the shared file don't count. prlimit(2), RLIMIT_DATA."""
    import resource
    if sys.platform == 'linux':
        resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))


def prepare_prints():
    """What is printed goes out line by line, so that it is there when the process dies, and never fails for a character."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.reconfigure(encoding='utf-8', errors='backslashreplace', line_buffering=True, write_through=False)
        except (AttributeError, ValueError):
            pass


def file_of(fd):
    """Which file is open under a number; None if there is none."""
    try:
        facts = os.fstat(fd)
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


class Prints:
    """The streams of this process, so that what a tile prints is out before its reply, whatever the user's code does to sys.stdout."""

    def __init__(self):
        prepare_prints()
        self.streams = (sys.stdout, sys.stderr)
        self.flush_c = ctypes.CDLL(None).fflush
        self.remember()

    def state(self):
        return [file_of(1), file_of(2)] + [getattr(stream, 'closed', None) for stream in self.streams]

    def remember(self):
        """From here on, where prints go is what it should be."""
        self.remembered = self.state()

    def intact(self):
        """Whether prints still go there: a function may have closed them, or put other files in their places, and left it so."""
        return self.state() == self.remembered

    def flush(self):
        for stream in {*self.streams, sys.stdout, sys.stderr}:
            try:
                stream.flush()
            except (AttributeError, OSError, ValueError):
                # Closed, or not a file at all.
                pass
        # What libraries written in C have printed.
        self.flush_c(None)
