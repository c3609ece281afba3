"""Sample types: names, GDAL's codes, limits."""
import math
import re
import sys

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


# Where GDAL has no int8, such samples are read and burnt as bytes in excess of 128: the order and the distances stay.
EXCESS = 128
FLIP_SIGN = bytes(value ^ 0x80 for value in range(256))
SIGN_BYTE = bytes([0] * 128 + [255] * 128)
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


def narrowed(samples, nodata):
    """
    Samples of int16 as bytes of int8. One that is beyond its limits becomes the limit; if that is nodata, the next value within, as GDAL has it for a pixel with
    data (AvoidNoData of gdalwarpkernel.cpp).
    """
    first = 0 if sys.byteorder == 'little' else 1
    low, high = bytearray(samples[first::2]), samples[1 - first::2]
    signs = low.translate(SIGN_BYTE)
    if high != signs:
        beyond = (int.from_bytes(high, 'little') ^ int.from_bytes(signs, 'little')).to_bytes(len(high), 'little')
        least, most = (-127 if nodata == -128 else -128) & 0xff, 126 if nodata == 127 else 127
        for match in re.finditer(b'[^\0]', beyond):
            low[match.start()] = least if high[match.start()] & 0x80 else most
    return low
