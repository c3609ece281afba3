"""
GDAL for tilefan: a process that lives as long as its thread and answers one request after another.

It needs Python 3.9 and osgeo (GDAL 3.4 or later), nothing else. lib/gdal/helper-process.ts speaks with it:

    request   uint32 (little endian): length of the JSON; the JSON; `payload` bytes, where the JSON has such a field
    reply     uint32: length of the JSON; the JSON; `bytes` bytes, where the JSON has such a field

The reply is {"ok": true, ...} or {"error": "words", "kind": "gdal" | "refused"}. Samples are in the machine's byte order, band after band.
Nothing else goes to the standard output: what GDAL prints there is sent to the standard error.

Warping goes by GDAL's C functions, because those can warp any window of the output grid with the coordinates of the whole grid. A dataset
of the window's size, as the Python functions want one, has an origin of its own, and a coordinate that is rounded otherwise now and then falls
into the next pixel: the result would depend on how the grid was cut into windows.
"""

import collections
import ctypes
import json
import math
import os
import re
import struct
import sys


class Refused(Exception):
    """The request can't be done, for a reason that we know better than GDAL."""


class GdalFailed(Exception):
    """A function of GDAL failed; the message is GDAL's own."""


# ---------------------------------------------------------------------------------------------------------------------------------------
# Sample types

# Name to GDAL's type and the bytes of a sample. int8 came with GDAL 3.7; before, a byte band said PIXELTYPE=SIGNEDBYTE.
DTYPES = {}
NAMES = {}
HAS_INT8 = False


def list_types():
    global HAS_INT8
    known = [('uint8', 'GDT_Byte', 1), ('int8', 'GDT_Int8', 1), ('uint16', 'GDT_UInt16', 2), ('int16', 'GDT_Int16', 2),
             ('uint32', 'GDT_UInt32', 4), ('int32', 'GDT_Int32', 4), ('float32', 'GDT_Float32', 4), ('float64', 'GDT_Float64', 8)]
    for name, constant, size in known:
        code = getattr(gdal, constant, None)
        if code is not None:
            DTYPES[name] = (code, size)
            NAMES[code] = name
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


# ---------------------------------------------------------------------------------------------------------------------------------------
# GDAL's C functions

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


def load_library():
    """GDAL itself, found through the Python module that is linked with it."""
    from osgeo import _gdal
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
        ('GDALCopyWords64', None, [pointer, integer, integer, pointer, integer, integer, ctypes.c_ssize_t]),
        ('GDALRasterizeGeometries', integer, [pointer, integer, pointer, integer, pointer, pointer, pointer, pointer, pointer, pointer, pointer]),
    ]:
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


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


# ---------------------------------------------------------------------------------------------------------------------------------------
# Sources

class Cache:
    """The things used last, at most so many. What falls out is closed."""

    def __init__(self, most):
        self.most = most
        self.things = collections.OrderedDict()

    def get(self, key, make):
        found = self.things.pop(key, None)
        if found is None:
            found = make()
        self.things[key] = found
        while len(self.things) > self.most:
            self.things.popitem(last=False)[1].close()
        return found

    def clear(self):
        while self.things:
            self.things.popitem()[1].close()


def key_of(*parts):
    return json.dumps(parts, sort_keys=True)


# Drivers whose files say nothing of other files by path or address. All others are taken out of the process: whoever sends a file chooses what
# it says, and the worker would read it with its own rights. So there is none here for web services and their documents (WMS, WMTS, WCS, STACIT ...),
# for caches and mosaics of other files (MRF, GTI, TIL ...), and for headers that name their data (ERS, PDS, ISIS3, PCIDSK, ILWIS, MapInfo, GML's schemas).
RASTER_DRIVERS = [
    'GTiff', 'NITF', 'HFA', 'AAIGrid', 'GRASSASCIIGrid', 'DTED', 'PNG', 'JPEG', 'GIF', 'BIGGIF', 'BMP', 'WEBP', 'PNM', 'SRTMHGT', 'Terragen', 'netCDF',
    'HDF4', 'HDF4Image', 'HDF5', 'HDF5Image', 'BAG', 'KEA', 'Zarr', 'JP2OpenJPEG', 'JP2KAK', 'JP2ECW', 'JP2MrSID', 'JP2Lura', 'JPEG2000', 'JPEGXL', 'HEIF', 'GRIB',
    'RMF', 'RST', 'SAGA', 'GSAG', 'GSBG', 'GS7BG', 'USGSDEM', 'XYZ', 'ENVI', 'EHdr', 'GPKG',
]
VECTOR_DRIVERS = ['GPKG', 'GeoJSON', 'GeoJSONSeq', 'TopoJSON', 'ESRI Shapefile', 'FlatGeobuf', 'KML', 'GPX', 'CSV', 'Parquet', 'Arrow']
# What this program makes for itself. A VRT does name other files: it is opened for those only who have looked at what it names.
INNER_DRIVERS = ['MEM', 'Memory', 'VRT']


def leave_drivers():
    """Takes away all drivers but those above: also a VRT's sources are then opened by these only."""
    kept = set(RASTER_DRIVERS + VECTOR_DRIVERS + INNER_DRIVERS)
    for driver in [gdal.GetDriver(i) for i in range(gdal.GetDriverCount())]:
        if driver.ShortName not in kept:
            driver.Deregister()


def is_xml(name):
    """Whether a file begins as an XML document does."""
    file = gdal.VSIFOpenL(name, 'rb')
    if file is None:
        return False
    try:
        head = bytes(gdal.VSIFReadL(1, 256, file) or b'')
    finally:
        gdal.VSIFCloseL(file)
    return head.removeprefix(b'\xef\xbb\xbf').lstrip().startswith(b'<')


def open_dataset(source, flags, drivers):
    options = ['%s=%s' % pair for pair in sorted((source.get('openOptions') or {}).items())]
    name = source['name']
    try:
        dataset = gdal.OpenEx(name, flags | gdal.OF_VERBOSE_ERROR, allowed_drivers=drivers, open_options=options)
        if dataset is None:
            raise RuntimeError(words('cannot open %s' % name))
    except RuntimeError as error:
        message = str(error)
        if 'not recognized as a supported file format' in message or 'not recognized as being in a supported file format' in message:
            if is_xml(name):
                raise Refused('it is an XML document of no kind that may be used: such documents name servers and other files, which would be read with the rights of the worker')
            raise Refused('it is in none of the formats that may be used, which are %s' % ', '.join(drivers))
        raise GdalFailed(message)
    return dataset


def open_alone(source, flags, drivers):
    """Opens what nobody has looked at, and sees to it that it consists of files of one folder."""
    dataset = open_dataset(source, flags, drivers)
    files = [os.path.normpath(file) for file in dataset.GetFileList() or [] if not file.startswith('/vsimem/')]
    # The file itself is the first; a driver that gives no files has none but the one that it was given.
    for file in files[1:]:
        if os.path.dirname(file) != os.path.dirname(files[0]):
            raise Refused('it reads another file than those beside it: %s' % file)
    return dataset


class RasterSource:
    """A raster, open, with what warping it needs."""

    def __init__(self, source):
        self.source = source
        # Its caller has looked into it if it is a VRT.
        self.dataset = open_dataset(source, gdal.OF_RASTER, RASTER_DRIVERS + ['VRT'])
        if self.dataset.RasterCount == 0:
            raise Refused('it has no bands' + subdataset_hint(self.dataset))
        self.views = {}
        self.transformers = {}
        self.operations = {}
        self.scales = {}
        self.shadow = None

    def close(self):
        for operation in self.operations.values():
            operation.close()
        for transformer in self.transformers.values():
            transformer.close()
        self.operations = {}
        self.transformers = {}
        self.views = {}
        self.shadow = None
        self.dataset = None

    def band(self, index):
        if not 1 <= index <= self.dataset.RasterCount:
            raise Refused('it has no band %d: it has %d' % (index, self.dataset.RasterCount))
        return self.dataset.GetRasterBand(index)

    def view(self, dtype):
        """The dataset whose samples GDAL understands by itself, and whether they are in excess of 128."""
        excess = dtype == 'int8' and not HAS_INT8
        signed = [is_signed_byte(self.dataset.GetRasterBand(index + 1)) for index in range(self.dataset.RasterCount)]
        if not excess and not any(signed):
            return self.dataset, False
        if excess not in self.views:
            self.views[excess] = signed_view(self.dataset, signed, excess)
        return self.views[excess], excess

    def transformer(self, threshold):
        if threshold not in self.transformers:
            if threshold == 0:
                self.transformers[0] = Transformer(self.dataset)
            else:
                self.transformers[threshold] = ApproximateTransformer(self.transformer(0), threshold)
        return self.transformers[threshold]


def subdataset_hint(dataset):
    names = dataset.GetSubDatasets() or []
    return '' if not names else '; it has subdatasets: ' + ', '.join(name for name, _ in names[:20])


def signed_view(dataset, signed, excess):
    """A VRT over the dataset in which signed bytes are numbers with a sign (int16), or bytes in excess of 128."""
    made = gdal.Translate('', dataset, format='VRT')
    xml = made.GetMetadata('xml:VRT')[0]
    bands = iter(signed)

    def change(match):
        text = match.group(0)
        negative = next(bands)
        text = re.sub(r'<NoDataValue>[^<]*</NoDataValue>', '', text)
        text = re.sub(r'<Metadata domain="IMAGE_STRUCTURE">.*?</Metadata>', '', text, flags=re.S)
        if not excess and not negative:
            return text
        text = re.sub(r'dataType="\w+"', 'dataType="%s"' % ('Byte' if excess else 'Int16'), text, count=1)
        if excess:
            rule = '<LUT>0:128,127:255,128:0,255:127</LUT>' if negative else '<ScaleOffset>128</ScaleOffset><ScaleRatio>1</ScaleRatio>'
        else:
            rule = '<LUT>0:0,127:127,128:-128,255:-1</LUT>'
        return re.sub(r'<(Simple|Complex)Source(.*?)>(.*?)</(Simple|Complex)Source>', r'<ComplexSource\2>\3%s</ComplexSource>' % rule, text, flags=re.S)

    # The band of a mask has no number and stays.
    xml = re.sub(r'<VRTRasterBand [^>]*band="\d+".*?</VRTRasterBand>', change, xml, flags=re.S)
    return gdal.Open(xml)


class Grid:
    """The output's pixels: those of a GeoTIFF of which only the header matters."""

    def __init__(self, payload):
        name = '/vsimem/tilefan-grid.tif'
        gdal.FileFromMemBuffer(name, bytes(payload))
        try:
            self.dataset = gdal.OpenEx(name, gdal.OF_RASTER | gdal.OF_VERBOSE_ERROR)
        except RuntimeError as error:
            raise GdalFailed('the output grid: %s' % error)
        self.transform = self.dataset.GetGeoTransform(can_return_null=True)
        self.crs = self.dataset.GetSpatialRef()
        self.columns = self.dataset.RasterXSize
        self.rows = self.dataset.RasterYSize


def need_grid():
    if grid is None:
        raise Refused('this process was started without an output grid')
    if grid.transform is None:
        raise Refused('the output grid has no geotransform')
    return grid


class Transformer:
    """From pixels of a source to pixels of the whole grid and back, as gdalwarp makes it."""

    def __init__(self, dataset):
        target = need_grid()
        if dataset.GetGeoTransform(can_return_null=True) is None:
            raise Refused('it has no geotransform' + (', only ground control points' if dataset.GetGCPCount() else ''))
        crs = dataset.GetSpatialRef()
        if (crs is None) != (target.crs is None):
            raise Refused('it has no CRS, but the output grid has one' if crs is None else 'it has a CRS, but the output grid has none')
        gdal.ErrorReset()
        self.dataset = dataset
        # By its geotransform only: what a file says of a geolocation array may name any other file.
        options = string_list([('SRC_METHOD', 'GEOTRANSFORM'), ('DST_METHOD', 'GEOTRANSFORM')])
        self.argument = lib.GDALCreateGenImgProjTransformer2(handle(dataset), handle(target.dataset), options)
        lib.CSLDestroy(options)
        if not self.argument:
            raise GdalFailed(words('cannot transform its coordinates to those of the output grid'))
        self.function = function_address('GDALGenImgProjTransform')

    def close(self):
        lib.GDALDestroyGenImgProjTransformer(self.argument)

    def points(self, backwards, points):
        """The places of some points; None where there is none."""
        count = len(points)
        x, y, z = ((ctypes.c_double * count)(*values) for values in ([p[0] for p in points], [p[1] for p in points], [0.0] * count))
        success = (ctypes.c_int * count)()
        lib.GDALGenImgProjTransform(self.argument, 1 if backwards else 0, count, x, y, z, success)
        return [(x[i], y[i]) if success[i] and math.isfinite(x[i]) and math.isfinite(y[i]) else None for i in range(count)]


class ApproximateTransformer:
    def __init__(self, exact, threshold):
        self.argument = lib.GDALCreateApproxTransformer(exact.function, exact.argument, threshold)
        self.function = function_address('GDALApproxTransform')

    def close(self):
        lib.GDALDestroyApproxTransformer(self.argument)


# ---------------------------------------------------------------------------------------------------------------------------------------
# Warping

# A chunk of this side costs about 20 ms, and finding out that it touches nothing 0.2 ms.
CHUNK = 256
# Bytes of the source that a chunk may need at most, about.
CHUNK_BYTES = 64 * 1024 * 1024
# How far the kernel reaches, in pixels of the source at scale 1 (GWKGetFilterRadius).
RADIUS = {'bilinear': 1, 'cubic': 2}
# From this scale on GDAL does not widen the kernel.
UNSCALED = 0.95


class Operation:
    """One way of warping one source."""

    def __init__(self, view, transformer, bands, source_alpha, working, resampling, nodata, scale, target):
        self.view = view
        self.target = target
        reach = max(math.ceil(RADIUS.get(resampling, 0) / min(1.0, value)) for value in scale)
        pairs = [
            # So that pixels which are not written keep what is there.
            ('INIT_DEST', '0' if nodata is None else 'NO_DATA'),
            ('ERROR_OUT_IF_EMPTY_SOURCE_WINDOW', 'FALSE'),
            # A pixel without data in one band is without data there, whatever the other bands say: then it does not matter which bands are asked for together.
            ('UNIFIED_SRC_NODATA', 'PARTIAL'),
            ('NUM_THREADS', '1'),
            # More of the source than the edges of a chunk suggest, so that nothing is missed.
            ('SAMPLE_GRID', 'YES'),
            ('SOURCE_EXTRA', str(4 + reach)),
        ]
        if source_alpha:
            pairs.append(('SRC_ALPHA_MAX', alpha_maximum(view.GetRasterBand(source_alpha))))
        if target is not None:
            pairs.append(('DST_ALPHA_MAX', alpha_maximum(target.GetRasterBand(target.RasterCount))))
        if resampling != 'nearest':
            pairs += [('XSCALE', repr(float(scale[0]))), ('YSCALE', repr(float(scale[1])))]
        options = lib.GDALCreateWarpOptions()
        fields = options.contents
        count = len(bands)
        # GDAL makes a copy of its own, so this memory must live for the call only.
        values = (ctypes.c_double * count)(*([0.0 if nodata is None else nodata] * count))
        zeros = (ctypes.c_double * count)()
        fields.options = string_list(pairs)
        fields.resampling = RESAMPLINGS[resampling]
        fields.working_type = working
        fields.source = handle(view)
        fields.target = None if target is None else handle(target)
        fields.bands = count
        fields.source_bands = (ctypes.c_int * count)(*bands)
        fields.target_bands = (ctypes.c_int * count)(*range(1, count + 1))
        fields.source_alpha = source_alpha
        fields.target_alpha = 0 if target is None else target.RasterCount
        if nodata is not None:
            fields.source_nodata = values
            fields.source_nodata_imaginary = zeros
            fields.target_nodata = values
            fields.target_nodata_imaginary = zeros
        fields.transformer = transformer.function
        fields.transformer_argument = transformer.argument
        gdal.ErrorReset()
        self.pointer = lib.GDALCreateWarpOperation(options)
        lib.CSLDestroy(fields.options)
        if not self.pointer:
            raise GdalFailed(words('cannot prepare the warp'))

    def run(self, column, row, columns, rows, address, working):
        gdal.ErrorReset()
        if lib.GDALWarpRegionToBuffer(self.pointer, column, row, columns, rows, address, working, 0, 0, 0, 0) != 0:
            raise GdalFailed(words('the warp failed'))

    def close(self):
        lib.GDALDestroyWarpOperation(self.pointer)


def alpha_band(dataset):
    for index in range(dataset.RasterCount):
        if dataset.GetRasterBand(index + 1).GetColorInterpretation() == gdal.GCI_AlphaBand:
            return index + 1
    return 0


def alpha_maximum(band):
    """The alpha of an opaque pixel, as gdalwarp takes it."""
    bits = band.GetMetadataItem('NBITS', 'IMAGE_STRUCTURE')
    if bits:
        return str((1 << int(bits)) - 1)
    return {gdal.GDT_UInt16: '65535', gdal.GDT_Int16: '32767'}.get(band.DataType, '255')


# Places along each edge of a chunk that GDAL transforms to find its part of the source.
STEPS = 21
# Where its part of the source makes up less than this of what the chunk spans, gdalwarp cuts the chunk, unless it is as small as this.
FILL_RATIO = 0.5
SMALL_CHUNK = 100
# From here on a place in the source is taken for nonsense until the way back confirms it.
FAR_AWAY = 1e6


def warp_scale(source, resampling):
    """
    Pixels of the grid to a pixel of the source, along the source's x and y, by which kernels are widened: as gdalwarp takes it where it warps
    the whole grid as one chunk (GDALWarpOperation::ComputeSourceWindow, GDALWarpKernel::PerformWarp). GDAL takes it from every chunk anew, so that
    left to itself results would depend on the windows. Where gdalwarp cuts the grid because the source covers little of it, the chunk is the
    part of the grid that the source covers.
    """
    if resampling not in source.scales:
        target = need_grid()
        whole = (0, 0, target.columns, target.rows)
        scale, ratio = chunk_scale(source, whole, resampling)
        if ratio < FILL_RATIO and max(target.columns, target.rows) > SMALL_CHUNK:
            part = covered_part(source)
            if part is not None:
                scale, _ = chunk_scale(source, part, resampling)
        # With more pixels of the source to one of the grid than this GDAL doesn't reckon.
        source.scales[resampling] = [max(1e-3, value) for value in scale]
    return source.scales[resampling]


def covered_part(source):
    """The rectangle of the grid in which the source lies: column, row, columns, rows; None where there is none."""
    target = need_grid()
    wide, high = source.dataset.RasterXSize, source.dataset.RasterYSize
    places = [p for p in source.transformer(0).points(False, [(x * wide, y * high) for x, y in lattice(1 / wide, 1 / high)]) if p is not None]
    if not places:
        return None
    spans = []
    for axis, length in ((0, target.columns), (1, target.rows)):
        low = max(0, math.floor(min(place[axis] for place in places)))
        high = min(length, math.ceil(max(place[axis] for place in places)))
        if high <= low:
            return None
        spans.append((low, high - low))
    return spans[0][0], spans[1][0], spans[0][1], spans[1][1]


def lattice(pixel_x, pixel_y):
    """Places within the unit square: a lattice, and half a pixel from its edges."""
    across, down = ([0.5 * pixel] + [i / (STEPS - 1) for i in range(STEPS)] + [1 - 0.5 * pixel] for pixel in (pixel_x, pixel_y))
    return [(x, y) for y in down for x in across]


def around(column, row, columns, rows):
    places = []
    ratio = 0.0
    # Added up, as there: the last digit can decide about a pixel.
    while ratio <= 1.0 + 0.5 / (STEPS - 1):
        x, y = ratio * columns + column, ratio * rows + row
        places += [(x, row), (x, row + rows), (column, y), (column + columns, y)]
        ratio += 1.0 / (STEPS - 1)
    return places


def has_pole(target):
    """Whether a pole lies on the grid: around it, the edges of a chunk don't tell what lies within."""
    if target.crs is None:
        return False
    crs = target.crs.Clone()
    crs.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    geographic = crs.CloneGeogCS()
    if geographic is None:
        return False
    geographic.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    inverse = gdal.InvGeoTransform(target.transform)
    for latitude in (-89.9999, 89.9999):
        try:
            x, y, _ = osr.CoordinateTransformation(geographic, crs).TransformPoint(0, latitude)
        except RuntimeError:
            continue
        x, y = gdal.ApplyGeoTransform(inverse, x, y)
        if 0 <= x <= target.columns and 0 <= y <= target.rows:
            return True
    return False


def chunk_scale(source, chunk, resampling):
    """What GDAL finds for a chunk: the scale, and which part of what the chunk spans is of the source."""
    column, row, columns, rows = chunk
    sizes = (source.dataset.RasterXSize, source.dataset.RasterYSize)
    exact = source.transformer(0)
    inner = [(column + x * columns, row + y * rows) for x, y in lattice(1 / columns, 1 / columns)]
    by_lattice = has_pole(grid) and not source.dataset.GetSpatialRef().IsSame(grid.crs)
    found = exact.points(True, inner if by_lattice else around(*chunk))
    if None not in found and any(value < -FAR_AWAY or value > size + FAR_AWAY for place in found for value, size in zip(place, sizes)):
        gdal.SetThreadLocalConfigOption('CHECK_WITH_INVERT_PROJ', 'YES')
        try:
            exact = Transformer(source.dataset)
            found = exact.points(True, inner if by_lattice else around(*chunk))
        finally:
            gdal.SetThreadLocalConfigOption('CHECK_WITH_INVERT_PROJ', None)
            exact.close()
            exact = source.transformer(0)
    if None in found and not by_lattice:
        by_lattice = True
        found = exact.points(True, inner)
    failed = found.count(None)
    places = [place for place in found if place is not None]
    if by_lattice:
        own = [(x * sizes[0], y * sizes[1]) for x, y in lattice(1 / sizes[0], 1 / sizes[1])]
        places += [place for place, goal in zip(own, exact.points(False, own)) if goal is not None and column <= goal[0] <= column + columns and row <= goal[1] <= row + rows]
    if failed > len(found) - 5 or not places:
        return [1.0, 1.0], 0.0
    lows, highs = ([choose(place[axis] for place in places) for axis in (0, 1)] for choose in (min, max))
    if any(lows[axis] > sizes[axis] or highs[axis] < 0 for axis in (0, 1)):
        return [1.0, 1.0], 0.0
    lows, highs = ([near_whole(value) for value in values] for values in (lows, highs))
    scale, covered, spanned = [], 1.0, 1.0
    for low, high, size, pixels in zip(lows, highs, sizes, (columns, rows)):
        span = high - low
        local = max(1e-3, pixels / span) if span > 0 else math.inf
        radius = RADIUS.get(resampling, 0)
        radius = (math.ceil(radius / local) if local < UNSCALED else radius) + (10 if failed else 0)
        first, last = int(max(0.0, low)), int(min(math.ceil(high), size))
        raw = max(0.0, min(size - first, span))
        if last - first > 0.9 * size:
            length = size
        else:
            start = max(0, min(first - radius, size))
            length = max(0, min(size - start, last - start + radius))
        extra = length - raw
        value = pixels / (length - extra) if length - extra > 0 else 1.0
        if pixels <= length <= pixels + extra:
            value = 1.0
        if value < 1.0 and abs(1 / value - int(1 / value + 0.5)) < 0.05:
            value = 1.0 / int(1 / value + 0.5)
        scale.append(value)
        covered *= length
        spanned *= span + 2 * radius
    if scale[1] / scale[0] > 100:
        scale[0] = sampled_scale(exact, chunk, scale[0])
    return scale, covered / max(1.0, spanned)


def near_whole(value):
    return float(round(value)) if abs(round(value) - value) < 1e-6 else value


def sampled_scale(exact, chunk, otherwise):
    """The scale along x where an image wraps around the Earth: the mean of local ones, the smallest left out."""
    column, row, columns, rows = chunk
    wide, high = min(10, columns), min(10, rows)
    points = []
    for j in range(high):
        for i in range(wide):
            x = column + (i * columns / (wide - 1) if wide > 1 else 0)
            y = row + (j * rows / (high - 1) if high > 1 else 0)
            points += [(x, y), (x - 1 if i == wide - 1 else x + 1, y), (x, y - 1 if j == high - 1 else y + 1)]
    found = exact.points(True, points)
    values = []
    for at in range(0, len(found), 3):
        here, beside, below = found[at:at + 3]
        if None not in (here, beside, below):
            step = max(abs(beside[0] - here[0]), abs(below[0] - here[0]))
            if step > 0:
                values.append(1 / step)
    kept = [value for value in values if value > max(values) / 10]
    return sum(kept) / len(kept) if kept else otherwise


def union_type(codes):
    found = codes[0]
    for code in codes[1:]:
        found = gdal.DataTypeUnion(found, code)
    return found


class Plan:
    """What a request for a warp comes to for one source."""

    def __init__(self, source, request):
        self.source = source
        self.dtype = request['dtype']
        self.bands = request['bands']
        # The last band tells how much each pixel counts, and is warped as such.
        self.alpha_last = bool(request.get('alpha'))
        self.resampling = request['resampling']
        self.threshold = request.get('errorThreshold') or 0
        self.validity = bool(request.get('validity'))
        self.outside_is_data = self.validity and bool(request.get('outsideIsData'))
        for band in self.bands:
            dtype = dtype_of(source.band(band))
            if dtype not in LIMITS and dtype not in ('float32', 'float64'):
                raise Refused('band %d has samples of type %s; wanted integers of at most 32 bits, float32 or float64' % (band, dtype))
        view, self.excess = source.view(self.dtype)
        self.view = view
        self.alpha = alpha_band(view) if self.validity else 0
        if self.alpha_last:
            if self.excess:
                raise Refused('an alpha band of samples of type int8 cannot be warped as such')
            self.alpha = self.bands[-1]
            self.bands = self.bands[:-1]
        shift = EXCESS if self.excess else 0
        nodata = number(request.get('nodata'))
        if nodata is not None and not all(fits(nodata, dtype_of(source.band(band))) for band in self.bands):
            nodata = None
        init = number(request.get('init'))
        self.nodata = None if nodata is None else nodata + shift
        self.init = (0 if init is None else init) + shift if init is not None or nodata is None else self.nodata
        self.code, self.size = DTYPES['uint8' if self.excess else self.dtype]
        self.working = union_type([self.code] + [view.GetRasterBand(band).DataType for band in request['bands']])
        self.working_size = gdal.GetDataTypeSize(self.working) // 8
        scale = request.get('scale')
        self.scale = [1.0, 1.0] if self.resampling == 'nearest' else (scale or warp_scale(source, self.resampling))

    @property
    def replaced(self):
        """Whether pixels beyond the source hold something else than those without data within it."""
        return self.outside_is_data or self.nodata is not None and not (self.init == self.nodata or (math.isnan(self.init) and math.isnan(self.nodata)))

    def operation(self):
        key = (tuple(self.bands), self.working, self.resampling, repr(self.nodata), self.threshold, tuple(self.scale), self.excess)
        found = self.source.operations.get(key)
        if found is None:
            found = Operation(self.view, self.source.transformer(self.threshold), self.bands, 0, self.working, self.resampling, self.nodata, self.scale, None)
            self.source.operations[key] = found
        return found

    def alpha_operation(self, target):
        """With a band of the output that takes in how far a pixel is covered. Made for one window, since the band lies in that window's memory."""
        return Operation(self.view, self.source.transformer(self.threshold), self.bands, self.alpha, self.working, self.resampling, self.nodata, self.scale, target)

    def reach_operation(self):
        """The same with an image of zeros without any gap: it writes wherever the source reaches."""
        source = self.source
        key = ('reach', self.resampling, self.threshold, tuple(self.scale))
        found = source.operations.get(key)
        if found is None:
            if source.shadow is None:
                driver = gdal.GetDriverByName('VRT')
                source.shadow = driver.Create('', source.dataset.RasterXSize, source.dataset.RasterYSize, 1, gdal.GDT_Byte)
            found = Operation(source.shadow, source.transformer(self.threshold), [1], 0, gdal.GDT_Byte, self.resampling, None, self.scale, None)
            source.operations[key] = found
        return found

    def sides(self):
        """Columns and rows of a chunk, such that its part of the source stays small."""
        wide, high = (max(1.0, 1 / value) for value in (self.scale if self.resampling != 'nearest' else warp_scale(self.source, 'nearest')))
        bytes_each = max(1, len(self.bands)) * (self.working_size + 1)
        side = CHUNK
        while side > 1 and side * wide * side * high * bytes_each > CHUNK_BYTES:
            side //= 2
        # With an approximate transformer a pixel depends on the chunk's columns: they are the same for every window.
        return (CHUNK if self.threshold > 0 else side), side


def pieces(start, length, side, aligned):
    """Cuts a range into (from, to); aligned to multiples of `side`, so that pieces may begin before it and end after it."""
    at = (start // side) * side if aligned else start
    while at < start + length:
        yield at, min(at + side, start + length) if not aligned else at + side
        at += side


def window_of(request):
    column, row, columns, rows = request['window']
    return column, row, columns, rows


def warp(request):
    source = raster(request['source'])
    plan = Plan(source, request)
    target = need_grid()
    column, row, columns, rows = window_of(request)
    plane = columns * rows
    planes = len(request['bands']) * plane * plan.size
    out = Samples(planes + (plane if plan.validity else 0))
    # An alpha plane stays 0 where nothing lies.
    fill(out.address, plan.init, plan.code, plan.size, len(plan.bands) * plane)
    if plan.outside_is_data:
        out.bytes[planes:planes + plane] = b'\x01' * plane
    chunk_columns, chunk_rows = plan.sides()
    aligned = plan.threshold > 0
    left, right = max(column, 0), min(column + columns, target.columns)
    top, bottom = max(row, 0), min(row + rows, target.rows)
    for x0, x1 in pieces(left, right - left, CHUNK if not aligned else chunk_columns, aligned):
        # A chunk of an approximate warp is whole where the grid is.
        x1 = min(x1, target.columns)
        for y0, y1 in pieces(top, bottom - top, CHUNK, False):
            for part in touched_parts(plan, x0, y0, x1, y1, chunk_columns, chunk_rows):
                warp_chunk(plan, out, planes, (column, row, columns, rows), *part)
    view = out.view()
    if plan.excess:
        view[:planes] = bytes(view[:planes]).translate(FLIP_SIGN)
    return {'ok': True}, view


def touched_parts(plan, x0, y0, x1, y1, most_columns, most_rows):
    """Cuts a rectangle until its parts are small enough, and leaves out those that lie far from the source: where a pixel of the grid is a thousand of the source, chunks are tiny."""
    if not may_touch(plan.source, x0, y0, x1, y1):
        return
    wide, high = x1 - x0, y1 - y0
    if wide <= most_columns and high <= most_rows:
        yield x0, y0, x1, y1
        return
    middle_x = x0 + (wide + 1) // 2 if wide > most_columns else x1
    middle_y = y0 + (high + 1) // 2 if high > most_rows else y1
    for left, right in ((x0, middle_x), (middle_x, x1)):
        for top, bottom in ((y0, middle_y), (middle_y, y1)):
            if right > left and bottom > top:
                yield from touched_parts(plan, left, top, right, bottom, most_columns, most_rows)


# Places across and down a rectangle at which its place in the source is looked at.
SAMPLES = 9


def may_touch(source, x0, y0, x1, y1):
    """False only where all places can be transformed, or none, and the source is farther away than half of what they span."""
    places = source.transformer(0).points(True, [(x0 + (x1 - x0) * i / (SAMPLES - 1), y0 + (y1 - y0) * j / (SAMPLES - 1)) for j in range(SAMPLES) for i in range(SAMPLES)])
    found = [place for place in places if place is not None]
    if not found:
        return False
    if len(found) < len(places):
        return True
    for axis, length in ((0, source.dataset.RasterXSize), (1, source.dataset.RasterYSize)):
        low, high = min(place[axis] for place in found), max(place[axis] for place in found)
        margin = (high - low) / 2 + 16
        if high + margin < 0 or low - margin > length:
            return False
    return True


def warp_chunk(plan, out, planes, window, x0, y0, x1, y1):
    column, row, columns, rows = window
    wide, high = x1 - x0, y1 - y0
    count = len(plan.bands)
    size = plan.working_size
    chunk = Samples(count * wide * high * size)
    begin = plan.init if plan.nodata is None else plan.nodata
    fill(chunk.address, begin, plan.working, size, count * wide * high)
    alpha = None
    if plan.validity or plan.alpha_last:
        # Of the samples' type, as gdalwarp has it, so that it is rounded to nothing at the same pixels.
        alpha = Samples(wide * high * plan.size)
        # A band of the whole grid, of which only the chunk's memory is ever touched.
        whole = gdal.GetDriverByName('MEM').Create('', grid.columns, grid.rows, 0, gdal.GDT_Byte)
        # The bands before it are there to be counted: samples go to a buffer.
        start = alpha.address - (y0 * wide + x0) * plan.size
        for _ in range(count + 1):
            whole.AddBand(plan.code, ['DATAPOINTER=%d' % start, 'PIXELOFFSET=%d' % plan.size, 'LINEOFFSET=%d' % (wide * plan.size)])
        whole.GetRasterBand(count + 1).SetColorInterpretation(gdal.GCI_AlphaBand)
        operation = plan.alpha_operation(whole)
        try:
            operation.run(x0, y0, wide, high, chunk.address, plan.working)
        finally:
            operation.close()
        # The alpha may still lie in GDAL's cache.
        whole.FlushCache()
    else:
        plan.operation().run(x0, y0, wide, high, chunk.address, plan.working)
    if plan.replaced:
        replace_unreached(plan, chunk, alpha, x0, y0, wide, high)
    # The part of the chunk that was asked for.
    first, last = max(x0, column), min(x1, column + columns)
    for y in range(y0, y1):
        at = (y - row) * columns + first - column
        for band in range(count):
            origin = chunk.address + ((band * high + y - y0) * wide + first - x0) * size
            goal = out.address + (band * rows * columns + at) * plan.size
            lib.GDALCopyWords64(origin, plan.working, size, goal, plan.code, plan.size, last - first)
        if plan.alpha_last:
            start = ((y - y0) * wide + first - x0) * plan.size
            goal = (count * rows * columns + at) * plan.size
            out.bytes[goal:goal + (last - first) * plan.size] = alpha.bytes[start:start + (last - first) * plan.size]
        if plan.validity:
            # Anything but 0 becomes 1, which no conversion between types does by itself.
            begin = ((y - y0) * wide + first - x0) * plan.size
            raw = alpha.bytes[begin:begin + (last - first) * plan.size].translate(TO_VALIDITY)
            merged = int.from_bytes(raw[0::plan.size], 'little')
            for byte in range(1, plan.size):
                merged |= int.from_bytes(raw[byte::plan.size], 'little')
            out.bytes[planes + at:planes + at + last - first] = merged.to_bytes(last - first, 'little')


def replace_unreached(plan, chunk, alpha, x0, y0, wide, high):
    reached = Samples(wide * high)
    fill(reached.address, 255, gdal.GDT_Byte, 1, wide * high)
    plan.reach_operation().run(x0, y0, wide, high, reached.address, gdal.GDT_Byte)
    for run in re.finditer(b'\xff+', reached.bytes[:wide * high]):
        for band in range(len(plan.bands)):
            fill(chunk.address + (band * wide * high + run.start()) * plan.working_size, plan.init, plan.working, plan.working_size, run.end() - run.start())
        if plan.outside_is_data:
            alpha.bytes[run.start() * plan.size:run.end() * plan.size] = b'\xff' * ((run.end() - run.start()) * plan.size)


def scale_request(request):
    return {'ok': True, 'scale': warp_scale(raster(request['source']), request['resampling'])}, None


# ---------------------------------------------------------------------------------------------------------------------------------------
# Reading

def read(request):
    source = raster(request['source'])
    dtype = request['dtype']
    view, excess = source.view(dtype)
    code, size = DTYPES['uint8' if excess else dtype]
    bands = request['bands']
    for band in bands:
        source.band(band)
    validity = bool(request.get('validity'))
    column, row, columns, rows = window_of(request)
    plane = columns * rows
    planes = len(bands) * plane * size
    out = Samples(planes + (plane if validity else 0))
    init = number(request.get('init')) or 0
    left, right = max(column, 0), min(column + columns, view.RasterXSize)
    top, bottom = max(row, 0), min(row + rows, view.RasterYSize)
    inside = right > left and bottom > top
    if not inside or right - left < columns or bottom - top < rows:
        fill(out.address, init + (EXCESS if excess else 0), code, size, len(bands) * plane)
    if validity and request.get('outsideIsData'):
        out.bytes[planes:planes + plane] = b'\x01' * plane
    if inside:
        at = (top - row) * columns + left - column
        try:
            view.ReadRaster(left, top, right - left, bottom - top, right - left, bottom - top, code, bands, size, columns * size, plane * size, buf_obj=out.view(at * size, planes - at * size))
            if validity:
                mask = view.GetRasterBand(bands[0]).GetMaskBand()
                mask.ReadRaster(left, top, right - left, bottom - top, right - left, bottom - top, gdal.GDT_Byte, 1, columns, buf_obj=out.view(planes + at, plane - at))
        except RuntimeError as error:
            raise GdalFailed(str(error))
    result = out.view()
    if excess:
        result[:planes] = bytes(result[:planes]).translate(FLIP_SIGN)
    if validity:
        result[planes:] = bytes(result[planes:]).translate(TO_VALIDITY)
    return {'ok': True}, result


# ---------------------------------------------------------------------------------------------------------------------------------------
# Vectors

class VectorSource:
    """A layer, open, with the features that a filter lets through."""

    def __init__(self, source, name, where):
        self.dataset = open_alone(source, gdal.OF_VECTOR, VECTOR_DRIVERS)
        self.layer = self.find(name)
        if where:
            try:
                failed = self.layer.SetAttributeFilter(where)
            except RuntimeError as error:
                raise GdalFailed('filter %s: %s' % (where, error))
            if failed:
                raise GdalFailed('filter %s: %s' % (where, words('not understood')))
        target = need_grid()
        crs = self.layer.GetSpatialRef()
        self.change = None
        # As gdal_rasterize: without a CRS on either side, the coordinates are taken as they are.
        if crs is not None and target.crs is not None and not crs.IsSame(target.crs, ['IGNORE_DATA_AXIS_TO_SRS_AXIS_MAPPING=YES']):
            crs = crs.Clone()
            goal = target.crs.Clone()
            crs.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
            goal.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
            self.change = osr.CoordinateTransformation(crs, goal)
        self.cells = None if self.change is None else self.index()

    def find(self, name):
        count = self.dataset.GetLayerCount()
        names = [self.dataset.GetLayer(i).GetName() for i in range(count)]
        if name is None:
            if count != 1:
                raise Refused('it has %d layers, so the job must name one: %s' % (count, ', '.join(names)))
            return self.dataset.GetLayer(0)
        if name not in names:
            raise Refused('it has no layer %s: it has %s' % (name, ', '.join(names) or 'none'))
        return self.dataset.GetLayer(names.index(name))

    def close(self):
        self.layer = None
        self.dataset = None

    def transformed(self, feature):
        geometry = feature.GetGeometryRef()
        if geometry is None:
            return None
        geometry = geometry.Clone()
        if self.change is not None:
            try:
                if geometry.Transform(self.change) != 0:
                    return None
            except RuntimeError as error:
                raise GdalFailed('feature %d cannot be transformed to the CRS of the output: %s' % (feature.GetFID(), error))
        return geometry

    # Cells of the index across and down the grid.
    CELLS = 64

    def index(self):
        """
        Which features lie where, in a CRS of their own, by the envelopes of what is burnt. The layer's own spatial filter would not do: the side of a polygon
        is straight in the output's CRS, and so leaves the envelope that it has in the layer's.
        """
        cells = collections.defaultdict(list)
        self.layer.ResetReading()
        for order, feature in enumerate(self.layer):
            geometry = self.transformed(feature)
            if geometry is None or geometry.IsEmpty():
                continue
            west, east, south, north = geometry.GetEnvelope()
            for cell in self.cells_of(west, south, east, north):
                cells[cell].append((order, feature.GetFID()))
        return cells

    def cells_of(self, west, south, east, north):
        inverse = gdal.InvGeoTransform(grid.transform)
        corners = [gdal.ApplyGeoTransform(inverse, x, y) for x in (west, east) for y in (south, north)]
        columns, rows = [c[0] for c in corners], [c[1] for c in corners]
        if not all(math.isfinite(value) for value in columns + rows):
            return [(i, j) for i in range(self.CELLS) for j in range(self.CELLS)]

        def span(values, length):
            first = math.floor((min(values) - MARGIN) * self.CELLS / length)
            last = math.floor((max(values) + MARGIN) * self.CELLS / length)
            return range(max(0, first), min(self.CELLS - 1, last) + 1)

        return [(i, j) for i in span(columns, grid.columns) for j in span(rows, grid.rows)]

    def features(self, west, south, east, north):
        """Features that may touch an envelope, in the order of their numbers, which is the order of an unfiltered layer."""
        if self.cells is None:
            self.layer.SetSpatialFilterRect(west, south, east, north)
            self.layer.ResetReading()
            found = [feature for feature in self.layer]
            self.layer.SetSpatialFilter(None)
            # A spatial index gives them in an order of its own.
            return sorted(found, key=lambda feature: feature.GetFID())
        numbers = sorted({pair for cell in self.cells_of(west, south, east, north) for pair in self.cells.get(cell, ())})
        return [self.layer.GetFeature(fid) for _, fid in numbers]


# Pixels around a window whose features may touch it: a line that touches a pixel's edge counts for it with all-touched.
MARGIN = 2


def rasterize(request):
    target = need_grid()
    source = request['source']
    layer, where, attribute = request.get('layer'), request.get('where'), request.get('attribute')
    vector = vectors.get(key_of(source, layer, where), lambda: VectorSource(source, layer, where))
    field = -1
    if attribute is not None:
        definition = vector.layer.GetLayerDefn()
        field = definition.GetFieldIndex(attribute)
        if field < 0:
            names = [definition.GetFieldDefn(i).GetName() for i in range(definition.GetFieldCount())]
            raise Refused('layer %s has no attribute %s: it has %s' % (vector.layer.GetName(), attribute, ', '.join(names) or 'none'))
    dtype = request['dtype']
    excess = EXCESS if dtype == 'int8' and not HAS_INT8 else 0
    code, size = DTYPES['uint8' if excess else dtype]
    column, row, columns, rows = window_of(request)
    out = Samples(columns * rows * size)
    fill(out.address, (number(request.get('init')) or 0) + excess, code, size, columns * rows)
    left, right = max(column, 0), min(column + columns, target.columns)
    top, bottom = max(row, 0), min(row + rows, target.rows)
    if right > left and bottom > top:
        corners = [gdal.ApplyGeoTransform(target.transform, x, y) for x in (left - MARGIN, right + MARGIN) for y in (top - MARGIN, bottom + MARGIN)]
        west, east = min(c[0] for c in corners), max(c[0] for c in corners)
        south, north = min(c[1] for c in corners), max(c[1] for c in corners)
        shapes, values = [], []
        for feature in vector.features(west, south, east, north):
            geometry = vector.transformed(feature)
            if geometry is None:
                continue
            shapes.append(geometry)
            values.append((number(request['burn']) if field < 0 else feature.GetFieldAsDouble(field)) + excess)
        if shapes:
            memory = gdal.GetDriverByName('MEM').Create('', right - left, bottom - top, 0, code)
            start = out.address + ((top - row) * columns + left - column) * size
            memory.AddBand(code, ['DATAPOINTER=%d' % start, 'PIXELOFFSET=%d' % size, 'LINEOFFSET=%d' % (columns * size)])
            burn(memory, shapes, values, left, top, bool(request.get('allTouched')))
            memory.FlushCache()
    result = out.view()
    if excess:
        result[:] = bytes(result).translate(FLIP_SIGN)
    return {'ok': True}, result


class PixelPlaces:
    """From places on the Earth to pixels of the whole grid, as gdal_rasterize does it, less a window's corner, which is exact."""

    def __init__(self, column, row):
        self.whole = lib.GDALCreateGenImgProjTransformer2(None, handle(grid.dataset), None)
        shift = gdal.GetDriverByName('MEM').Create('', 1, 1, 0, gdal.GDT_Byte)
        shift.SetGeoTransform((column, 1, 0, row, 0, 1))
        self.shift = lib.GDALCreateGenImgProjTransformer2(None, handle(shift), None)
        if not self.whole or not self.shift:
            raise GdalFailed(words('cannot transform coordinates to pixels of the output grid'))

        def places(_, backwards, count, x, y, z, success):
            first, second = (self.shift, self.whole) if backwards else (self.whole, self.shift)
            good = lib.GDALGenImgProjTransform(first, backwards, count, x, y, z, success)
            return good and lib.GDALGenImgProjTransform(second, backwards, count, x, y, z, success)

        self.function = TRANSFORMER(places)

    def close(self):
        lib.GDALDestroyGenImgProjTransformer(self.whole)
        lib.GDALDestroyGenImgProjTransformer(self.shift)


def burn(memory, shapes, values, column, row, all_touched):
    places = PixelPlaces(column, row)
    options = string_list([('ALL_TOUCHED', 'TRUE' if all_touched else 'FALSE'), ('OPTIM', 'RASTER')])
    geometries = (ctypes.c_void_p * len(shapes))(*[handle(shape) for shape in shapes])
    numbers = (ctypes.c_double * len(values))(*values)
    band = (ctypes.c_int * 1)(1)
    gdal.ErrorReset()
    try:
        # GDAL calls back with this argument, and takes none for "no transformer of yours".
        failed = lib.GDALRasterizeGeometries(handle(memory), 1, band, len(shapes), geometries, places.function, places.whole, numbers, options, None, None)
    finally:
        lib.CSLDestroy(options)
        places.close()
    if failed:
        raise GdalFailed(words('burning the features failed'))


# ---------------------------------------------------------------------------------------------------------------------------------------
# Descriptions

def finite(value):
    """A number as JSON can hold it."""
    if value is None or math.isfinite(value):
        return value
    return 'NaN' if math.isnan(value) else ('Infinity' if value > 0 else '-Infinity')


def crs_facts(crs):
    if crs is None:
        return None
    crs = crs.Clone()
    try:
        crs.AutoIdentifyEPSG()
    except RuntimeError:
        pass
    authority = crs.GetAuthorityName(None)
    code = crs.GetAuthorityCode(None)
    # EngineeringCRS and such have no authority.
    return {'name': crs.GetName(), 'wkt': crs.ExportToWkt(['FORMAT=WKT2']), 'epsg': int(code) if authority == 'EPSG' and code and code.isdigit() else None}


def describe(request):
    source = request['source']
    dataset = open_alone(source, gdal.OF_RASTER | gdal.OF_VECTOR, RASTER_DRIVERS + VECTOR_DRIVERS)
    result = {'ok': True, 'driver': dataset.GetDriver().ShortName, 'subdatasets': [{'name': name, 'description': text} for name, text in dataset.GetSubDatasets() or []]}
    result['raster'] = raster_facts(dataset) if dataset.RasterCount > 0 else None
    result['layers'] = [layer_facts(dataset.GetLayer(i)) for i in range(dataset.GetLayerCount())]
    return result, None


def raster_facts(dataset):
    transform = dataset.GetGeoTransform(can_return_null=True)
    bands = []
    for index in range(dataset.RasterCount):
        band = dataset.GetRasterBand(index + 1)
        flags = band.GetMaskFlags()
        table = band.GetColorTable()
        block = band.GetBlockSize()
        bands.append({
            'dtype': dtype_of(band),
            'nodata': finite(band.GetNoDataValue()),
            'description': band.GetDescription(),
            'scale': band.GetScale(), 'offset': band.GetOffset(),
            'interpretation': gdal.GetColorInterpretationName(band.GetColorInterpretation()),
            'mask': 'alpha' if flags & gdal.GMF_ALPHA else 'dataset' if flags & gdal.GMF_PER_DATASET else 'nodata' if flags & gdal.GMF_NODATA else 'none' if flags & gdal.GMF_ALL_VALID else 'band',
            'colorTable': None if table is None else [list(table.GetColorEntry(i)) for i in range(table.GetCount())],
            'blockSize': list(block),
        })
    return {
        'columns': dataset.RasterXSize, 'rows': dataset.RasterYSize, 'bands': bands,
        'geotransform': None if transform is None else [value + 0.0 for value in transform],  # no -0
        'crs': crs_facts(dataset.GetSpatialRef()),
        'groundControlPoints': dataset.GetGCPCount(), 'rpc': bool(dataset.GetMetadata('RPC')), 'geolocation': bool(dataset.GetMetadata('GEOLOCATION')),
    }


def layer_facts(layer):
    definition = layer.GetLayerDefn()
    try:
        extent = list(layer.GetExtent()) if layer.GetFeatureCount() > 0 else None
    except RuntimeError:
        extent = None
    return {
        'name': layer.GetName(), 'features': layer.GetFeatureCount(), 'geometryType': ogr.GeometryTypeToName(layer.GetGeomType()),
        'fields': [{'name': definition.GetFieldDefn(i).GetName(), 'type': definition.GetFieldDefn(i).GetTypeName()} for i in range(definition.GetFieldCount())],
        'crs': crs_facts(layer.GetSpatialRef()),
        'bounds': None if extent is None else [extent[0], extent[2], extent[1], extent[3]],
    }


# ---------------------------------------------------------------------------------------------------------------------------------------
# Conversion

def convert(request):
    dataset = open_alone(request['source'], gdal.OF_RASTER, RASTER_DRIVERS)
    if dataset.RasterCount == 0:
        raise Refused('it has no bands' + subdataset_hint(dataset))
    if dataset.GetGeoTransform(can_return_null=True) is None:
        for there, what in ((dataset.GetGCPCount() > 0, 'ground control points'), (dataset.GetMetadata('RPC'), 'rational polynomial coefficients'), (dataset.GetMetadata('GEOLOCATION'), 'geolocation arrays')):
            if there:
                raise Refused('it is placed on the Earth by %s only, and has no geotransform: warp it first, for example with gdalwarp' % what)
    bands = request.get('bands') or list(range(1, dataset.RasterCount + 1))
    types = set()
    for index in bands:
        if not 1 <= index <= dataset.RasterCount:
            raise Refused('it has no band %d: it has %d' % (index, dataset.RasterCount))
        dtype = dtype_of(dataset.GetRasterBand(index))
        if dtype not in LIMITS and dtype not in ('float32', 'float64'):
            raise Refused('band %d has samples of type %s; wanted integers of at most 32 bits, float32 or float64' % (index, dtype))
        types.add(dtype)
    codecs = gdal.GetDriverByName('GTiff').GetMetadataItem('DMD_CREATIONOPTIONLIST') or ''
    wanted = request.get('compression') or ('zstd' if '<Value>ZSTD</Value>' in codecs else 'deflate')
    options = ['TILED=YES', 'BLOCKXSIZE=512', 'BLOCKYSIZE=512', 'BIGTIFF=IF_SAFER', 'COMPRESS=' + wanted.upper(), 'INTERLEAVE=PIXEL' if len(bands) <= 4 else 'INTERLEAVE=BAND']
    if wanted != 'none':
        options.append('ZSTD_LEVEL=1' if wanted == 'zstd' else 'ZLEVEL=1')
        if types & {'float32', 'float64'}:
            options.append('PREDICTOR=3')
        elif types - {'uint8', 'int8'}:
            options.append('PREDICTOR=2')
    if types == {'int8'} and not HAS_INT8:
        options.append('PIXELTYPE=SIGNEDBYTE')
    if dataset.GetRasterBand(bands[0]).GetMetadataItem('NBITS', 'IMAGE_STRUCTURE') and len(types) == 1:
        # The driver would take over samples of 12 bits, which only GDAL reads.
        bits = {'uint8': 8, 'uint16': 16, 'uint32': 32, 'float32': 32}.get(min(types))
        options += [] if bits is None else ['NBITS=%d' % bits]
    target = request['target']
    gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', 'YES')
    try:
        made = gdal.Translate(target, dataset, format='GTiff', bandList=bands, creationOptions=options)
        if made is None:
            raise GdalFailed(words('gdal_translate made nothing'))
        made.FlushCache()
        made = None
    except RuntimeError as error:
        remove(target)
        raise GdalFailed(str(error))
    except GdalFailed:
        remove(target)
        raise
    return {'ok': True, 'bytes_written': os.path.getsize(target)}, None


def remove(path):
    try:
        os.remove(path)
    except OSError:
        pass


# ---------------------------------------------------------------------------------------------------------------------------------------
# The conversation

def raster(source):
    return rasters.get(key_of(source), lambda: RasterSource(source))


def start(request):
    """Options of GDAL, and the grid."""
    global grid, rasters, vectors
    configure(request)
    payload = request.get('payload_bytes')
    grid = Grid(payload) if payload else None
    return {'ok': True, 'version': gdal.__version__}, None


def configure(request):
    """Sets GDAL's options, also while it is at work: credentials that were renewed. What is open was opened with the old ones."""
    rasters.clear()
    vectors.clear()
    for key, value in (request.get('options') or {}).items():
        gdal.SetConfigOption(key, value)
    gdal.VSICurlClearCache()
    return {'ok': True}, None


REQUESTS = {'start': start, 'configure': configure, 'warp': warp, 'scale': scale_request, 'read': read, 'rasterize': rasterize, 'describe': describe, 'convert': convert}


def read_exactly(stream, length):
    data = stream.read(length)
    if len(data) < length:
        # The other side is gone.
        sys.exit(0)
    return data


def write_all(channel, data):
    view = memoryview(data)
    at = 0
    while at < len(view):
        at += os.write(channel, view[at:at + 1048576])


def reply(channel, header, data):
    if data is not None:
        header['bytes'] = len(data)
    text = json.dumps(header).encode()
    write_all(channel, struct.pack('<I', len(text)) + text)
    if data is not None:
        write_all(channel, data)


def answer(request):
    try:
        return REQUESTS[request['do']](request)
    except Refused as error:
        return {'error': str(error), 'kind': 'refused'}, None
    except (GdalFailed, RuntimeError) as error:
        return {'error': str(error), 'kind': 'gdal'}, None
    except MemoryError:
        return {'error': 'not enough memory', 'kind': 'memory'}, None


def main():
    channel = os.dup(1)
    os.dup2(2, 1)
    stream = sys.stdin.buffer
    while True:
        length = struct.unpack('<I', read_exactly(stream, 4))[0]
        request = json.loads(read_exactly(stream, length))
        if request.get('payload'):
            request['payload_bytes'] = read_exactly(stream, request['payload'])
        try:
            header, data = answer(request)
        except Exception as error:  # A defect of this program: the other side says so, with the place.
            import traceback
            traceback.print_exc()
            header, data = {'error': '%s: %s' % (type(error).__name__, error), 'kind': 'defect'}, None
        try:
            reply(channel, header, data)
        except BrokenPipeError:
            sys.exit(0)


if __name__ == '__main__':
    from osgeo import gdal, ogr, osr
    gdal.UseExceptions()
    ogr.UseExceptions()
    osr.UseExceptions()
    lib = load_library()
    list_types()
    leave_drivers()
    RESAMPLINGS = {'nearest': gdal.GRA_NearestNeighbour, 'bilinear': gdal.GRA_Bilinear, 'cubic': gdal.GRA_Cubic, 'average': gdal.GRA_Average, 'mode': gdal.GRA_Mode, 'min': gdal.GRA_Min, 'max': gdal.GRA_Max, 'med': gdal.GRA_Med}
    grid = None
    rasters = Cache(64)
    vectors = Cache(16)
    try:
        main()
    except KeyboardInterrupt:
        # Control-C goes to the whole group; the one who started this process decides what it means.
        sys.exit(130)
