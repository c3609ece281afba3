"""CRSs that the GeoTIFF driver has no keys for, such as those of rotated poles: it puts them into a file beside, which nobody would bring along."""
import struct

from osgeo import gdal

MODEL_TYPE, RASTER_TYPE, PROJECTED_CITATION = 1024, 1025, 3073
USER_DEFINED = 32767
GEO_KEY_DIRECTORY, GEO_ASCII_PARAMS = 34735, 34737
SHORT, ASCII = 3, 2
# The driver reads any WKT behind these words (gt_wkt_srs.cpp).
WKT_PREFIX = 'ESRI PE String = '
# Whatever the driver has keys for: the tags are there then, and say_wkt makes them say something else.
ANY_CRS = 'EPSG:4326'


def has_keys(crs):
    """Whether a GeoTIFF says a CRS by itself."""
    name = '/vsimem/has_keys.tif'
    beside = name + '.aux.xml'
    made = gdal.GetDriverByName('GTiff').Create(name, 1, 1)
    try:
        made.SetSpatialRef(crs)
        made = None
        if gdal.VSIStatL(beside) is not None:
            gdal.Unlink(beside)
        return gdal.Open(name).GetSpatialRef() is not None
    finally:
        made = None
        gdal.Unlink(name)


def say_wkt(path, crs):
    """Makes a GeoTIFF that has keys say a CRS as WKT. What is new is appended, and the tags of the first directory point there."""
    wkt = ''.join(c if ' ' <= c <= '~' and c != '|' else '?' for c in crs.ExportToWkt())
    text = (WKT_PREFIX + wkt + '|').encode('ascii')
    with open(path, 'r+b') as file:
        entries, order, wide = first_directory(file)
        raster_type = 1
        count, offset, _ = entries[GEO_KEY_DIRECTORY]
        file.seek(offset)
        keys = struct.unpack('%s%dH' % (order, count), file.read(2 * count))
        for at in range(4, count, 4):
            if keys[at] == RASTER_TYPE:
                raster_type = keys[at + 3]
        directory = (1, 1, 0, 3, MODEL_TYPE, 0, 1, USER_DEFINED, RASTER_TYPE, 0, 1, raster_type, PROJECTED_CITATION, GEO_ASCII_PARAMS, len(text), 0)
        for tag, kind, number, value in (
            (GEO_KEY_DIRECTORY, SHORT, len(directory), struct.pack('%s%dH' % (order, len(directory)), *directory)),
            (GEO_ASCII_PARAMS, ASCII, len(text) + 1, text + b'\0'),
        ):
            end = file.seek(0, 2)
            file.write(b'\0' * (end % 2) + value)
            file.seek(entries[tag][2])
            file.write(struct.pack(order + ('HHQQ' if wide else 'HHII'), tag, kind, number, end + end % 2))


def first_directory(file):
    """@returns the entries of the first directory by tag: count, offset of the values, offset of the entry; the byte order; whether it is a BigTIFF"""
    head = file.read(16)
    order = '<' if head[:2] == b'II' else '>'
    wide = struct.unpack(order + 'H', head[2:4])[0] == 43
    (start,) = struct.unpack(order + 'Q', head[8:]) if wide else struct.unpack(order + 'I', head[4:8])
    file.seek(start)
    number, entry = (order + 'Q', order + 'HHQQ') if wide else (order + 'H', order + 'HHII')
    (many,) = struct.unpack(number, file.read(struct.calcsize(number)))
    entries = {}
    for _ in range(many):
        at = file.tell()
        tag, _, count, offset = struct.unpack(entry, file.read(struct.calcsize(entry)))
        entries[tag] = (count, offset, at)
    return entries, order, wide
