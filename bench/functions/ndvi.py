"""NDVI in numpy, with RIOS's signature: the same function for tilefan and for RIOS."""
import numpy


def ndvi(info, inputs, outputs):
    red = inputs.scene[2].astype(numpy.float32)
    nir = inputs.scene[3].astype(numpy.float32)
    total = nir + red
    valid = total > 0
    result = numpy.full(total.shape, -9999, numpy.float32)
    numpy.divide(nir - red, total, out=result, where=valid)
    outputs.out = result[None]
