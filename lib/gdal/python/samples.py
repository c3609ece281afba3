"""Sample types: names, GDAL's codes, limits."""
import math

from osgeo import gdal

# Name to GDAL's type and the bytes of a sample. int8 came with GDAL 3.7; before, a byte band said PIXELTYPE=SIGNEDBYTE.
DTYPES = {}
NAMES = {}


def list_types():
    known = [('uint8', 'GDT_Byte', 1), ('int8', 'GDT_Int8', 1), ('uint16', 'GDT_UInt16', 2), ('int16', 'GDT_Int16', 2),
             ('uint32', 'GDT_UInt32', 4), ('int32', 'GDT_Int32', 4), ('float32', 'GDT_Float32', 4), ('float64', 'GDT_Float64', 8)]
    for name, constant, size in known:
        code = getattr(gdal, constant, None)
        if code is not None:
            DTYPES[name] = (code, size)
            NAMES[code] = name


list_types()
HAS_INT8 = 'int8' in DTYPES


def is_signed_byte(band):
    return not HAS_INT8 and band.DataType == gdal.GDT_Byte and band.GetMetadataItem('PIXELTYPE', 'IMAGE_STRUCTURE') == 'SIGNEDBYTE'


def dtype_of(band):
    """The name of a band's type: one of ours, else GDAL's."""
    if is_signed_byte(band):
        return 'int8'
    return NAMES.get(band.DataType, gdal.GetDataTypeName(band.DataType))


# Where GDAL has no int8, such samples travel as bytes in excess of 128: the order, the distances and the rounding stay.
EXCESS = 128
FLIP_SIGN = bytes(value ^ 0x80 for value in range(256))
TO_VALIDITY = bytes([0] + [1] * 255)
LIMITS = {'uint8': (0, 255), 'int8': (-128, 127), 'uint16': (0, 65535), 'int16': (-32768, 32767), 'uint32': (0, 4294967295), 'int32': (-2147483648, 2147483647)}


def number(value):
    """A number of a request: JSON has no NaN and infinities, so these come as words."""
    if isinstance(value, str):
        return float(value)
    return value


def fits(value, dtype):
    """Whether a pixel of this type can have this value. One that can't is no nodata value of it."""
    if dtype in LIMITS:
        low, high = LIMITS[dtype]
        return math.isfinite(value) and value == math.floor(value) and low <= value <= high
    return True
