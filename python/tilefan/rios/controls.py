"""
ApplierControls: how a run is done.

Every setter of RIOS's does what it says, or raises UnsupportedError that names it and says why. Where the value alone decides, it is raised at once, in
the line of the script that asks for it.
"""
import os
import re

import numpy

from . import const
from .rioserrors import ParameterError, UnsupportedError
from .structures import ConcurrencyStyle

FOOTPRINTS = {const.INTERSECTION: 'intersection', const.UNION: 'union', const.BOUNDS_FROM_REFERENCE: 'reference'}

# gdalwarp's names of methods, and tilefan's.
RESAMPLINGS = {'near': 'nearest', 'nearest': 'nearest', 'bilinear': 'bilinear', 'cubic': 'cubic', 'average': 'average', 'mode': 'mode', 'min': 'min', 'max': 'max', 'med': 'med'}

AGGREGATIONS = {'NEAREST': 'nearest', 'AVERAGE': 'average', 'MODE': 'mode'}

DTYPES = ('uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'float32', 'float64')

DRIVERS = ('GTIFF', 'COG')

BLOCK_SIZES = (128, 256, 512, 1024)

DEFAULT_TILE_TIMEOUT = '1h'

# Setters that RIOS had once, and what to do instead.
FORMER_SETTERS = {
    'setNumThreads': 'wanted setConcurrencyStyle(ConcurrencyStyle(numComputeWorkers=N, computeWorkerKind=CW_THREADS))',
    'setJobManagerType': 'wanted setConcurrencyStyle(ConcurrencyStyle(numComputeWorkers=N, computeWorkerKind=CW_THREADS)), or CW_ECS for AWS',
    'setLoggingStream': 'nothing is logged; what a function prints belongs to its tile, and stands in the error of one that failed',
}


class MissingSetterError(UnsupportedError, AttributeError):
    """A setter that is not there: UnsupportedError tells the reader why, AttributeError lets `hasattr` say no."""


def refuse(what, why):
    raise UnsupportedError('%s: %s' % (what, why))


def checked_timeout(what, text):
    """@raises ParameterError"""
    if not isinstance(text, str) or not re.match(r'^0*[1-9]\d* ?[smh]$', text):
        raise ParameterError('%s: wanted a whole number and s, m or h, for example \'10m\'' % what)
    return text


def check_driver(name):
    if str(name).upper() not in DRIVERS:
        refuse('setOutputDriverName(%r)' % (name,), 'tilefan writes cloud-optimized GeoTIFFs, which every worker writes its part of; wanted GTiff or COG. gdal_translate makes other formats of them')


class ApplierControls:
    """What can be set, and the values that hold where nothing is. Settings with `imagename` or `vectorname` hold for that input or output only."""

    def __init__(self):
        self.loggingstream = None
        self.drivername = const.DEFAULTDRIVERNAME
        self.overlap = const.DEFAULTOVERLAP
        self.windowxsize = const.DEFAULTWINDOWXSIZE
        self.windowysize = const.DEFAULTWINDOWYSIZE
        self.footprint = const.DEFAULTFOOTPRINT
        self.referenceImage = None
        self.referencePixgrid = None
        self.filesforextent = None
        self.progress = None
        self.creationoptions = None
        self.statsIgnore = 0
        self.inputnodata = None
        self.calcStats = True
        self.omitPyramids = False
        self.omitBasicStats = False
        self.omitHistogram = False
        self.overviewLevels = const.DEFAULT_OVERVIEWLEVELS
        self.overviewMinDim = const.DEFAULT_MINOVERVIEWDIM
        self.overviewAggType = None
        self.singlePassPyramids = None
        self.singlePassBasicStats = None
        self.singlePassHistogram = None
        self.thematic = False
        self.layernames = None
        self.tempdir = None
        self.resampleMethod = const.DEFAULT_RESAMPLEMETHOD
        self.concurrency = ConcurrencyStyle()
        self.autoColorTableType = const.DEFAULT_AUTOCOLORTABLETYPE
        self.allowOverviewsGdalwarp = False
        self.approxStats = False
        self.layerselection = None
        self.jobName = None
        self.callBeforeClose = None
        self.burnvalue = 1
        self.vectornull = 0
        self.burnattribute = None
        self.filtersql = None
        self.alltouched = False
        self.vectordatatype = numpy.uint8
        self.vectorlayer = 0
        self.optionsByImage = {}
        # tilefan's own.
        self.runOn = os.getenv('TILEFAN_RUN_ON', 'local')
        self.colortable = None
        self.outputdtype = None
        self.tileTimeout = os.getenv('TILEFAN_TILE_TIMEOUT') or DEFAULT_TILE_TIMEOUT

    def __getattr__(self, name):
        if name.startswith('set'):
            raise MissingSetterError('%s: %s' % (name, FORMER_SETTERS.get(name, 'ApplierControls of RIOS 2.0 has no such setter; docs/python.md tells what is different')))
        raise AttributeError('ApplierControls has no %s' % name)

    def setOptionForImagename(self, option, imagename, value):
        """Notes an option, for one input or output or for all."""
        if imagename is None:
            setattr(self, option, value)
        else:
            self.optionsByImage.setdefault(option, {})[imagename] = value

    def getOptionForImagename(self, option, imagename):
        """The option as it holds for an input or output."""
        return self.optionsByImage.get(option, {}).get(imagename, getattr(self, option))

    # The grid and its tiles.

    def setOverlap(self, overlap):
        """Pixels of margin on each side of a tile."""
        if not 0 <= int(overlap) <= 65536:
            raise ParameterError('setOverlap(%r): wanted 0 to 65536 pixels' % (overlap,))
        self.overlap = int(overlap)

    def setWindowXsize(self, windowxsize):
        """Columns of a tile; it has as many rows: `apply` checks it."""
        self.windowxsize = windowxsize

    def setWindowYsize(self, windowysize):
        """Rows of a tile; it has as many columns: `apply` checks it."""
        self.windowysize = windowysize

    def setWindowSize(self, windowxsize, windowysize):
        """Columns and rows of a tile: the same power of two, from 128 to 16384."""
        self.windowxsize = windowxsize
        self.windowysize = windowysize

    def setFootprintType(self, footprint):
        """INTERSECTION, UNION or BOUNDS_FROM_REFERENCE."""
        if footprint not in FOOTPRINTS:
            raise ValueError('setFootprintType(%r): wanted INTERSECTION, UNION or BOUNDS_FROM_REFERENCE' % (footprint,))
        self.footprint = footprint

    def setFilesForExtent(self, filesforextent):
        """Rasters whose extents make the footprint, instead of the inputs'."""
        self.filesforextent = None if filesforextent is None else list(filesforextent)

    def setReferenceImage(self, referenceImage):
        """The input, or the file, whose pixel grid all others are brought onto."""
        self.referenceImage = referenceImage

    def setReferencePixgrid(self, referencePixgrid):
        """A PixelGridDefn that all inputs are brought onto."""
        self.referencePixgrid = referencePixgrid

    # Inputs.

    def setInputNoDataValue(self, nodataValue, imagename=None):
        """The nodata value of inputs, whatever their files say: a number, or a list with the same number for each band."""
        if isinstance(nodataValue, (list, tuple)):
            values = list(dict.fromkeys(nodataValue))
            if len(values) != 1:
                refuse('setInputNoDataValue(%r)' % (nodataValue,), 'an input has one nodata value here for all of its bands; wanted a number')
            nodataValue = values[0]
        self.setOptionForImagename('inputnodata', imagename, nodataValue)

    def setResampleMethod(self, resampleMethod, imagename=None):
        """How inputs are brought onto the grid: gdalwarp's names."""
        if resampleMethod not in RESAMPLINGS:
            refuse('setResampleMethod(%r)' % (resampleMethod,), 'wanted %s' % ', '.join(RESAMPLINGS))
        self.setOptionForImagename('resampleMethod', imagename, resampleMethod)

    def setAllowOverviewsGdalwarp(self, allowOverviewsGdalwarp):
        """Inputs are always warped from their full resolution."""
        if allowOverviewsGdalwarp:
            refuse('setAllowOverviewsGdalwarp(True)', 'inputs are always warped from their full resolution, which RIOS recommends too')

    def selectInputImageLayers(self, layerselection, imagename=None):
        """The bands to read, 1-based."""
        self.setOptionForImagename('layerselection', imagename, None if layerselection is None else [int(band) for band in layerselection])

    # Features.

    def setBurnValue(self, burnvalue, vectorname=None):
        """The value of pixels under a feature."""
        self.setOptionForImagename('burnvalue', vectorname, burnvalue)

    def setBurnAttribute(self, burnattribute, vectorname=None):
        """The attribute that has the value of pixels under a feature."""
        self.setOptionForImagename('burnattribute', vectorname, burnattribute)

    def setVectorNull(self, vectornull, vectorname=None):
        """The value of pixels under no feature."""
        self.setOptionForImagename('vectornull', vectorname, vectornull)

    def setFilterSQL(self, filtersql, vectorname=None):
        """A condition that features have to meet, as after WHERE in SQL."""
        if str(filtersql or '').strip().upper().startswith('SELECT'):
            refuse('setFilterSQL(%r)' % (filtersql,), 'a whole SQL statement; wanted the condition after its WHERE')
        self.setOptionForImagename('filtersql', vectorname, filtersql)

    def setAlltouched(self, alltouched, vectorname=None):
        """Whether every pixel counts that a feature touches, not only those whose centre it covers."""
        self.setOptionForImagename('alltouched', vectorname, bool(alltouched))

    def setVectorDatatype(self, vectordatatype, vectorname=None):
        """numpy's type of the array that features become."""
        name = numpy.dtype(vectordatatype).name
        if name not in DTYPES:
            refuse('setVectorDatatype(%s)' % name, 'wanted one of %s' % ', '.join(DTYPES))
        self.setOptionForImagename('vectordatatype', vectorname, numpy.dtype(vectordatatype).type)

    def setVectorlayer(self, vectorlayer, vectorname=None):
        """Number, from 0, or name of the layer."""
        self.setOptionForImagename('vectorlayer', vectorname, vectorlayer)

    # Outputs.

    def setOutputDriverName(self, drivername, imagename=None):
        """GTiff, or COG: the same here."""
        check_driver(drivername)
        self.setOptionForImagename('drivername', imagename, drivername)

    def setCreationOptions(self, creationoptions, imagename=None):
        """Options of the GTiff driver, as NAME=VALUE."""
        from .creation_options import output_fields
        output_fields(creationoptions or [])
        self.setOptionForImagename('creationoptions', imagename, creationoptions)

    def setStatsIgnore(self, statsIgnore, imagename=None):
        """The nodata value of outputs; None: they have none. Unless it is set it is 0, as in RIOS."""
        self.setOptionForImagename('statsIgnore', imagename, statsIgnore)

    def setOutputDtype(self, dtype, imagename=None):
        """tilefan's own: the sample type of outputs, instead of that of the first tile."""
        name = numpy.dtype(dtype).name
        if name not in DTYPES:
            refuse('setOutputDtype(%s)' % name, 'wanted one of %s' % ', '.join(DTYPES))
        self.setOptionForImagename('outputdtype', imagename, name)

    def setThematic(self, thematicFlag, imagename=None):
        """Whether values are classes: overviews are then made by nearest, unless setOverviewAggregationType says mode."""
        self.setOptionForImagename('thematic', imagename, bool(thematicFlag))

    def setLayerNames(self, layerNames, imagename=None):
        """Descriptions of the bands."""
        self.setOptionForImagename('layernames', imagename, None if layerNames is None else list(layerNames))

    def setColorTable(self, colortable, imagename=None):
        """
        tilefan's own: colours by pixel value. A dict of value to '#rrggbb', (red, green, blue) or (red, green, blue, alpha); or rows of
        (value, red, green, blue[, alpha]).
        """
        if colortable is not None and not isinstance(colortable, dict):
            colortable = {int(row[0]): tuple(int(part) for part in row[1:]) for row in colortable}
        self.setOptionForImagename('colortable', imagename, colortable)

    def setAutoColorTableType(self, autoColorTableType, imagename=None):
        """Only None: see setColorTable."""
        if autoColorTableType is not None:
            refuse('setAutoColorTableType(%r)' % (autoColorTableType,), 'how many colours it has depends on values that are not known before the run; wanted setColorTable, which tilefan has for it')

    def setCallBeforeClose(self, func, args=(), imagename=None):
        """
        A function that is called with each finished output, open in GDAL, and `args`. The file is finished then: what it sets lands beside it, in a file
        .aux.xml.
        """
        self.setOptionForImagename('callBeforeClose', imagename, None if func is None else (func, tuple(args)))

    # Statistics and overviews of outputs. All of them are made along with the pixels.

    def setCalcStats(self, calcStats, imagename=None):
        """Whether outputs get statistics and overviews."""
        self.setOptionForImagename('omitPyramids', imagename, not calcStats)
        self.setOptionForImagename('omitBasicStats', imagename, not calcStats)
        self.setOptionForImagename('omitHistogram', imagename, not calcStats)

    def setOmitPyramids(self, omitPyramids, imagename=None):
        """Whether outputs have no overviews."""
        self.setOptionForImagename('omitPyramids', imagename, bool(omitPyramids))

    def setOmitBasicStats(self, omitBasicStats, imagename=None):
        """Whether outputs have no statistics."""
        self.setOptionForImagename('omitBasicStats', imagename, bool(omitBasicStats))

    def setOmitHistogram(self, omitHistogram, imagename=None):
        """Only True: there are no histograms."""
        if not omitHistogram:
            refuse('setOmitHistogram(False)', 'tilefan writes no histograms; gdalinfo -hist makes one of an output')
        self.setOptionForImagename('omitHistogram', imagename, True)

    def setOverviewLevels(self, overviewLevels, imagename=None):
        """Factors of overviews: powers of two. All of them from 2 on are made, down to one block."""
        levels = [int(level) for level in overviewLevels]
        if any(level < 2 or level & (level - 1) for level in levels):
            refuse('setOverviewLevels(%r)' % (overviewLevels,), 'a cloud-optimized GeoTIFF of tilefan halves from level to level; wanted powers of two, or setOmitPyramids(True)')
        self.setOptionForImagename('overviewLevels', imagename, levels)

    def setOverviewMinDim(self, overviewMinDim, imagename=None):
        """Only the default: overviews go on until one fits into a block."""
        if overviewMinDim != const.DEFAULT_MINOVERVIEWDIM:
            refuse('setOverviewMinDim(%r)' % (overviewMinDim,), 'overviews are made until one fits into a block of the file; leave it out, or change BLOCKXSIZE in setCreationOptions')

    def setOverviewAggregationType(self, overviewAggType, imagename=None):
        """NEAREST, AVERAGE or MODE; None: NEAREST, as in RIOS."""
        if overviewAggType is not None and str(overviewAggType).upper() not in AGGREGATIONS:
            refuse('setOverviewAggregationType(%r)' % (overviewAggType,), 'wanted %s' % ', '.join(AGGREGATIONS))
        self.setOptionForImagename('overviewAggType', imagename, overviewAggType)

    def setSinglePassPyramids(self, singlePassPyramids, imagename=None):
        """Overviews are made along with the pixels in any case, and are the same either way."""
        self.setOptionForImagename('singlePassPyramids', imagename, singlePassPyramids)

    def setSinglePassBasicStats(self, singlePassBasicStats, imagename=None):
        """Statistics are made along with the pixels in any case, and are the same either way."""
        self.setOptionForImagename('singlePassBasicStats', imagename, singlePassBasicStats)

    def setSinglePassHistogram(self, singlePassHistogram, imagename=None):
        """Only False and None: there are no histograms."""
        if singlePassHistogram:
            refuse('setSinglePassHistogram(True)', 'tilefan writes no histograms; gdalinfo -hist makes one of an output')
        self.setOptionForImagename('singlePassHistogram', imagename, singlePassHistogram)

    def setApproxStats(self, approxStats, imagename=None):
        """Statistics may be approximate: exact ones cost nothing here, and are written."""
        self.setOptionForImagename('approxStats', imagename, bool(approxStats))

    # The run.

    def setProgress(self, progress):
        """An object of cuiprogress."""
        self.progress = progress

    def setTempdir(self, tempdir):
        """Where the files of a run lie while it lasts, on this machine. Default: the system's folder for such files."""
        self.tempdir = tempdir

    def setConcurrencyStyle(self, concurrencyStyle):
        """A ConcurrencyStyle."""
        if not isinstance(concurrencyStyle, ConcurrencyStyle):
            raise ParameterError('setConcurrencyStyle(%r): wanted a ConcurrencyStyle of tilefan.rios' % (concurrencyStyle,))
        self.concurrency = concurrencyStyle

    def setJobName(self, jobName):
        """Names the run: its id begins with it."""
        self.jobName = jobName

    def setRunOn(self, place):
        """tilefan's own: 'local', this machine, or 'aws', the deployed stack. The environment says it as TILEFAN_RUN_ON."""
        if place not in ('local', 'aws'):
            raise ParameterError('setRunOn(%r): wanted local or aws' % (place,))
        self.runOn = place

    def setTileTimeout(self, tileTimeout):
        """tilefan's own: how long the function may take over one tile, such as '90s', '10m' or '2h'. The environment says it as TILEFAN_TILE_TIMEOUT; else it is an hour."""
        self.tileTimeout = checked_timeout('setTileTimeout(%r)' % (tileTimeout,), tileTimeout)

    def _checks(self, infiles, outfiles):
        """@raises ValueError when options are named for files that there aren't, or don't go together"""
        for option, names in self.optionsByImage.items():
            for name in names:
                if name not in infiles and name not in outfiles:
                    raise ValueError('%s is set for %s, which is no name of an input or output' % (option, name))
        for name in {name for name, _, _ in outfiles}:
            if self.getOptionForImagename('omitPyramids', name) and self.getOptionForImagename('approxStats', name):
                raise ValueError('output %s has approximate statistics and no pyramids; wanted pyramids too' % name)
        if len(infiles) == 0 and self.footprint != const.BOUNDS_FROM_REFERENCE:
            raise ValueError('there are no input files, so the footprint has to be BOUNDS_FROM_REFERENCE')
        if len(infiles) == 0 and self.referenceImage is None and self.referencePixgrid is None:
            raise ValueError('there are no input files; wanted a reference image, or a reference pixel grid')


def tile_size(controls):
    """The side of a tile. @raises UnsupportedError naming the setters"""
    x, y = controls.windowxsize, controls.windowysize
    if x == y and isinstance(x, (int, numpy.integer)) and 128 <= x <= 16384 and x & (x - 1) == 0:
        return int(x)
    nearest = 128
    while nearest < 16384 and nearest < max(int(x), int(y)):
        nearest *= 2
    refuse('setWindowXsize(%s), setWindowYsize(%s)' % (x, y), 'tiles are squares whose side is a power of two from 128 to 16384, so that they are blocks of the file; wanted, for example, setWindowSize(%d, %d)' % (nearest, nearest))
