/**
 * Scripts in the manner of RIOS's documented examples, with the same calls, run by this drop-in and held against numpy and GDAL. Where the environment names
 * RIOS (RIOS_DIR, its repository, as the benchmarks have it, or TILEFAN_RIOS_DIR), the same scripts run with it, and give the same pixels.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { withoutGdal } from '../support/gdal.ts';
import { withoutCloudpickle } from './support/host.ts';
import { pythonJson, runScript, type ScriptEnd } from './support/rios.ts';

const riosFolder = process.env['TILEFAN_RIOS_DIR'] ?? process.env['RIOS_DIR'];

interface Example {
  readonly name: string;
  /** `from rios import` is what changes between the two. */
  readonly script: string;
  readonly args?: readonly string[];
  /** Expected files: numpy's, with `a`, `b`, `c` (bands, rows, columns) and `read(file)`. Each must be an array, or the checks asserted here. */
  readonly expected: string;
  /** Whether RIOS gives other pixels, and why. */
  readonly otherThanRios?: string;
}

const examples: readonly Example[] = [
  {
    name: 'the sum of two rasters',
    script: `
from rios import applier
infiles = applier.FilenameAssociations()
infiles.first = 'a.tif'
infiles.second = 'b.tif'
outfiles = applier.FilenameAssociations()
outfiles.total = 'total.img'
def add(info, inputs, outputs):
    outputs.total = inputs.first + inputs.second
applier.apply(add, infiles, outfiles)
`,
    // a begins 100 columns left and 50 rows above b; both are 700 x 600.
    expected: "total('total.img', a[:, 50:, 100:] + b[:, :-50, :-100])",
  },
  {
    name: 'parameters in otherargs',
    script: `
import numpy
from rios import applier
def rescale(info, inputs, outputs, otherargs):
    outputs.scaled = (inputs.img * otherargs.scale + otherargs.offset).astype(numpy.float32)
infiles = applier.FilenameAssociations(); infiles.img = 'a.tif'
outfiles = applier.FilenameAssociations(); outfiles.scaled = 'scaled.tif'
controls = applier.ApplierControls(); controls.setOutputDriverName('GTiff')
otherargs = applier.OtherInputs(); otherargs.scale = 0.5; otherargs.offset = -3
applier.apply(rescale, infiles, outfiles, otherargs, controls)
`,
    expected: "total('scaled.tif', (a * 0.5 - 3).astype('float32'))",
  },
  {
    name: 'a mean gathered in otherargs, without outputs',
    script: `
from rios import applier
def accumulate(info, inputs, outputs, otherargs):
    otherargs.tot += float(inputs.img.sum())
    otherargs.count += inputs.img.size
    otherargs.blocks.append(info.getBlockCount())
infiles = applier.FilenameAssociations(); infiles.img = 'a.tif'
otherargs = applier.OtherInputs(); otherargs.tot = 0.0; otherargs.count = 0; otherargs.blocks = []
controls = applier.ApplierControls(); controls.setWindowSize(256, 256)
answer = applier.apply(accumulate, infiles, applier.FilenameAssociations(), otherargs, controls=controls)
assert otherargs.blocks == [(x, y) for y in range(3) for x in range(3)], otherargs.blocks
assert len(answer.otherArgsList) == 1 and answer.otherArgsList[0] is otherargs
print(otherargs.tot / otherargs.count)
`,
    expected: 'assert float(printed) == a.mean(), (printed, a.mean())',
  },
  {
    name: 'other grids brought onto that of a reference image',
    script: `
from rios import applier
infiles = applier.FilenameAssociations(); infiles.coarse = 'c.tif'; infiles.fine = 'a.tif'
outfiles = applier.FilenameAssociations(); outfiles.both = 'both.tif'
controls = applier.ApplierControls()
controls.setReferenceImage(infiles.fine)
controls.setResampleMethod('near')
controls.setOutputDriverName('GTiff')
controls.setFootprintType(applier.BOUNDS_FROM_REFERENCE)
def both(info, inputs, outputs):
    assert inputs.coarse.shape[1:] == inputs.fine.shape[1:]
    outputs.both = inputs.coarse
applier.apply(both, infiles, outfiles, controls=controls)
`,
    expected: "total('both.tif', gdal.Warp('', 'c.tif', format='MEM', outputBounds=(500000, 5994000, 507000, 6000000), xRes=10, yRes=10, errorThreshold=0).ReadAsArray()[None])",
  },
  {
    name: 'a grid that is none of the inputs\'',
    script: `
from osgeo import gdal
from rios import applier, pixelgrid
infiles = applier.FilenameAssociations(); infiles.img = 'a.tif'
outfiles = applier.FilenameAssociations(); outfiles.out = 'gridded.tif'
grid = pixelgrid.PixelGridDefn(geotransform=(500100, 20, 0, 5999900, 0, -20), nrows=200, ncols=300, projection=gdal.Open('a.tif').GetProjection())
controls = applier.ApplierControls()
controls.setReferencePixgrid(grid)
controls.setFootprintType(applier.BOUNDS_FROM_REFERENCE)
controls.setOutputDriverName('GTiff')
def same(info, inputs, outputs):
    assert info.getTotalSize() == (300, 200)
    outputs.out = inputs.img
applier.apply(same, infiles, outfiles, controls=controls)
`,
    expected: "total('gridded.tif', gdal.Warp('', 'a.tif', format='MEM', outputBounds=(500100, 5995900, 506100, 5999900), xRes=20, yRes=20, errorThreshold=0).ReadAsArray())",
  },
  {
    name: 'the mean of as many rasters as are named',
    args: ['a.tif', 'a2.tif', 'a3.tif', 'mean.tif'],
    script: `
import sys
import numpy
from rios import applier
def mean(info, inputs, outputs):
    total = inputs.imgs[0].astype(numpy.float32)
    for img in inputs.imgs[1:]:
        total = total + img
    outputs.avg = (total / len(inputs.imgs)).astype(img.dtype)
infiles = applier.FilenameAssociations(); infiles.imgs = sys.argv[1:-1]
outfiles = applier.FilenameAssociations(); outfiles.avg = sys.argv[-1]
applier.apply(mean, infiles, outfiles)
`,
    expected: "total('mean.tif', ((a.astype('float32') + read('a2.tif') + read('a3.tif')) / 3).astype('uint16'))",
  },
  {
    name: 'a raster cut into files of a band each',
    args: ['a.tif', 'band1.tif', 'band2.tif'],
    script: `
import sys
import numpy
from rios import applier
def split(info, inputs, outputs):
    outputs.bands = [numpy.expand_dims(inputs.img[band], axis=0) for band in range(inputs.img.shape[0])]
infiles = applier.FilenameAssociations(); infiles.img = sys.argv[1]
outfiles = applier.FilenameAssociations(); outfiles.bands = sys.argv[2:]
applier.apply(split, infiles, outfiles)
`,
    expected: "total('band1.tif', a[:1])\ntotal('band2.tif', a[1:])",
  },
  {
    name: 'a filter with overlap',
    script: `
import numpy
from scipy.ndimage import uniform_filter
from rios import applier
infiles = applier.FilenameAssociations(); infiles.indata = 'a.tif'
outfiles = applier.FilenameAssociations(); outfiles.result = 'filtered.tif'
controls = applier.ApplierControls()
controls.setOverlap(1)
controls.setWindowSize(256, 256)
def smooth(info, inputs, outputs):
    outputs.result = numpy.expand_dims(uniform_filter(inputs.indata[0], size=3), axis=0)
applier.apply(smooth, infiles, outfiles, controls=controls)
`,
    // Beyond the image there is its nodata value, which is 65535.
    expected: "from scipy.ndimage import uniform_filter\ntotal('filtered.tif', uniform_filter(numpy.pad(a[0], 1, constant_values=65535), size=3)[None, 1:-1, 1:-1])",
  },
  {
    name: 'features with the values of an attribute',
    script: `
import numpy
from rios import applier
infiles = applier.FilenameAssociations(); infiles.img = 'a.tif'; infiles.fields = 'fields.geojson'
outfiles = applier.FilenameAssociations(); outfiles.inside = 'crops.tif'
controls = applier.ApplierControls()
controls.setBurnAttribute('crop', vectorname='fields')
controls.setVectorNull(99)
controls.setVectorDatatype(numpy.uint16)
controls.setOutputDriverName('GTiff')
def inside(info, inputs, outputs):
    assert inputs.fields.shape == (1,) + inputs.img.shape[1:]
    outputs.inside = inputs.fields
applier.apply(inside, infiles, outfiles, controls=controls)
`,
    expected: `
target = gdal.GetDriverByName('MEM').Create('', 700, 600, 1, gdal.GDT_UInt16)
target.SetGeoTransform(gdal.Open('a.tif').GetGeoTransform()); target.SetProjection(gdal.Open('a.tif').GetProjection())
target.GetRasterBand(1).Fill(99)
layer = ogr.Open('fields.geojson'); view = layer.GetLayer(0)
gdal.RasterizeLayer(target, [1], view, options=['ATTRIBUTE=crop'])
burnt = target.ReadAsArray()[None]
assert set(numpy.unique(burnt)) == {5, 7, 99}
total('crops.tif', burnt)`,
  },
  {
    name: 'features that meet a condition',
    script: `
import numpy
from rios import applier
infiles = applier.FilenameAssociations(); infiles.img = 'a.tif'; infiles.fields = 'fields.geojson'
outfiles = applier.FilenameAssociations(); outfiles.inside = 'inside.tif'
controls = applier.ApplierControls()
controls.setBurnAttribute('crop', vectorname='fields')
controls.setVectorNull(99)
controls.setVectorDatatype(numpy.uint16)
controls.setFilterSQL("crop < 7")
controls.setOutputDriverName('GTiff')
def inside(info, inputs, outputs):
    assert inputs.fields.shape == (1,) + inputs.img.shape[1:]
    outputs.inside = inputs.fields
applier.apply(inside, infiles, outfiles, controls=controls)
`,
    expected: `
target = gdal.GetDriverByName('MEM').Create('', 700, 600, 1, gdal.GDT_UInt16)
target.SetGeoTransform(gdal.Open('a.tif').GetGeoTransform()); target.SetProjection(gdal.Open('a.tif').GetProjection())
target.GetRasterBand(1).Fill(99)
layer = ogr.Open('fields.geojson'); view = layer.GetLayer(0); view.SetAttributeFilter('crop < 7')
gdal.RasterizeLayer(target, [1], view, options=['ATTRIBUTE=crop'])
burnt = target.ReadAsArray()[None]
assert set(numpy.unique(burnt)) == {5, 99}
total('inside.tif', burnt)`,
    otherThanRios: 'RIOS 2.0.9 hands the condition to GDAL as a whole SQL statement, though it documents a WHERE clause',
  },
  {
    name: 'a union, with fill where an input is not',
    script: `
from rios import applier
infiles = applier.FilenameAssociations(); infiles.one = 'a.tif'; infiles.two = 'b.tif'
outfiles = applier.FilenameAssociations(); outfiles.sum = 'union.tif'
controls = applier.ApplierControls()
controls.setFootprintType(applier.UNION)
controls.setStatsIgnore(None)
def both(info, inputs, outputs):
    outputs.sum = inputs.one // 2 + inputs.two // 2
applier.apply(both, infiles, outfiles, controls=controls)
`,
    // a has the nodata value 65535, b has none.
    expected: `
one = numpy.full((2, 650, 800), 65535, 'uint16'); one[:, :600, :700] = a
two = numpy.zeros((2, 650, 800), 'uint16'); two[:, 50:, 100:] = b
total('union.tif', one // 2 + two // 2)
made = gdal.Open('union.tif')
assert made.GetRasterBand(1).GetNoDataValue() is None`,
  },
  {
    name: 'several workers, each with its own otherargs',
    script: `
from rios import applier
def accumulate(info, inputs, outputs, otherargs):
    otherargs.tot += int(inputs.img.sum())
    otherargs.blocks += 1
    outputs.out = inputs.img
infiles = applier.FilenameAssociations(); infiles.img = 'a.tif'
outfiles = applier.FilenameAssociations(); outfiles.out = 'copied.tif'
otherargs = applier.OtherInputs(); otherargs.tot = 0; otherargs.blocks = 0
controls = applier.ApplierControls(); controls.setWindowSize(128, 128); controls.setOutputDriverName('GTiff')
controls.setConcurrencyStyle(applier.ConcurrencyStyle(numReadWorkers=1, numComputeWorkers=2, computeWorkerKind=applier.CW_THREADS))
answer = applier.apply(accumulate, infiles, outfiles, otherargs, controls)
assert otherargs.tot == 0
assert sum(each.blocks for each in answer.otherArgsList) == 30
print(sum(each.tot for each in answer.otherArgsList))
`,
    expected: "assert int(printed) == int(a.astype('int64').sum())\ntotal('copied.tif', a)",
    otherThanRios: 'RIOS loses otherArgs of some runs of this kind',
  },
  {
    name: 'no inputs at all, and a grid',
    script: `
from rios import applier, pixelgrid
from osgeo import gdal
outfiles = applier.FilenameAssociations(); outfiles.out = 'made.tif'
controls = applier.ApplierControls(); controls.setOutputDriverName('GTiff')
controls.setReferencePixgrid(pixelgrid.PixelGridDefn(geotransform=(500005, 10, 0, 5999995, 0, -10), nrows=300, ncols=400, projection=gdal.Open('a.tif').GetProjection()))
controls.setFootprintType(applier.BOUNDS_FROM_REFERENCE)
def make(info, inputs, outputs):
    x, y = info.getBlockCoordArrays()
    outputs.out = (x - y)[None]
applier.apply(make, applier.FilenameAssociations(), outfiles, controls=controls)
`,
    expected: "total('made.tif', (500010 + 10 * numpy.arange(400)[None, :] - (5999990 - 10 * numpy.arange(300)[:, None]))[None].astype('float64'))",
  },
  {
    name: 'one name for a list of inputs and for an output, and classes',
    script: `
from rios import applier
infiles = applier.FilenameAssociations(); infiles.img = ['a.tif', 'a2.tif']
outfiles = applier.FilenameAssociations(); outfiles.img = 'classes.tif'
controls = applier.ApplierControls(); controls.setOutputDriverName('GTiff'); controls.setThematic(True); controls.setStatsIgnore(255); controls.setLayerNames(['kind'])
controls.setCreationOptions(['COMPRESS=LZW', 'PREDICTOR=2', 'TILED=YES'])
def classify(info, inputs, outputs):
    outputs.img = (inputs.img[0][:1] > inputs.img[1][:1]).astype('uint8')
applier.apply(classify, infiles, outfiles, controls=controls)
`,
    expected: `
total('classes.tif', (a[:1] > read('a2.tif')[:1]).astype('uint8'))
made = gdal.Open('classes.tif')
assert made.GetRasterBand(1).GetDescription() == 'kind' and made.GetRasterBand(1).GetNoDataValue() == 255
assert made.GetMetadataItem('COMPRESSION', 'IMAGE_STRUCTURE') == 'LZW'`,
  },
  {
    name: 'what info says, tile by tile',
    script: `
import numpy
from rios import applier
infiles = applier.FilenameAssociations(); infiles.img = 'a.tif'; infiles.second = 'b.tif'
outfiles = applier.FilenameAssociations(); outfiles.places = 'places.tif'
controls = applier.ApplierControls(); controls.setWindowSize(256, 256); controls.setOverlap(2); controls.setStatsIgnore(-1)
controls.setOutputDriverName('GTiff')
def places(info, inputs, outputs):
    x, y = info.getBlockCoordArrays()
    column, row = info.getBlockCount()
    facts = info.getBlockSize() + info.getTotalBlocks() + info.getWindowSize() + info.getTotalSize() + info.getPixelSize() + (info.getOverlapSize(), info.isFirstBlock(), info.isLastBlock(), info.getPercent(), info.getNoDataValueFor(inputs.img), info.getFilenameFor(inputs.second).endswith('b.tif')) + info.getPixRowColBlock(x[3, 4], y[3, 4]) + info.getTransform()
    outputs.places = numpy.stack([x, y, numpy.full(x.shape, column * 100 + row, float)] + [numpy.full(x.shape, float(each)) for each in facts])
applier.apply(places, infiles, outfiles, controls=controls)
`,
    expected: `
x, y = numpy.meshgrid(501005 + 10 * numpy.arange(600), 5999495 - 10 * numpy.arange(550))
places = read('places.tif')
assert (places[0] == x).all() and (places[1] == y).all()
assert (places[2] == numpy.arange(600)[None, :] // 256 * 100 + numpy.arange(550)[:, None] // 256).all()
at = lambda column, row: places[3:, row, column].tolist()
assert at(0, 0) == [256, 256, 3, 3, 256, 256, 600, 550, 10, 10, 2, 1, 0, 0, 65535, 1, 3, 4, 501000, 10, 0, 5999500, 0, -10], at(0, 0)
assert at(599, 549)[:14] == [88, 38, 3, 3, 256, 256, 600, 550, 10, 10, 2, 0, 1, 88], at(599, 549)`,
  },
];

const make = `
import json, numpy
from osgeo import gdal, ogr, osr
sr = osr.SpatialReference(); sr.ImportFromEPSG(32633)
rng = numpy.random.default_rng(5)
def raster(name, transform, columns, rows, bands, nodata):
    ds = gdal.GetDriverByName('GTiff').Create(name, columns, rows, bands, gdal.GDT_UInt16, ['TILED=YES'])
    ds.SetGeoTransform(transform); ds.SetProjection(sr.ExportToWkt())
    for band in range(1, bands + 1):
        if nodata is not None: ds.GetRasterBand(band).SetNoDataValue(nodata)
        ds.GetRasterBand(band).WriteArray(rng.integers(1, 30000, (rows, columns)).astype('uint16'))
for name in ('a', 'a2', 'a3'): raster(name + '.tif', (500000, 10, 0, 6000000, 0, -10), 700, 600, 2, 65535)
raster('b.tif', (501000, 10, 0, 5999500, 0, -10), 700, 600, 2, None)
raster('c.tif', (499990, 30, 0, 6000020, 0, -30), 260, 230, 1, 0)
ring = lambda x, y: [[[x, y], [x + 1800, y + 130], [x + 900, y - 2100], [x, y]]]
features = [{'type': 'Feature', 'properties': {'crop': crop}, 'geometry': {'type': 'Polygon', 'coordinates': ring(x, y)}} for crop, x, y in ((5, 500500, 5999000), (7, 503000, 5998000))]
json.dump({'type': 'FeatureCollection', 'crs': {'type': 'name', 'properties': {'name': 'urn:ogc:def:crs:EPSG::32633'}}, 'features': features}, open('fields.geojson', 'w'))
print(1)
`;

/** Runs the expectations; what they say that is wrong is the error. */
function check({ expected }: Example, folder: string, printed: string): void {
  pythonJson(`
import numpy
from osgeo import gdal, ogr
gdal.UseExceptions()
def read(name):
    array = gdal.Open(name).ReadAsArray()
    return array if array.ndim == 3 else array[None]
def total(name, wanted):
    found = read(name)
    assert found.shape == wanted.shape and found.dtype == wanted.dtype, (name, found.shape, found.dtype, wanted.shape, wanted.dtype)
    wrong = (found != wanted).sum()
    assert wrong == 0, '%s: %d of %d pixels are others' % (name, wrong, wanted.size)
    assert gdal.Open(name).GetDriver().ShortName == 'GTiff'
a, b, c = read('a.tif'), read('b.tif'), read('c.tif')
printed = ${JSON.stringify(printed)}
${expected}
print(1)`, {}, folder);
}

describe('scripts for RIOS', { skip: withoutGdal === false ? withoutCloudpickle : withoutGdal }, () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tilefan-rios-examples-'));
    for (const place of [folder, join(folder, 'rios')]) {
      mkdirSync(place, { recursive: true });
      pythonJson(make, {}, place);
    }
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const run = async (script: string, args: readonly string[] = [], more: NodeJS.ProcessEnv = {}, place = folder): Promise<ScriptEnd> => {
    const file = join(place, 'script.py');
    writeFileSync(file, script);
    return await runScript(file, args, place, more);
  };
  const ours = (script: string): string => script.replaceAll('from rios import', 'from tilefan.rios import');

  for (const example of examples) {
    it(`give the pixels of numpy and GDAL: ${example.name}`, async () => {
      const { exitCode, stdout, stderr } = await run(ours(example.script), example.args);
      assert.equal(exitCode, 0, stderr);
      check(example, folder, stdout.trim());
    });
  }

  const noRios = riosFolder === undefined ? 'neither RIOS_DIR nor TILEFAN_RIOS_DIR names the repository of RIOS' : false;
  for (const example of examples) {
    it(`give the pixels of RIOS: ${example.name}`, { skip: noRios === false ? (example.otherThanRios ?? false) : noRios }, async () => {
      const place = join(folder, 'rios');
      const { exitCode, stdout, stderr } = await run(example.script, example.args, { PYTHONPATH: riosFolder ?? '', RIOS_DFLT_DRIVER: 'GTiff' }, place);
      assert.equal(exitCode, 0, stderr);
      check(example, place, stdout.trim());
    });
  }

  it('say what is wrong as RIOS\'s own exceptions, with the traceback of the function', async () => {
    const { exitCode, stdout, stderr } = await run(`
from tilefan.rios import applier, rioserrors
infiles = applier.FilenameAssociations(); infiles.img = 'a.tif'
outfiles = applier.FilenameAssociations(); outfiles.out = 'failed.tif'
controls = applier.ApplierControls(); controls.setWindowSize(256, 256)
def attempt(kind, function, infiles=infiles, outfiles=outfiles, controls=controls):
    try:
        applier.apply(function, infiles, outfiles, controls=controls)
    except kind as error:
        print('====', error)
        return error
    raise SystemExit('it did not fail')
def deeper(value):
    raise ValueError('no good: %s' % value)
def fails(info, inputs, outputs):
    print('about to fail')
    outputs.out = inputs.img
    if info.getBlockCount() == (1, 2):
        deeper(3)
error = attempt(rioserrors.WorkerExceptionError, fails)
assert isinstance(error, ValueError) and error.tile == (1, 2), (type(error).__mro__, error.tile)
def trimmed(info, inputs, outputs):
    outputs.out = inputs.img[:, 1:-1, 1:-1]
overlapping = applier.ApplierControls(); overlapping.setOverlap(1)
attempt(rioserrors.ArrayShapeError, trimmed, controls=overlapping)
attempt(rioserrors.WorkerExceptionError, lambda info, inputs, outputs: None)
missing = applier.FilenameAssociations(); missing.img = 'nowhere.tif'
attempt(rioserrors.RiosError, fails, infiles=missing)
attempt(rioserrors.ParameterError, lambda info, inputs: None)
import threading
lock = threading.Lock()
attempt(rioserrors.ParameterError, lambda info, inputs, outputs: lock)
`);
    assert.equal(exitCode, 0, stderr + stdout);
    const [failed = '', shape = '', nothing = '', file = '', signature = '', unpicklable = ''] = stdout.split('====').slice(1);
    assert.match(failed, /tile 1,2 \(columns 256 to 511, rows 512 to 599\): function deeper at \S+script\.py:14: ValueError: no good: 3/);
    assert.match(failed, /line 19, in fails\n[\s\S]*line 14, in deeper\n[\s\S]*ValueError: no good: 3\n\nprinted to stdout:\nabout to fail/);
    assert.match(shape, /output out has shape \(2, 600, 700\); wanted \(bands, rows, columns\) = \(bands, 602, 702\), which includes the margin \(halo\) of 1 pixels/);
    assert.match(nothing, /has not written outputs\.out/);
    assert.match(file, /nowhere\.tif/);
    assert.match(signature, /can't be called with a tile|takes/);
    assert.match(unpicklable, /can't be sent to another process/);
  });

  it('say that grids differ when no reference is named', async () => {
    const { exitCode, stdout, stderr } = await run(`
from tilefan.rios import applier, rioserrors
infiles = applier.FilenameAssociations(); infiles.a = 'a.tif'; infiles.c = 'c.tif'
outfiles = applier.FilenameAssociations(); outfiles.out = 'failed.tif'
try:
    applier.apply(lambda info, inputs, outputs: None, infiles, outfiles)
except rioserrors.ResampleNeededError as error:
    print(error)
`);
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /^c \(c\.tif\) is on another pixel grid than a \(a\.tif\): its (?:CRS is another|pixels are)/);
    assert.match(stdout, /name the one that outputs take, by controls\.setReferenceImage\('a\.tif'\), or by controls\.setReferencePixgrid/);
    assert.doesNotMatch(stdout, /say in grid|\$\.inputs/);
  });

  it('have the module beside the script with them, show progress, and call a function with the finished file', async () => {
    writeFileSync(join(folder, 'mine.py'), 'FACTOR = 3\ndef times(array):\n    return array * FACTOR\n');
    const { exitCode, stdout, stderr } = await run(`
import mine
from tilefan.rios import applier, cuiprogress
class Mine:
    def __init__(self): self.n = 2
infiles = applier.FilenameAssociations(); infiles.img = 'a.tif'
outfiles = applier.FilenameAssociations(); outfiles.out = 'modules.tif'
controls = applier.ApplierControls(); controls.setWindowSize(256, 256); controls.setProgress(cuiprogress.LogProgressBar())
controls.setLayerNames(['one', 'two'])
controls.setCallBeforeClose(lambda dataset, word: dataset.SetMetadataItem('WORD', word), ('said',))
state = {'mine': Mine(), 'list': []}
def function(info, inputs, outputs, state):
    state['mine'].n += 1
    state['list'].append(info.isLastBlock())
    outputs.out = mine.times(inputs.img).astype('float64')
kept = state['list']
answer = applier.apply(function, infiles, outfiles, state, controls=controls)
assert state['mine'].n == 11 and state['list'] == [False] * 8 + [True] and isinstance(state['mine'], Mine), vars(state['mine'])
assert answer.workinggrid.getDimensions() == (600, 700) and answer.timings.getDurationsForName('walltime')[0] > 0
from osgeo import gdal
dataset = gdal.Open('modules.tif')
assert dataset.GetMetadataItem('WORD') == 'said' and dataset.GetRasterBand(2).GetDescription() == 'two'
assert (dataset.ReadAsArray() == gdal.Open('a.tif').ReadAsArray() * 3).all()
import glob, tempfile
print(glob.glob(tempfile.gettempdir() + '/tilefan-rios-*/'), glob.glob('.tilefan'))
`, [], { TMPDIR: folder });
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /^0%\n/);
    assert.match(stdout, /\n100%\n/);
    assert.match(stdout, /\[\] \[\]\n$/, 'nothing of the run remains');
  });
});
