"""Computes expressions with numpy, for numpy.test.ts: JSON on standard input and output, arrays as base64 of their bytes.

Values are float64 throughout. A nodata value of an operand makes the result nodata; an integer output is rounded half to even,
saturated, and nodata where the result is NaN or a divisor was 0.
"""
import base64
import json
import sys

import numpy as np

job = json.load(sys.stdin)
raw, valid = {}, None
for name, band in job["sources"].items():
    array = np.frombuffer(base64.b64decode(band["data"]), dtype=band["dtype"])
    raw[name] = array.astype("float64")
    if band["nodata"] is not None:
        valid = (array != band["nodata"]) & (True if valid is None else valid)

answers = []
np.seterr(all="ignore")
for row in job["rows"]:
    value = eval(row["numpy"], {"np": np, **raw}) + np.zeros(len(valid))  # the test's own fixed table
    dtype, keep = np.dtype(row["dtype"]), valid
    if dtype.kind != "f":
        for divisor in row["divisors"]:
            keep = keep & (eval(divisor, {"np": np, **raw}) != 0)
        keep = keep & ~np.isnan(value)
        limits = np.iinfo(dtype)
        value = np.clip(np.rint(np.where(keep, value, 0)), limits.min, limits.max)
    out = np.where(keep, value, row["nodata"]).astype(dtype)
    answers.append(base64.b64encode(out.tobytes()).decode())
json.dump(answers, sys.stdout)
