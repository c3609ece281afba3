"""A pixel grid: extent, size of a pixel and CRS."""
import decimal
import math

from . import const
from .rioserrors import IntersectionError, UnavailableError


def need_gdal(what):
    """osgeo.gdal and osgeo.osr. @raises UnavailableError"""
    try:
        from osgeo import gdal, osr
    except ImportError as error:
        raise UnavailableError('%s needs GDAL\'s Python module, osgeo, beside the script, which is not there: %s' % (what, error)) from None
    return gdal, osr


class PixelGridDefn:
    """
    xMin, xMax, yMin, yMax: outer edges of the outermost pixels; xRes, yRes: size of a pixel, both positive; projection: WKT, or EPSG:n.

    It is made from these, or from a geotransform of GDAL's with the numbers of rows and columns.
    """

    def __init__(self, geotransform=None, nrows=None, ncols=None, projection=None, xMin=None, xMax=None, yMin=None, yMax=None, xRes=None, yRes=None):
        self.projection = projection
        self.xMin, self.xMax, self.yMin, self.yMax, self.xRes, self.yRes = xMin, xMax, yMin, yMax, xRes, yRes
        if geotransform is not None and nrows is not None and ncols is not None:
            self.xRes, self.yRes = geotransform[1], abs(geotransform[5])
            self.xMin, self.yMax = geotransform[0], geotransform[3]
            self.xMax, self.yMin = self.xMin + ncols * self.xRes, self.yMax - nrows * self.yRes

    def __str__(self):
        return ','.join('%s:%s' % (name, getattr(self, name)) for name in ('xMin', 'xMax', 'yMin', 'yMax', 'xRes', 'yRes'))

    def makeGeoTransform(self):
        """GDAL's six coefficients."""
        return self.xMin, self.xRes, 0.0, self.yMax, 0.0, -self.yRes

    def getDimensions(self):
        """(rows, columns)"""
        return self.getNumPix(self.yMax, self.yMin, self.yRes), self.getNumPix(self.xMax, self.xMin, self.xRes)

    @staticmethod
    def roundAway(x):
        """The nearest whole number as a float; of two the one farther from zero."""
        return float(decimal.Decimal(x).quantize(decimal.Decimal(1), rounding=decimal.ROUND_HALF_UP))

    @staticmethod
    def getNumPix(gridMax, gridMin, gridRes):
        """Pixels between two edges."""
        return int(PixelGridDefn.roundAway((gridMax - gridMin) / gridRes))

    @staticmethod
    def snapToGrid(val, valOnGrid, res):
        """The place nearest to `val` that is whole pixels away from `valOnGrid`."""
        return valOnGrid + PixelGridDefn.roundAway((val - valOnGrid) / res) * res

    def equalPixSize(self, other):
        """Whether pixels are of the same size, but for what doesn't add up to a hundredth of a pixel over the grid."""
        rows, columns = self.getDimensions()
        return abs(self.xRes - other.xRes) * max(columns, 1) < 0.01 * self.xRes and abs(self.yRes - other.yRes) * max(rows, 1) < 0.01 * self.yRes

    def equalProjection(self, other):
        """Whether the CRS is the same."""
        if self.projection == other.projection:
            return True
        if not self.projection or not other.projection:
            return False
        _, osr = need_gdal('comparing the CRS of two grids')
        return bool(_reference(osr, self.projection).IsSame(_reference(osr, other.projection)))

    def isComparable(self, other):
        """Whether CRS and size of pixels are the same."""
        return self.equalPixSize(other) and self.equalProjection(other)

    def alignedWith(self, other):
        """Whether the pixels of both lie on one lattice."""
        if not self.isComparable(other):
            return False
        for mine, its, resolution in ((self.xMin, other.xMin, self.xRes), (self.yMax, other.yMax, self.yRes)):
            distance = (mine - its) / resolution
            if abs(distance - round(distance)) > 0.01:
                return False
        return True

    def _combined(self, other, low, high):
        return PixelGridDefn(xMin=low(self.xMin, other.xMin), xMax=high(self.xMax, other.xMax), yMin=low(self.yMin, other.yMin), yMax=high(self.yMax, other.yMax),
                             xRes=self.xRes, yRes=self.yRes, projection=self.projection)

    def intersection(self, other):
        """The part that both have, on this grid. @raises IntersectionError"""
        grid = self._combined(other, max, min)
        if grid.xMin >= grid.xMax or grid.yMin >= grid.yMax:
            raise IntersectionError('the grids have no part in common: %s and %s' % (self, other))
        return grid

    def union(self, other):
        """The smallest rectangle around both, on this grid."""
        return self._combined(other, min, max)

    def surrounds(self, other):
        """Whether the other lies within this one, and touches no edge of it."""
        return self.xMin < other.xMin and self.xMax > other.xMax and self.yMin < other.yMin and self.yMax > other.yMax

    def reproject(self, targetGrid, snap=True):
        """The rectangle around this one on another grid: from 101 places of each edge, and with `snap` at the nearest edges of pixels."""
        _, osr = need_gdal('a grid in another CRS')
        transformation = osr.CoordinateTransformation(_reference(osr, self.projection), _reference(osr, targetGrid.projection))
        xs = [self.xMin + (self.xMax - self.xMin) * i / 100 for i in range(101)]
        ys = [self.yMin + (self.yMax - self.yMin) * i / 100 for i in range(101)]
        edge = [(x, y) for x in xs for y in (self.yMin, self.yMax)] + [(x, y) for x in (self.xMin, self.xMax) for y in ys]
        places = [place for place in transformation.TransformPoints(edge) if math.isfinite(place[0]) and math.isfinite(place[1])]
        xMin, xMax = min(p[0] for p in places), max(p[0] for p in places)
        yMin, yMax = min(p[1] for p in places), max(p[1] for p in places)
        if snap:
            xMin, xMax = (self.snapToGrid(x, targetGrid.xMin, targetGrid.xRes) for x in (xMin, xMax))
            yMin, yMax = (self.snapToGrid(y, targetGrid.yMin, targetGrid.yRes) for y in (yMin, yMax))
        return PixelGridDefn(xMin=xMin, xMax=xMax, yMin=yMin, yMax=yMax, xRes=targetGrid.xRes, yRes=targetGrid.yRes, projection=targetGrid.projection)


def _reference(osr, projection):
    reference = osr.SpatialReference()
    reference.SetFromUserInput(str(projection))
    # Longitude first, as in geotransforms.
    reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return reference


def findCommonRegion(gridList, refGrid, combine=const.INTERSECTION):
    """The grid of a footprint, on the lattice of the reference."""
    if combine == const.BOUNDS_FROM_REFERENCE:
        return refGrid
    grids = [grid if refGrid.alignedWith(grid) else grid.reproject(refGrid) for grid in gridList]
    region = grids[0]
    for grid in grids[1:]:
        region = region.intersection(grid) if combine == const.INTERSECTION else region.union(grid)
    return region


def pixelGridFromFile(filename):
    """The grid of a raster."""
    from .fileinfo import ImageInfo
    info = ImageInfo(filename, omitPerBand=True)
    return PixelGridDefn(geotransform=info.transform, nrows=info.nrows, ncols=info.ncols, projection=info.projection)
