"""Compares rasters at full resolution, sample by sample, and prints {"pixels", "differing", "largest"}.

usage: compare.py files A B | ndvi SCENE RESULT | focal SCENE RESULT whole|inner
"""
import json
import sys

import numpy
from osgeo import gdal

gdal.UseExceptions()
rows_at_once = 512
pixels = differing = 0
largest = 0.0


def count(a, b):
    global pixels, differing, largest
    different = (a != b) & ~((a != a) & (b != b))
    pixels += int(a.size)
    differing += int(different.sum())
    if different.any():
        largest = max(largest, float(numpy.abs(a[different].astype(numpy.float64) - b[different]).max()))


def same_size(a, b):
    if (a.RasterXSize, a.RasterYSize) != (b.RasterXSize, b.RasterYSize):
        sys.exit(f'{a.RasterXSize} x {a.RasterYSize} against {b.RasterXSize} x {b.RasterYSize} pixels')


def chunks(dataset):
    for row in range(0, dataset.RasterYSize, rows_at_once):
        yield row, min(rows_at_once, dataset.RasterYSize - row)


def read(dataset, band, row, rows):
    return dataset.GetRasterBand(band).ReadAsArray(0, row, dataset.RasterXSize, rows)


what, first, second = sys.argv[1:4]
a, b = gdal.Open(first), gdal.Open(second)
same_size(a, b)

if what == 'files':
    if a.RasterCount != b.RasterCount:
        sys.exit(f'{a.RasterCount} bands against {b.RasterCount}')
    for row, rows in chunks(a):
        for band in range(1, a.RasterCount + 1):
            count(read(a, band, row, rows), read(b, band, row, rows))

elif what == 'ndvi':
    for row, rows in chunks(a):
        red, nir = (read(a, band, row, rows).astype(numpy.float32) for band in (3, 4))
        total = nir + red
        # A scene's nodata is 0 in any of its bands.
        valid = (red != 0) & (nir != 0)
        expected = numpy.full(total.shape, -9999, numpy.float32)
        numpy.divide(nir - red, total, out=expected, where=valid)
        count(expected, read(b, 1, row, rows))

elif what == 'focal':
    from scipy.ndimage import correlate1d, minimum_filter
    side, margin = 5, 2

    def box(plane):
        """Sums over the neighbourhood, in whole numbers, so that nothing is rounded."""
        ones = numpy.ones(side, numpy.int64)
        return correlate1d(correlate1d(plane, ones, axis=0, mode='constant'), ones, axis=1, mode='constant')

    for row, rows in chunks(a):
        top, bottom = max(0, row - margin), min(a.RasterYSize, row + rows + margin)
        plane = read(a, 4, top, bottom - top).astype(numpy.int64)
        inner = slice(row - top, row - top + rows)
        valid = plane != 0
        sums, counts = box(plane), box(valid.astype(numpy.int64))
        expected = numpy.where(valid, numpy.rint(sums / numpy.maximum(counts, 1)), 0)[inner]
        result = read(b, 1, row, rows)
        if sys.argv[4] == 'inner':
            chosen = minimum_filter(valid, side, mode='constant', cval=False)[inner]
            expected, result = expected[chosen], result[chosen]
        count(expected, result)

else:
    sys.exit(__doc__)
print(json.dumps({'pixels': pixels, 'differing': differing, 'largest': largest}))
