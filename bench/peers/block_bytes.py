"""How many blocks a raster of interleaved pixels has, without those that are not there, and how long they are. Prints {"blocks", "bytes"}.

usage: block_bytes.py RASTER
"""
import json
import sys

from osgeo import gdal

gdal.UseExceptions()
dataset = gdal.Open(sys.argv[1])
band = dataset.GetRasterBand(1)
width, height = band.GetBlockSize()
across, down = -(-dataset.RasterXSize // width), -(-dataset.RasterYSize // height)
sizes = [int(band.GetMetadataItem(f'BLOCK_SIZE_{x}_{y}', 'TIFF') or 0) for y in range(down) for x in range(across)]
print(json.dumps({'blocks': sum(size > 0 for size in sizes), 'bytes': sum(sizes)}))
