"""
`map` and `submit`: a function over many items, on this machine or on AWS by one setting. `run` and `start`: any job.

They have tilefan's command line do the work; docs/clients.md says what can be set, and where defaults come from.
"""
import atexit
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
import weakref
from collections import deque

from .calls import decoded
from .client_errors import ItemError, RunCancelled, RunError, TilefanError, item_error, shown as shown_item
from .client_functions import kept
from .client_job import JOB_OPTIONS, COMPUTE, map_job, pickled, with_compute
from .client_progress import shown

# Options of the command line; what isn't given comes from the environment, tilefan.config.json, or a default.
WORK = {'work': '--work'}
LOCAL = {**WORK, 'workers': '--workers', 'threads': '--threads'}
ACCOUNT = {'region': '--region', 'profile': '--profile'}
REMOTE = {**ACCOUNT, 'stage': '--stage', 'state_machine': '--state-machine'}
RUN_OPTIONS = ('where', 'run', 'folder', 'progress', *LOCAL, *REMOTE)

KEPT_LINES = 40
INTERRUPTED = 130
# From SIGTERM to SIGKILL; the command ends its workers within two seconds.
STOP_SECONDS = 10

_running = weakref.WeakSet()


def map(function, items, return_exceptions=False, **options):
    """
    Calls the function for each item, in processes here or on AWS, and returns the results in the order of the items. Each item is done once.

    items: dicts, `function(**item)`; paths (pathlib) and hrefs (s3://…), `function(item)` with item.file, item.folder and so on (docs/items.md); anything else, `function(item)`. Or what another
    run has come to: a Run, whose end is waited for, or 'run:ID'.
    Raises ItemError for the first item that failed, after all others are done; with return_exceptions the list has the errors in the places of the results. Control-C cancels.

    where='aws' runs it on AWS. Other options: docs/clients.md.
    """
    return submit(function, items, **options).results(return_exceptions)


def submit(function, items, **options):
    """As `map`, but returns a Run at once."""
    check(options, (*RUN_OPTIONS, *JOB_OPTIONS))
    if isinstance(items, Run):
        items.wait()
        if items.status != 'SUCCEEDED':
            # The first item that failed says more than the run does.
            items.results()
            raise items.failure()
        items = 'run:' + items.run
    elif not isinstance(items, str):
        items = list(items)
    job, call = map_job(function, items, options)
    job['operation']['module'] = kept(pickled(call))
    return Run(json.dumps(with_compute(job, options), allow_nan=False), job['name'], options, None if isinstance(items, str) else items)


def run(job, **options):
    """Runs a job, a dict or the name of a job file, to its end, and returns its run record. @raises RunError"""
    started = start(job, **options)
    started.wait()
    if started.status != 'SUCCEEDED':
        raise started.failure()
    return started.record


def start(job, **options):
    """As `run`, but returns a Run at once. Relative hrefs count from the job's file; of a dict, from the working folder."""
    check(options, (*RUN_OPTIONS, *COMPUTE))
    document = job
    if not isinstance(job, dict):
        with open(job, encoding='utf-8') as file:
            document = json.load(file)
    name = str(document.get('name', 'job'))
    changed = with_compute(document, options)
    if not isinstance(job, dict) and changed is document:
        return Run(os.fspath(job), name, options, None, is_file=True)
    return Run(json.dumps(changed, allow_nan=False), name, options, None, cwd=None if isinstance(job, dict) else os.path.dirname(os.path.abspath(job)))


def check(options, known):
    for option in options:
        if option not in known:
            raise TypeError('there is no option %s; known are %s' % (option, ', '.join(sorted(known))))


class Run:
    """
    A run that has been started.

    run: its id; status: RUNNING, SUCCEEDED, FAILED or ABORTED; done, total, failed: how it goes on (on AWS batches are counted); record: its run record when it has ended.
    """

    def __init__(self, job, name, options, items, is_file=False, cwd=None):
        self.where = options.get('where') or default_place()
        if self.where not in ('local', 'aws'):
            raise TilefanError('where is %r; wanted \'local\' or \'aws\'' % (self.where,), 'WHERE')
        self.run = options.get('run') or '%s-%s-%04x' % (name, time.strftime('%Y%m%d-%H%M%S', time.gmtime()), random.SystemRandom().randrange(1 << 16))
        self.done = self.total = self.failed = 0
        self.record = None
        self._options = options
        self._items = items
        self._shown = shown(options.get('progress'))
        self._said = deque(maxlen=KEPT_LINES)
        self._report = {}
        self._cwd = cwd
        self._outcomes = None
        self._cancelled = False
        # Whether its items are listed. Before that, what lies under its prefix may be an earlier run's.
        self._planned = False
        self._ended = threading.Event()
        self._command = command()
        local = self.where == 'local'
        arguments = ['run', job if is_file else '-', '--json'] if local else ['submit', job if is_file else '-', '--wait', '--json']
        arguments += ['--run', self.run, *flags(options, LOCAL if local else REMOTE)]
        self._child = self._start(arguments, cwd)
        _running.add(self)
        threading.Thread(target=self._feed, args=(None if is_file else job,), daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()

    def _start(self, arguments, cwd=None):
        environment = dict(os.environ)
        # The function is bytecode of this very Python, and needs its packages.
        environment.setdefault('TILEFAN_PYTHON', sys.executable)
        if self._options.get('folder'):
            environment['TILEFAN_FOLDER'] = self._options['folder']
        # Of npm, which says where it was called: it is not npm that calls.
        environment.pop('npm_lifecycle_event', None)
        for option, variable in (('region', 'AWS_REGION'), ('profile', 'AWS_PROFILE')):
            if self._options.get(option):
                environment[variable] = self._options[option]
        try:
            return subprocess.Popen([*self._command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=cwd)
        except OSError as error:
            raise TilefanError('%s can\'t be started: %s' % (self._command[0], error), 'COMMAND_MISSING') from None

    # The child, read by threads of its own.

    def _feed(self, job):
        try:
            if job is not None:
                self._child.stdin.write(job.encode('utf-8'))
            self._child.stdin.close()
        except OSError:
            # It has ended before it read all of it, and says why.
            pass

    def _watch(self):
        output = []
        reader = threading.Thread(target=lambda: output.append(self._child.stdout.read()), daemon=True)
        reader.start()
        for line in self._child.stderr:
            self._take(line.decode('utf-8', 'replace').rstrip('\n'))
        self._child.wait()
        reader.join()
        text = b''.join(output).decode('utf-8', 'replace')
        self._report = parse(text.strip().split('\n')[-1]) or {}
        # Of a run that succeeded here it is the record itself; everywhere else the record is a part of it.
        self.record = self._report.get('record') if 'record' in self._report else self._report if self._child.returncode == 0 else None
        self._tell(self.status_of_end())
        if self._shown is not None:
            self._shown.end()
        self._ended.set()
        _running.discard(self)

    def _take(self, line):
        event = parse(line)
        if not isinstance(event, dict) or 'event' not in event:
            if line.strip():
                self._said.append(line)
            return
        if event['event'] != 'Run:Progress':
            return
        for done, total in (('itemsDone', 'items'), ('tilesDone', 'tiles'), ('batchesDone', 'batches')):
            if isinstance(event.get(done), int) and isinstance(event.get(total), int):
                self.done, self.total = event[done], event[total]
        self.failed = event.get('batchesFailed') or event.get('itemsFailed') or 0
        self._planned = self._planned or event.get('state') in ('ProcessBatches', 'Reduce')
        self._tell(event.get('state', ''))

    def _tell(self, state):
        if self._shown is None:
            return
        try:
            self._shown(self.done, self.total, self.failed, state)
        except Exception as error:
            # The caller's own function fails: the run goes on without it.
            self._shown = None
            self._said.append('progress: %s: %s' % (type(error).__name__, error))

    # What callers ask.

    @property
    def status(self):
        return self.status_of_end() if self._ended.is_set() else 'RUNNING'

    def status_of_end(self):
        code = self._child.returncode
        if self._cancelled or code == INTERRUPTED:
            return 'SUCCEEDED' if code == 0 else 'ABORTED'
        return 'SUCCEEDED' if code == 0 else 'FAILED'

    def wait(self, timeout=None):
        """
        Waits for the end, and returns this. Control-C cancels the run.
        @raises TimeoutError when it has not ended after so many seconds; the run goes on
        """
        until = None if timeout is None else time.monotonic() + timeout
        try:
            # In pieces, since a wait without an end can't be interrupted on all systems.
            while not self._ended.wait(1.0 if until is None else max(0.0, min(1.0, until - time.monotonic()))):
                if until is not None and time.monotonic() >= until:
                    raise TimeoutError('run %s has not ended after %s s' % (self.run, timeout))
        except KeyboardInterrupt:
            self.cancel()
            raise
        return self

    def cancel(self):
        """Ends the run, its workers included, and waits until it has ended. What is finished stays: the same run id goes on with it."""
        if self._ended.is_set():
            return
        self._cancelled = True
        if self.where == 'aws':
            told = subprocess.run([*self._command, 'cancel', self.run, *flags(self._options, REMOTE)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if told.returncode != 0:
                self._cancelled = False
                raise RunError(said(told.stderr) or 'run %s could not be cancelled' % self.run, run=self.run, exit_code=told.returncode)
            self._ended.wait()
            return
        self._child.terminate()
        if not self._ended.wait(STOP_SECONDS):
            self._child.kill()
            self._ended.wait()

    def results(self, return_exceptions=False):
        """
        Waits, and returns what the function returned for each item, in order.
        With exceptions those that failed have an ItemError in the place of their result, and those that a cancelled run has not come to a RunCancelled.
        @raises ItemError of the first item that failed, and RunCancelled, unless exceptions are to be returned; RunError for a run that failed as a whole
        """
        cancelled = self.wait().status == 'ABORTED'
        outcomes = [] if cancelled and not return_exceptions else self.outcomes()
        if cancelled and not outcomes:
            if not return_exceptions or self._items is None:
                raise self.failure()
            return [self.not_done(index, item) for index, item in enumerate(self._items)]
        values, first = [], None
        for outcome in outcomes:
            if outcome['ok']:
                values.append(decoded(outcome['value']))
                continue
            index = outcome['index']
            item = self._items[index] if self._items is not None else outcome['parameters'] if outcome['item'] is None else outcome['item']
            error = self.not_done(index, item) if cancelled and outcome['error']['code'] == 'ITEM_MISSING' else item_error(outcome, item)
            if first is None:
                first = error
            values.append(error)
        if first is not None and not return_exceptions:
            raise first
        # A batch that gave up when all of its items were done.
        if first is None and self.status != 'SUCCEEDED':
            raise self.failure()
        return values

    def outcomes(self):
        """
        Waits, and returns what is on record of each item, as dicts: `tilefan results`. Items that a cancelled run has not come to are not ok, with the code ITEM_MISSING; one that was cancelled
        before its items were listed has none.
        @raises RunError for a run that has none, and one that failed otherwise than by its items
        """
        self.wait()
        if self._outcomes is None:
            # The command has no time to say anything where its workers don't end at once.
            place = (self.record or {}).get('prefix') or self._report.get('prefix') or (self.run if self.where == 'local' and self.status == 'ABORTED' else None)
            if not place or not self._has_items():
                if self.status == 'ABORTED':
                    return []
                raise self.failure()
            child = self._start(['results', place, *flags(self._options, WORK if place == self.run else ACCOUNT)], self._cwd)
            output, errors = child.communicate()
            if child.returncode != 0:
                raise self.failure() if self.status == 'FAILED' else RunError(said(errors), run=self.run, exit_code=child.returncode)
            self._outcomes = [json.loads(line) for line in output.decode('utf-8').splitlines()]
        return self._outcomes

    def _has_items(self):
        """Whether what lies under the prefix is of this very run. One that was refused (RUN_EXISTS, …) may lie beside the plan and the outcomes of an earlier one with its id."""
        if self.status == 'SUCCEEDED' or self._report.get('failedBatches'):
            return True
        if self.status == 'ABORTED':
            # On AWS the prefix is what Split has handed on.
            return self._planned or self.where == 'aws'
        # The state machine passes on the class of an error, and its message: that of ITEMS_FAILED.
        error, cause = self._report.get('error'), self._report.get('cause') or ''
        return error == 'States.ExceedToleratedFailureThreshold' or (error == 'OperationError' and re.search(r'\b\d+ of \d+ items failed', cause) is not None)

    def not_done(self, index, item):
        return RunCancelled('item %d, %s: run %s was cancelled before it was done' % (index, shown_item(item), self.run), 'RUN_CANCELLED', self.run, self._child.returncode)

    def failure(self):
        """Why the run as a whole has failed."""
        code = self._child.returncode
        if self.status == 'ABORTED':
            return RunCancelled('run %s was cancelled; the same run id goes on with it' % self.run, 'RUN_CANCELLED', self.run, code)
        batches = [batch.get('cause') for batch in self._report.get('failedBatches') or []] or [self._report.get('cause')]
        text = '\n'.join(dict.fromkeys(cause for cause in batches if cause)) or '\n'.join(self._said) or 'tilefan ended with exit code %s' % code
        return RunError(text, self._report.get('error'), self.run, code)

    def __repr__(self):
        return '<tilefan run %s: %s, %d of %s>' % (self.run, self.status, self.done, self.total or '?')


@atexit.register
def _stop():
    """A script that ends doesn't leave runs of this machine behind; those on AWS go on."""
    for each in list(_running):
        if each.where == 'local' and each._child.poll() is None:
            each._child.terminate()


def command():
    """How tilefan is called. @raises TilefanError"""
    from .rios.running import command as found
    from .rios.rioserrors import UnavailableError
    try:
        return found()
    except UnavailableError as error:
        raise TilefanError(str(error), 'COMMAND_MISSING') from None


def default_place():
    """TILEFAN_RUN_ON, or what the config file says; the command line checks all that it says."""
    named = os.environ.get('TILEFAN_RUN_ON')
    if named:
        return named
    path = os.environ.get('TILEFAN_CONFIG')
    folder = os.getcwd()
    while path is None:
        here = os.path.join(folder, 'tilefan.config.json')
        if os.path.exists(here):
            path = here
        elif os.path.dirname(folder) == folder:
            return 'local'
        folder = os.path.dirname(folder)
    try:
        with open(path, encoding='utf-8') as file:
            return json.load(file).get('where', 'local')
    except (OSError, ValueError, AttributeError):
        return 'local'


def flags(options, names):
    return [text for option, flag in names.items() if options.get(option) is not None for text in (flag, os.fspath(options[option]) if isinstance(options[option], os.PathLike) else str(options[option]))]


def parse(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def said(output):
    return output.decode('utf-8', 'replace').strip()
