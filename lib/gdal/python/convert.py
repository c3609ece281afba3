"""Any raster as a tiled GeoTIFF."""
import os

from osgeo import gdal

from errors import GdalFailed, Refused
from gdal_c import words
from geo_keys import ANY_CRS, has_keys, say_wkt
from opening import RASTER_DRIVERS, open_alone, open_subdataset, subdataset_hint
from samples import HAS_INT8, LIMITS, dtype_of
from wide_integers import WIDE


def convert(request):
    part = request.get('subdataset')
    if part is None:
        dataset = open_alone(request['source'], gdal.OF_RASTER, RASTER_DRIVERS)
    else:
        dataset = open_subdataset(request['source'], part['wanted'], part.get('likely'), gdal.OF_RASTER, RASTER_DRIVERS)
    if dataset.RasterCount == 0:
        raise Refused('it has no bands' + subdataset_hint(dataset))
    if dataset.GetGeoTransform(can_return_null=True) is None:
        for there, what in ((dataset.GetGCPCount() > 0, 'ground control points'), (dataset.GetMetadata('RPC'), 'rational polynomial coefficients'), (dataset.GetMetadata('GEOLOCATION'), 'geolocation arrays')):
            if there:
                raise Refused('it is placed on the Earth by %s only, and has no geotransform: warp it first, for example with gdalwarp' % what)
    bands = request.get('bands') or list(range(1, dataset.RasterCount + 1))
    types = set()
    for index in bands:
        if not 1 <= index <= dataset.RasterCount:
            raise Refused('it has no band %d: it has %d' % (index, dataset.RasterCount))
        dtype = dtype_of(dataset.GetRasterBand(index))
        if dtype not in LIMITS and dtype not in WIDE and dtype not in ('float32', 'float64'):
            raise Refused('band %d has samples of type %s; wanted integers, float32 or float64' % (index, dtype))
        types.add(dtype)
    if types & set(WIDE) and len(types) > 1:
        # GDAL would round them, to bring all into one file.
        raise Refused('its bands have samples of several types: %s; wanted one type, where there are integers of 64 bits' % ', '.join(sorted(types)))
    codecs = gdal.GetDriverByName('GTiff').GetMetadataItem('DMD_CREATIONOPTIONLIST') or ''
    wanted = request.get('compression') or ('zstd' if '<Value>ZSTD</Value>' in codecs else 'deflate')
    options = ['TILED=YES', 'BLOCKXSIZE=512', 'BLOCKYSIZE=512', 'BIGTIFF=IF_SAFER', 'COMPRESS=' + wanted.upper(), 'INTERLEAVE=PIXEL' if len(bands) <= 4 else 'INTERLEAVE=BAND']
    if wanted != 'none':
        options.append('ZSTD_LEVEL=1' if wanted == 'zstd' else 'ZLEVEL=1')
        if types & {'float32', 'float64'}:
            options.append('PREDICTOR=3')
        elif types - {'uint8', 'int8', *WIDE}:
            # Not every libtiff has one for 64 bits.
            options.append('PREDICTOR=2')
    if types == {'int8'} and not HAS_INT8:
        options.append('PIXELTYPE=SIGNEDBYTE')
    if dataset.GetRasterBand(bands[0]).GetMetadataItem('NBITS', 'IMAGE_STRUCTURE') and len(types) == 1:
        # The driver would take over samples of 12 bits, which only GDAL reads.
        bits = {'uint8': 8, 'uint16': 16, 'uint32': 32, 'float32': 32}.get(min(types))
        options += [] if bits is None else ['NBITS=%d' % bits]
    target = request['target']
    gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', 'YES')
    crs = dataset.GetSpatialRef()
    try:
        without_keys = crs is not None and not crs.IsLocal() and not has_keys(crs)
        made = gdal.Translate(target, dataset, format='GTiff', bandList=bands, creationOptions=options, outputSRS=ANY_CRS if without_keys else None)
        if made is None:
            raise GdalFailed(words('gdal_translate made nothing'))
        for place, index in enumerate(bands):
            wanted_nodata, nodata = dataset.GetRasterBand(index).GetNoDataValue(), made.GetRasterBand(place + 1).GetNoDataValue()
            if types & set(WIDE) and wanted_nodata != nodata:
                raise Refused('band %d has the nodata value %s, which GDAL makes %s of' % (index, wanted_nodata, nodata))
        made.FlushCache()
        made = None
        if without_keys:
            say_wkt(target, crs)
    except (RuntimeError, OSError) as error:
        remove(target)
        raise GdalFailed(str(error))
    except (GdalFailed, Refused):
        remove(target)
        raise
    return {'ok': True, 'bytes_written': os.path.getsize(target)}, None


def remove(path):
    try:
        os.remove(path)
    except OSError:
        pass
