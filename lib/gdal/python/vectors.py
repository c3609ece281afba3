"""Layers of features that stay open, and which of their features lie where."""
import collections
import math

from osgeo import gdal, osr

from errors import GdalFailed, Refused
from gdal_c import words
from grid import need_grid
from opening import VECTOR_DRIVERS, open_alone
from sources import Cache

# Pixels around a window whose features may touch it: a line that touches a pixel's edge counts for it with all-touched.
MARGIN = 2


class VectorSource:
    """A layer, open, with the features that a filter lets through."""

    def __init__(self, source, name, where):
        self.dataset = open_alone(source, gdal.OF_VECTOR, VECTOR_DRIVERS)
        self.layer = self.find(name)
        if where:
            try:
                failed = self.layer.SetAttributeFilter(where)
            except RuntimeError as error:
                raise GdalFailed('filter %s: %s' % (where, error))
            if failed:
                raise GdalFailed('filter %s: %s' % (where, words('not understood')))
        target = need_grid()
        crs = self.layer.GetSpatialRef()
        self.change = None
        # As gdal_rasterize: without a CRS on either side, the coordinates are taken as they are.
        if crs is not None and target.crs is not None and not crs.IsSame(target.crs, ['IGNORE_DATA_AXIS_TO_SRS_AXIS_MAPPING=YES']):
            crs = crs.Clone()
            goal = target.crs.Clone()
            crs.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
            goal.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
            self.change = osr.CoordinateTransformation(crs, goal)
        self.cells = None if self.change is None else self.index()

    def find(self, name):
        count = self.dataset.GetLayerCount()
        names = [self.dataset.GetLayer(i).GetName() for i in range(count)]
        if name is None:
            if count != 1:
                raise Refused('it has %d layers, so the job must name one: %s' % (count, ', '.join(names)))
            return self.dataset.GetLayer(0)
        if name not in names:
            raise Refused('it has no layer %s: it has %s' % (name, ', '.join(names) or 'none'))
        return self.dataset.GetLayer(names.index(name))

    def close(self):
        self.layer = None
        self.dataset = None

    def transformed(self, feature):
        geometry = feature.GetGeometryRef()
        if geometry is None:
            return None
        geometry = geometry.Clone()
        if self.change is not None:
            try:
                if geometry.Transform(self.change) != 0:
                    return None
            except RuntimeError as error:
                raise GdalFailed('feature %d cannot be transformed to the CRS of the output: %s' % (feature.GetFID(), error))
        return geometry

    # Cells of the index across and down the grid.
    CELLS = 64

    def index(self):
        """
        Which features lie where, in a CRS of their own, by the envelopes of what is burnt. The layer's own spatial filter would not do: the side of a polygon
        is straight in the output's CRS, and so leaves the envelope that it has in the layer's.
        """
        cells = collections.defaultdict(list)
        self.layer.ResetReading()
        for order, feature in enumerate(self.layer):
            geometry = self.transformed(feature)
            if geometry is None or geometry.IsEmpty():
                continue
            west, east, south, north = geometry.GetEnvelope()
            for cell in self.cells_of(west, south, east, north):
                cells[cell].append((order, feature.GetFID()))
        return cells

    def cells_of(self, west, south, east, north):
        grid = need_grid()
        inverse = gdal.InvGeoTransform(grid.transform)
        corners = [gdal.ApplyGeoTransform(inverse, x, y) for x in (west, east) for y in (south, north)]
        columns, rows = [c[0] for c in corners], [c[1] for c in corners]
        if not all(math.isfinite(value) for value in columns + rows):
            return [(i, j) for i in range(self.CELLS) for j in range(self.CELLS)]

        def span(values, length):
            first = math.floor((min(values) - MARGIN) * self.CELLS / length)
            last = math.floor((max(values) + MARGIN) * self.CELLS / length)
            return range(max(0, first), min(self.CELLS - 1, last) + 1)

        return [(i, j) for i in span(columns, grid.columns) for j in span(rows, grid.rows)]

    def features(self, west, south, east, north):
        """Features that may touch an envelope, in the order of their numbers, which is the order of an unfiltered layer."""
        if self.cells is None:
            self.layer.SetSpatialFilterRect(west, south, east, north)
            self.layer.ResetReading()
            found = [feature for feature in self.layer]
            self.layer.SetSpatialFilter(None)
            # A spatial index gives them in an order of its own.
            return sorted(found, key=lambda feature: feature.GetFID())
        numbers = sorted({pair for cell in self.cells_of(west, south, east, north) for pair in self.cells.get(cell, ())})
        return [self.layer.GetFeature(fid) for _, fid in numbers]


vectors = Cache(16)
