"""Functions that the tests of user code run over tiles, and their oracle over the whole image."""
import numpy as np


def window_sum(pixels, reach):
    """Sum of the (2 reach + 1)^2 pixels around each, as float64; what lies outside of the array counts as 0."""
    padded = np.pad(pixels.astype(np.float64), ((0, 0), (reach, reach), (reach, reach)))
    rows, cols = pixels.shape[1:]
    total = np.zeros(pixels.shape)
    for down in range(2 * reach + 1):
        for right in range(2 * reach + 1):
            total += padded[:, down:down + rows, right:right + cols]
    return total


def mix(info, inputs, outputs, otherargs):
    reach = otherargs.reach
    around = window_sum(inputs.a, reach)
    b = inputs.b.astype(np.float64)
    outputs.smooth = around / (2 * reach + 1) ** 2 + b
    outputs.bytes = (around[:1] - 400 * b[0]) / 64
    outputs.half = (inputs.a[0].astype(np.float64) - 3.0 * inputs.c[0]) / 2
    return {'sum': int(inputs.a.sum()), 'shape': inputs.a.shape}
