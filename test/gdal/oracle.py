"""
Makes rasters, vectors and output grids for the tests of lib/gdal, and runs GDAL's own programs on them. Needs numpy and osgeo.

One request as JSON on the command line: a list of steps, each {"do": name, ...}; prints a list of results as JSON.
"""
import json
import math
import os
import sys

import numpy as np
from osgeo import gdal, ogr, osr

sys.path.append(os.path.join(os.path.dirname(__file__), '..', 'support'))
from gdal_programs import run

gdal.UseExceptions()
osr.UseExceptions()

TYPES = {'uint8': gdal.GDT_Byte, 'int8': gdal.GDT_Byte, 'uint16': gdal.GDT_UInt16, 'int16': gdal.GDT_Int16, 'uint32': gdal.GDT_UInt32,
         'int32': gdal.GDT_Int32, 'float32': gdal.GDT_Float32, 'float64': gdal.GDT_Float64}


def crs(code):
    made = osr.SpatialReference()
    made.SetFromUserInput(code if isinstance(code, str) else 'EPSG:%d' % code)
    made.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return made


def transform_of(step):
    """The geotransform of a source: as given, or with its middle at a place (degrees of EPSG:4326) and pixels of some metres, or so."""
    if 'transform' in step:
        return step['transform']
    place = crs(step['epsg'])
    x, y, _ = osr.CoordinateTransformation(crs(4326), place).TransformPoint(*step['centre'])
    side = step['metres'] / (111320 if place.IsGeographic() else place.GetLinearUnits())
    turn = {'north-up': (1, 0, 0, -1), 'south-up': (1, 0, 0, 1), 'mirrored': (-1, 0, 0, -1), 'rotated': (0.8, 0.6, 0.6, -0.8), 'sheared': (1, 0.25, 0, -1), 'turned': (0, 1, -1, 0)}[step['orientation']]
    xc, xr, yc, yr = (part * side for part in turn)
    columns, rows = step['columns'], step['rows']
    return [x - columns / 2 * xc - rows / 2 * xr, xc, xr, y - columns / 2 * yc - rows / 2 * yr, yc, yr]


def pixels(step):
    """Something smooth with noise and steps, so that kernels and modes have work; gaps of nodata as blobs."""
    dtype = np.dtype(step['dtype'])
    random = np.random.default_rng(step['seed'])
    rows, columns = step['rows'], step['columns']
    y, x = np.mgrid[0:rows, 0:columns]
    planes = []
    for band in range(step['bands']):
        value = np.sin(x / 7 + band) * np.cos(y / 5) * 0.4 + 0.5 + random.normal(0, 0.05, (rows, columns)) + (x > columns / 2) * 0.2
        if dtype.kind == 'f':
            plane = (value * 1000 - 300).astype(dtype)
        else:
            info = np.iinfo(dtype)
            low, high = max(info.min, -20000), min(info.max, 40000)
            # A few values only, so that the mode has something to find.
            plane = np.clip(np.round(np.floor(value * 24) / 24 * (high - low) + low), info.min, info.max).astype(dtype)
        gap = step.get('gap')
        if gap is not None:
            hole = (np.hypot(x - columns * 0.3, y - rows * 0.4) < rows * 0.15) | (random.random((rows, columns)) < 0.02)
            plane[hole] = dtype.type(float(gap))
        planes.append(plane)
    return np.stack(planes)


def write(path, data, step, wide=False):
    dtype = step['dtype']
    options = ['TILED=YES', 'BLOCKXSIZE=32', 'BLOCKYSIZE=32']
    code = TYPES[dtype]
    if dtype == 'int8':
        if wide:
            code, data = gdal.GDT_Int16, data.astype(np.int16)
        else:
            options.append('PIXELTYPE=SIGNEDBYTE')
            data = data.view(np.uint8)
    alpha = step.get('mask') == 'alpha'
    if alpha:
        options += ['ALPHA=NO', 'PHOTOMETRIC=MINISBLACK']
    made = gdal.GetDriverByName('GTiff').Create(path, step['columns'], step['rows'], step['bands'] + alpha, code, options)
    made.SetGeoTransform(transform_of(step))
    made.SetProjection(crs(step['epsg']).ExportToWkt())
    if alpha:
        made.GetRasterBand(step['bands'] + 1).SetColorInterpretation(gdal.GCI_AlphaBand)
    for index, plane in enumerate(data):
        made.GetRasterBand(index + 1).WriteArray(plane)
    if step.get('fileNodata') is not None:
        made.GetRasterBand(1).SetNoDataValue(float(step['fileNodata']))
    if step.get('mask'):
        random = np.random.default_rng(step['seed'] + 1)
        y, x = np.mgrid[0:step['rows'], 0:step['columns']]
        shown = (np.hypot(x - step['columns'] / 2, y - step['rows'] / 2) < step['rows'] * 0.45) & (random.random(x.shape) > 0.03)
        mask = shown.astype(np.uint8) * 255
        if alpha:
            band = made.GetRasterBand(step['bands'] + 1)
            mask[random.random(x.shape) < 0.1] = 100
            full = {'uint16': 65535, 'int16': 32767}.get(dtype, 255)
            band.WriteArray((mask / 255 * full).astype(np.float64))
        else:
            gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', 'YES')
            made.CreateMaskBand(gdal.GMF_PER_DATASET)
            made.GetRasterBand(1).GetMaskBand().WriteArray(mask)
    made = None


def make_source(step):
    data = pixels(step)
    write(step['path'], data, step)
    if step['dtype'] == 'int8':
        write(step['path'] + '.wide.tif', data, step, True)
    ones = dict(step, dtype='uint8', mask=None, fileNodata=None, bands=1)
    write(step['path'] + '.ones.tif', np.ones((1, step['rows'], step['columns']), np.uint8), ones)


def make_grid(step):
    """Covers the source's bounds in another CRS, with a border; `ratio` pixels of the source to one of the grid."""
    t = transform_of(step)
    columns, rows = step['columns'], step['rows']
    change = osr.CoordinateTransformation(crs(step['epsg']), crs(step['gridEpsg']))
    edge = [gdal.ApplyGeoTransform(t, columns * i / 20, rows * j / 20) for i in range(21) for j in range(21)]
    points = np.array(change.TransformPoints(edge))[:, :2]
    west, south = points.min(axis=0)
    east, north = points.max(axis=0)
    # From a part of the source to more than it.
    margin_x, margin_y = (east - west) * step['margin'], (north - south) * step['margin']
    west, east, south, north = west - margin_x, east + margin_x, south - margin_y, north + margin_y
    wide = max(2, round(columns * (1 + 2 * step['margin']) / step['ratio']))
    high = max(2, round(rows * (1 + 2 * step['margin']) / step['ratio']))
    bounds = [float(v) for v in (west, south, east, north)]
    made = gdal.GetDriverByName('GTiff').Create(step['path'], wide, high, 1, gdal.GDT_Byte, ['SPARSE_OK=TRUE'])
    made.SetGeoTransform([bounds[0], (bounds[2] - bounds[0]) / wide, 0, bounds[3], 0, (bounds[1] - bounds[3]) / high])
    made.SetProjection(crs(step['gridEpsg']).ExportToWkt())
    made = None
    return {'columns': wide, 'rows': high, 'bounds': bounds}


def dump(step):
    """The samples of a file, raw, as a type."""
    data = gdal.Open(step['path']).ReadAsArray()
    data = data if data.ndim == 3 else data[None]
    if step['dtype'] == 'int8':
        data = np.clip(data, -128, 127)
    data.astype(step['dtype']).tofile(step['to'])


def clipped(data, nodata):
    """Limited to int8. A pixel with data that a kernel takes beyond a limit which is nodata gets the value beside it, as GDAL does it for types of its own."""
    limited = np.clip(data, -128, 127)
    if nodata is None:
        return limited
    return np.where((limited != data) & (limited == float(nodata)), limited - np.sign(limited), limited)


def reached(step, arguments, resampling):
    """Where the source has anything for the grid, with or without data."""
    out = step['to'] + '.reach.tif'
    run(['gdalwarp'] + arguments + ['-r', resampling, '-wo', 'INIT_DEST=0', step['source'] + '.ones.tif', out])
    return gdal.Open(out).ReadAsArray() != 0


def around_edges(there, reach):
    """Pixels from which an edge of what is there is at most so many pixels away, in columns or rows."""
    low, high = there, there
    for axis in (0, 1):
        side = [(reach, reach) if axis == a else (0, 0) for a in (0, 1)]
        windows = [np.lib.stride_tricks.sliding_window_view(np.pad(plane, side, mode='edge'), 2 * reach + 1, axis=axis) for plane in (low, high)]
        low, high = windows[0].min(axis=-1), windows[1].max(axis=-1)
    return low != high


def gdalwarp(step):
    grid = step['grid']
    common = ['-q', '-overwrite', '-et', '0', '-ovr', 'NONE', '-t_srs', 'EPSG:%d' % step['gridEpsg'], '-te'] + [repr(v) for v in grid['bounds']] + ['-ts', str(grid['columns']), str(grid['rows'])]
    common += ['-r', {'nearest': 'near'}.get(step['resampling'], step['resampling'])]
    if step['resampling'] in ('average', 'mode', 'min', 'max', 'med'):
        # Without it gdalwarp cuts off, at the edges of the grid, what the areas of pixels reach beyond the places that it has looked at.
        common += ['-wo', 'SOURCE_EXTRA=20']
    if step.get('scale') and (step.get('turned') or reached(step, common, 'near').mean() < 0.7):
        # What the source covers of the grid is so little that gdalwarp would cut the grid, and find other kernels for each chunk; or it is turned, and the extra makes them wider.
        common += ['-wo', 'SRC_FILL_RATIO_HEURISTICS=NO', '-wo', 'XSCALE=%r' % step['scale'][0], '-wo', 'YSCALE=%r' % step['scale'][1]]
    common += step.get('more', [])
    nodata, init = step.get('nodata'), step.get('init')
    options = ['-srcnodata', 'None'] if nodata is None else ['-srcnodata', str(nodata), '-dstnodata', str(nodata), '-wo', 'UNIFIED_SRC_NODATA=PARTIAL']
    if nodata is None:
        options += ['-wo', 'INIT_DEST=%s' % (0 if init is None else init)]
    if step.get('validity'):
        options.append('-dstalpha')
    source = step['source'] + ('.wide.tif' if step['dtype'] == 'int8' else '')
    out = step['to'] + '.tif'
    run(['gdalwarp'] + common + options + [source, out])
    data = gdal.Open(out).ReadAsArray()
    data = data if data.ndim == 3 else data[None]
    plane = None
    if step.get('validity'):
        data, plane = data[:-1], (data[-1] != 0).astype(np.uint8)
    if step['dtype'] == 'int8':
        data = clipped(data, nodata)
    data = data.astype(step['dtype'])
    if nodata is not None and init is not None:
        run(['gdalwarp'] + common + ['-wo', 'INIT_DEST=0', step['source'] + '.ones.tif', step['to'] + '.ones.tif'])
        data[:, gdal.Open(step['to'] + '.ones.tif').ReadAsArray() == 0] = np.dtype(step['dtype']).type(float(init))
    if step.get('edge') is not None:
        around_edges(reached(step, common, common[common.index('-r') + 1]), step['edge']).astype(np.uint8).tofile(step['to'] + '.edges')
    with open(step['to'], 'wb') as file:
        file.write(data.tobytes())
        if plane is not None:
            file.write(plane.tobytes())


def make_vector(step):
    """Polygons (many with corners on corners and centres of pixels), lines and points that overlap, with attributes; in the given CRS."""
    random = np.random.default_rng(step['seed'])
    grid = gdal.Open(step['grid'])
    t = grid.GetGeoTransform()
    kind = {'.gpkg': 'GPKG', '.geojson': 'GeoJSON', '.shp': 'ESRI Shapefile'}[step['path'][step['path'].rindex('.'):]]
    made = ogr.GetDriverByName(kind).CreateDataSource(step['path'])
    layer = made.CreateLayer('fields', crs(step['epsg']), ogr.wkbPolygon if kind == 'ESRI Shapefile' else ogr.wkbUnknown)
    layer.CreateField(ogr.FieldDefn('value', ogr.OFTReal))
    layer.CreateField(ogr.FieldDefn('kind', ogr.OFTString))
    change = osr.CoordinateTransformation(crs(step['gridEpsg']), crs(step['epsg']))
    for number in range(step['count']):
        cx, cy = random.uniform(-5, grid.RasterXSize + 5), random.uniform(-5, grid.RasterYSize + 5)
        if number % 2:
            cx, cy = round(cx * 2) / 2, round(cy * 2) / 2
        size = random.integers(1, 30)
        sides = random.integers(3, 8)
        ring = ogr.Geometry(ogr.wkbLinearRing)
        corners = [(cx - size, cy - size), (cx + size, cy - size), (cx + size, cy + size), (cx - size, cy + size)] if number % 3 == 0 else [
            (cx + size * math.cos(2 * math.pi * i / sides), cy + size * math.sin(2 * math.pi * i / sides)) for i in range(sides)]
        for px, py in corners + corners[:1]:
            ring.AddPoint_2D(t[0] + px * t[1], t[3] + py * t[5])
        shape = ogr.Geometry(ogr.wkbPolygon)
        shape.AddGeometry(ring)
        if number % 5 == 4 and kind != 'ESRI Shapefile':
            shape = shape.GetBoundary()
        if step['epsg'] != step['gridEpsg']:
            shape.Transform(change)
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetGeometry(shape)
        feature.SetField('value', float(random.integers(1, 120)))
        feature.SetField('kind', 'ab'[number % 2])
        layer.CreateFeature(feature)
    made = None


def gdal_rasterize(step):
    """Into a file that is there: with -a_srs for a new one, gdal_rasterize transforms nothing."""
    out = step['to'] + '.tif'
    code = gdal.GDT_Int16 if step['dtype'] == 'int8' else TYPES[step['dtype']]
    grid = gdal.Open(step['gridPath'])
    made = gdal.GetDriverByName('GTiff').Create(out, grid.RasterXSize, grid.RasterYSize, 1, code)
    made.SetGeoTransform(grid.GetGeoTransform())
    made.SetProjection(grid.GetProjection())
    made.GetRasterBand(1).Fill(step['init'])
    made = None
    arguments = ['gdal_rasterize', '-q', '-l', 'fields']
    arguments += ['-a', step['attribute']] if step.get('attribute') else ['-burn', str(step['burn'])]
    arguments += (['-at'] if step.get('allTouched') else []) + (['-where', step['where']] if step.get('where') else [])
    run(arguments + [step['source'], out])
    dump({'path': out, 'dtype': step['dtype'], 'to': step['to']})


steps = {f.__name__: f for f in (make_source, make_grid, gdalwarp, dump, make_vector, gdal_rasterize)}
print(json.dumps([steps[step['do']](step) for step in json.loads(sys.argv[1])]))
