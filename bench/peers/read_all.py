"""GDAL reads and decodes all bands of a raster, window by window, and does nothing with them.

usage: read_all.py SCENE THREADS
"""
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy
from osgeo import gdal, gdal_array

gdal.UseExceptions()
scene, threads = sys.argv[1], int(sys.argv[2])
side = 512
local = threading.local()
first = gdal.Open(scene)
width, height, bands = first.RasterXSize, first.RasterYSize, first.RasterCount
dtype = gdal_array.GDALTypeCodeToNumericTypeCode(first.GetRasterBand(1).DataType)


def read(window):
    if not hasattr(local, 'dataset'):
        # Datasets are not to be shared between threads.
        local.dataset, local.buffer = gdal.Open(scene), numpy.empty(bands * side * side, dtype)
    column, row, columns, rows = window
    target = local.buffer[:bands * rows * columns].reshape(bands, rows, columns)
    local.dataset.ReadAsArray(column, row, columns, rows, buf_obj=target)


windows = [(x, y, min(side, width - x), min(side, height - y)) for y in range(0, height, side) for x in range(0, width, side)]
with ThreadPoolExecutor(threads) as pool:
    list(pool.map(read, windows))
