"""The job that a call of `map` is: docs/items.md."""
import inspect
import os
import pickle
import re
import sys

from .calls import Call, encoded
from .client_errors import TilefanError

MOST_LISTED = 100000

# Options of a call that become the job's compute: what a task on AWS gets.
COMPUTE = {'capacity': 'capacity', 'cpu': 'cpu', 'memory': 'memory', 'ephemeral_storage': 'ephemeralStorage', 'architecture': 'architecture', 'image': 'image',
           'max_concurrency': 'maxConcurrency'}
OPERATION = {'requirements': 'requirements', 'credentials': 'credentials', 'timeout': 'timeout'}
OTHERS = ('name', 'parameters', 'outputs', 'results', 'tolerate', 'objects')
JOB_OPTIONS = (*COMPUTE, *OPERATION, *OTHERS)


def map_job(function, items, options):
    """@returns the job without its module, and the function that a worker calls; @raises TilefanError"""
    if not callable(function):
        raise TilefanError('map wants a function; found %r' % (function,), 'MAP_FUNCTION')
    refuse(function)
    kind, given = items_of(items, options.get('objects'))
    job = {'name': job_name(options.get('name') or getattr(function, '__name__', 'map')), 'items': given, 'operation': {}}
    for option, field in OPERATION.items():
        if options.get(option) is not None:
            job['operation'][field] = options[option]
    shared = dict(options.get('parameters') or {})
    if shared and kind in ('object', 'parameters'):
        job['operation']['parameters'] = {name: encoded(value, exact=True) for name, value in shared.items()}
        shared = {}
    if options.get('outputs') is not None:
        job['outputs'] = {'prefix': href(options['outputs'])}
    if options.get('results') is not None:
        job['results'] = {'href': href(options['results'])}
    if options.get('tolerate') is not None:
        job['tolerateFailures'] = {'percentage': options['tolerate']}
    return job, Call(function, kind, shared, exact=options.get('results') is None)


def with_compute(job, options):
    """What the caller says comes before what the job says."""
    wanted = {field: options[option] for option, field in COMPUTE.items() if options.get(option) is not None}
    return {**job, 'compute': {**job.get('compute', {}), **wanted}} if wanted else job


def refuse(function):
    """@raises TilefanError for what can be called, and gives no result then"""
    for test, what in ((inspect.iscoroutinefunction, 'is async'), (inspect.isgeneratorfunction, 'is a generator (it has yield)')):
        if test(function):
            raise TilefanError('%s %s; wanted a plain function' % (getattr(function, '__name__', 'it'), what), 'MAP_FUNCTION')


def items_of(items, objects):
    """
    @param objects True: texts are names of objects; False: they are plain values; None: those with :// are objects
    @returns what they are (object, parameters, value or any), and `items` of the job; @raises TilefanError
    """
    if isinstance(items, str):
        if not items.startswith('run:'):
            raise TilefanError('the items are one text, %r; wanted a list, or run:ID' % items, 'MAP_ITEMS')
        return 'any', {'from': items}
    if not items:
        raise TilefanError('there are no items: wanted one at least', 'MAP_ITEMS')
    if len(items) > MOST_LISTED:
        raise TilefanError('%d items are too many for one call: wanted %d at most, or a job with a manifest (tilefan.run)' % (len(items), MOST_LISTED), 'MAP_ITEMS')
    kinds = [kind_of(item, objects) for item in items]
    kind = kinds[0]
    for index, other in enumerate(kinds):
        if other != kind:
            raise TilefanError('items 0 and %d are of two kinds, %s and %s; wanted one kind' % (index, kind, other), 'MAP_ITEMS')
    if kind == 'object':
        return kind, {'hrefs': [href(item) for item in items]}
    if kind == 'parameters':
        return kind, {'parameters': [{name: encoded(value, exact=True) for name, value in item.items()} for item in items]}
    if objects is None and all(isinstance(item, str) and os.path.isfile(item) for item in items):
        raise TilefanError('the items are names of files that are there, %r for one: say objects=True, and the function gets each as its item (item.file), or objects=False, and it gets the text' % items[0], 'MAP_ITEMS')
    return kind, {'parameters': [{'value': encoded(item, exact=True)} for item in items]}


def kind_of(item, objects):
    if isinstance(item, dict) and all(isinstance(name, str) for name in item):
        return 'parameters'
    if isinstance(item, os.PathLike):
        return 'object'
    if isinstance(item, str) and objects is not False and (objects or re.match(r'^(s3|file)://', item)):
        return 'object'
    return 'value'


def href(name):
    """A name as a job has it."""
    name = os.fspath(name)
    if '://' in name:
        return name
    return os.path.abspath(name) + ('/' if name.endswith('/') else '')


def job_name(text):
    return re.sub(r'[^A-Za-z0-9_-]+', '-', text).strip('-_')[:40] or 'map'


def pickled(call):
    """A header that says which Python it is for, and the function, with the user's own modules that it needs. @raises TilefanError"""
    from .rios.pickling import by_value
    try:
        import cloudpickle
    except ImportError as error:
        raise TilefanError('map needs cloudpickle (pip install cloudpickle), which %s does not have: %s' % (sys.executable, error), 'CLOUDPICKLE_MISSING') from None
    try:
        with by_value(cloudpickle):
            data = cloudpickle.dumps(call)
    except Exception as error:
        raise TilefanError('the function can\'t be sent to another process: %s: %s. What can\'t be (open files, locks) is made inside of the function' % (type(error).__name__, error), 'MAP_FUNCTION') from error
    return pickle.dumps({'tilefan': 1, 'python': list(sys.version_info[:3]), 'cloudpickle': cloudpickle.__version__}, protocol=2) + data
