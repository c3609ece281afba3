"""Windows of a source, as they are."""
from osgeo import gdal

from errors import GdalFailed
from gdal_c import Samples, fill
from samples import DTYPES, EXCESS, FLIP_SIGN, TO_VALIDITY, number
from sources import raster
from wide_integers import wide_integers
from window import window_of


def read(request):
    source = raster(request['source'])
    dtype = request['dtype']
    view, excess = source.view(dtype)
    code, size = DTYPES['uint8' if excess else dtype]
    bands = request['bands']
    for band in bands:
        source.band(band)
    validity = bool(request.get('validity'))
    column, row, columns, rows = window_of(request)
    plane = columns * rows
    planes = len(bands) * plane * size
    out = Samples(planes + (plane if validity else 0))
    init = number(request.get('init')) or 0
    left, right = max(column, 0), min(column + columns, view.RasterXSize)
    top, bottom = max(row, 0), min(row + rows, view.RasterYSize)
    inside = right > left and bottom > top
    if not inside or right - left < columns or bottom - top < rows:
        fill(out.address, init + (EXCESS if excess else 0), code, size, len(bands) * plane)
    if validity and request.get('outsideIsData'):
        out.bytes[planes:planes + plane] = b'\x01' * plane
    if inside:
        at = (top - row) * columns + left - column
        try:
            view.ReadRaster(left, top, right - left, bottom - top, right - left, bottom - top, code, bands, size, columns * size, plane * size, buf_obj=out.view(at * size, planes - at * size))
            if validity:
                mask = view.GetRasterBand(bands[0]).GetMaskBand()
                mask.ReadRaster(left, top, right - left, bottom - top, right - left, bottom - top, gdal.GDT_Byte, 1, columns, buf_obj=out.view(planes + at, plane - at))
        except RuntimeError as error:
            wide_integers.check()
            raise GdalFailed(str(error))
    result = out.view()
    if excess:
        result[:planes] = bytes(result[:planes]).translate(FLIP_SIGN)
    if validity:
        result[planes:] = bytes(result[planes:]).translate(TO_VALIDITY)
    return {'ok': True}, result
