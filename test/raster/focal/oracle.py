"""Focal statistics by numpy's nan-functions and scipy.ndimage.correlate, for numpy.test.ts: JSON on standard input and output,
arrays as base64 of their bytes. Missing pixels are NaN, inside and outside of the image; so is the result where there is none.
"""
import base64
import json
import sys
import warnings

import numpy as np
from scipy import ndimage

warnings.simplefilter("ignore")
job = json.load(sys.stdin)
answers = []
for row in job:
    a = np.frombuffer(base64.b64decode(row["data"]), dtype=row["dtype"]).reshape(row["shape"])
    x = a.astype("float64")
    if row["nodata"] is not None:
        x[a == row["nodata"]] = np.nan
    if row["validity"] is not None:
        x[np.frombuffer(base64.b64decode(row["validity"]), "uint8").reshape(row["shape"]) == 0] = np.nan
    if row["weights"] is None:
        height, width = row["size"]
        padded = np.pad(x, ((height // 2,) * 2, (width // 2,) * 2), constant_values=np.nan)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width)).reshape(*x.shape, -1)
        out = getattr(np, "nan" + row["name"])(windows, axis=-1)
        out[np.isnan(x)] = np.nan
    else:
        weights = np.array(row["weights"], "float64")
        out = ndimage.correlate(np.nan_to_num(x), weights, mode="constant")
        missing = ndimage.correlate(np.isnan(x).astype("float64"), np.abs(weights), mode="constant", cval=1)
        out[(missing > 0) | np.isnan(x)] = np.nan
    answers.append(base64.b64encode(out.astype("float64").tobytes()).decode())
json.dump(answers, sys.stdout)
