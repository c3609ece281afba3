"""The job that a call of `apply` is: docs/job-spec.md."""
import os
import re

import numpy

from . import const
from .controls import AGGREGATIONS, FOOTPRINTS, RESAMPLINGS, check_driver, checked_timeout, refuse, tile_size
from .creation_options import output_fields
from .pixelgrid import PixelGridDefn, findCommonRegion, pixelGridFromFile
from .rioserrors import FileOpenError, ParameterError, UnavailableError, UnsupportedError

# Files with these endings hold features. A GeoPackage may hold either, and is looked into where GDAL is.
VECTOR_ENDINGS = ('.shp', '.geojson', '.json', '.gpkg', '.gml', '.kml', '.fgb', '.tab', '.mif', '.gdb', '.sqlite', '.parquet', '.csv')
DEFAULT_BLOCK_SIZE = 512
NAME = re.compile(r'^[A-Za-z_][A-Za-z0-9_]{0,63}$')


def href(name):
    """A file name as a job has it: it lies in another folder than the script."""
    name = os.fspath(name)
    if name.startswith(('s3://', 'file://')):
        return name
    if name.startswith('/vsis3/'):
        return 's3://' + name[len('/vsis3/'):]
    if name.startswith('/vsi'):
        raise UnsupportedError('%s: of GDAL\'s virtual file systems tilefan reads /vsis3/ only; wanted a path, or s3://bucket/key' % name)
    return os.path.abspath(name)


def json_number(value):
    """A number for a job; NaN is a word there."""
    value = value.item() if isinstance(value, numpy.generic) else value
    if isinstance(value, float) and value != value:
        return 'nan'
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2 ** 53 else value


def flatten(files, what):
    """Each file under a name of its own: [(own name, name, file)], and the lists: {name: [own names]}."""
    entries, lists, taken = [], {}, set(vars(files))
    for name, number, file in files:
        if not NAME.match(name):
            raise ParameterError('%s has the name %r; wanted letters, digits and _ (64 at most)' % (what, name))
        if not isinstance(file, (str, os.PathLike)):
            raise ParameterError('%s %s is %r; wanted a file name, or a list of them' % (what, name, file))
        own = name
        if number is not None:
            own = '%s_%d' % (name, number)
            while own in taken:
                own = '_' + own
            lists.setdefault(name, []).append(own)
        taken.add(own)
        entries.append((own, name, file))
    return entries, lists


class Job:
    """The spec, and what of it is known by other names in the script."""

    def __init__(self, infiles, outfiles, controls):
        self.controls = controls
        self.inputs, self.input_lists = flatten(infiles, 'input')
        self.outputs, self.output_lists = flatten(outfiles, 'output')
        # None until GDAL has been asked.
        self.kinds = {own: self._is_vector(file) for own, _, file in self.inputs}

    def _is_vector(self, file):
        """Whether a file holds features: as GDAL opens it, or by its ending where there is no GDAL here."""
        ending = os.path.splitext(str(file))[1].lower()
        if ending not in VECTOR_ENDINGS:
            return False
        if ending in ('.gpkg', '.sqlite', '.json') and not str(file).startswith('s3://'):
            try:
                from .fileinfo import open_quietly
                from osgeo import gdal
                return open_quietly(file, gdal.OF_RASTER) is None
            except (ImportError, UnavailableError):
                return True
        return True

    def spec(self, code, results_href, serial):
        """@param code href of the pickle; @param results_href where results go, or None"""
        controls = self.controls
        tile = tile_size(controls)
        operation = {'module': code, 'nodata': 'handle', 'serial': serial, 'tileTimeout': checked_timeout('TILEFAN_TILE_TIMEOUT=%s' % controls.tileTimeout, controls.tileTimeout)}
        spec = {
            'name': self._name(),
            'inputs': {own: self._input(own, name, file) for own, name, file in self.inputs},
            'grid': {**self._grid(), 'tileSize': tile, 'halo': controls.overlap},
            'operation': operation,
            'outputs': {own: self._output(name, file, tile) for own, name, file in self.outputs},
        }
        if results_href is not None:
            spec['results'] = {'href': results_href, 'format': 'jsonl', 'merge': 'list'}
        if controls.runOn == 'aws' and controls.concurrency.numComputeWorkers > 0:
            spec['compute'] = {'maxConcurrency': controls.concurrency.numComputeWorkers}
        return spec

    def names(self):
        """What the function calls its files: it goes with the function, since names of inputs and outputs, and of lists, may be the same in a script."""
        return {'inputLists': self.input_lists, 'outputLists': self.output_lists}

    def _name(self):
        name = re.sub(r'[^A-Za-z0-9_-]+', '-', str(self.controls.jobName or 'rios')).strip('-_')[:40]
        return name or 'rios'

    # Inputs.

    def _input(self, own, name, file):
        option = self._option(name)
        if self.kinds[own]:
            return {'href': href(file), 'vector': self._vector(name, file), 'fill': json_number(option('vectornull'))}
        fields = {'href': href(file), 'resampling': RESAMPLINGS[option('resampleMethod')]}
        if option('layerselection') is not None:
            fields['bands'] = option('layerselection')
        if option('inputnodata') is not None:
            fields['nodata'] = json_number(option('inputnodata'))
        return fields

    def _vector(self, name, file):
        option = self._option(name)
        vector = {'allTouched': option('alltouched'), 'dtype': numpy.dtype(option('vectordatatype')).name}
        if option('burnattribute') is not None:
            vector['attribute'] = option('burnattribute')
        else:
            vector['burn'] = json_number(option('burnvalue'))
        if option('filtersql') is not None:
            vector['where'] = option('filtersql')
        layer = layer_name(file, option('vectorlayer'))
        if layer is not None:
            vector['layer'] = layer
        return vector

    def _option(self, name):
        return lambda option: self.controls.getOptionForImagename(option, name)

    # The grid.

    def _rasters(self):
        return [(own, file) for own, _, file in self.inputs if not self.kinds[own]]

    def _grid(self):
        controls = self.controls
        if controls.referencePixgrid is not None:
            return self._grid_like(controls.referencePixgrid)
        if controls.referenceImage is None:
            if controls.filesforextent is not None:
                return self._bounded(self._first_raster())
            return {'footprint': FOOTPRINTS[controls.footprint]}
        own = self._reference_input()
        if own is None:
            return self._grid_like(pixelGridFromFile(controls.referenceImage))
        if controls.footprint == const.BOUNDS_FROM_REFERENCE:
            return {'like': own, 'footprint': 'reference'}
        return self._bounded(own)

    def grid_difference(self):
        """
        What a script is told whose rasters are on different lattices, when none was named as the reference; None where they aren't, or where that can't be
        told here.
        """
        if self.controls.referenceImage is not None or self.controls.referencePixgrid is not None:
            return None
        try:
            (first, file, reference), *others = [(own, file, pixelGridFromFile(file)) for own, file in self._rasters()]
            for own, other, grid in others:
                if not reference.alignedWith(grid):
                    return ('%s (%s) is on another pixel grid than %s (%s): %s; name the one that outputs take, by controls.setReferenceImage(\'%s\'), or by controls.setReferencePixgrid'
                            % (own, other, first, file, difference_of(reference, grid), file))
        except (FileOpenError, UnavailableError, ValueError):
            pass
        return None

    def _reference_input(self):
        """The input that is the reference, by its name or its file; the last of them, as in RIOS."""
        found = None
        for own, name, file in self.inputs:
            if self.controls.referenceImage in (name, file) and not self.kinds[own]:
                found = own
        return found

    def _first_raster(self):
        rasters = self._rasters()
        if not rasters:
            raise ParameterError('setFilesForExtent: no input is a raster; wanted a reference image or grid too')
        return rasters[0][0]

    def _bounded(self, own):
        """
        On the grid of an input. Where inputs are on other grids, the footprint is worked out here, edge by edge as RIOS does it, if there is GDAL;
        else by tilefan.
        """
        footprint = {'like': own, 'footprint': FOOTPRINTS[self.controls.footprint]}
        files = self.controls.filesforextent
        try:
            reference = pixelGridFromFile(dict(self._rasters())[own])
            grids = [pixelGridFromFile(file) for file in (files if files is not None else [file for _, file in self._rasters()])]
            if files is None and all(reference.alignedWith(grid) for grid in grids):
                return footprint
            region = findCommonRegion(grids, reference, self.controls.footprint)
        except (FileOpenError, UnavailableError):
            if files is not None:
                raise
            return footprint
        return {'like': own, 'bounds': bounds_of(region)}

    def _grid_like(self, grid):
        """On a grid that no input has."""
        region = grid
        if self.controls.footprint != const.BOUNDS_FROM_REFERENCE or self.controls.filesforextent is not None:
            files = self.controls.filesforextent or [file for _, file in self._rasters()]
            if files:
                region = findCommonRegion([pixelGridFromFile(file) for file in files], grid, self.controls.footprint)
        return {'crs': crs_of(grid.projection), 'resolution': [grid.xRes, grid.yRes], 'bounds': bounds_of(region)}

    # Outputs.

    def _output(self, name, file, tile):
        option = self._option(name)
        driver = option('drivername')
        check_driver(driver)
        options = option('creationoptions')
        if options is None:
            options = const.dfltDriverOptions.get(driver, [])
        fields = {'href': href(file), **output_fields(options)}
        fields.setdefault('blockSize', min(DEFAULT_BLOCK_SIZE, tile))
        nodata = option('statsIgnore')
        fields['nodata'] = None if nodata is None else json_number(nodata)
        fields['overviews'] = self._overviews(option)
        fields['statistics'] = not option('omitBasicStats')
        if option('outputdtype') is not None:
            fields['dtype'] = option('outputdtype')
        if option('layernames') is not None:
            fields['bandNames'] = option('layernames')
        if option('colortable') is not None:
            fields['colorTable'] = {str(value): color if isinstance(color, str) else [int(part) for part in color] for value, color in option('colortable').items()}
        if option('autoColorTableType') is not None and option('thematic'):
            refuse('RIOS_DFLT_AUTOCOLORTABLETYPE=%s' % option('autoColorTableType'), 'how many colours it has depends on values that are not known before the run; wanted setColorTable')
        return fields

    @staticmethod
    def _overviews(option):
        if option('omitPyramids') or option('overviewLevels') == []:
            return 'none'
        asked = option('overviewAggType')
        method = AGGREGATIONS.get(str(asked or ('NEAREST' if option('thematic') else const.DEFAULT_OVERVIEWAGGREGRATIONTYPE)).upper())
        if method is None:
            refuse('RIOS_DFLT_OVERVIEWAGGTYPE=%s' % const.DEFAULT_OVERVIEWAGGREGRATIONTYPE, 'wanted %s' % ', '.join(AGGREGATIONS))
        if option('thematic') and method == 'average':
            refuse('setOverviewAggregationType("AVERAGE") of a thematic output', 'the mean of two classes is none of them; wanted NEAREST or MODE')
        return method


def layer_name(file, layer):
    """The name of a layer for a job; None for the only one."""
    if isinstance(layer, str):
        return layer
    try:
        from .fileinfo import VectorFileInfo
        layers = VectorFileInfo(file)
    except UnavailableError:
        if layer == 0:
            return None
        raise
    if not 0 <= layer < layers.layerCount:
        raise ParameterError('setVectorlayer(%r): %s has %d layers' % (layer, file, layers.layerCount))
    return None if layers.layerCount == 1 else layers[layer].name


def difference_of(reference, grid):
    """Why pixels of two grids don't lie on one lattice."""
    if not reference.equalProjection(grid):
        return 'its CRS is another'
    if not reference.equalPixSize(grid):
        return 'its pixels are %s x %s, and not %s x %s' % (grid.xRes, grid.yRes, reference.xRes, reference.yRes)
    return 'its pixels are of the same size, and begin elsewhere: at %s, %s, and not at %s, %s' % (grid.xMin, grid.yMax, reference.xMin, reference.yMax)


def bounds_of(grid):
    return [grid.xMin, grid.yMin, grid.xMax, grid.yMax]


def crs_of(projection):
    """A CRS for a job: EPSG:n, by the code at the end of the WKT or the one that GDAL finds, or else the WKT. @raises UnsupportedError"""
    text = str(projection or '').strip()
    if re.match(r'^EPSG:\d+$', text, re.IGNORECASE):
        return text.upper()
    ending = re.search(r'(?:AUTHORITY\["EPSG",\s*"(\d+)"\]|ID\["EPSG",\s*(\d+)\])\s*\]$', text)
    if ending:
        return 'EPSG:%s' % (ending.group(1) or ending.group(2))
    wkt = text
    try:
        from osgeo import osr
        reference = osr.SpatialReference()
        if reference.SetFromUserInput(text) == 0:
            wkt = reference.ExportToWkt()
            if (reference.AutoIdentifyEPSG() == 0 or reference.GetAuthorityCode(None)) and reference.GetAuthorityName(None) == 'EPSG':
                return 'EPSG:%s' % reference.GetAuthorityCode(None)
    except (ImportError, RuntimeError):
        pass
    if re.match(r'(?:PROJ|GEOG|GEOD)\w*\[', wkt):
        return wkt
    raise UnsupportedError('the reference grid\'s CRS is no EPSG code and no WKT of a map: %s' % (text[:80] or 'it has none'))


__all__ = ['Job', 'PixelGridDefn', 'href']
