"""Coordinates of pixels, and the footprints' names where older scripts look for them."""
from ..info import Coord, to_pixel, to_world
from .const import BOUNDS_FROM_REFERENCE, INTERSECTION, UNION  # noqa: F401


def wld2pix(transform, geox, geoy):
    """Column and row, with fractions, of a place."""
    return Coord(*to_pixel(transform, geox, geoy))


def pix2wld(transform, x, y):
    """The place of a corner of a pixel."""
    return Coord(*to_world(transform, x, y))
