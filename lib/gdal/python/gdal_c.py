"""
GDAL's C functions.

Warping goes by these, because they can warp any window of the output grid with the coordinates of the whole grid. A dataset
of the window's size, as the Python functions want one, has an origin of its own, and a coordinate that is rounded otherwise now and then falls
into the next pixel: the result would depend on how the grid was cut into windows.
"""
import ctypes

from osgeo import _gdal, gdal


class WarpOptions(ctypes.Structure):
    """The beginning of GDALWarpOptions (gdalwarper.h), the same in all of GDAL 2 and 3."""
    _fields_ = [
        ('options', ctypes.c_void_p), ('memory', ctypes.c_double), ('resampling', ctypes.c_int), ('working_type', ctypes.c_int),
        ('source', ctypes.c_void_p), ('target', ctypes.c_void_p), ('bands', ctypes.c_int),
        ('source_bands', ctypes.POINTER(ctypes.c_int)), ('target_bands', ctypes.POINTER(ctypes.c_int)),
        ('source_alpha', ctypes.c_int), ('target_alpha', ctypes.c_int),
        ('source_nodata', ctypes.POINTER(ctypes.c_double)), ('source_nodata_imaginary', ctypes.POINTER(ctypes.c_double)),
        ('target_nodata', ctypes.POINTER(ctypes.c_double)), ('target_nodata_imaginary', ctypes.POINTER(ctypes.c_double)),
        ('progress', ctypes.c_void_p), ('progress_argument', ctypes.c_void_p),
        ('transformer', ctypes.c_void_p), ('transformer_argument', ctypes.c_void_p),
    ]


TRANSFORMER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
# GDALDerivedPixelFunc (gdal.h): samples of each source, how many sources, where to; columns, rows; types from and to; bytes from pixel to pixel, and from row to row.
PIXEL_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_void_p, *[ctypes.c_int] * 6)


def load_library():
    """GDAL itself, found through the Python module that is linked with it."""
    library = ctypes.CDLL(_gdal.__file__)
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    for name, result, arguments in [
        ('CSLSetNameValue', pointer, [pointer, ctypes.c_char_p, ctypes.c_char_p]),
        ('CSLDestroy', None, [pointer]),
        ('GDALCreateWarpOptions', ctypes.POINTER(WarpOptions), []),
        ('GDALCreateWarpOperation', pointer, [pointer]),
        ('GDALDestroyWarpOperation', None, [pointer]),
        ('GDALWarpRegionToBuffer', integer, [pointer, integer, integer, integer, integer, pointer] + [integer] * 5),
        ('GDALCreateGenImgProjTransformer2', pointer, [pointer, pointer, pointer]),
        ('GDALGenImgProjTransform', integer, [pointer, integer, integer, pointer, pointer, pointer, pointer]),
        ('GDALDestroyGenImgProjTransformer', None, [pointer]),
        ('GDALCreateApproxTransformer', pointer, [pointer, pointer, ctypes.c_double]),
        ('GDALDestroyApproxTransformer', None, [pointer]),
        ('GDALAddDerivedBandPixelFunc', integer, [ctypes.c_char_p, PIXEL_FUNCTION]),
        ('GDALCopyWords64', None, [pointer, integer, integer, pointer, integer, integer, ctypes.c_ssize_t]),
        ('GDALRasterizeGeometries', integer, [pointer, integer, pointer, integer, pointer, pointer, pointer, pointer, pointer, pointer, pointer]),
    ]:
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


lib = load_library()


def function_address(name):
    return ctypes.cast(getattr(lib, name), ctypes.c_void_p).value


def handle(thing):
    """The C pointer behind an object of the Python module."""
    return int(thing.this)


def words(default):
    message = gdal.GetLastErrorMsg()
    return message if message else default


def string_list(pairs):
    made = None
    for key, value in pairs:
        made = lib.CSLSetNameValue(made, key.encode(), value.encode())
    return made


class Samples:
    """Memory for samples whose address is known."""

    def __init__(self, length):
        self.bytes = bytearray(max(1, length))
        self.length = length
        self.address = ctypes.addressof((ctypes.c_char * len(self.bytes)).from_buffer(self.bytes))

    def view(self, start=0, length=None):
        return memoryview(self.bytes)[start:self.length if length is None else start + length]


def fill(address, value, code, size, count):
    """Writes a number `count` times; it is rounded and clamped to the type as GDAL does it."""
    lib.GDALCopyWords64(ctypes.byref(ctypes.c_double(value)), gdal.GDT_Float64, 0, address, code, size, count)
