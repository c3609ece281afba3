"""What went wrong, for a reply: a kind, one sentence, and the place in the user's own source."""
import os
import site
import sys
import sysconfig
import traceback

PACKAGE = os.path.dirname(os.path.abspath(__file__))

# A message or a traceback of any length is possible; this much of it is kept.
MESSAGE_CHARACTERS = 2000
TRACEBACK_CHARACTERS = 16384


class Failure(Exception):
    """A failure with its kind, as lib/code/code-setup.ts lists them."""

    def __init__(self, kind, message, type_name=None, place=None, traceback_text=None):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.type_name = type_name or {'shape': 'ShapeError', 'output': 'OutputError', 'signature': 'SignatureError'}.get(kind, 'Error')
        self.place = place or {}
        self.traceback_text = traceback_text

    def record(self):
        record = {'kind': self.kind, 'type': self.type_name, 'message': shorten(self.message, MESSAGE_CHARACTERS), **self.place}
        if self.traceback_text:
            record['traceback'] = shorten(self.traceback_text, TRACEBACK_CHARACTERS)
        return record


def shorten(text, characters):
    """The beginning and the end of a text that is longer."""
    if len(text) <= characters:
        return text
    half = characters // 2
    return '%s … %s' % (text[:half], text[-half:])


def library_folders():
    paths = sysconfig.get_paths()
    folders = {paths[key] for key in ('stdlib', 'platstdlib', 'purelib', 'platlib') if key in paths}
    folders.update(site.getsitepackages() if hasattr(site, 'getsitepackages') else [])
    folders.add('/usr/lib/python3/dist-packages')
    return tuple(os.path.join(folder, '') for folder in folders)


class Source:
    """The user's source: which frames of a traceback are theirs, and what a file of it is called."""

    def __init__(self, code_file):
        self.folder = os.path.join(os.path.dirname(os.path.abspath(code_file)), '')
        self.libraries = library_folders()

    def owns(self, filename):
        if filename.startswith(os.path.join(PACKAGE, '')) or filename.startswith(('<frozen', '<__')):
            return False
        path = os.path.abspath(filename)
        return path.startswith(self.folder) or not path.startswith(self.libraries)

    def name(self, filename):
        """A file beside the module by its name, another by its whole path."""
        return filename[len(self.folder):] if filename.startswith(self.folder) else filename

    def place(self, frames):
        """File, line and function of the innermost frame of the user's."""
        if not frames:
            return {}
        last = frames[-1]
        return {'file': self.name(last.filename), 'line': last.lineno, 'function': last.name}

    def place_of(self, function):
        """Where a function begins."""
        code = getattr(function, '__code__', None)
        if code is None:
            return {'function': getattr(function, '__name__', str(function))}
        return {'file': self.name(code.co_filename), 'line': code.co_firstlineno, 'function': function.__name__}

    def trim(self, described):
        """Takes the frames out that aren't the user's, also of causes; what has none of them keeps those outside of this package."""
        mine = [frame for frame in described.stack if self.owns(frame.filename)]
        if not mine:
            mine = [frame for frame in described.stack if not frame.filename.startswith(PACKAGE)]
        described.stack = traceback.StackSummary.from_list(mine)
        for other in (described.__cause__, described.__context__, *(getattr(described, 'exceptions', None) or ())):
            if other is not None:
                self.trim(other)
        return mine


def text_of(error):
    """What an exception says; one whose __str__ fails is known by its class alone."""
    try:
        return str(error)
    except Exception:
        return ''


def describe(error, kind, source, function_name=None):
    """An exception that came out of the user's code."""
    if isinstance(error, Failure):
        return error
    kind = 'memory' if isinstance(error, MemoryError) else kind
    name = type(error).__name__
    place, text = {}, ''
    try:
        described = traceback.TracebackException(type(error), error, error.__traceback__)
        place = source.place(source.trim(described))
        text = ''.join(described.format())
    except Exception:
        # Even its traceback can't be told: an exception of the user's own making may refuse everything.
        pass
    said = text_of(error)
    if isinstance(error, SystemExit):
        said = 'called sys.exit(%s); a function ends with return, or raises an exception' % ('' if error.code is None else repr(error.code))
    elif isinstance(error, MemoryError):
        said = 'ran out of memory' + (': ' + said if said else '')
    elif not said:
        said = name
    if function_name and 'function' not in place:
        place['function'] = function_name
    return Failure(kind, said, name, place, text)


def python_words():
    return '%s (Python %d.%d.%d)' % ((sys.executable,) + tuple(sys.version_info[:3]))
