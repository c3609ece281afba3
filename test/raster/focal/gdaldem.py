"""Runs gdaldem over a DEM, for gdaldem.test.ts: JSON on standard input and output, arrays as base64 of their bytes."""
import base64
import json
import subprocess
import sys

import numpy as np
from osgeo import gdal

gdal.UseExceptions()
folder, job = sys.argv[1], json.load(sys.stdin)
answers = []
for row in job:
    a = np.frombuffer(base64.b64decode(row["data"]), dtype=row["dtype"]).reshape(row["shape"])
    kind = {"float32": gdal.GDT_Float32, "int16": gdal.GDT_Int16, "uint16": gdal.GDT_UInt16}[row["dtype"]]
    dem = gdal.GetDriverByName("GTiff").Create(folder + "/dem.tif", a.shape[1], a.shape[0], 1, kind)
    dem.SetGeoTransform([500000, row["x"], 0, 4000000, 0, -row["y"]])
    if row["nodata"] is not None:
        dem.GetRasterBand(1).SetNoDataValue(row["nodata"])
    dem.GetRasterBand(1).WriteArray(a)
    dem = None
    subprocess.run(["gdaldem", row["arguments"][0], folder + "/dem.tif", folder + "/out.tif", *row["arguments"][1:], "-q"], check=True)
    out = gdal.Open(folder + "/out.tif")
    answers.append(base64.b64encode(out.ReadAsArray().astype("float32").tobytes()).decode())
    out = None
json.dump(answers, sys.stdout)
