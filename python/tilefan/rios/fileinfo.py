"""What GDAL says about a file."""
from .pixelgrid import need_gdal
from .rioserrors import FileOpenError, GDALLayerNumberError, VectorLayerError


def gdal_name(filename):
    """A name as GDAL takes it: /vsis3/ for an object on S3."""
    name = str(filename)
    return '/vsis3/' + name[len('s3://'):] if name.startswith('s3://') else name


def open_quietly(filename, flags):
    """A dataset, or None."""
    gdal, _ = need_gdal('looking into %s' % filename)
    gdal.PushErrorHandler('CPLQuietErrorHandler')
    try:
        return gdal.OpenEx(gdal_name(filename), flags)
    except RuntimeError:
        return None
    finally:
        gdal.PopErrorHandler()


class ImageInfo:
    """
    About a raster: xMin, xMax, yMin, yMax, xRes, yRes, nrows, ncols, transform, projection, rasterCount, dataType and dataTypeName of the first band,
    layerType; of each band lnames and nodataval, unless `omitPerBand`.
    """

    def __init__(self, filename, omitPerBand=False):
        gdal, _ = need_gdal('ImageInfo')
        dataset = open_quietly(filename, gdal.OF_RASTER)
        if dataset is None or dataset.RasterCount == 0:
            raise FileOpenError('%s can\'t be opened as a raster: %s' % (filename, gdal.GetLastErrorMsg()))
        self.transform = dataset.GetGeoTransform()
        self.projection = dataset.GetProjection()
        self.ncols, self.nrows, self.rasterCount = dataset.RasterXSize, dataset.RasterYSize, dataset.RasterCount
        self.xMin, self.xRes, self.yMax, self.yRes = self.transform[0], self.transform[1], self.transform[3], abs(self.transform[5])
        self.xMax, self.yMin = self.xMin + self.ncols * self.xRes, self.yMax - self.nrows * self.yRes
        bands = [] if omitPerBand else [dataset.GetRasterBand(number) for number in range(1, self.rasterCount + 1)]
        self.lnames = [band.GetDescription() for band in bands]
        self.nodataval = [band.GetNoDataValue() for band in bands]
        first = dataset.GetRasterBand(1)
        self.layerType = first.GetMetadataItem('LAYER_TYPE')
        self.dataType = first.DataType
        self.dataTypeName = gdal.GetDataTypeName(self.dataType)

    def __str__(self):
        return '\n'.join('%s:%s' % pair for pair in vars(self).items())

    def layerNumberFromName(self, layerName):
        """The number, from 1, of the band with this description. @raises GDALLayerNumberError"""
        if layerName not in self.lnames:
            raise GDALLayerNumberError('no band is called %r; there are %s' % (layerName, self.lnames))
        return self.lnames.index(layerName) + 1

    def layerNameFromNumber(self, layerNumber):
        """The description of a band. @raises GDALLayerNumberError"""
        if not 1 <= layerNumber <= len(self.lnames):
            raise GDALLayerNumberError('there is no band %r; wanted 1 to %d' % (layerNumber, len(self.lnames)))
        return self.lnames[layerNumber - 1]


class VectorLayerInfo:
    """About a layer of features: name, featureCount, xMin, xMax, yMin, yMax, geomType, fieldCount, fieldNames, fieldTypes, fieldTypeNames, spatialRef."""

    def __init__(self, ds, i):
        layer = ds.GetLayer(i)
        if layer is None:
            raise VectorLayerError('%s has no layer %r' % (ds.GetDescription(), i))
        self.name = layer.GetName()
        self.featureCount = layer.GetFeatureCount()
        self.xMin, self.xMax, self.yMin, self.yMax = layer.GetExtent()
        self.geomType = layer.GetGeomType()
        definition = layer.GetLayerDefn()
        self.fieldCount = definition.GetFieldCount()
        fields = [definition.GetFieldDefn(number) for number in range(self.fieldCount)]
        self.fieldNames = [field.GetName() for field in fields]
        self.fieldTypes = [field.GetType() for field in fields]
        self.fieldTypeNames = [field.GetTypeName() for field in fields]
        self.spatialRef = layer.GetSpatialRef()

    def __str__(self):
        return '\n'.join('  %s: %s' % pair for pair in vars(self).items())


class VectorFileInfo:
    """About a file of features; its layers are its elements."""

    def __init__(self, filename):
        gdal, _ = need_gdal('VectorFileInfo')
        dataset = open_quietly(filename, gdal.OF_VECTOR)
        if dataset is None:
            raise VectorLayerError('%s can\'t be opened as features: %s' % (filename, gdal.GetLastErrorMsg()))
        self.layerCount = dataset.GetLayerCount()
        self.layerInfo = [VectorLayerInfo(dataset, number) for number in range(self.layerCount)]

    def __getitem__(self, i):
        return self.layerInfo[i]

    def __str__(self):
        return '\n'.join('Layer:%d\n%s' % (number, each) for number, each in enumerate(self.layerInfo))


def preventGdal3axisSwap(sr):
    """Has coordinates of a spatial reference come longitude first."""
    if sr is not None:
        _, osr = need_gdal('preventGdal3axisSwap')
        sr.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
