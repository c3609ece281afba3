"""Makes GeoTIFFs as the cases say, and takes down what GDAL itself reads from them.

    corpus.py FOLDER

FOLDER/cases.json holds the list of cases (case.ts says what their fields mean). For each the folder gets NAME.tif and NAME.bin: the samples that
GDAL reads, (bands, rows, columns) of the image and then of each overview, and the masks likewise, one byte a sample. What GDAL says of the header
goes to the standard output as one JSON list, or GDAL's own words where it refuses to make such a file.
"""

import json
import sys

import numpy as np
from osgeo import gdal, osr

gdal.UseExceptions()
gdal.PushErrorHandler('CPLQuietErrorHandler')
gdal.SetConfigOption('GDAL_PAM_ENABLED', 'NO')

TYPES = {
    'uint8': gdal.GDT_Byte, 'int8': getattr(gdal, 'GDT_Int8', gdal.GDT_Byte), 'uint16': gdal.GDT_UInt16, 'int16': gdal.GDT_Int16, 'uint32': gdal.GDT_UInt32,
    'int32': gdal.GDT_Int32, 'float32': gdal.GDT_Float32, 'float64': gdal.GDT_Float64, 'int64': gdal.GDT_Int64,
    'uint64': gdal.GDT_UInt64, 'complex64': gdal.GDT_CFloat32, 'complexint16': gdal.GDT_CInt16,
}


def samples(case):
    """Structure and noise, with the extreme values of the type here and there."""
    rng = np.random.default_rng(7)
    bands, rows, columns = case['bands'], case['height'], case['width']
    y, x, z = np.arange(rows)[None, :, None], np.arange(columns)[None, None, :], np.arange(bands)[:, None, None]
    a = 60 * np.sin(x / 9 + z) + 40 * np.cos(y / 7 - z) + rng.normal(0, 4, (bands, rows, columns))
    if case.get('bits', 16) < 16:
        return (a > 5).astype(np.uint8) * (2 ** case['bits'] - 1)
    dtype = np.dtype({'complexint16': 'complex64'}.get(case['dtype'], case['dtype']))
    if dtype.kind == 'c':
        return a.astype(dtype)
    if dtype.kind == 'f':
        a = (a * 3.7).astype(dtype)
        a[:, ::11, ::5] = -1e4
        a[:, 3:5, 3:4] = 0
        a[:, 3:5, 4:5] = -0.0
        a[:, 3:5, 5:6] = 1e-7
        a[:, 6:7, 2:3] = np.inf
        if case.get('pattern') == 'nan':
            a[:, ::3, ::4] = np.nan
        return a
    limits = np.iinfo(dtype)
    if dtype.itemsize == 8:
        return wide_integers(a, case, dtype)
    a = np.rint((a + 120) / 240 * (float(limits.max) - limits.min) * 0.9 + limits.min)
    a = np.clip(a, limits.min, float(limits.max) * (1 - 2 ** -53)).astype(dtype)
    a[:, 1:3, 2:9] = limits.max
    a[:, 1:3, 9:14] = limits.min
    if 'A' in case.get('alpha', ''):
        a[case['alpha'].index('A')] = np.where((x + y)[0] % 5 == 0, 0, np.where((x + y)[0] % 3 == 0, limits.max // 2, limits.max))
    return a


def wide_integers(a, case, dtype):
    """Integers of 64 bits: as far as float64 holds each of them, and nodata."""
    most = 2 ** 53
    least = -most if dtype.kind == 'i' else 0
    a = (np.clip((a + 120) / 240, 0, 1) * (0.9 * (most - least))).astype(np.int64) + least
    a[:, 1:3, 2:9] = most
    a[:, 1:3, 9:14] = least
    a[:, 0:1, 0:9:2] = most - 1
    a = a.astype(dtype)
    if 'nodata' in case:
        a[:, ::11, ::5] = int(case['nodata'])
    return a


def describe(ds, case):
    """What lies beside the pixels."""
    header = case.get('header', {})
    if 'geotransform' in header:
        ds.SetGeoTransform(header['geotransform'])
    if 'epsg' in header:
        srs = osr.SpatialReference()
        srs.ImportFromEPSG(header['epsg'])
        ds.SetProjection(srs.ExportToWkt())
    if 'points' in header:
        ds.SetGCPs([gdal.GCP(*p) for p in header['points']], '')
    if header.get('pixelIsPoint'):
        ds.SetMetadataItem('AREA_OR_POINT', 'Point')
    for i in range(case['bands']):
        band = ds.GetRasterBand(i + 1)
        if 'nodata' in case:
            band.SetNoDataValue((int if case['dtype'].endswith('int64') else float)(case['nodata']))
        if 'scales' in header:
            band.SetScale(header['scales'][i])
            band.SetOffset(header['offsets'][i])
            band.SetUnitType(header['units'][i])
        if 'descriptions' in header:
            band.SetDescription(header['descriptions'][i])
        if 'colors' in header:
            band.SetColorInterpretation(getattr(gdal, 'GCI_' + header['colors'][i]))
    if 'table' in header:
        table = gdal.ColorTable()
        for i, entry in enumerate(header['table']):
            table.SetColorEntry(i, tuple(entry))
        ds.GetRasterBand(1).SetColorTable(table)


def write(ds, case, a):
    rows, columns = case['height'], case['width']
    if case.get('pattern') == 'corner':
        y, x, h, w = rows // 3, columns // 3, max(1, rows // 4), max(1, columns // 4)
    else:
        y, x, h, w = 0, 0, rows, columns
    for i in range(case['bands']):
        if case.get('pattern') != 'empty':
            ds.GetRasterBand(i + 1).WriteArray(a[i, y:y + h, x:x + w], x, y)
    if 'mask' in case:
        ds.CreateMaskBand(gdal.GMF_PER_DATASET)
        m = np.full((rows, columns), 255, np.uint8)
        m[rows // 4:rows // 2 + 1, columns // 3:columns // 2 + 1] = 0
        m[-3:, -5:] = 0
        ds.GetRasterBand(1).GetMaskBand().WriteArray(m)


def make(path, case):
    gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', 'NO' if case.get('mask') == 'beside' else 'YES')
    options = list(case['options'])
    a = samples(case)
    # Before GDAL 3.7 int8 was a kind of uint8.
    if case['dtype'] == 'int8' and not hasattr(gdal, 'GDT_Int8'):
        options.append('PIXELTYPE=SIGNEDBYTE')
        a = a.view(np.uint8)
    size = (case['width'], case['height'], case['bands'], TYPES[case['dtype']])
    if case.get('driver') == 'COG':
        source = gdal.GetDriverByName('MEM').Create('', *size)
        describe(source, case)
        write(source, case, a)
        ds = gdal.GetDriverByName('COG').CreateCopy(path, source, options=options)
    else:
        ds = gdal.GetDriverByName('GTiff').Create(path, *size, options)
        describe(ds, case)
        write(ds, case, a)
    if 'overviews' in case:
        ds.FlushCache()
        ds.BuildOverviews('NEAREST', case['overviews'])
    ds.FlushCache()
    ds = None


def number(value):
    """JSON has no NaN and no infinity: they go as text."""
    return value if value is None or np.isfinite(value) else str(float(value))


def as_read(a):
    """Integers of 64 bits are read as float64."""
    return a.astype(np.float64) if a.dtype.kind in 'iu' and a.dtype.itemsize == 8 else a


def read(path, case, record):
    ds = gdal.Open(path)
    bands = [ds.GetRasterBand(i + 1) for i in range(ds.RasterCount)]
    srs = ds.GetSpatialRef()
    code = srs.GetAuthorityCode(None) if srs else None
    table = bands[0].GetColorTable()
    transform = ds.GetGeoTransform(can_return_null=True)
    record.update(
        bands=len(bands),
        geotransform=transform and list(transform),
        epsg=int(code) if code else None,
        pixelIsPoint=ds.GetMetadataItem('AREA_OR_POINT') == 'Point',
        groundControlPoints=ds.GetGCPCount(),
        nodata=number(bands[0].GetNoDataValue()),
        maskFlags=bands[0].GetMaskFlags(),
        descriptions=[b.GetDescription() for b in bands],
        scales=[b.GetScale() for b in bands],
        offsets=[b.GetOffset() for b in bands],
        units=[b.GetUnitType() for b in bands],
        colors=[gdal.GetColorInterpretationName(b.GetColorInterpretation()) for b in bands],
        table=table and [list(table.GetColorEntry(i)) for i in range(table.GetCount())],
        levels=[],
    )
    pieces = []
    for n in range(bands[0].GetOverviewCount() + 1):
        level = bands if n == 0 else [b.GetOverview(n - 1) for b in bands]
        record['levels'].append([level[0].XSize, level[0].YSize])
        pieces += [as_read(b.ReadAsArray()).tobytes() for b in level] + [b.GetMaskBand().ReadAsArray().tobytes() for b in level]
    with open(path[:-4] + '.bin', 'wb') as out:
        out.write(b''.join(pieces))


def main():
    folder = sys.argv[1]
    with open(folder + '/cases.json') as file:
        cases = json.load(file)
    records = []
    for case in cases:
        path = '%s/%s.tif' % (folder, case['name'])
        record = {'name': case['name']}
        records.append(record)
        try:
            make(path, case)
            if 'refused' not in case:
                read(path, case, record)
        except RuntimeError as error:
            record['problem'] = str(error)
    json.dump(records, sys.stdout)


main()
