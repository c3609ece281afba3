"""How much kernels are widened: the scale that gdalwarp takes."""
import math

from osgeo import gdal, osr

from grid import Transformer, need_grid
from sources import raster

# How far the kernel reaches, in pixels of the source at scale 1 (GWKGetFilterRadius).
RADIUS = {'bilinear': 1, 'cubic': 2}
# From this scale on GDAL does not widen the kernel.
UNSCALED = 0.95
# Places along each edge of a chunk that GDAL transforms to find its part of the source.
STEPS = 21
# Where its part of the source makes up less than this of what the chunk spans, gdalwarp cuts the chunk, unless it is as small as this.
FILL_RATIO = 0.5
SMALL_CHUNK = 100
# From here on a place in the source is taken for nonsense until the way back confirms it.
FAR_AWAY = 1e6


def warp_scale(source, resampling):
    """
    Pixels of the grid to a pixel of the source, along the source's x and y, by which kernels are widened: as gdalwarp takes it where it warps
    the whole grid as one chunk (GDALWarpOperation::ComputeSourceWindow, GDALWarpKernel::PerformWarp). GDAL takes it from every chunk anew, so that
    left to itself results would depend on the windows. Where gdalwarp cuts the grid because the source covers little of it, the chunk is the
    part of the grid that the source covers.
    """
    if resampling not in source.scales:
        target = need_grid()
        whole = (0, 0, target.columns, target.rows)
        scale, ratio = chunk_scale(source, whole, resampling)
        if ratio < FILL_RATIO and max(target.columns, target.rows) > SMALL_CHUNK:
            part = covered_part(source)
            if part is not None:
                scale, _ = chunk_scale(source, part, resampling)
        # With more pixels of the source to one of the grid than this GDAL doesn't reckon.
        source.scales[resampling] = [max(1e-3, value) for value in scale]
    return source.scales[resampling]


def covered_part(source):
    """The rectangle of the grid in which the source lies: column, row, columns, rows; None where there is none."""
    target = need_grid()
    wide, high = source.dataset.RasterXSize, source.dataset.RasterYSize
    places = [p for p in source.transformer(0).points(False, [(x * wide, y * high) for x, y in lattice(1 / wide, 1 / high)]) if p is not None]
    if not places:
        return None
    spans = []
    for axis, length in ((0, target.columns), (1, target.rows)):
        low = max(0, math.floor(min(place[axis] for place in places)))
        high = min(length, math.ceil(max(place[axis] for place in places)))
        if high <= low:
            return None
        spans.append((low, high - low))
    return spans[0][0], spans[1][0], spans[0][1], spans[1][1]


def lattice(pixel_x, pixel_y):
    """Places within the unit square: a lattice, and half a pixel from its edges."""
    across, down = ([0.5 * pixel] + [i / (STEPS - 1) for i in range(STEPS)] + [1 - 0.5 * pixel] for pixel in (pixel_x, pixel_y))
    return [(x, y) for y in down for x in across]


def around(column, row, columns, rows):
    places = []
    ratio = 0.0
    # Added up, as there: the last digit can decide about a pixel.
    while ratio <= 1.0 + 0.5 / (STEPS - 1):
        x, y = ratio * columns + column, ratio * rows + row
        places += [(x, row), (x, row + rows), (column, y), (column + columns, y)]
        ratio += 1.0 / (STEPS - 1)
    return places


def has_pole(target):
    """Whether a pole lies on the grid: around it, the edges of a chunk don't tell what lies within."""
    if target.crs is None:
        return False
    crs = target.crs.Clone()
    crs.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    geographic = crs.CloneGeogCS()
    if geographic is None:
        return False
    geographic.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    inverse = gdal.InvGeoTransform(target.transform)
    for latitude in (-89.9999, 89.9999):
        try:
            x, y, _ = osr.CoordinateTransformation(geographic, crs).TransformPoint(0, latitude)
        except RuntimeError:
            continue
        x, y = gdal.ApplyGeoTransform(inverse, x, y)
        if 0 <= x <= target.columns and 0 <= y <= target.rows:
            return True
    return False


def chunk_scale(source, chunk, resampling):
    """What GDAL finds for a chunk: the scale, and which part of what the chunk spans is of the source."""
    column, row, columns, rows = chunk
    sizes = (source.dataset.RasterXSize, source.dataset.RasterYSize)
    exact = source.transformer(0)
    inner = [(column + x * columns, row + y * rows) for x, y in lattice(1 / columns, 1 / columns)]
    by_lattice = has_pole(need_grid()) and not source.dataset.GetSpatialRef().IsSame(need_grid().crs)
    found = exact.points(True, inner if by_lattice else around(*chunk))
    if None not in found and any(value < -FAR_AWAY or value > size + FAR_AWAY for place in found for value, size in zip(place, sizes)):
        gdal.SetThreadLocalConfigOption('CHECK_WITH_INVERT_PROJ', 'YES')
        try:
            exact = Transformer(source.dataset)
            found = exact.points(True, inner if by_lattice else around(*chunk))
        finally:
            gdal.SetThreadLocalConfigOption('CHECK_WITH_INVERT_PROJ', None)
            exact.close()
            exact = source.transformer(0)
    if None in found and not by_lattice:
        by_lattice = True
        found = exact.points(True, inner)
    failed = found.count(None)
    places = [place for place in found if place is not None]
    if by_lattice:
        own = [(x * sizes[0], y * sizes[1]) for x, y in lattice(1 / sizes[0], 1 / sizes[1])]
        places += [place for place, goal in zip(own, exact.points(False, own)) if goal is not None and column <= goal[0] <= column + columns and row <= goal[1] <= row + rows]
    if failed > len(found) - 5 or not places:
        return [1.0, 1.0], 0.0
    lows, highs = ([choose(place[axis] for place in places) for axis in (0, 1)] for choose in (min, max))
    if any(lows[axis] > sizes[axis] or highs[axis] < 0 for axis in (0, 1)):
        return [1.0, 1.0], 0.0
    lows, highs = ([near_whole(value) for value in values] for values in (lows, highs))
    scale, covered, spanned = [], 1.0, 1.0
    for low, high, size, pixels in zip(lows, highs, sizes, (columns, rows)):
        span = high - low
        local = max(1e-3, pixels / span) if span > 0 else math.inf
        radius = RADIUS.get(resampling, 0)
        radius = (math.ceil(radius / local) if local < UNSCALED else radius) + (10 if failed else 0)
        first, last = int(max(0.0, low)), int(min(math.ceil(high), size))
        raw = max(0.0, min(size - first, span))
        if last - first > 0.9 * size:
            length = size
        else:
            start = max(0, min(first - radius, size))
            length = max(0, min(size - start, last - start + radius))
        extra = length - raw
        value = pixels / (length - extra) if length - extra > 0 else 1.0
        if pixels <= length <= pixels + extra:
            value = 1.0
        if value < 1.0 and abs(1 / value - int(1 / value + 0.5)) < 0.05:
            value = 1.0 / int(1 / value + 0.5)
        scale.append(value)
        covered *= length
        spanned *= span + 2 * radius
    if scale[1] / scale[0] > 100:
        scale[0] = sampled_scale(exact, chunk, scale[0])
    return scale, covered / max(1.0, spanned)


def near_whole(value):
    return float(round(value)) if abs(round(value) - value) < 1e-6 else value


def sampled_scale(exact, chunk, otherwise):
    """The scale along x where an image wraps around the Earth: the mean of local ones, the smallest left out."""
    column, row, columns, rows = chunk
    wide, high = min(10, columns), min(10, rows)
    points = []
    for j in range(high):
        for i in range(wide):
            x = column + (i * columns / (wide - 1) if wide > 1 else 0)
            y = row + (j * rows / (high - 1) if high > 1 else 0)
            points += [(x, y), (x - 1 if i == wide - 1 else x + 1, y), (x, y - 1 if j == high - 1 else y + 1)]
    found = exact.points(True, points)
    values = []
    for at in range(0, len(found), 3):
        here, beside, below = found[at:at + 3]
        if None not in (here, beside, below):
            step = max(abs(beside[0] - here[0]), abs(below[0] - here[0]))
            if step > 0:
                values.append(1 / step)
    kept = [value for value in values if value > max(values) / 10]
    return sum(kept) / len(kept) if kept else otherwise


def scale_request(request):
    return {'ok': True, 'scale': warp_scale(raster(request['source']), request['resampling'])}, None
