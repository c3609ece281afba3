"""The output grid, and the way from a source to it."""
import ctypes
import math

from osgeo import gdal

from errors import GdalFailed, Refused
from gdal_c import function_address, handle, lib, string_list, words


class Grid:
    """The output's pixels: those of a GeoTIFF of which only the header matters."""

    def __init__(self, payload):
        name = '/vsimem/tilefan-grid.tif'
        gdal.FileFromMemBuffer(name, bytes(payload))
        try:
            self.dataset = gdal.OpenEx(name, gdal.OF_RASTER | gdal.OF_VERBOSE_ERROR)
        except RuntimeError as error:
            raise GdalFailed('the output grid: %s' % error)
        self.transform = self.dataset.GetGeoTransform(can_return_null=True)
        self.crs = self.dataset.GetSpatialRef()
        self.columns = self.dataset.RasterXSize
        self.rows = self.dataset.RasterYSize


class Current:
    """The grid of this process."""

    grid = None


def set_grid(payload):
    Current.grid = Grid(payload) if payload else None


def need_grid():
    grid = Current.grid
    if grid is None:
        raise Refused('this process was started without an output grid')
    if grid.transform is None:
        raise Refused('the output grid has no geotransform')
    return grid


def transformation(dataset, target, *more):
    gdal.ErrorReset()
    # By its geotransform only: what a file says of a geolocation array may name any other file.
    options = string_list([('SRC_METHOD', 'GEOTRANSFORM'), ('DST_METHOD', 'GEOTRANSFORM'), *more])
    try:
        return lib.GDALCreateGenImgProjTransformer2(handle(dataset), handle(target), options)
    finally:
        lib.CSLDestroy(options)


def check_projection(what, crs):
    """With a projection that it does not know PROJ fails point by point, and GDAL makes an output of nothing but nodata."""
    try:
        crs.ExportToProj4()
    except RuntimeError as error:
        raise Refused('%s, "%s", has a projection in which nothing can be computed; wanted one that PROJ knows: %s' % (what, crs.GetName(), error))


class Transformer:
    """From pixels of a source to pixels of the whole grid and back, as gdalwarp makes it."""

    def __init__(self, dataset):
        target = need_grid()
        if dataset.GetGeoTransform(can_return_null=True) is None:
            raise Refused('it has no geotransform' + (', only ground control points' if dataset.GetGCPCount() else ''))
        crs = dataset.GetSpatialRef()
        if (crs is None) != (target.crs is None):
            raise Refused('it has no CRS, but the output grid has one' if crs is None else 'it has a CRS, but the output grid has none')
        self.dataset = dataset
        self.argument = transformation(dataset, target.dataset)
        if not self.argument and crs is not None and crs.IsSame(target.crs):
            # Beyond the area that PROJ knows for a CRS, GDAL finds no way from it to itself, and for turned rasters not within it either. There is nothing to convert.
            self.argument = transformation(dataset, target.dataset, ('INSERT_CENTER_LONG', 'NO'))
        if not self.argument:
            raise GdalFailed(words('cannot transform its coordinates to those of the output grid'))
        self.function = function_address('GDALGenImgProjTransform')
        wide, high = dataset.RasterXSize, dataset.RasterYSize
        if crs is not None and not any(self.points(False, [(0, 0), (wide, 0), (wide / 2, high / 2), (0, high), (wide, high)])):
            check_projection('its CRS', crs)
            check_projection('the CRS of the output grid', target.crs)

    def close(self):
        lib.GDALDestroyGenImgProjTransformer(self.argument)

    def points(self, backwards, points):
        """The places of some points; None where there is none."""
        count = len(points)
        x, y, z = ((ctypes.c_double * count)(*values) for values in ([p[0] for p in points], [p[1] for p in points], [0.0] * count))
        success = (ctypes.c_int * count)()
        lib.GDALGenImgProjTransform(self.argument, 1 if backwards else 0, count, x, y, z, success)
        return [(x[i], y[i]) if success[i] and math.isfinite(x[i]) and math.isfinite(y[i]) else None for i in range(count)]


class ApproximateTransformer:
    def __init__(self, exact, threshold):
        self.argument = lib.GDALCreateApproxTransformer(exact.function, exact.argument, threshold)
        self.function = function_address('GDALApproxTransform')

    def close(self):
        lib.GDALDestroyApproxTransformer(self.argument)
