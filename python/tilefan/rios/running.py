"""tilefan's command line, started for a job: its progress, its record, and what it says when it fails."""
import builtins
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections import deque
from urllib.parse import unquote

from . import s3
from .rioserrors import (ArrayShapeError, FileOpenError, ProcessCancelledError, RunError, TimeoutError, UnavailableError,
                         WorkerExceptionError)

# Lines of what the command prints that a message has at most.
KEPT_LINES = 40


def command():
    """How tilefan is called: TILEFAN_COMMAND, or tilefan on the PATH, or the repository that this package lies in."""
    named = os.environ.get('TILEFAN_COMMAND')
    if named:
        return shlex.split(named)
    found = shutil.which('tilefan')
    if found:
        return [found]
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    program = os.path.join(root, 'cli', 'tilefan.mjs')
    if os.path.exists(program):
        node = os.path.join(root, 'node_modules', '.bin', 'node')
        return [node if os.path.exists(node) else 'node', program]
    raise UnavailableError('tilefan\'s command line is not on this machine: wanted tilefan on the PATH, or how it is called in TILEFAN_COMMAND (for example "node /opt/tilefan/cli/tilefan.mjs")')


class Run:
    """One run, from its job to its record."""

    def __init__(self, folder, controls):
        self.folder = folder
        self.controls = controls
        self.progress = controls.progress
        self.said = deque(maxlen=KEPT_LINES)
        self.shown = None

    def go(self, job_file):
        """@returns the run record; @raises errors of rioserrors"""
        arguments = [*command(), *self._arguments(job_file)]
        try:
            child = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self._environment())
        except OSError as error:
            raise UnavailableError('%s can\'t be started: %s' % (arguments[0], error)) from None
        outcome = []
        reader = threading.Thread(target=lambda: outcome.append(child.stdout.read()), daemon=True)
        reader.start()
        try:
            self._show(0)
            for line in child.stderr:
                self._take(line.decode('utf-8', 'replace').rstrip('\n'), child)
            child.wait()
        except BaseException:
            # Control-C, or a progress object that fails: the run must not go on without its script.
            child.terminate()
            child.wait()
            raise
        reader.join()
        return self._end(child.returncode, b''.join(outcome).decode('utf-8', 'replace'))

    def _arguments(self, job_file):
        concurrency = self.controls.concurrency
        if self.controls.runOn == 'aws':
            return ['submit', job_file, '--wait', '--json']
        arguments = ['run', job_file, '--json', '--work', os.path.join(self.folder, 'work')]
        if concurrency._parallel and concurrency.numComputeWorkers > 0:
            arguments += ['--workers', '1', '--threads', str(concurrency.numComputeWorkers)]
        return arguments

    @staticmethod
    def _environment():
        environment = dict(os.environ)
        if not environment.get('TILEFAN_PYTHON'):
            # The function is bytecode of this very Python, and needs its packages.
            environment['TILEFAN_PYTHON'] = sys.executable
        return environment

    # Progress.

    def _take(self, line, child):
        event = parse(line)
        if isinstance(event, dict) and 'event' in event:
            done, total = counts(event)
            if total:
                self._show(100.0 * done / total)
        elif line.strip():
            self.said.append(line)
        if self.progress is not None and self.progress.wasCancelled():
            child.terminate()

    def _show(self, percent):
        """Calls the progress object when the percentage is another one."""
        if self.progress is None:
            return
        percent = int(percent)
        if self.shown is None:
            self.progress.setTotalSteps(100)
        if percent != self.shown:
            self.progress.setProgress(percent)
            self.shown = percent

    # The end.

    def _end(self, exit_code, output):
        record = parse(output) if output.strip() else None
        if exit_code == 0 and isinstance(record, dict):
            self._show(100)
            # On AWS the run's record is a part of the report.
            return record.get('record') or record
        if self.progress is not None and self.progress.wasCancelled():
            raise ProcessCancelledError('the run was cancelled')
        raise self._failure(record if isinstance(record, dict) else {}, exit_code)

    def _failure(self, record, exit_code):
        detail = self._detail(record)
        causes = [batch.get('cause') for batch in record.get('failedBatches') or [] if batch.get('cause')] or [record.get('cause')]
        text = '\n'.join(dict.fromkeys(cause for cause in causes if cause)) or '\n'.join(self.said) or 'tilefan ended with exit code %s' % exit_code
        where = detail.get('where') or {}
        if detail.get('message'):
            text = detail['message']
        traceback_text = where.get('traceback')
        if traceback_text and traceback_text.strip() not in text:
            text += '\n\n' + traceback_text.rstrip()
        for name in ('stdout', 'stderr'):
            if where.get(name):
                text += '\n\nprinted to %s:\n%s' % (name, where[name].rstrip())
        error = also_of(exception_class(detail.get('code'), record.get('error'), exit_code), where.get('type'))(text)
        if isinstance(error, WorkerExceptionError):
            tile = where.get('tile')
            error.tile = tuple(tile) if isinstance(tile, (list, tuple)) else tile
            error.record = detail
        return error

    def _detail(self, record):
        """The error as the run has written it down, with code and traceback; empty where that can't be read from here."""
        if isinstance(record.get('detail'), dict):
            return record['detail']
        prefix = record.get('prefix') or ''
        if not prefix.startswith(('file://', 's3://')):
            return {}
        for batch in record.get('failedBatches') or []:
            found = (read_json('%sresults/%s.json' % (prefix, batch.get('batch'))) or {}).get('error')
            if found:
                return found
        # The function has failed on the tile that it was tried on.
        return (read_json(prefix + 'results/999990.json') or {}).get('error') or {}


def also_of(error_class, name):
    """
    A class that is also the built-in one of what the function has raised: RIOS lets a function's own exception through, and scripts catch it as
    such.
    """
    own = getattr(builtins, str(name), None)
    if error_class is not WorkerExceptionError or not isinstance(own, type) or not issubclass(own, Exception):
        return error_class
    try:
        both = type('WorkerExceptionError', (WorkerExceptionError, own), {'__module__': WorkerExceptionError.__module__})
        both('')
        return both
    except TypeError:
        # Some want more than a message.
        return error_class


def parse(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def read_json(place):
    """A document of a run; None where it isn't, or can't be read from here."""
    try:
        if place.startswith('s3://'):
            return json.loads(s3.get(place))
        with open(unquote(place[len('file://'):]), encoding='utf-8') as file:
            return json.load(file)
    except Exception:
        # It only makes a message longer: whatever keeps it away, the failure itself is to be told.
        return None


def counts(event):
    """(done, total) of an event that has them: tiles on this machine, batches on AWS."""
    for done, total in (('tilesDone', 'tiles'), ('batchesDone', 'batches'), ('done', 'total')):
        if isinstance(event.get(done), (int, float)) and isinstance(event.get(total), (int, float)):
            return event[done], event[total]
    return 0, 0


def exception_class(code, name, exit_code):
    """The class of rioserrors for an error of tilefan's, by its code where there is one."""
    by_code = {'FUNCTION_SHAPE': ArrayShapeError, 'FUNCTION_TIMEOUT': TimeoutError, 'PYTHON_MISSING': UnavailableError,
               'NUMPY_MISSING': UnavailableError, 'REQUIREMENT_MISSING': UnavailableError, 'GDAL_MISSING': UnavailableError}
    if code in by_code:
        return by_code[code]
    if code is not None and code.startswith('FUNCTION_'):
        return WorkerExceptionError
    if name == 'InputUnavailableError' or exit_code == 69:
        return FileOpenError
    return WorkerExceptionError if exit_code == 70 else RunError
