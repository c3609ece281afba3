"""One way of warping one source, and what a request comes to."""
import ctypes
import math

from osgeo import gdal

from errors import GdalFailed, Refused
from gdal_c import handle, lib, string_list, words
from samples import DTYPES, HAS_INT8, LIMITS, dtype_of, fits, number
from scale import FAR_AWAY, RADIUS, lattice, warp_scale
from wide_integers import WIDE, wide_integers

RESAMPLINGS = {
    'nearest': gdal.GRA_NearestNeighbour, 'bilinear': gdal.GRA_Bilinear, 'cubic': gdal.GRA_Cubic, 'average': gdal.GRA_Average, 'mode': gdal.GRA_Mode,
    'min': gdal.GRA_Min, 'max': gdal.GRA_Max, 'med': gdal.GRA_Med,
}
# A chunk of this side costs about 20 ms, and finding out that it touches nothing 0.2 ms.
CHUNK = 256
# Bytes of the source that a chunk may need at most, about.
CHUNK_BYTES = 64 * 1024 * 1024
# Resamplings that look at the place of a pixel's centre only; the others take all that its area covers.
POINTWISE = ('nearest', 'bilinear', 'cubic')
# A part of the source that GDAL shall find.
LEFT_TO_GDAL = (0, 0, 0, 0)
# Places across and down a chunk at which it is looked at how much its map is bent: fine where the coarse ones show that it is.
COARSE, FINE = 9, 33
# Pixels of the source by which the coarse places may bend. GDAL's own places are nearer to each other, and what it takes in addition is enough then.
STRAIGHT = 8


def bend(places, side):
    """How far the map leaves a straight line between neighbouring places, at most, along the source's x and y."""
    most = [0.0, 0.0]
    for at, here in enumerate(places):
        for step, first, last in ((1, at % side == 0, at % side == side - 1), (side, at < side, at >= side * (side - 1))):
            if not first and not last:
                for axis in (0, 1):
                    most[axis] = max(most[axis], abs(places[at - step][axis] - 2 * here[axis] + places[at + step][axis]))
    return most


class Operation:
    """One way of warping one source."""

    def __init__(self, view, exact, transformer, bands, source_alpha, working, resampling, nodata, scale, target):
        self.view = view
        self.exact = exact
        self.target = target
        self.outreach = [0 if resampling in POINTWISE else 2 * max(1, math.ceil(1 / value)) for value in scale]
        reach = max(math.ceil(RADIUS.get(resampling, 0) / min(1.0, value)) for value in scale)
        self.extra = 4 + reach
        pairs = [
            # So that pixels which are not written keep what is there.
            ('INIT_DEST', '0' if nodata is None else 'NO_DATA'),
            ('ERROR_OUT_IF_EMPTY_SOURCE_WINDOW', 'FALSE'),
            # A pixel without data in one band is without data there, whatever the other bands say: then it does not matter which bands are asked for together.
            ('UNIFIED_SRC_NODATA', 'PARTIAL'),
            ('NUM_THREADS', '1'),
            # More of the source than the edges of a chunk suggest, so that nothing is missed.
            ('SAMPLE_GRID', 'YES'),
            ('SOURCE_EXTRA', str(self.extra)),
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
        failed = lib.GDALWarpRegionToBuffer(self.pointer, column, row, columns, rows, address, working, *self.source_window(column, row, columns, rows)) != 0
        wide_integers.check()
        if failed:
            raise GdalFailed(words('the warp failed'))

    def source_window(self, *window):
        """The part of the source for a window of the grid: column, row, columns, rows; zeros where GDAL shall find it."""
        edge = self.edge(*window)
        return self.bent(*window) if edge == LEFT_TO_GDAL else edge

    def bent(self, column, row, columns, rows):
        """
        The part of the source for a window in which the map is bent, as around a pole: what lies between the places at which GDAL looks reaches farther than they do, and
        pixels would miss their source for some windows and not for others.
        """
        sizes = (self.view.RasterXSize, self.view.RasterYSize)
        for side in (COARSE, FINE):
            steps = [i / (side - 1) for i in range(side)]
            places = self.exact.points(True, [(column + x * columns, row + y * rows) for y in steps for x in steps])
            if None in places:
                return LEFT_TO_GDAL
            if any(value < -FAR_AWAY or value > size + FAR_AWAY for place in places for value, size in zip(place, sizes)):
                # Nonsense, maybe: GDAL looks at the way back.
                return LEFT_TO_GDAL
            bends = bend(places, side)
            if max(bends) <= STRAIGHT and side == COARSE:
                return LEFT_TO_GDAL
        spans = []
        for axis, size in enumerate(sizes):
            more = bends[axis] + max(self.extra, self.outreach[axis] + 4)
            first = max(0, math.floor(min(place[axis] for place in places) - more))
            last = min(size, math.ceil(max(place[axis] for place in places) + more))
            if last <= first:
                return LEFT_TO_GDAL
            spans.append((first, last - first))
        return spans[0][0], spans[1][0], spans[0][1], spans[1][1]

    def edge(self, column, row, columns, rows):
        """
        The part of the source for a window that lies just beyond it: column, row, columns, rows; zeros where GDAL shall find it. Resampling by areas
        continues the source's edge by some pixels, which GDAL would not do for a window that has nothing of the source.
        """
        if self.outreach[0] == 0:
            return LEFT_TO_GDAL
        sizes = (self.view.RasterXSize, self.view.RasterYSize)
        places = self.exact.points(True, [(column + x * columns, row + y * rows) for x, y in lattice(1 / columns, 1 / rows)])
        if None in places:
            return LEFT_TO_GDAL
        lows, highs = ([choose(place[axis] for place in places) for axis in (0, 1)] for choose in (min, max))
        if all(lows[axis] <= sizes[axis] and highs[axis] >= 0 for axis in (0, 1)):
            return LEFT_TO_GDAL
        spans = []
        for low, high, size, outreach in zip(lows, highs, sizes, self.outreach):
            first, last = max(0, math.floor(low) - outreach - 4), min(size, math.ceil(high) + outreach + 4)
            if last <= first:
                return LEFT_TO_GDAL
            spans.append((first, last - first))
        return spans[0][0], spans[1][0], spans[0][1], spans[1][1]

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
            if dtype not in LIMITS and dtype not in WIDE and dtype not in ('float32', 'float64'):
                raise Refused('band %d has samples of type %s; wanted integers, float32 or float64' % (band, dtype))
        # A sum of samples in excess of 128 would be rounded otherwise now and then, so without an int8 of GDAL's own the warp is one of int16.
        self.narrow = self.dtype == 'int8' and not HAS_INT8
        wide_dtype = 'int16' if self.narrow else self.dtype
        nodata = number(request.get('nodata'))
        view, _ = source.view(wide_dtype, nodata)
        self.view = view
        self.alpha = alpha_band(view) if self.validity else 0
        if self.alpha_last:
            if self.narrow:
                raise Refused('an alpha band of samples of type int8 cannot be warped as such')
            self.alpha = self.bands[-1]
            self.bands = self.bands[:-1]
        if nodata is not None and not all(fits(nodata, dtype_of(source.band(band))) for band in self.bands):
            nodata = None
        init = number(request.get('init'))
        self.nodata = nodata
        self.init = 0 if init is None and nodata is None else nodata if init is None else init
        self.code, self.size = DTYPES[wide_dtype]
        self.working = union_type([self.code] + [view.GetRasterBand(band).DataType for band in request['bands']])
        self.working_size = gdal.GetDataTypeSize(self.working) // 8
        scale = request.get('scale')
        self.scale = [1.0, 1.0] if self.resampling == 'nearest' else (scale or warp_scale(source, self.resampling))

    @property
    def replaced(self):
        """Whether pixels beyond the source hold something else than those without data within it."""
        return self.outside_is_data or self.nodata is not None and not (self.init == self.nodata or (math.isnan(self.init) and math.isnan(self.nodata)))

    def operation(self):
        key = (tuple(self.bands), self.working, self.resampling, repr(self.nodata), self.threshold, tuple(self.scale))
        found = self.source.operations.get(key)
        if found is None:
            found = Operation(self.view, self.source.transformer(0), self.source.transformer(self.threshold), self.bands, 0, self.working, self.resampling, self.nodata, self.scale, None)
            self.source.operations[key] = found
        return found

    def alpha_operation(self, target):
        """With a band of the output that takes in how far a pixel is covered. Made for one window, since the band lies in that window's memory."""
        return Operation(self.view, self.source.transformer(0), self.source.transformer(self.threshold), self.bands, self.alpha, self.working, self.resampling, self.nodata, self.scale, target)

    def reach_operation(self):
        """The same with an image of zeros without any gap: it writes wherever the source reaches."""
        source = self.source
        key = ('reach', self.resampling, self.threshold, tuple(self.scale))
        found = source.operations.get(key)
        if found is None:
            if source.shadow is None:
                driver = gdal.GetDriverByName('VRT')
                source.shadow = driver.Create('', source.dataset.RasterXSize, source.dataset.RasterYSize, 1, gdal.GDT_Byte)
            found = Operation(source.shadow, source.transformer(0), source.transformer(self.threshold), [1], 0, gdal.GDT_Byte, self.resampling, None, self.scale, None)
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
