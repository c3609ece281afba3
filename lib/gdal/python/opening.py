"""Opening files: by which drivers, and what they may be made of."""
import os
import re

from osgeo import gdal

from errors import GdalFailed, Refused
from gdal_c import words

# Drivers whose files say nothing of other files by path or address. All others are taken out of the process: whoever sends a file chooses what
# it says, and the worker would read it with its own rights. So there is none here for web services and their documents (WMS, WMTS, WCS, STACIT ...),
# for caches and mosaics of other files (MRF, GTI, TIL ...), and for headers that name their data (ERS, PDS, ISIS3, PCIDSK, ILWIS, MapInfo, GML's schemas).
RASTER_DRIVERS = [
    'GTiff', 'NITF', 'HFA', 'AAIGrid', 'GRASSASCIIGrid', 'DTED', 'PNG', 'JPEG', 'GIF', 'BIGGIF', 'BMP', 'WEBP', 'PNM', 'SRTMHGT', 'Terragen', 'netCDF',
    'HDF4', 'HDF4Image', 'HDF5', 'HDF5Image', 'BAG', 'KEA', 'Zarr', 'JP2OpenJPEG', 'JP2KAK', 'JP2ECW', 'JP2MrSID', 'JP2Lura', 'JPEG2000', 'JPEGXL', 'HEIF', 'GRIB',
    'RMF', 'RST', 'SAGA', 'GSAG', 'GSBG', 'GS7BG', 'USGSDEM', 'XYZ', 'ENVI', 'EHdr', 'GPKG',
]
VECTOR_DRIVERS = ['GPKG', 'GeoJSON', 'GeoJSONSeq', 'TopoJSON', 'ESRI Shapefile', 'FlatGeobuf', 'KML', 'GPX', 'CSV', 'Parquet', 'Arrow']
# What this program makes for itself. A VRT does name other files: it is opened for those only who have looked at what it names.
INNER_DRIVERS = ['MEM', 'Memory', 'VRT']


def leave_drivers():
    """Takes away all drivers but those above: also a VRT's sources are then opened by these only."""
    kept = set(RASTER_DRIVERS + VECTOR_DRIVERS + INNER_DRIVERS)
    for driver in [gdal.GetDriver(i) for i in range(gdal.GetDriverCount())]:
        if driver.ShortName not in kept:
            driver.Deregister()


def is_xml(name):
    """Whether a file begins as an XML document does."""
    file = gdal.VSIFOpenL(name, 'rb')
    if file is None:
        return False
    try:
        head = bytes(gdal.VSIFReadL(1, 256, file) or b'')
    finally:
        gdal.VSIFCloseL(file)
    return head.removeprefix(b'\xef\xbb\xbf').lstrip().startswith(b'<')


def open_dataset(source, flags, drivers):
    options = ['%s=%s' % pair for pair in sorted((source.get('openOptions') or {}).items())]
    name = source['name']
    try:
        dataset = gdal.OpenEx(name, flags | gdal.OF_VERBOSE_ERROR, allowed_drivers=drivers, open_options=options)
        if dataset is None:
            raise RuntimeError(words('cannot open %s' % name))
    except RuntimeError as error:
        message = str(error)
        if 'not recognized as a supported file format' in message or 'not recognized as being in a supported file format' in message:
            if is_xml(name):
                raise Refused('it is an XML document of no kind that may be used: such documents name servers and other files, which would be read with the rights of the worker')
            raise Refused('it is in none of the formats that may be used, which are %s' % ', '.join(drivers))
        raise GdalFailed(message)
    return dataset


def open_alone(source, flags, drivers):
    """Opens what nobody has looked at, and sees to it that it consists of files of one folder."""
    dataset = open_dataset(source, flags, drivers)
    files = [os.path.normpath(file) for file in dataset.GetFileList() or [] if not file.startswith('/vsimem/')]
    # The file itself is the first; a driver that gives no files has none but the one that it was given.
    for file in files[1:]:
        if os.path.dirname(file) != os.path.dirname(files[0]):
            raise Refused('it reads another file than those beside it: %s' % file)
    return dataset


def subdataset_hint(dataset):
    names = dataset.GetSubDatasets() or []
    return '' if not names else '; it has subdatasets: ' + ', '.join(name for name, _ in names[:20])


def open_subdataset(source, wanted, likely, flags, drivers):
    """
    Opens a subdataset by the name that it has in the file's own list: drivers spell these names differently, and the file's name may not tell the driver.
    likely: the name to try where it isn't in the list, as a file with a single dataset has none; None where nothing is likely.
    """
    container = open_alone(source, flags, drivers)
    # The job may say the path in the file with a slash before it or without; of HDF 4, where GDAL counts, also the name that is in the description.
    for name, description in container.GetSubDatasets() or []:
        tail = name[name.find(source['name']) + len(source['name']):].strip('":')
        known = re.fullmatch(r'\[[^\]]*\] (.*) \([^()]*\)', description)
        if wanted == name or wanted.lstrip('/') == tail.lstrip('/') or (name.startswith('HDF4_') and known is not None and wanted == known.group(1)):
            # A colon in a variable's name ends it, unless it is in quotation marks, which GDAL's own list leaves out.
            quoted = name.startswith('NETCDF:') and ':' in tail
            return open_alone(dict(source, name='NETCDF:"%s":"%s"' % (source['name'], tail) if quoted else name), flags, drivers)
    if likely is not None:
        try:
            return open_alone(dict(source, name=likely), flags, drivers)
        except GdalFailed:
            pass
    raise Refused('there is no such subdataset in it' + subdataset_hint(container))
