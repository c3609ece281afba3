"""NDVI with rasterio, block by block in two threads, then overviews and statistics.

usage: rasterio_ndvi.py SCENE OUT KEY=VALUE...
"""
import math
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy
import rasterio
from rasterio.enums import Resampling
from rasterio.windows import Window

scene, out = sys.argv[1:3]
options = dict(option.split('=') for option in sys.argv[3:])
side = 512
local = threading.local()
lock = threading.Lock()
parts = []

with rasterio.Env(GDAL_NUM_THREADS='2'):
    with rasterio.open(scene) as source:
        width, height = source.width, source.height
        profile = dict(driver='GTiff', dtype='float32', count=1, width=width, height=height, crs=source.crs, transform=source.transform,
                       nodata=-9999, tiled=True, blockxsize=side, blockysize=side, predictor=3, num_threads=2, bigtiff='IF_SAFER', **options)
    windows = [Window(x, y, min(side, width - x), min(side, height - y)) for y in range(0, height, side) for x in range(0, width, side)]
    with rasterio.open(out, 'w', **profile) as target:
        def compute(window):
            if not hasattr(local, 'source'):
                local.source = rasterio.open(scene)
            red, nir = local.source.read((3, 4), window=window).astype(numpy.float32)
            total = nir + red
            valid = total > 0
            result = numpy.full(total.shape, -9999, numpy.float32)
            numpy.divide(nir - red, total, out=result, where=valid)
            values = result[valid]
            with lock:
                target.write(result, 1, window=window)
                if values.size:
                    parts.append((values.size, values.sum(dtype=numpy.float64), numpy.square(values, dtype=numpy.float64).sum(), values.min(), values.max()))

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(compute, windows))
    count = sum(part[0] for part in parts)
    mean = sum(part[1] for part in parts) / count
    deviation = math.sqrt(max(0, sum(part[2] for part in parts) / count - mean * mean))
    with rasterio.open(out, 'r+') as target:
        target.build_overviews([2, 4, 8, 16, 32], Resampling.average)
        target.update_tags(1, STATISTICS_MINIMUM=min(part[3] for part in parts), STATISTICS_MAXIMUM=max(part[4] for part in parts),
                           STATISTICS_MEAN=mean, STATISTICS_STDDEV=deviation)
