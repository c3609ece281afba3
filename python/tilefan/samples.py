"""What a function has made of an output: checked, converted to the job's sample type, and stored."""
import numpy

from .failures import Failure

DTYPES = ('uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'float32', 'float64')

# Types of numpy that no output has, and the smallest that holds their values (float64 those of int64 up to 2^53).
NEAREST = {'bool': 'uint8', 'float16': 'float32', 'int64': 'float64', 'uint64': 'float64', 'float128': 'float64', 'float96': 'float64'}

# Conversions go by so many samples, so that what they need beside the arrays is small.
CHUNK = 1 << 16


def number_of(value):
    """A number as JSON has it: lib/base/json-number.ts."""
    if isinstance(value, str):
        return {'nan': float('nan'), 'inf': float('inf'), '-inf': float('-inf'), '-0': -0.0}[value]
    return value


def storable(dtype):
    """The name of the sample type that holds values of a numpy type; None where none does."""
    name = dtype.name
    return name if name in DTYPES else NEAREST.get(name)


def as_array(name, value, nodata, place):
    """What was assigned to an output, as an array of numbers."""
    if isinstance(value, (list, tuple, dict, str, bytes)) or value is None or not (hasattr(value, '__array__') or hasattr(value, '__array_interface__')):
        raise Failure('output', 'output %s is %s; wanted a numpy array of shape (bands, rows, columns)' % (name, describe_type(value)), place=place)
    if numpy.ma.isMaskedArray(value):
        value = fill_masked(value, nodata)
    array = numpy.asarray(value)
    if storable(array.dtype) is None:
        raise Failure('output', 'output %s is an array of %s; wanted one of %s' % (name, array.dtype, ', '.join(DTYPES)), place=place)
    return array


def describe_type(value):
    if value is None:
        return 'None'
    if isinstance(value, (list, tuple)):
        return 'a %s of %d' % (type(value).__name__, len(value))
    if isinstance(value, numpy.generic):
        return 'the number %r' % value.item()
    return 'of type %s' % type(value).__name__


def fill_masked(array, nodata):
    """Masked pixels become nodata; 0 without one, or where the array's type can't hold it."""
    fill = 0 if nodata is None else nodata
    if array.dtype.kind in 'iu':
        limits = numpy.iinfo(array.dtype)
        if fill != fill or fill != int(fill) or not limits.min <= fill <= limits.max:
            return array.astype(numpy.float64).filled(fill)
    return array.filled(fill)


def check_shape(name, array, bands, rows, columns, halo, place):
    """(bands, rows, columns) of an output, whose margin is included. `bands`: None takes any number. Two dimensions are one band."""
    shape = array.shape
    fits = len(shape) == 3 and shape[1:] == (rows, columns) and shape[0] > 0 and (bands is None or shape[0] == bands)
    if len(shape) == 2 and shape == (rows, columns) and bands in (None, 1):
        return array[numpy.newaxis]
    if fits:
        return array
    wanted = '(%s, %d, %d)' % ('bands' if bands is None else bands, rows, columns)
    margin = ', which includes the margin (halo) of %d pixels on each side: it is trimmed later' % halo if halo else ' (there is no margin: halo is 0)'
    raise Failure('shape', 'output %s has shape %s; wanted (bands, rows, columns) = %s%s' % (name, shape, wanted, margin), place=place)


def store(array, target, nodata):
    """
    Copies samples into `target`. Of another type they are rounded half to even and saturated for integers, where NaN becomes `nodata` (0 without one),
    as expressions are stored (docs/expressions.md).
    """
    if array.dtype == target.dtype or target.dtype.kind == 'f' or array.dtype.kind == 'b':
        with numpy.errstate(all='ignore'):
            numpy.copyto(target, array, casting='unsafe')
        return
    limits = numpy.iinfo(target.dtype)
    rows = max(1, CHUNK // max(1, array.shape[2]))
    for band in range(array.shape[0]):
        for row in range(0, array.shape[1], rows):
            part = array[band, row:row + rows]
            into = target[band, row:row + rows]
            if array.dtype.kind == 'f':
                store_rounded(part, into, limits, nodata)
            else:
                own = numpy.iinfo(array.dtype)
                numpy.copyto(into, numpy.clip(part, max(limits.min, own.min), min(limits.max, own.max)), casting='unsafe')


def store_rounded(part, into, limits, nodata):
    # float32 can't tell the largest integers of 32 bits, nor float16 those of 16.
    wide = numpy.float64 if into.dtype.itemsize == 4 or part.dtype.itemsize > 4 else numpy.float32
    work = numpy.rint(part if part.dtype == wide else part.astype(wide))
    lowest, highest = work.min(), work.max()
    # Both are NaN where one sample is, and then nothing is within limits.
    if not (lowest >= limits.min and highest <= limits.max):
        missing = numpy.isnan(work)
        numpy.clip(work, limits.min, limits.max, out=work)
        work[missing] = 0 if nodata is None or nodata != nodata else nodata
    numpy.copyto(into, work, casting='unsafe')
