"""What is given to `apply`, and what it gives back."""
import contextlib
import threading
import time

import numpy

from ..blocks import BlockAssociations, OtherInputs  # noqa: F401
from .rioserrors import UnsupportedError

CW_NONE = 'CW_NONE'
CW_THREADS = 'CW_THREADS'
CW_ECS = 'CW_ECS'
CW_PBS = 'CW_PBS'
CW_SLURM = 'CW_SLURM'
CW_AWSBATCH = 'CW_AWSBATCH'
CW_SUBPROC = 'CW_SUBPROC'

# Workers of these kinds are processes on this machine here.
ON_THIS_MACHINE = (CW_THREADS, CW_SUBPROC)
ON_AWS = (CW_ECS, CW_AWSBATCH)


class FilenameAssociations:
    """
    Files by name: an attribute is a file name, or a list of them.

    Going through it gives (name, number or None, file name) of each file; an index is `name` or `(name, number)`; its length is the number of files.
    """

    def __getitem__(self, key):
        name, number = key if isinstance(key, tuple) else (key, None)
        if not isinstance(name, str) or name not in self.__dict__:
            raise KeyError(key)
        entry = self.__dict__[name]
        if isinstance(entry, (list, tuple)):
            if number is None:
                return entry
            if not 0 <= number < len(entry):
                raise KeyError(key)
            return entry[number]
        if number is not None:
            raise KeyError(key)
        if not isinstance(entry, str):
            raise ValueError('%s is %r; wanted a file name, or a list of them' % (name, entry))
        return entry

    def __contains__(self, key):
        try:
            self[key]
        except KeyError:
            return False
        return True

    def __iter__(self):
        for name, entry in list(self.__dict__.items()):
            if isinstance(entry, (list, tuple)):
                for number, each in enumerate(entry):
                    yield name, number, each
            else:
                yield name, None, entry

    def __len__(self):
        return sum(1 for _ in self)


class ConcurrencyStyle:
    """
    How a run may be spread. Reading is concurrent in any case; what counts here is whether tiles may be computed at the same time, and by how many.

    Time-outs and buffers are those of RIOS's own exchange between processes: there is none of it here, and they are kept without being used.
    """

    def __init__(self, numReadWorkers=0, numComputeWorkers=0, computeWorkerKind=CW_NONE, computeWorkerExtraParams=None, computeWorkersRead=None,
                 singleBlockComputeWorkers=False, haveSharedTemp=True, readBufferInsertTimeout=10, readBufferPopTimeout=10, computeBufferInsertTimeout=10,
                 computeBufferPopTimeout=20, computeBarrierTimeout=600):
        self.numReadWorkers = numReadWorkers
        self.numComputeWorkers = numComputeWorkers
        self.computeWorkerKind = computeWorkerKind
        self.computeWorkerExtraParams = computeWorkerExtraParams
        self.computeWorkersRead = computeWorkersRead
        self.singleBlockComputeWorkers = singleBlockComputeWorkers
        self.haveSharedTemp = haveSharedTemp
        self.readBufferInsertTimeout = readBufferInsertTimeout
        self.readBufferPopTimeout = readBufferPopTimeout
        self.computeBufferInsertTimeout = computeBufferInsertTimeout
        self.computeBufferPopTimeout = computeBufferPopTimeout
        self.computeBarrierTimeout = computeBarrierTimeout
        self._check()

    def _check(self):
        kind, count = self.computeWorkerKind, self.numComputeWorkers
        if kind in (CW_PBS, CW_SLURM):
            raise UnsupportedError('computeWorkerKind %s: tilefan runs on this machine or on AWS, not in a batch queue; wanted CW_THREADS, or CW_ECS' % kind)
        if kind != CW_NONE and kind not in ON_THIS_MACHINE + ON_AWS:
            raise ValueError('computeWorkerKind is %r; wanted CW_NONE, CW_THREADS, CW_SUBPROC, CW_ECS or CW_AWSBATCH' % (kind,))
        if self.computeWorkerExtraParams:
            raise UnsupportedError('computeWorkerExtraParams (%s) tell RIOS how to start its workers; tilefan\'s stack knows (docs/deploy.md), so leave it out'
                                   % ', '.join(map(str, self.computeWorkerExtraParams)))
        if self.singleBlockComputeWorkers and count > 0:
            raise ValueError('numComputeWorkers is %d; wanted 0 with singleBlockComputeWorkers' % count)
        if count > 0 and kind == CW_NONE:
            raise ValueError('numComputeWorkers is %d; wanted a computeWorkerKind too' % count)
        if count == 0 and kind != CW_NONE and not self.singleBlockComputeWorkers:
            raise ValueError('computeWorkerKind is %s; wanted numComputeWorkers of 1 at least too' % kind)

    @property
    def _parallel(self):
        """Whether tiles may be computed at the same time, by workers of their own."""
        return self.computeWorkerKind != CW_NONE

    def __repr__(self):
        return 'ConcurrencyStyle(%s)' % ', '.join('%s=%r' % pair for pair in vars(self).items())


class Timers:
    """Intervals of time by name; threads may share one."""

    def __init__(self):
        self.pairs = {}
        self.lock = threading.Lock()

    @contextlib.contextmanager
    def interval(self, intervalName):
        """Notes how long the body of a `with` takes."""
        start = time.time()
        yield
        self._add(intervalName, start, time.time())

    def _add(self, name, start, end):
        with self.lock:
            self.pairs.setdefault(name, []).append((start, end))

    def getDurationsForName(self, intervalName):
        """Seconds of each interval of this name; None where there is none."""
        pairs = self.pairs.get(intervalName)
        return None if pairs is None else [end - start for start, end in pairs]

    def merge(self, other):
        """Takes over the intervals of another."""
        for name, pairs in other.pairs.items():
            for start, end in pairs:
                self._add(name, start, end)

    def makeSummaryDict(self):
        """For each name: tot, min, lower, median, upper and max in seconds, and N."""
        answer = {}
        for name in self.pairs:
            seconds = numpy.array(self.getDurationsForName(name))
            lower, median, upper = numpy.percentile(seconds, [25, 50, 75])
            answer[name] = {'tot': seconds.sum(), 'min': seconds.min(), 'max': seconds.max(), 'lower': lower, 'median': median, 'upper': upper, 'N': len(seconds)}
        return answer

    def formatReport(self, level=0):
        """A table of the above as text; with `level` 1 the spread of each as well."""
        summary = self.makeSummaryDict()
        lines = ['Wall clock elapsed time: %.1f seconds' % summary['walltime']['tot'], ''] if 'walltime' in summary else []
        lines += ['%-20s %12s' % ('Timer', 'Total (sec)'), '-' * 33]
        lines += ['%-20s %12.1f' % (name, each['tot']) for name, each in summary.items() if name != 'walltime']
        if level > 0:
            lines += ['', '%-20s %s' % ('Timer', 'N, min, lower, median, upper, max'), '-' * 54]
            lines += ['%-20s %d, %.4f, %.4f, %.4f, %.4f, %.4f' % (name, each['N'], each['min'], each['lower'], each['median'], each['upper'], each['max'])
                      for name, each in summary.items() if name != 'walltime']
        return '\n'.join(lines)

    def __getstate__(self):
        return {'pairs': self.pairs}

    def __setstate__(self, state):
        self.pairs = state['pairs']
        self.lock = threading.Lock()


class ApplierReturn:
    """
    What `apply` gives back.

    timings: Timers. otherArgsList: the object that was given, when tiles were computed one after another; else one object for each tile, in the order of
    the tiles row by row. workinggrid: PixelGridDefn of the outputs, None where it can't be known here. singlePassMgr: always None.
    record: tilefan's run record, a dict.
    """

    def __init__(self):
        self.timings = None
        self.otherArgsList = None
        self.workinggrid = None
        self.singlePassMgr = None
        self.record = None
