"""Where a source lies on the grid."""
from sources import raster


def place(request):
    """Places of a lattice over a source, row after row, in pixels of the grid; null where GDAL finds none."""
    source = raster(request['source'])
    steps = request['steps']
    wide, high = source.dataset.RasterXSize, source.dataset.RasterYSize
    lattice = [(wide * column / steps, high * row / steps) for row in range(steps + 1) for column in range(steps + 1)]
    return {'ok': True, 'places': source.transformer(0).points(False, lattice)}, None
