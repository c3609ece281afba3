"""What a source is."""
import math

from osgeo import gdal, ogr

from opening import RASTER_DRIVERS, VECTOR_DRIVERS, open_alone
from samples import dtype_of


def finite(value):
    """A number as JSON can hold it."""
    if value is None or math.isfinite(value):
        return value
    return 'NaN' if math.isnan(value) else ('Infinity' if value > 0 else '-Infinity')


def crs_facts(crs):
    if crs is None:
        return None
    crs = crs.Clone()
    try:
        crs.AutoIdentifyEPSG()
    except RuntimeError:
        pass
    authority = crs.GetAuthorityName(None)
    code = crs.GetAuthorityCode(None)
    # EngineeringCRS and such have no authority.
    return {'name': crs.GetName(), 'wkt': crs.ExportToWkt(['FORMAT=WKT2']), 'epsg': int(code) if authority == 'EPSG' and code and code.isdigit() else None}


def describe(request):
    source = request['source']
    dataset = open_alone(source, gdal.OF_RASTER | gdal.OF_VECTOR, RASTER_DRIVERS + VECTOR_DRIVERS)
    result = {'ok': True, 'driver': dataset.GetDriver().ShortName, 'subdatasets': [{'name': name, 'description': text} for name, text in dataset.GetSubDatasets() or []]}
    result['raster'] = raster_facts(dataset) if dataset.RasterCount > 0 else None
    result['layers'] = [layer_facts(dataset.GetLayer(i)) for i in range(dataset.GetLayerCount())]
    return result, None


def raster_facts(dataset):
    transform = dataset.GetGeoTransform(can_return_null=True)
    bands = []
    for index in range(dataset.RasterCount):
        band = dataset.GetRasterBand(index + 1)
        flags = band.GetMaskFlags()
        table = band.GetColorTable()
        block = band.GetBlockSize()
        bands.append({
            'dtype': dtype_of(band),
            'nodata': finite(band.GetNoDataValue()),
            'description': band.GetDescription(),
            'scale': band.GetScale(), 'offset': band.GetOffset(),
            'interpretation': gdal.GetColorInterpretationName(band.GetColorInterpretation()),
            'mask': 'alpha' if flags & gdal.GMF_ALPHA else 'dataset' if flags & gdal.GMF_PER_DATASET else 'nodata' if flags & gdal.GMF_NODATA else 'none' if flags & gdal.GMF_ALL_VALID else 'band',
            'colorTable': None if table is None else [list(table.GetColorEntry(i)) for i in range(table.GetCount())],
            'blockSize': list(block),
        })
    return {
        'columns': dataset.RasterXSize, 'rows': dataset.RasterYSize, 'bands': bands,
        'geotransform': None if transform is None else [value + 0.0 for value in transform],  # no -0
        'crs': crs_facts(dataset.GetSpatialRef()),
        'groundControlPoints': dataset.GetGCPCount(), 'rpc': bool(dataset.GetMetadata('RPC')), 'geolocation': bool(dataset.GetMetadata('GEOLOCATION')),
    }


def layer_facts(layer):
    definition = layer.GetLayerDefn()
    try:
        extent = list(layer.GetExtent()) if layer.GetFeatureCount() > 0 else None
    except RuntimeError:
        extent = None
    return {
        'name': layer.GetName(), 'features': layer.GetFeatureCount(), 'geometryType': ogr.GeometryTypeToName(layer.GetGeomType()),
        'fields': [{'name': definition.GetFieldDefn(i).GetName(), 'type': definition.GetFieldDefn(i).GetTypeName()} for i in range(definition.GetFieldCount())],
        'crs': crs_facts(layer.GetSpatialRef()),
        'bounds': None if extent is None else [extent[0], extent[2], extent[1], extent[3]],
    }
