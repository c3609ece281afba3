"""
`apply`: a function over rasters, tile by tile.

It writes a job, and has tilefan run it: on this machine, or on AWS by one setting (ApplierControls.setRunOn, or TILEFAN_RUN_ON=aws).
"""
import hashlib
import json
import os
import shutil
import tempfile
from urllib.parse import unquote

from .const import (BOUNDS_FROM_REFERENCE, DEFAULT_MINOVERVIEWDIM, DEFAULT_OVERVIEWAGGREGRATIONTYPE, DEFAULT_OVERVIEWLEVELS,  # noqa: F401
                    DEFAULT_RESAMPLEMETHOD, DEFAULTCREATIONOPTIONS, DEFAULTDRIVERNAME, DEFAULTFOOTPRINT, DEFAULTOVERLAP, DEFAULTWINDOWXSIZE,
                    DEFAULTWINDOWYSIZE, INTERSECTION, UNION, dfltDriverOptions)
from . import s3
from .controls import ApplierControls, refuse
from .imagereader import DEFAULTLOGGINGSTREAM  # noqa: F401
from .job import Job, href
from .pickling import pickled, take_over, unpickled
from .pixelgrid import PixelGridDefn, pixelGridFromFile
from .rioserrors import ParameterError, ResampleNeededError, RiosError, RunError, WrongControlsObject
from .running import Run
from .structures import (CW_AWSBATCH, CW_ECS, CW_NONE, CW_PBS, CW_SLURM, CW_SUBPROC, CW_THREADS, ON_AWS, ApplierReturn, BlockAssociations,  # noqa: F401
                         ConcurrencyStyle, FilenameAssociations, OtherInputs, Timers)


def apply(userFunction, infiles, outfiles, otherArgs=None, controls=None, progress=None):
    """
    Calls `userFunction(info, inputs, outputs)`, or `userFunction(info, inputs, outputs, otherArgs)` when there are otherArgs, for each tile.

    infiles, outfiles: FilenameAssociations. With otherArgs and no compute workers (ConcurrencyStyle) tiles are computed one after another, row by row, with
    one object, and the object that was given has its final state afterwards. With compute workers each tile has a copy, and all copies come back in
    `otherArgsList`.

    Returns an ApplierReturn. Raises errors of rioserrors: WorkerExceptionError with the traceback when the function failed.
    """
    controls = ApplierControls() if controls is None else controls
    if not isinstance(controls, ApplierControls):
        raise WrongControlsObject('controls is %r; wanted an ApplierControls of tilefan.rios' % (controls,))
    if progress is not None:
        controls.setProgress(progress)
    if controls.concurrency.computeWorkerKind in ON_AWS:
        controls.setRunOn('aws')
    controls._checks(infiles, outfiles)
    check_function(userFunction, otherArgs)
    timings = Timers()
    folder = tempfile.mkdtemp(prefix='tilefan-rios-', dir=controls.tempdir)
    try:
        with timings.interval('walltime'):
            answer = _run(userFunction, infiles, outfiles, otherArgs, controls, folder, timings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    answer.timings = timings
    return answer


def check_function(function, others):
    """Says what is wrong with a function before anything else is looked at."""
    from ..failures import Failure, Source
    from ..user_function import check_signature
    if not callable(function):
        raise ParameterError('userFunction is %r; wanted a function (info, inputs, outputs)' % (function,))
    try:
        check_signature(function, getattr(function, '__name__', 'userFunction'), Source(__file__), optional=False, others=others is not None)
    except Failure as failure:
        raise ParameterError(failure.message) from None


def _run(function, infiles, outfiles, others, controls, folder, timings):
    job = Job(infiles, outfiles, controls)
    if controls.runOn == 'aws':
        check_for_aws(job, controls)
    place = run_folder(job, controls, folder)
    serial = others is not None and not controls.concurrency._parallel
    results = place + '/{run}.otherargs.jsonl' if others is not None or not job.outputs else None
    # What is wrong with settings is said before anything is written anywhere.
    job.spec('function.pkl', results, serial)
    spec = job.spec(write_function(place, pickled(function, others, job.names())), results, serial)
    job_file = os.path.join(folder, 'job.json')
    with open(job_file, 'w', encoding='utf-8') as file:
        json.dump(spec, file, indent=2, allow_nan=False)
    with timings.interval('userfunction'):
        try:
            record = Run(folder, controls).go(job_file)
        except RunError:
            # The job's own words are about a file that the script hasn't.
            difference = job.grid_difference()
            if difference is not None:
                raise ResampleNeededError(difference) from None
            raise
    answer = ApplierReturn()
    answer.record = record
    answer.otherArgsList = [None] if others is None else collect(read_results(record, results), others, serial)
    answer.workinggrid = working_grid(job, folder, record)
    with timings.interval('beforeclose'):
        call_before_close(job, controls)
    return answer


# Where results lie.


def check_for_aws(job, controls):
    """What can't be done on AWS, before anything is sent there."""
    for _, name, file in job.outputs:
        if controls.getOptionForImagename('callBeforeClose', name) is not None:
            refuse('setCallBeforeClose', 'on AWS outputs lie on S3, where GDAL can\'t write beside them; open the finished file yourself')
    for what, entries in (('input', job.inputs), ('output', job.outputs)):
        for _, name, file in entries:
            if not href(file).startswith('s3://'):
                raise ParameterError('%s %s is %s, which AWS can\'t reach; wanted s3://bucket/key' % (what, name, file))


def run_folder(job, controls, folder):
    """Where the function and otherArgs of a run lie: on this machine a folder that goes with it, on AWS one on S3."""
    if controls.runOn != 'aws':
        return folder
    named = os.environ.get('TILEFAN_FOLDER')
    if named:
        return named.rstrip('/')
    if not job.outputs:
        raise ParameterError('there is no output beside which the function could be put for AWS; wanted a folder on S3 in TILEFAN_FOLDER, s3://bucket/folder')
    return href(job.outputs[0][2]).rsplit('/', 1)[0] + '/tilefan'


def write_function(place, data):
    """@returns where the function lies, by a name after its content"""
    name = '%s/%s.pkl' % (place, hashlib.sha256(data).hexdigest()) if place.startswith('s3://') else os.path.join(place, 'function.pkl')
    if name.startswith('s3://'):
        s3.put(name, data)
    else:
        with open(name, 'wb') as file:
            file.write(data)
    return name


def read_results(record, asked):
    """Lines of results, wherever they lie."""
    place = (record.get('results') or {}).get('href') or asked
    if place.startswith('s3://'):
        return [json.loads(line) for line in s3.get(place).decode('utf-8').splitlines()]
    if place.startswith('file://'):
        place = unquote(place[len('file://'):])
    with open(place, encoding='utf-8') as file:
        return [json.loads(line) for line in file]


def collect(lines, others, serial):
    """otherArgsList: the caller's own object in its final state, or one object for each tile, row by row."""
    lines.sort(key=lambda line: (line['row'], line['column']))
    left = [unpickled(line['value']) for line in lines]
    if not serial:
        return left
    if len(left) != 1:
        raise RiosError('a serial run has left otherArgs %d times; wanted once' % len(left))
    return [others if take_over(others, left[0]) else left[0]]


# What is done with finished outputs.


def working_grid(job, folder, record):
    """The grid of the run: from its plan, or from an output; None where neither can be read here."""
    plan = os.path.join(folder, 'work', 'runs', str(record.get('run')), 'plan.json')
    try:
        with open(plan, encoding='utf-8') as file:
            grid = json.load(file)['grid']
        return PixelGridDefn(geotransform=grid['geotransform'] or (0.0, 1.0, 0.0, 0.0, 0.0, -1.0), nrows=grid['rows'], ncols=grid['columns'],
                             projection='' if grid.get('epsg') is None else 'EPSG:%d' % grid['epsg'])
    except (OSError, ValueError, KeyError):
        pass
    try:
        return pixelGridFromFile(job.outputs[0][2]) if job.outputs else None
    except RiosError:
        return None


def call_before_close(job, controls):
    for _, name, file in job.outputs:
        wanted = controls.getOptionForImagename('callBeforeClose', name)
        if wanted is None:
            continue
        from .fileinfo import open_quietly
        from .pixelgrid import need_gdal
        gdal, _ = need_gdal('setCallBeforeClose')
        dataset = open_quietly(file, gdal.OF_RASTER)
        function, arguments = wanted
        function(dataset, *arguments)
        dataset.FlushCache()
        del dataset
