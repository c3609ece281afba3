"""Rasters that don't lie on one grid, and what gdalwarp and numpy make of them on the grid of an output: the oracle of alignment and mosaics."""
import os
import subprocess
import tempfile

import numpy as np
from osgeo import gdal, osr

gdal.UseExceptions()
osr.UseExceptions()
gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', 'YES')
gdal.SetConfigOption('GDAL_PAM_ENABLED', 'NO')

TYPES = {'uint8': gdal.GDT_Byte, 'uint16': gdal.GDT_UInt16, 'int16': gdal.GDT_Int16, 'uint32': gdal.GDT_UInt32,
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


def make_raster(path, columns, rows, gt, epsg, dtype='int16', bands=1, nodata=None, mask=None, seed=1, options=('TILED=YES', 'BLOCKXSIZE=64', 'BLOCKYSIZE=64'), holes=True, flat=False):
    """Smooth pixels with noise. Nodata as blobs and single pixels; mask: None, 'mask' or 'alpha'."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:rows, 0:columns]
    kind = np.dtype(dtype)
    alpha = mask == 'alpha'
    ds = gdal.GetDriverByName('GTiff').Create(path, columns, rows, bands + alpha, TYPES[dtype], list(options) + (['PHOTOMETRIC=MINISBLACK', 'ALPHA=YES'] if alpha else []))
    if gt is not None:
        ds.SetGeoTransform(gt)
    if epsg is not None:
        ds.SetProjection(crs(epsg).ExportToWkt())
    hole = (np.hypot(x - columns * 0.3, y - rows * 0.4) < rows * 0.15) | (rng.random((rows, columns)) < 0.02)
    for band in range(bands):
        plane = np.sin(x / 9 + band + seed) * np.cos(y / 7) * 50 + 100 + rng.normal(0, 8, (rows, columns)) + (x > columns / 2) * 20
        plane = np.full((rows, columns), seed) if flat else plane
        plane = plane.astype(kind) if kind.kind == 'f' else np.clip(np.round(plane), 1, 250).astype(kind)
        if nodata is not None and holes:
            plane[hole] = kind.type(float(nodata))
        ds.GetRasterBand(band + 1).WriteArray(plane)
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


def run(arguments):
    done = subprocess.run(arguments, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(' '.join(arguments) + ': ' + done.stderr)


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
    bounds = [t[0], t[3] + t[5] * like.RasterYSize, t[0] + t[1] * like.RasterXSize, t[3]]
    # gdalwarp divides the bounds by the size. A pixel that is wider by the last bit moves coordinates by some 1e-11 pixels, which float64 shows.
    divided = ((bounds[2] - bounds[0]) / like.RasterXSize, (bounds[1] - bounds[3]) / like.RasterYSize)
    if t[2] == 0 and t[4] == 0 and t[5] < 0 and divided == (t[1], t[5]):
        options += ['-te'] + [repr(v) for v in bounds] + ['-ts', str(like.RasterXSize), str(like.RasterYSize)]
        options += [] if srs is None else ['-t_srs', srs.ExportToWkt()]
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


def on_grid(source, out, resampling='nearest', nodata='file', scale=None):
    """
    A raster on the grid of `out`: values (bands, rows, columns) as float64, where they are data, and which pixels it reaches at all.
    A scale is what gdalwarp is told of the sizes of pixels, where it would cut the grid into chunks and find others in each.
    """
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
