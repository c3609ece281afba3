"""Features burnt into windows of the output grid."""
import ctypes

from osgeo import gdal, ogr

from errors import GdalFailed, Refused
from gdal_c import TRANSFORMER, Samples, fill, handle, lib, string_list, words
from grid import need_grid
from samples import DTYPES, EXCESS, FLIP_SIGN, HAS_INT8, number
from sources import key_of
from vectors import MARGIN, VectorSource, vectors
from window import window_of


def rasterize(request):
    target = need_grid()
    source = request['source']
    layer, where, attribute = request.get('layer'), request.get('where'), request.get('attribute')
    vector = vectors.get(key_of(source, layer, where), lambda: VectorSource(source, layer, where))
    field = -1
    if attribute is not None:
        definition = vector.layer.GetLayerDefn()
        field = definition.GetFieldIndex(attribute)
        if field < 0:
            names = [definition.GetFieldDefn(i).GetName() for i in range(definition.GetFieldCount())]
            raise Refused('layer %s has no attribute %s: it has %s' % (vector.layer.GetName(), attribute, ', '.join(names) or 'none'))
        kind = definition.GetFieldDefn(field)
        if kind.GetType() not in (ogr.OFTInteger, ogr.OFTInteger64, ogr.OFTReal):
            raise Refused('attribute %s of layer %s is of type %s; wanted a number' % (attribute, vector.layer.GetName(), kind.GetTypeName()))
    dtype = request['dtype']
    excess = EXCESS if dtype == 'int8' and not HAS_INT8 else 0
    code, size = DTYPES['uint8' if excess else dtype]
    column, row, columns, rows = window_of(request)
    out = Samples(columns * rows * size)
    fill(out.address, (number(request.get('init')) or 0) + excess, code, size, columns * rows)
    left, right = max(column, 0), min(column + columns, target.columns)
    top, bottom = max(row, 0), min(row + rows, target.rows)
    if right > left and bottom > top:
        corners = [gdal.ApplyGeoTransform(target.transform, x, y) for x in (left - MARGIN, right + MARGIN) for y in (top - MARGIN, bottom + MARGIN)]
        west, east = min(c[0] for c in corners), max(c[0] for c in corners)
        south, north = min(c[1] for c in corners), max(c[1] for c in corners)
        shapes, values = [], []
        for feature in vector.features(west, south, east, north):
            geometry = vector.transformed(feature)
            if geometry is None:
                continue
            shapes.append(geometry)
            values.append((number(request['burn']) if field < 0 else feature.GetFieldAsDouble(field)) + excess)
        if shapes:
            memory = gdal.GetDriverByName('MEM').Create('', right - left, bottom - top, 0, code)
            start = out.address + ((top - row) * columns + left - column) * size
            memory.AddBand(code, ['DATAPOINTER=%d' % start, 'PIXELOFFSET=%d' % size, 'LINEOFFSET=%d' % (columns * size)])
            burn(memory, shapes, values, left, top, bool(request.get('allTouched')))
            memory.FlushCache()
    result = out.view()
    if excess:
        result[:] = bytes(result).translate(FLIP_SIGN)
    return {'ok': True}, result


class PixelPlaces:
    """From places on the Earth to pixels of the whole grid, as gdal_rasterize does it, less a window's corner, which is exact."""

    def __init__(self, column, row):
        self.whole = lib.GDALCreateGenImgProjTransformer2(None, handle(need_grid().dataset), None)
        shift = gdal.GetDriverByName('MEM').Create('', 1, 1, 0, gdal.GDT_Byte)
        shift.SetGeoTransform((column, 1, 0, row, 0, 1))
        self.shift = lib.GDALCreateGenImgProjTransformer2(None, handle(shift), None)
        if not self.whole or not self.shift:
            raise GdalFailed(words('cannot transform coordinates to pixels of the output grid'))

        def places(_, backwards, count, x, y, z, success):
            first, second = (self.shift, self.whole) if backwards else (self.whole, self.shift)
            good = lib.GDALGenImgProjTransform(first, backwards, count, x, y, z, success)
            return good and lib.GDALGenImgProjTransform(second, backwards, count, x, y, z, success)

        self.function = TRANSFORMER(places)

    def close(self):
        lib.GDALDestroyGenImgProjTransformer(self.whole)
        lib.GDALDestroyGenImgProjTransformer(self.shift)


def burn(memory, shapes, values, column, row, all_touched):
    places = PixelPlaces(column, row)
    options = string_list([('ALL_TOUCHED', 'TRUE' if all_touched else 'FALSE'), ('OPTIM', 'RASTER')])
    geometries = (ctypes.c_void_p * len(shapes))(*[handle(shape) for shape in shapes])
    numbers = (ctypes.c_double * len(values))(*values)
    band = (ctypes.c_int * 1)(1)
    gdal.ErrorReset()
    try:
        # GDAL calls back with this argument, and takes none for "no transformer of yours".
        failed = lib.GDALRasterizeGeometries(handle(memory), 1, band, len(shapes), geometries, places.function, places.whole, numbers, options, None, None)
    finally:
        lib.CSLDestroy(options)
        places.close()
    if failed:
        raise GdalFailed(words('burning the features failed'))
