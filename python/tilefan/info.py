"""
`info`, the first argument of a function: where its tile lies, with the methods that RIOS's ReaderInfo has.

A window is RIOS's word for the tiles' common size, a block is the tile at hand, the overlap is the margin (halo). Sizes are (columns, rows) here, though
arrays are (bands, rows, columns).
"""
import math
import sys

import numpy

from .samples import number_of

# What a grid without a georeference has: columns to the right, rows downwards.
NO_GEOREFERENCE = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


class Coord:
    """A place: `x` and `y`."""

    def __init__(self, x, y):
        self.x = x
        self.y = y


def to_world(transform, column, row):
    """Coordinates of a corner of a pixel: https://gdal.org/tutorials/geotransforms_tut.html"""
    return (transform[0] + column * transform[1] + row * transform[2], transform[3] + column * transform[4] + row * transform[5])


def to_pixel(transform, x, y):
    """Column and row, with fractions, of a place: the inverse of the above."""
    a, b, c, d, e, f = transform
    if c == 0 and e == 0:
        return (x - a) / b, (y - d) / f
    determinant = b * f - c * e
    return ((x - a) * f - (y - d) * c) / determinant, ((y - d) * b - (x - a) * e) / determinant


def nodata_of(array, description):
    """The nodata value of an input as a number of its array's type; None where it has none, or one that no pixel can have."""
    value = number_of(description['nodata'])
    if value is None:
        return None
    if array.dtype.kind in 'iu':
        limits = numpy.iinfo(array.dtype)
        if value != value or not limits.min <= value <= limits.max or value != int(value):
            return None
        value = int(value)
    return numpy.asarray(value, dtype=array.dtype)


class ReaderInfo:
    """About one tile. Everything is known when it is made; nothing of it changes."""

    def __init__(self, setup, call):
        grid, window = setup['grid'], call['window']
        self._grid = grid
        self._transform = NO_GEOREFERENCE if grid['geotransform'] is None else tuple(float(number) for number in grid['geotransform'])
        self._arrays = {}
        self.windowxsize = self.windowysize = setup['tileSize']
        self.overlap = setup['halo']
        self.xsize, self.ysize = grid['columns'], grid['rows']
        self.xtotalblocks, self.ytotalblocks = setup['tiles']['across'], setup['tiles']['down']
        self.xblock, self.yblock = call['column'], call['row']
        self.blockwidth, self.blockheight = window['columns'], window['rows']
        self._left, self._top = window['column'], window['row']
        self.blocktl = Coord(*to_world(self._transform, self._left, self._top))
        self.blockbr = Coord(*to_world(self._transform, self._left + self.blockwidth, self._top + self.blockheight))
        self.loggingstream = sys.stdout

    def _remember(self, arrays):
        """Notes which input each array is: (array, validity, description). They are kept, so that an id stays theirs as long as this object lives."""
        self._arrays = {id(array): (array, description, valid) for array, valid, description in arrays}

    def _find(self, block, method):
        """The input that an array is, or is a part of."""
        array = block
        while array is not None:
            found = self._arrays.get(id(array))
            if found is not None:
                return found
            array = getattr(array, 'base', None)
        raise KeyError('%s wants one of the arrays of inputs, such as inputs.NAME; what it got is none of them, nor a part of one' % method)

    # The tile among the tiles.

    def getBlockCount(self):
        """(column, row) of the tile among the tiles, from 0."""
        return self.xblock, self.yblock

    def getTotalBlocks(self):
        """(across, down): how many tiles there are."""
        return self.xtotalblocks, self.ytotalblocks

    def isFirstBlock(self):
        """Whether it is the tile at the upper left. Tiles are computed in any order, unless the job is serial."""
        return self.xblock == 0 and self.yblock == 0

    def isLastBlock(self):
        """Whether it is the tile at the lower right."""
        return self.xblock == self.xtotalblocks - 1 and self.yblock == self.ytotalblocks - 1

    def getPercent(self):
        """How many of 100 tiles lie before this one, row by row; a whole number."""
        return int((self.yblock * self.xtotalblocks + self.xblock) / (self.xtotalblocks * self.ytotalblocks) * 100)

    # Sizes.

    def getWindowSize(self):
        """(columns, rows) of a tile that isn't cut off by the grid's edge, without margin."""
        return self.windowxsize, self.windowysize

    def getBlockSize(self):
        """(columns, rows) of this tile, without margin."""
        return self.blockwidth, self.blockheight

    def getOverlapSize(self):
        """Pixels of margin on each side."""
        return self.overlap

    def getTotalSize(self):
        """(columns, rows) of the whole grid."""
        return self.xsize, self.ysize

    def getPixelSize(self):
        """(x, y): the sides of a pixel in units of the CRS; both are positive."""
        return self._transform[1], abs(self._transform[5])

    # Places.

    def getTransform(self):
        """GDAL's six coefficients of the whole grid."""
        return self._transform

    def getProjection(self):
        """The CRS of the grid: WKT, or EPSG:n; empty where it has none."""
        return self._grid['crs'] or ''

    def getBlockCoordArrays(self):
        """(x, y): two arrays (rows, columns) with the coordinates of the centres of the pixels, margin included."""
        _, x_column, x_row, _, y_column, y_row = self._transform
        margin = self.overlap
        row, column = numpy.mgrid[0:self.blockheight + 2 * margin, 0:self.blockwidth + 2 * margin]
        # From the tile's own corner, and without what is 0: so a north-up grid gives the very numbers that RIOS gives.
        if x_row == 0 and y_column == 0:
            x = self.blocktl.x - margin * x_column + x_column / 2.0 + column * x_column
            y = self.blocktl.y - margin * y_row + y_row / 2.0 + row * y_row
            return x, y
        columns, rows = self._left - margin + column + 0.5, self._top - margin + row + 0.5
        return to_world(self._transform, columns, rows)

    def getPixRowColBlock(self, x, y):
        """(row, column) in this tile's arrays, margin included, of the pixel that a place lies in; (None, None) if it isn't there."""
        column, row = to_pixel(self._transform, x, y)
        column = math.floor(column) - self._left + self.overlap
        row = math.floor(row) - self._top + self.overlap
        if 0 <= row < self.blockheight + 2 * self.overlap and 0 <= column < self.blockwidth + 2 * self.overlap:
            return row, column
        return None, None

    def getPixColRow(self, x, y):
        """(column, row) in the whole grid of the pixel in column `x` and row `y` of this tile without its margin."""
        return self.xblock * self.windowxsize + x, self.yblock * self.windowysize + y

    @property
    def workingGrid(self):
        """The grid as RIOS's PixelGridDefn."""
        from .rios.pixelgrid import PixelGridDefn
        return PixelGridDefn(geotransform=self._transform, nrows=self.ysize, ncols=self.xsize, projection=self.getProjection())

    # Inputs.

    def getFilenameFor(self, block):
        """The file that an array of `inputs` comes from. @raises ValueError for a mosaic: it has many"""
        _, description, _ = self._find(block, 'getFilenameFor')
        files = description['files']
        if len(files) != 1:
            raise ValueError('input %s is a mosaic of %d files; wanted getFilenamesFor, which gives them all' % (description['name'], len(files)))
        return files[0]

    def getFilenamesFor(self, block):
        """The files that an array of `inputs` comes from, as a list: one, or those of a mosaic."""
        return list(self._find(block, 'getFilenamesFor')[1]['files'])

    def getNoDataValueFor(self, block, band=1):
        """The nodata value of an input as a number of the array's type; None where it has none, or one that its pixels can't have."""
        array, description, _ = self._find(block, 'getNoDataValueFor')
        if not 1 <= band <= description['bands']:
            raise IndexError('input %s has bands 1 to %d, found %r' % (description['name'], description['bands'], band))
        return nodata_of(array, description)

    def getValidMaskFor(self, block):
        """
        Where the pixel of all bands of an input has data: inside of its mask, and nodata in no band. An array (rows, columns) of bool, margin included;
        True everywhere for an input that has neither. Made anew each time, of the pixels as they are then.
        """
        array, description, mask = self._find(block, 'getValidMaskFor')
        valid = numpy.ones(array.shape[1:], dtype=bool) if mask is None else mask.astype(bool)
        nodata = nodata_of(array, description)
        if nodata is not None:
            for band in array:
                valid &= ~numpy.isnan(band) if nodata != nodata else band != nodata
        return valid

    # What RIOS keeps for itself.

    def _refuse(self, name):
        raise NotImplementedError('info.%s is for RIOS itself to call: where a tile lies is decided when the job is planned' % name)

    def setBlockDataset(self, block, dataset, filename):
        self._refuse('setBlockDataset')

    def setBlockSize(self, blockwidth, blockheight):
        self._refuse('setBlockSize')

    def setBlockBounds(self, blocktl, blockbr):
        self._refuse('setBlockBounds')

    def setBlockCount(self, xblock, yblock):
        self._refuse('setBlockCount')

    def __getattr__(self, name):
        if name in ('blocklookup', 'filenameLookup', 'nullvalLookup'):
            raise AttributeError('info.%s is how RIOS keeps its files; wanted getFilenameFor or getNoDataValueFor' % name)
        raise AttributeError('info has no %s' % name)
