"""What a run should have made, computed by numpy and read by GDAL: the oracle of the end-to-end tests.

Every function that compares gives a list of differences in words; an empty list means that nothing differs.
"""
import json
import os
import subprocess
import sys

import numpy as np
from osgeo import gdal, osr

gdal.UseExceptions()
osr.UseExceptions()
gdal.SetConfigOption('GDAL_PAM_ENABLED', 'NO')
gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', 'YES')

GDAL_TYPES = {'uint8': gdal.GDT_Byte, 'uint16': gdal.GDT_UInt16, 'int16': gdal.GDT_Int16, 'uint32': gdal.GDT_UInt32,
              'int32': gdal.GDT_Int32, 'float32': gdal.GDT_Float32, 'float64': gdal.GDT_Float64}


def is_nodata(a, nodata):
    if nodata is None:
        return np.zeros(a.shape, bool)
    return np.isnan(a) if np.isnan(nodata) else a == nodata


def band_values(path, band=1):
    """A band as float64, and where it is valid: neither nodata nor masked."""
    ds = gdal.Open(path)
    b = ds.GetRasterBand(band)
    a = b.ReadAsArray().astype(np.float64)
    valid = ~is_nodata(a, b.GetNoDataValue())
    if b.GetMaskFlags() & gdal.GMF_PER_DATASET:
        valid &= b.GetMaskBand().ReadAsArray() != 0
    return a, valid


def to_dtype(values, valid, dtype, nodata):
    """Values as a run stores them: integers rounded half to even and saturated, not-a-number as nodata."""
    dtype = np.dtype(dtype)
    out = np.empty(values.shape, dtype)
    with np.errstate(all='ignore'):
        if dtype.kind == 'f':
            out[...] = values.astype(dtype)
        else:
            i = np.iinfo(dtype)
            valid = valid & ~np.isnan(values)
            out[...] = np.where(valid, np.clip(np.rint(np.where(valid, values, 0)), i.min, i.max), 0).astype(dtype)
    if nodata is not None:
        out[~valid] = nodata
    return out


def existing_cells(a):
    """The 2 x 2 cells under each cell of the next level, as four arrays and four masks of which exist."""
    h, w = a.shape
    H, W = (h + 1) // 2, (w + 1) // 2
    cells, there = [], []
    for y in (0, 1):
        for x in (0, 1):
            part = a[y::2, x::2]
            c = np.zeros((H, W), a.dtype)
            c[:part.shape[0], :part.shape[1]] = part
            t = np.zeros((H, W), bool)
            t[:part.shape[0], :part.shape[1]] = True
            cells.append(c)
            there.append(t)
    return cells, there


def beside(nodata, dtype):
    """The value that an average takes which happens to be the nodata value, as GDAL chooses it."""
    if dtype.kind == 'f':
        if nodata == 0:
            return np.finfo(dtype).tiny
        return dtype.type(float(nodata) * (1 + (1e-7 if dtype == np.float32 else 2.0 ** -52)))
    return nodata - 1 if nodata == np.iinfo(dtype).max else nodata + 1


def halve(a, method, nodata):
    """The next level of the strict pyramid of one band."""
    cells, there = existing_cells(a)
    if method == 'nearest':
        return cells[0]
    valid = [t & ~is_nodata(c, nodata) for c, t in zip(cells, there)]
    count = sum(v.astype(int) for v in valid)
    empty = a.dtype.type(0 if nodata is None else nodata)
    if method == 'average':
        total = np.zeros(count.shape, np.float64)
        with np.errstate(all='ignore'):
            for c, v in zip(cells, valid):
                total = np.where(v, total + c.astype(np.float64), total)
            mean = total / np.maximum(count, 1)
            if a.dtype.kind != 'f':
                mean = np.where(total < 0, np.ceil(mean - 0.5), np.floor(mean + 0.5))
            out = mean.astype(a.dtype)
        if nodata is not None and not np.isnan(nodata):
            out[(count > 0) & (out == nodata)] = beside(nodata, a.dtype)
        out[count == 0] = empty
        return out
    best = np.full(count.shape, empty, a.dtype)
    most = np.zeros(count.shape, int)
    for i in range(4):
        # The count that cell i reaches in row order: whoever reaches the highest first wins.
        reached = sum((valid[j] & (cells[j] == cells[i])).astype(int) for j in range(i + 1))
        wins = valid[i] & (reached > most)
        best = np.where(wins, cells[i], best)
        most = np.where(wins, reached, most)
    return best


def pyramid(image, method, nodata, block_size):
    """All levels of (bands, rows, cols), the image first."""
    levels = [image]
    while method != 'none' and max(levels[-1].shape[1:]) > block_size:
        levels.append(np.stack([halve(band, method, nodata) for band in levels[-1]]))
    return levels


def read_levels(path):
    """Each level of a file as (bands, rows, cols), read by GDAL one overview at a time."""
    ds = gdal.Open(path)
    bands = [ds.GetRasterBand(i + 1) for i in range(ds.RasterCount)]
    levels = [np.stack([b.ReadAsArray() for b in bands])]
    for n in range(bands[0].GetOverviewCount()):
        levels.append(np.stack([b.GetOverview(n).ReadAsArray() for b in bands]))
    if ds.GetRasterBand(1).DataType == gdal.GDT_Byte and bands[0].GetMetadataItem('PIXELTYPE', 'IMAGE_STRUCTURE') == 'SIGNEDBYTE':
        levels = [level.view(np.int8) for level in levels]
    return levels


def same_pixels(found, wanted, where):
    if found.dtype != wanted.dtype:
        return ['%s: wanted dtype %s, found %s' % (where, wanted.dtype, found.dtype)]
    if found.shape != wanted.shape:
        return ['%s: wanted (bands, rows, cols) %s, found %s' % (where, wanted.shape, found.shape)]
    # Bit for bit, except that any NaN is as good as any other.
    bits = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}[found.dtype.itemsize]
    differ = np.ascontiguousarray(found).view(bits) != np.ascontiguousarray(wanted).view(bits)
    if found.dtype.kind == 'f':
        differ &= ~(np.isnan(found) & np.isnan(wanted))
    if not differ.any():
        return []
    at = tuple(int(i) for i in np.argwhere(differ)[0])
    return ['%s: %d of %d pixels differ, the first at (band, row, col) %s: wanted %r, found %r'
            % (where, differ.sum(), differ.size, at, wanted[at], found[at])]


def check_levels(path, image, method, nodata, block_size):
    """The file's pixels against `image`, and every overview against the strict pyramid of it."""
    wanted = pyramid(image, method, nodata, block_size)
    found = read_levels(path)
    if len(found) != len(wanted):
        return ['%s: wanted %d levels, found %d' % (path, len(wanted), len(found))]
    return [d for n, (f, w) in enumerate(zip(found, wanted)) for d in same_pixels(f, w, 'level %d' % n)]


def check_gdal_overviews(path, method):
    """The file's overviews against those that GDAL makes of its pixels."""
    ds = gdal.Open(path)
    # As gdaladdo does it for a file, each level from the one below: in memory GDAL makes some of them from the image.
    copy = gdal.GetDriverByName('GTiff').CreateCopy('/vsimem/overviews.tif', ds, options=['TILED=YES'])
    found = read_levels(path)
    copy.BuildOverviews(method.upper(), [2 ** n for n in range(1, len(found))])
    out = []
    for n in range(1, len(found)):
        wanted = np.stack([copy.GetRasterBand(i + 1).GetOverview(n - 1).ReadAsArray() for i in range(ds.RasterCount)])
        out += same_pixels(found[n], wanted, 'GDAL %s overview %d' % (method, n))
    copy = None
    gdal.Unlink('/vsimem/overviews.tif')
    return out


def check_statistics(path, image, nodata):
    """The statistics in the file's metadata against numpy's, to 12 digits."""
    out = []
    ds = gdal.Open(path)
    for i, band in enumerate(image):
        metadata = ds.GetRasterBand(i + 1).GetMetadata()
        values = band[~is_nodata(band, nodata) & ~np.isnan(band.astype(np.float64))].astype(np.float64)
        if values.size == 0:
            if 'STATISTICS_MEAN' in metadata:
                out.append('band %d: has statistics of no pixels: %s' % (i + 1, metadata))
            continue
        wanted = {'MINIMUM': values.min(), 'MAXIMUM': values.max(), 'MEAN': values.mean(), 'STDDEV': values.std()}
        for name, value in wanted.items():
            text = metadata.get('STATISTICS_' + name)
            if text is None or not np.isclose(float(text), value, rtol=1e-12, atol=1e-15 * max(1, np.abs(values).max())):
                out.append('band %d: wanted STATISTICS_%s %r, found %r' % (i + 1, name, value, text))
        percent = metadata.get('STATISTICS_VALID_PERCENT')
        if percent is None or abs(float(percent) - 100 * values.size / band.size) > 0.01:
            out.append('band %d: wanted %r percent valid, found %r' % (i + 1, 100 * values.size / band.size, percent))
    return out


def check_header(path, like, bands, dtype, nodata, block_size=None):
    """Georeference as in the file `like`; band count, type, nodata and blocks as the job says. All as GDAL reads them."""
    ds, reference = gdal.Open(path), gdal.Open(like)
    band = ds.GetRasterBand(1)
    out = []

    def expect(what, wanted, found):
        if wanted != found:
            out.append('%s: wanted %r, found %r' % (what, wanted, found))

    expect('size', (reference.RasterXSize, reference.RasterYSize), (ds.RasterXSize, ds.RasterYSize))
    expect('bands', bands, ds.RasterCount)
    expect('geotransform', reference.GetGeoTransform(can_return_null=True), ds.GetGeoTransform(can_return_null=True))
    expect('GCPs', [(g.GCPX, g.GCPY, g.GCPPixel, g.GCPLine) for g in reference.GetGCPs()], [(g.GCPX, g.GCPY, g.GCPPixel, g.GCPLine) for g in ds.GetGCPs()])
    a, b = reference.GetSpatialRef(), ds.GetSpatialRef()
    if (a is None) != (b is None) or (a is not None and not a.IsSame(b)):
        out.append('CRS: wanted %s, found %s' % (a and a.ExportToWkt(), b and b.ExportToWkt()))
    expect('AREA_OR_POINT', reference.GetMetadataItem('AREA_OR_POINT') or 'Area', ds.GetMetadataItem('AREA_OR_POINT') or 'Area')
    for i in range(ds.RasterCount):
        found = ds.GetRasterBand(i + 1).GetNoDataValue()
        same = found is None if nodata is None else found is not None and (found == nodata or (np.isnan(found) and np.isnan(nodata)))
        if not same:
            out.append('nodata of band %d: wanted %r, found %r' % (i + 1, nodata, found))
    if dtype == 'int8':
        expect('PIXELTYPE', 'SIGNEDBYTE', band.GetMetadataItem('PIXELTYPE', 'IMAGE_STRUCTURE'))
    else:
        expect('dtype', gdal.GetDataTypeName(GDAL_TYPES[dtype]), gdal.GetDataTypeName(band.DataType))
    if block_size is not None:
        expect('block size', [block_size, block_size], band.GetBlockSize())
    return out


def check_cog(path):
    """GDAL's own validator of cloud-optimized GeoTIFFs: errors and warnings."""
    from osgeo_utils.samples import validate_cloud_optimized_geotiff as validator
    warnings, errors, _ = validator.validate(path, full_check=True)
    return ['GDAL COG validator: %s' % text for text in list(errors) + list(warnings)]


def answer(differences):
    print(json.dumps(differences))
