"""Objects that show how far a run has come. `apply` calls setTotalSteps, setProgress and reset."""
import sys


class SilentProgress:
    """Shows nothing. The others are made from it."""

    def __init__(self):
        self.totalsteps = 100

    def setTotalSteps(self, steps):
        self.totalsteps = steps

    def setProgress(self, progress):
        pass

    def reset(self):
        pass

    def setLabelText(self, text):
        pass

    def wasCancelled(self):
        return False

    def displayException(self, trace):
        pass

    def displayWarning(self, text):
        pass

    def displayError(self, text):
        pass

    def displayInfo(self, text):
        pass

    def _percent(self, progress):
        return int(100.0 * progress / self.totalsteps)


class _Words(SilentProgress):
    """Says in words what isn't progress."""

    def reset(self):
        sys.stdout.write('\n')

    def setLabelText(self, text):
        sys.stdout.write('\n%s\n' % text)

    def displayException(self, trace):
        sys.stdout.write(trace)

    def displayWarning(self, text):
        sys.stdout.write('Warning: %s\n' % text)

    def displayError(self, text):
        sys.stdout.write('Error: %s\n' % text)

    def displayInfo(self, text):
        sys.stdout.write('Info: %s\n' % text)


def _is_terminal():
    return hasattr(sys.stdout, 'isatty') and sys.stdout.isatty()


class CUIProgressBar(_Words):
    """A percentage on a terminal; nothing in a log."""

    def setProgress(self, progress):
        if _is_terminal():
            sys.stdout.write('%d%%\r' % self._percent(progress))
            sys.stdout.flush()


class GDALProgressBar(_Words):
    """The row of dots that GDAL's programs show, on a terminal; nothing in a log."""

    def __init__(self):
        super().__init__()
        self.shown = -1

    def setProgress(self, progress):
        if not _is_terminal():
            return
        # Forty dots, and a number at each tenth: 0...10...20...
        step = min(40, int(40.0 * progress / self.totalsteps))
        if step < self.shown:
            self.shown = -1
        for each in range(self.shown + 1, step + 1):
            sys.stdout.write('%d' % (each // 4 * 10) if each % 4 == 0 else '.')
        if step == 40 and self.shown < 40:
            sys.stdout.write(' - done.\n')
        self.shown = max(step, self.shown)
        sys.stdout.flush()

    def reset(self):
        self.setProgress(self.totalsteps)
        self.shown = -1
        sys.stdout.write('\n')


class LogProgressBar(_Words):
    """A line for each percentage that is another one, also in a log."""

    def __init__(self):
        super().__init__()
        self.last_percent = -1

    def setTotalSteps(self, steps):
        super().setTotalSteps(steps)
        self.last_percent = -1

    def setProgress(self, progress):
        percent = self._percent(progress)
        if percent != self.last_percent:
            sys.stdout.write('%d%%\n' % percent)
            self.last_percent = percent

    def reset(self):
        super().reset()
        self.last_percent = -1
