"""Rasters that don't lie on one grid, and what gdalwarp and numpy make of them on the grid of an output: the oracle of alignment and mosaics."""
import math
import os
import tempfile

import numpy as np
from osgeo import gdal, osr

from gdal_programs import run

gdal.UseExceptions()
osr.UseExceptions()
gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', 'YES')
gdal.SetConfigOption('GDAL_PAM_ENABLED', 'NO')

TYPES = {'uint8': gdal.GDT_Byte, 'int8': gdal.GDT_Byte, 'uint16': gdal.GDT_UInt16, 'int16': gdal.GDT_Int16, 'uint32': gdal.GDT_UInt32,
         'int32': gdal.GDT_Int32, 'float32': gdal.GDT_Float32, 'float64': gdal.GDT_Float64}


def crs(code):
    made = osr.SpatialReference()
    made.SetFromUserInput(code if isinstance(code, str) else 'EPSG:%d' % code)
    made.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return made


def place_around(centre, centre_epsg, epsg, size, columns, rows, shift=(0, 0)):
    """A geotransform in a CRS such that the raster's middle lies at a point of another CRS, moved by some pixels."""
    change = osr.CoordinateTransformation(crs(centre_epsg), crs(epsg))
    x, y, _ = change.TransformPoint(*centre)
    return [x + (shift[0] - columns / 2) * size, size, 0, y - (shift[1] - rows / 2) * size, 0, -size]


def transformed(points, from_crs, to_crs):
    """Those of the points that have a place in the other CRS."""
    change = osr.CoordinateTransformation(crs(from_crs), crs(to_crs))
    found = []
    for x, y in points:
        try:
            at = change.TransformPoint(x, y)
        except RuntimeError:
            continue
        if math.isfinite(at[0]) and math.isfinite(at[1]):
            found.append(at[:2])
    return np.array(found).reshape(-1, 2)


def grid_around(place, epsg, metres, columns, rows, stretched=False):
    """
    The corner and the sides of the pixels of a grid in the middle of which a place lies: x, y, width, height. Degrees are stretched to squares
    on the ground, or not. Where degrees go around, all of them: at a pole from the pole on.
    """
    lon, lat = place['centre']
    geographic = crs(epsg).IsGeographic()
    if place['around'] == 'globe':
        x, y = (180, 90) if geographic else np.abs(transformed([(179.9999, 0), (0, 84)], 4326, epsg)).max(axis=0) * 1.01
        return [-x, y, 2 * x / columns, 2 * y / rows]
    if geographic:
        high = metres / 111320
        if place['around'] == 'pole':
            return [-180, 90 if lat > 0 else -90 + rows * high, 360 / columns, high]
        wide = high / math.cos(math.radians(lat)) if stretched else high
    else:
        wide = high = metres / crs(epsg).GetLinearUnits()
    (x, y), = transformed([(lon, lat)], 4326, epsg)
    return [x - columns / 2 * wide, y + rows / 2 * high, wide, high]


def raster_over(place, grid, grid_epsg, columns, rows, code, factor, cover, shift, turn=0, orientation='north-up'):
    """
    A raster in a CRS over a grid: columns, rows, geotransform. Its sides are `cover` times what the grid spans there, its middle is moved by a part (`shift`) of that,
    and `factor` is how many pixels of the grid a pixel has on a side, or so. In degrees it may lie some turns further.
    """
    x, y, wide, high = grid
    lattice = [(x + i / 16 * columns * wide, y - j / 16 * rows * high) for i in range(17) for j in range(17)]
    points = transformed(lattice, grid_epsg, code)
    geographic = crs(code).IsGeographic()
    if geographic and place['around'] is None:
        points[:, 0] = place['centre'][0] + (points[:, 0] - place['centre'][0] + 540) % 360 - 180
    (west, south), (east, north) = points.min(axis=0), points.max(axis=0)
    if geographic and place['around'] is not None:
        west, east = -180, 180
        south, north = (south, 90) if place['centre'][1] > 0 else (-90, north) if place['around'] == 'pole' else (-90, 90)
    sides = [(east - west) / columns * factor, (north - south) / rows * factor]
    if max(sides) < 3 * min(sides):
        sides = [math.sqrt(sides[0] * sides[1])] * 2
    columns, rows = (min(1500, max(2, int(length * cover / side))) for length, side in zip((east - west, north - south), sides))
    middle = [(west + east) / 2 + shift[0] * (east - west), (south + north) / 2 - shift[1] * (north - south)]
    if geographic:
        if place['around'] is not None and cover >= 1:
            # Once around, from any meridian on.
            columns = max(2, round(360 / sides[0]))
            sides[0] = 360 / columns
        # There is nothing beyond a pole.
        top, bottom = min(90, middle[1] + rows / 2 * sides[1]), max(-90, middle[1] - rows / 2 * sides[1])
        rows, middle[1] = max(2, int((top - bottom) / sides[1])), (top + bottom) / 2
        if place['around'] == 'pole' and cover >= 1:
            middle[1] = (90 - rows / 2 * sides[1]) * math.copysign(1, place['centre'][1])
        middle[0] += 360 * turn
    steps = {'north-up': (1, 0, 0, -1), 'south-up': (1, 0, 0, 1), 'mirrored': (-1, 0, 0, -1), 'rotated': (0.8, 0.6, 0.6, -0.8), 'sheared': (1, 0.25, 0, -1), 'turned': (0, 1, -1, 0)}[orientation]
    xc, xr, yc, yr = steps[0] * sides[0], steps[1] * sides[0], steps[2] * sides[1], steps[3] * sides[1]
    return columns, rows, [middle[0] - columns / 2 * xc - rows / 2 * xr, xc, xr, middle[1] - columns / 2 * yc - rows / 2 * yr, yc, yr]


def make_raster(path, columns, rows, gt, epsg, dtype='int16', bands=1, nodata=None, mask=None, seed=1, options=('TILED=YES', 'BLOCKXSIZE=64', 'BLOCKYSIZE=64'), holes=True, flat=False):
    """Smooth pixels with noise. Nodata as blobs and single pixels; mask: None, 'mask' or 'alpha'. Of int8, which only newer GDALs warp, there is one of int16 beside it."""
    if dtype == 'int8' and not path.endswith('.wide.tif'):
        make_raster(path + '.wide.tif', columns, rows, gt, epsg, dtype, bands, nodata, mask, seed, options, holes, flat)
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:rows, 0:columns]
    kind = np.dtype(dtype)
    alpha = mask == 'alpha'
    wide = path.endswith('.wide.tif')
    options = list(options) + (['PIXELTYPE=SIGNEDBYTE'] if dtype == 'int8' and not wide else [])
    ds = gdal.GetDriverByName('GTiff').Create(path, columns, rows, bands + alpha, gdal.GDT_Int16 if wide else TYPES[dtype], options + (['PHOTOMETRIC=MINISBLACK', 'ALPHA=YES'] if alpha else []))
    if gt is not None:
        ds.SetGeoTransform(gt)
    if epsg is not None:
        ds.SetProjection(crs(epsg).ExportToWkt())
    hole = (np.hypot(x - columns * 0.3, y - rows * 0.4) < rows * 0.15) | (rng.random((rows, columns)) < 0.02)
    for band in range(bands):
        plane = np.sin(x / 9 + band + seed) * np.cos(y / 7) * 50 + 100 + rng.normal(0, 8, (rows, columns)) + (x > columns / 2) * 20
        plane = np.full((rows, columns), seed) if flat else plane
        plane = plane.astype(kind) if kind.kind == 'f' else np.clip(np.round(plane), 1, 120 if dtype == 'int8' else 250).astype(kind)
        if nodata is not None and holes:
            plane[hole] = kind.type(float(nodata))
        ds.GetRasterBand(band + 1).WriteArray(plane.astype(np.int16) if wide else plane.view(np.uint8) if dtype == 'int8' else plane)
    if nodata is not None:
        ds.GetRasterBand(1).SetNoDataValue(float(nodata))
    if mask is not None:
        shown = (np.hypot(x - columns * 0.55, y - rows * 0.5) < rows * 0.5) & (rng.random(x.shape) > 0.03)
        if alpha:
            ds.GetRasterBand(bands + 1).SetColorInterpretation(gdal.GCI_AlphaBand)
            full = {'uint16': 65535, 'int16': 32767}.get(dtype, 255)
            ds.GetRasterBand(bands + 1).WriteArray((shown * full).astype(kind))
        else:
            ds.CreateMaskBand(gdal.GMF_PER_DATASET)
            ds.GetRasterBand(1).GetMaskBand().WriteArray((shown * 255).astype(np.uint8))
    ds = None


def run_here(arguments):
    """gdalwarp in this process instead of `run`, for hundreds of calls."""
    *options, source, target = arguments[1:]
    made = gdal.Warp(gdal.Open(target, gdal.GA_Update) if os.path.exists(target) else target, source, options=options)
    if made is None or made == 0:
        raise RuntimeError(' '.join(arguments) + ': ' + gdal.GetLastErrorMsg())


def empty_like(path, out, bands, code):
    """A file with the output's size, place and CRS, for gdalwarp to write into."""
    like = gdal.Open(out)
    made = gdal.GetDriverByName('GTiff').Create(path, like.RasterXSize, like.RasterYSize, bands, code)
    made.SetGeoTransform(like.GetGeoTransform())
    made.SetProjection(like.GetProjection())
    return made


def gdalwarp(source, out, resampling, scale, more, suffix):
    """One call onto the grid of `out`: created by -te and -ts where that gives the very same grid, else written into a file like it."""
    like = gdal.Open(out)
    t = like.GetGeoTransform()
    target = tempfile.mktemp(suffix=suffix)
    options = ['-q', '-et', '0', '-ovr', 'NONE', '-r', {'nearest': 'near'}.get(resampling, resampling)]
    if scale is not None and resampling != 'nearest':
        options += ['-wo', 'XSCALE=%r' % scale[0], '-wo', 'YSCALE=%r' % scale[1]]
    srs = like.GetSpatialRef()
    # Said here, since a GeoTIFF that GDAL has made may have lost it: it has no keys for an Equal Earth projection.
    options += [] if srs is None else ['-t_srs', srs.ExportToWkt()]
    bounds = [t[0], t[3] + t[5] * like.RasterYSize, t[0] + t[1] * like.RasterXSize, t[3]]
    # gdalwarp divides the bounds by the size. A pixel that is wider by the last bit moves coordinates by some 1e-11 pixels, which float64 shows.
    divided = ((bounds[2] - bounds[0]) / like.RasterXSize, (bounds[1] - bounds[3]) / like.RasterYSize)
    if t[2] == 0 and t[4] == 0 and t[5] < 0 and divided == (t[1], t[5]):
        options += ['-te'] + [repr(v) for v in bounds] + ['-ts', str(like.RasterXSize), str(like.RasterYSize)]
        run(['gdalwarp'] + options + more + [source, target])
    else:
        code = gdal.Open(source).GetRasterBand(1).DataType
        alpha = '-dstalpha' in more
        count = gdal.Open(source).RasterCount
        made = empty_like(target, out, count + alpha, code)
        if alpha:
            made.GetRasterBand(count + 1).SetColorInterpretation(gdal.GCI_AlphaBand)
        made = None
        run(['gdalwarp'] + options + [o for o in more if o != '-dstalpha'] + [source, target])
    data = gdal.Open(target).ReadAsArray()
    os.remove(target)
    return data if data.ndim == 3 else data[None]


def is_value(a, value):
    return np.isnan(a) if np.isnan(value) else a == value


def limited(data, nodata):
    """Within int8. A pixel with data that a kernel takes beyond a limit which is nodata gets the value beside it, as GDAL does it for types of its own."""
    made = np.clip(data, -128, 127)
    return made if nodata is None else np.where((made != data) & (made == nodata), made - np.sign(made), made)


def on_grid(source, out, resampling='nearest', nodata='file', scale=None):
    """
    A raster on the grid of `out`: values (bands, rows, columns) as float64, where they are data, and which pixels it reaches at all.
    A scale is what gdalwarp is told of the sizes of pixels, where it would cut the grid into chunks and find others in each.
    """
    narrow = os.path.exists(source + '.wide.tif')
    source += '.wide.tif' if narrow else ''
    ds = gdal.Open(source)
    band = ds.GetRasterBand(1)
    nodata = band.GetNoDataValue() if nodata == 'file' else nodata
    has_alpha = ds.GetRasterBand(ds.RasterCount).GetColorInterpretation() == gdal.GCI_AlphaBand
    masked = has_alpha or bool(band.GetMaskFlags() & gdal.GMF_PER_DATASET)
    more = ['-srcnodata', 'None', '-wo', 'INIT_DEST=0'] if nodata is None else ['-srcnodata', repr(nodata), '-dstnodata', repr(nodata), '-wo', 'UNIFIED_SRC_NODATA=PARTIAL', '-wo', 'INIT_DEST=NO_DATA']
    data = gdalwarp(source, out, resampling, scale, more + (['-dstalpha'] if masked else []), '.tif')
    valid = np.ones(data.shape[1:], bool)
    if masked:
        valid = data[-1] != 0
        data = data[:-1]
    if narrow:
        data = limited(data, nodata)
    ones = tempfile.mktemp(suffix='.tif')
    made = gdal.GetDriverByName('GTiff').Create(ones, ds.RasterXSize, ds.RasterYSize, 1, gdal.GDT_Byte)
    made.SetGeoTransform(ds.GetGeoTransform())
    made.SetProjection(ds.GetProjection())
    made.GetRasterBand(1).Fill(1)
    made = None
    reached = gdalwarp(ones, out, resampling, scale, ['-wo', 'INIT_DEST=0'], '.tif')[0] != 0
    os.remove(ones)
    values = data.astype(np.float64)
    valid = np.broadcast_to(valid & reached, values.shape).copy()
    if nodata is not None:
        valid &= ~is_value(values, float(np.float32(nodata)) if data.dtype == np.float32 else nodata)
    return values, valid, reached


def as_input(values, valid, reached, fill, fill_is_data):
    """What an operation sees of a single raster: not-a-number where there is no data."""
    seen = np.where(valid, values, np.nan)
    seen[:, ~reached] = fill if fill_is_data else np.nan
    return seen


def mosaic(scenes, rule):
    """numpy's answer for a list of (values, valid) of scenes: not-a-number where none has data."""
    stack = np.stack([np.where(valid, values, np.nan) for values, valid in scenes])
    there = ~np.isnan(stack)
    some = there.any(axis=0)
    if rule == 'count':
        return there.sum(axis=0).astype(np.float64)
    if rule in ('first', 'last'):
        order = stack if rule == 'first' else stack[::-1]
        index = np.argmax(~np.isnan(order), axis=0)
        return np.where(some, np.take_along_axis(order, index[None], axis=0)[0], np.nan)
    with np.errstate(all='ignore'):
        if rule == 'mean':
            total = np.zeros(stack.shape[1:])
            # In the order of the scenes, as a sum in float64 is not the same in every order.
            for plane, there_now in zip(stack, there):
                total = np.where(there_now, total + np.nan_to_num(plane), total)
            return np.where(some, total / np.maximum(there.sum(axis=0), 1), np.nan)
        function = {'min': np.nanmin, 'max': np.nanmax, 'median': np.nanmedian}[rule]
        import warnings
        warnings.simplefilter('ignore')
        return function(stack, axis=0)


def box_of(there):
    """The columns and rows (x0, y0, x1, y1) of a plane outside of which nothing is; all 0 where nothing is at all."""
    columns, rows = np.flatnonzero(there.any(axis=0)), np.flatnonzero(there.any(axis=1))
    return (0, 0, 0, 0) if columns.size == 0 else (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def large_mosaic(scenes, rule, columns, rows, side=128):
    """The same for hundreds of small scenes, each (values, valid, box) with what lies in its box only: square by square, of the scenes that lie there. One band."""
    whole = np.full((1, rows, columns), 0.0 if rule == 'count' else np.nan)
    for y in range(0, rows, side):
        for x in range(0, columns, side):
            h, w = min(side, rows - y), min(side, columns - x)
            under = []
            for values, valid, (x0, y0, x1, y1) in scenes:
                a, b, c, d = max(x, x0), max(y, y0), min(x + w, x1), min(y + h, y1)
                if a >= c or b >= d:
                    continue
                plane, there = np.zeros((1, h, w)), np.zeros((1, h, w), bool)
                plane[:, b - y:d - y, a - x:c - x] = values[:1, b - y0:d - y0, a - x0:c - x0]
                there[:, b - y:d - y, a - x:c - x] = valid[:1, b - y0:d - y0, a - x0:c - x0]
                under.append((plane, there))
            if under:
                whole[:, y:y + h, x:x + w] = mosaic(under, rule)
    return whole


def as_mosaic(wanted, dtype, fill):
    """A mosaic in its own type, filled where no scene has data; fill: None where that is missing."""
    with np.errstate(all='ignore'):
        wanted = np.where(np.isnan(wanted), np.nan, wanted.astype(dtype).astype(np.float64))
    return wanted if fill is None else np.where(np.isnan(wanted), fill, wanted)


def differences(path, wanted, where=''):
    """Pixels of a float64 output against `wanted`, where not-a-number stands for nodata."""
    found = gdal.Open(path).ReadAsArray()
    found = found if found.ndim == 3 else found[None]
    if found.shape != wanted.shape:
        return ['%s: wanted (bands, rows, columns) %s, found %s' % (where, wanted.shape, found.shape)]
    with np.errstate(all='ignore'):
        wanted = wanted.astype(found.dtype)
    wrong = ~((found == wanted) | (np.isnan(found) & np.isnan(wanted)))
    if not wrong.any():
        return []
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    return ['%s: %d of %d pixels differ, the first at (band, row, column) %s: wanted %r, found %r' % (where, wrong.sum(), wrong.size, at, wanted[at], found[at])]
