"""Progress of a run: a bar on a terminal, or the caller's own function."""
import sys
import time

WIDTH = 30


class Bar:
    """Draws over one line of standard error."""

    def __init__(self, stream=None):
        self.stream = stream or sys.stderr
        self.began = time.monotonic()
        self.drawn = False

    def __call__(self, done, total, failed, state):
        share = done / total if total else 0
        filled = round(share * WIDTH)
        text = '%-14s [%s%s] %d/%s%s, %.1f s' % (state, '#' * filled, '.' * (WIDTH - filled), done, total or '?', ', %d failed' % failed if failed else '', time.monotonic() - self.began)
        self.stream.write('\r\x1b[K' + text)
        self.stream.flush()
        self.drawn = True

    def end(self):
        if self.drawn:
            self.stream.write('\n')
        self.drawn = False


class Told:
    """Calls a function of the caller's with (done, total)."""

    def __init__(self, function):
        self.function = function

    def __call__(self, done, total, failed, state):
        self.function(done, total)

    def end(self):
        pass


def shown(progress):
    """@param progress None: a bar where somebody looks at it; True, False; or a function (done, total)"""
    if callable(progress):
        return Told(progress)
    if progress is None:
        progress = sys.stderr.isatty() if hasattr(sys.stderr, 'isatty') else False
    return Bar() if progress else None
