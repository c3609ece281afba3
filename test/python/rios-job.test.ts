/** The drop-in: every setter of RIOS's ApplierControls does something or says why it can't, and what job a call of `apply` is. Nothing is run. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { jobSpec } from '../../lib/job/spec.ts';
import { withoutGdal } from '../support/gdal.ts';
import { packageFolder, withoutCloudpickle } from './support/host.ts';
import { pythonJson } from './support/rios.ts';

const skip = withoutCloudpickle;

/** The public methods of ApplierControls of RIOS 2.0.9, but for the two that it calls internal. */
const setters = [
  'setOverlap', 'setOutputDriverName', 'setWindowXsize', 'setWindowYsize', 'setWindowSize', 'setFootprintType', 'setFilesForExtent', 'setReferenceImage', 'setReferencePixgrid',
  'setProgress', 'setCreationOptions', 'setStatsIgnore', 'setInputNoDataValue', 'setCalcStats', 'setOmitPyramids', 'setOmitBasicStats', 'setOmitHistogram', 'setOverviewLevels',
  'setOverviewMinDim', 'setOverviewAggregationType', 'setSinglePassPyramids', 'setSinglePassBasicStats', 'setSinglePassHistogram', 'setThematic', 'setLayerNames', 'setTempdir',
  'setResampleMethod', 'setBurnValue', 'setBurnAttribute', 'setVectorNull', 'setFilterSQL', 'setAlltouched', 'setVectorDatatype', 'setVectorlayer', 'selectInputImageLayers',
  'setConcurrencyStyle', 'setJobName', 'setAutoColorTableType', 'setAllowOverviewsGdalwarp', 'setApproxStats', 'setCallBeforeClose', 'setOptionForImagename', 'getOptionForImagename',
] as const;

const prelude = `
import json, sys, numpy
from tilefan.rios import applier, pixelgrid, rioserrors
from tilefan.rios.job import Job
infiles, outfiles, controls = applier.FilenameAssociations(), applier.FilenameAssociations(), applier.ApplierControls()
`;

type JobDocument = Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>;

/** The jobs of some scripts' settings; `a` is an input and `x` an output unless a script says otherwise. */
function jobsOf(scripts: readonly string[], more: NodeJS.ProcessEnv = {}, cwd?: string): JobDocument[] {
  const specs = pythonJson(`${prelude}
specs = []
for script in json.loads(${JSON.stringify(JSON.stringify(scripts))}):
    infiles, outfiles, controls = applier.FilenameAssociations(), applier.FilenameAssociations(), applier.ApplierControls()
    infiles.a, outfiles.x = '/data/a.tif', '/out/x.tif'
    exec(script)
    specs.append(Job(infiles, outfiles, controls).spec('/code/f.pkl', None, False))
print(json.dumps(specs))`, more, cwd) as JobDocument[];
  // The schema refuses what no job has.
  for (const spec of specs) jobSpec.parse(spec);
  return specs;
}

function jobOf(script: string, more: NodeJS.ProcessEnv = {}, cwd?: string): JobDocument {
  return jobsOf([script], more, cwd)[0] ?? {};
}

/** Class and words of what each of some scripts raises; null where it raises nothing. */
function refusalsOf(scripts: readonly string[], more: NodeJS.ProcessEnv = {}): (string | null)[] {
  return pythonJson(`${prelude}
answers = []
for script in json.loads(${JSON.stringify(JSON.stringify(scripts))}):
    infiles, outfiles, controls = applier.FilenameAssociations(), applier.FilenameAssociations(), applier.ApplierControls()
    infiles.a, outfiles.x = '/data/a.tif', '/out/x.tif'
    try:
        exec(script)
        controls._checks(infiles, outfiles)
        Job(infiles, outfiles, controls).spec('f.pkl', None, False)
        answers.append(None)
    except Exception as error:
        answers.append(type(error).__name__ + ': ' + str(error))
print(json.dumps(answers))`, more) as (string | null)[];
}

const output = (job: JobDocument): Record<string, unknown> => job['outputs']?.['x'] as Record<string, unknown>;
const input = (job: JobDocument): Record<string, unknown> => job['inputs']?.['a'] as Record<string, unknown>;

describe('the job of a call of apply', { skip }, () => {
  it('is this, when nothing is set', () => {
    assert.deepEqual(jobOf(''), {
      name: 'rios',
      inputs: { a: { href: '/data/a.tif', resampling: 'nearest' } },
      grid: { footprint: 'intersection', tileSize: 1024, halo: 0 },
      operation: { module: '/code/f.pkl', nodata: 'handle', serial: false, tileTimeout: '1h' },
      outputs: { x: { href: '/out/x.tif', blockSize: 512, nodata: 0, overviews: 'nearest', statistics: true } },
    });
  });

  const cases: [string, string, (job: JobDocument) => unknown, unknown][] = [
    ['setOverlap', 'controls.setOverlap(3)', (job) => job['grid']?.['halo'], 3],
    ['setWindowXsize and setWindowYsize', 'controls.setWindowXsize(256); controls.setWindowYsize(256)', (job) => [job['grid']?.['tileSize'], output(job)['blockSize']], [256, 256]],
    ['setWindowSize', 'controls.setWindowSize(2048, 2048)', (job) => [job['grid']?.['tileSize'], output(job)['blockSize']], [2048, 512]],
    ['setFootprintType', 'controls.setFootprintType(applier.UNION)', (job) => job['grid']?.['footprint'], 'union'],
    ['setReferenceImage by name', 'controls.setReferenceImage("a"); controls.setFootprintType(applier.BOUNDS_FROM_REFERENCE)', (job) => [job['grid']?.['like'], job['grid']?.['footprint']], ['a', 'reference']],
    ['setReferenceImage by file', 'controls.setReferenceImage(infiles.a); controls.setFootprintType(applier.BOUNDS_FROM_REFERENCE)', (job) => job['grid']?.['like'], 'a'],
    ['setReferencePixgrid', 'controls.setFootprintType(applier.BOUNDS_FROM_REFERENCE); controls.setReferencePixgrid(pixelgrid.PixelGridDefn(geotransform=(500000, 20, 0, 6000000, 0, -10), nrows=30, ncols=40, projection="EPSG:32633"))', (job) => job['grid'], { crs: 'EPSG:32633', resolution: [20, 10], bounds: [500_000, 5_999_700, 500_800, 6_000_000], tileSize: 1024, halo: 0 }],
    ['setCreationOptions', 'controls.setCreationOptions(["COMPRESS=ZSTD", "ZSTD_LEVEL=5", "PREDICTOR=2", "TILED=YES", "BIGTIFF=IF_SAFER", "BLOCKXSIZE=256", "BLOCKYSIZE=256"])', (job) => ['compression', 'level', 'predictor', 'blockSize'].map((field) => output(job)[field]), ['zstd', 5, 2, 256]],
    ['setCreationOptions of LERC and JPEG', 'controls.setCreationOptions(["COMPRESS=LERC", "MAX_Z_ERROR=0.5"], imagename="x")', (job) => [output(job)['compression'], output(job)['maxError']], ['lerc', 0.5]],
    ['setStatsIgnore', 'controls.setStatsIgnore(-9999.0)', (job) => output(job)['nodata'], -9999],
    ['setStatsIgnore(NaN)', 'controls.setStatsIgnore(numpy.float32("nan"))', (job) => output(job)['nodata'], 'nan'],
    ['setStatsIgnore(None)', 'controls.setStatsIgnore(None, imagename="x")', (job) => output(job)['nodata'], null],
    ['setInputNoDataValue', 'controls.setInputNoDataValue([numpy.uint8(255), 255])', (job) => input(job)['nodata'], 255],
    ['setCalcStats(False)', 'controls.setCalcStats(False)', (job) => [output(job)['statistics'], output(job)['overviews']], [false, 'none']],
    ['setCalcStats(True)', 'controls.setCalcStats(True)', (job) => [output(job)['statistics'], output(job)['overviews']], [true, 'nearest']],
    ['setOmitPyramids', 'controls.setOmitPyramids(True)', (job) => output(job)['overviews'], 'none'],
    ['setOmitBasicStats', 'controls.setOmitBasicStats(True)', (job) => output(job)['statistics'], false],
    ['setOverviewLevels([])', 'controls.setOverviewLevels([])', (job) => output(job)['overviews'], 'none'],
    ['setOverviewLevels', 'controls.setOverviewLevels([4, 16])', (job) => output(job)['overviews'], 'nearest'],
    ['setOverviewAggregationType', 'controls.setOverviewAggregationType("AVERAGE")', (job) => output(job)['overviews'], 'average'],
    ['setThematic', 'controls.setThematic(True); controls.setOverviewAggregationType("MODE")', (job) => output(job)['overviews'], 'mode'],
    ['setLayerNames', 'controls.setLayerNames(["one", "two"])', (job) => output(job)['bandNames'], ['one', 'two']],
    ['setResampleMethod', 'controls.setResampleMethod("cubic", imagename="a")', (job) => input(job)['resampling'], 'cubic'],
    ['selectInputImageLayers', 'controls.selectInputImageLayers(numpy.array([3, 1]))', (job) => input(job)['bands'], [3, 1]],
    ['setJobName', 'controls.setJobName("My job: 1/2")', (job) => job['name'], 'My-job-1-2'],
    ['setColorTable', 'controls.setColorTable([[1, 255, 0, 0], [2, 0, 0, 255, 255]])', (job) => output(job)['colorTable'], { 1: [255, 0, 0], 2: [0, 0, 255, 255] }],
    ['setOutputDtype', 'controls.setOutputDtype(numpy.int16)', (job) => output(job)['dtype'], 'int16'],
    ['settings of vectors', 'infiles.a = "/data/f.shp"\ncontrols.setBurnValue(7); controls.setVectorNull(9); controls.setFilterSQL("k = 1"); controls.setAlltouched(True); controls.setVectorDatatype(numpy.int16); controls.setVectorlayer("roads")', input, { href: '/data/f.shp', fill: 9, vector: { allTouched: true, dtype: 'int16', burn: 7, where: 'k = 1', layer: 'roads' } }],
    ['setBurnAttribute', 'infiles.a = "/data/f.shp"\ncontrols.setVectorlayer("f"); controls.setBurnAttribute("k", vectorname="a")', (job) => input(job)['vector'], { allTouched: false, dtype: 'uint8', attribute: 'k', layer: 'f' }],
    ['an option for one of several', 'infiles.b = "/data/b.tif"\ncontrols.selectInputImageLayers([2], imagename="b")', (job) => [input(job)['bands'], (job['inputs']?.['b'] as Record<string, unknown> | undefined)?.['bands']], [undefined, [2]]],
    ['lists of files', 'infiles.a = ["/data/1.tif", "/data/2.tif"]; outfiles.x = ["/out/1.tif", "/out/2.tif"]; infiles.a_0 = "/data/3.tif"\noutfiles.y = outfiles.x; del outfiles.x', (job) => [Object.keys(job['inputs'] ?? {}), Object.keys(job['outputs'] ?? {})], [['_a_0', 'a_1', 'a_0'], ['y_0', 'y_1']]],
    ['names of S3', 'infiles.a = "/vsis3/bucket/a.tif"; outfiles.x = "s3://bucket/x.tif"', (job) => [input(job)['href'], output(job)['href']], ['s3://bucket/a.tif', 's3://bucket/x.tif']],
  ];
  it('has what each setter asks for', () => {
    const jobs = jobsOf(cases.map(([, script]) => script));
    for (const [i, [name, , look, wanted]] of cases.entries()) assert.deepEqual(look(jobs[i] ?? {}), wanted, name);
  });

  it('has the defaults that RIOS takes from the environment', () => {
    const job = jobOf('', { RIOS_DFLT_BLOCKXSIZE: '512', RIOS_DFLT_BLOCKYSIZE: '512', RIOS_DFLT_OVERLAP: '2', RIOS_DFLT_FOOTPRINT: '1', RIOS_DFLT_OVERVIEWAGGTYPE: 'AVERAGE', RIOS_DFLT_CREOPT_GTiff: 'COMPRESS=LZW TILED=YES' });
    assert.deepEqual(job['grid'], { footprint: 'union', tileSize: 512, halo: 2 });
    assert.deepEqual([output(job)['compression'], output(job)['overviews']], ['lzw', 'average']);
  });

  it('has names relative to the script\'s own folder', () => {
    assert.equal(input(jobOf('infiles.a = "x/../b.tif"', {}, packageFolder))['href'], join(packageFolder, 'b.tif'));
  });

  describe('on grids', { skip: withoutGdal }, () => {
    let folder: string;
    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'tilefan-grids-'));
      pythonJson(`
from osgeo import gdal, osr
for name, epsg, transform, columns, rows in (('a', 32633, (500000, 10, 0, 6000000, 0, -10), 100, 80), ('b', 32633, (500200, 10, 0, 5999900, 0, -10), 100, 80), ('c', 32633, (500105, 30, 0, 5999895, 0, -30), 20, 20), ('d', 4326, (17, 0.0002, 0, 54.14, 0, -0.0001), 60, 60)):
    sr = osr.SpatialReference(); sr.ImportFromEPSG(epsg)
    ds = gdal.GetDriverByName('GTiff').Create(${JSON.stringify(folder)} + '/' + name + '.tif', columns, rows); ds.SetGeoTransform(transform); ds.SetProjection(sr.ExportToWkt()); ds = None
print(1)`);
    });
    after(() => rmSync(folder, { recursive: true, force: true }));

    const inputs = 'infiles.a = "a.tif"; infiles.b = "b.tif"';
    it('leaves the footprint to tilefan where all inputs are on one lattice', () => {
      const grid = jobOf(`${inputs}; controls.setReferenceImage("b"); controls.setFootprintType(applier.UNION)`, {}, folder)['grid'];
      assert.deepEqual([grid?.['like'], grid?.['footprint'], grid?.['bounds']], ['b', 'union', undefined]);
    });
    it('takes edges as RIOS does where they aren\'t: to the nearest pixel of the reference', () => {
      const grid = jobOf(`${inputs}; infiles.c = "c.tif"; controls.setReferenceImage("a.tif")`, {}, folder)['grid'];
      // c is from 500105 to 500705: half pixels go away from zero, to 500110 and 500710.
      assert.deepEqual([grid?.['like'], grid?.['bounds']], ['a', [500_200, 5_999_300, 500_710, 5_999_900]]);
    });
    it('takes the grid of a file that is no input', () => {
      const grid = jobOf(`${inputs}; controls.setReferenceImage("c.tif"); controls.setFootprintType(applier.BOUNDS_FROM_REFERENCE)`, {}, folder)['grid'];
      assert.deepEqual([grid?.['crs'], grid?.['resolution'], grid?.['bounds']], ['EPSG:32633', [30, 30], [500_105, 5_999_295, 500_705, 5_999_895]]);
    });
    it('takes the extent from other files', () => {
      const grid = jobOf('infiles.a = "a.tif"; controls.setFilesForExtent(["b.tif"])', {}, folder)['grid'];
      assert.deepEqual([grid?.['like'], grid?.['bounds']], ['a', [500_200, 5_999_100, 501_200, 5_999_900]]);
    });
    it('says that there is no common part', () => {
      assert.match(refusalsOf([`infiles.a = "${folder}/d.tif"\ninfiles.b = "${folder}/c.tif"\ncontrols.setReferenceImage("b")`])[0] ?? '', /^IntersectionError: the grids have no part in common/);
    });
  });
});

describe('ApplierControls', { skip }, () => {
  it('has every setter of RIOS', () => {
    const there = pythonJson(`${prelude}print(json.dumps([name for name in dir(controls) if callable(getattr(controls, name))]))`) as string[];
    assert.deepEqual(setters.filter((name) => !there.includes(name)), []);
  });

  const refused: [string, RegExp][] = [
    ['controls.setOutputDriverName("HFA")', /^UnsupportedError: setOutputDriverName\('HFA'\): tilefan writes cloud-optimized GeoTIFFs.*wanted GTiff or COG/],
    ['controls.setWindowXsize(200)', /^UnsupportedError: setWindowXsize\(200\), setWindowYsize\(1024\): tiles are squares.*wanted, for example, setWindowSize\(1024, 1024\)/],
    ['controls.setWindowSize(5000, 1)', /^UnsupportedError: setWindowXsize\(5000\), setWindowYsize\(1\).*setWindowSize\(8192, 8192\)/],
    ['controls.setOverlap(70000)', /^ParameterError: setOverlap\(70000\): wanted 0 to 65536/],
    ['controls.setFootprintType(7)', /^ValueError: setFootprintType\(7\)/],
    ['controls.setResampleMethod("lanczos")', /^UnsupportedError: setResampleMethod\('lanczos'\): wanted near, /],
    ['controls.setInputNoDataValue([1, 2])', /^UnsupportedError: setInputNoDataValue\(\[1, 2\]\): an input has one nodata value/],
    ['controls.setCreationOptions(["COMPRESSED=YES"])', /^UnsupportedError: setCreationOptions: COMPRESSED=YES: tilefan writes GeoTIFFs with COMPRESS/],
    ['controls.setCreationOptions(["INTERLEAVE=BAND"])', /^UnsupportedError: setCreationOptions: INTERLEAVE=BAND: .* has INTERLEAVE=PIXEL/],
    ['controls.setCreationOptions(["BLOCKXSIZE=256", "BLOCKYSIZE=16"])', /^UnsupportedError: setCreationOptions: BLOCKXSIZE, BLOCKYSIZE: blocks are squares/],
    ['controls.setCreationOptions(["TILED"])', /^ParameterError: setCreationOptions: found 'TILED'; wanted NAME=VALUE/],
    ['controls.setOverviewLevels([3, 9])', /^UnsupportedError: setOverviewLevels\(\[3, 9\]\).*powers of two/],
    ['controls.setOverviewMinDim(33)', /^UnsupportedError: setOverviewMinDim\(33\)/],
    ['controls.setOverviewAggregationType("GAUSS")', /^UnsupportedError: setOverviewAggregationType\('GAUSS'\): wanted NEAREST, AVERAGE, MODE/],
    ['controls.setOmitHistogram(False)', /^UnsupportedError: setOmitHistogram\(False\): tilefan writes no histograms/],
    ['controls.setSinglePassHistogram(True)', /^UnsupportedError: setSinglePassHistogram\(True\)/],
    ['controls.setAllowOverviewsGdalwarp(True)', /^UnsupportedError: setAllowOverviewsGdalwarp\(True\)/],
    ['controls.setAutoColorTableType("rainbow")', /^UnsupportedError: setAutoColorTableType\('rainbow'\).*setColorTable/],
    ['controls.setVectorDatatype(numpy.int64)', /^UnsupportedError: setVectorDatatype\(int64\): wanted one of uint8/],
    ['controls.setFilterSQL("select * from a")', /^UnsupportedError: setFilterSQL.*wanted the condition after its WHERE/],
    ['controls.setConcurrencyStyle(4)', /^ParameterError: setConcurrencyStyle\(4\)/],
    ['applier.ConcurrencyStyle(numComputeWorkers=2, computeWorkerKind=applier.CW_PBS)', /^UnsupportedError: computeWorkerKind CW_PBS/],
    ['applier.ConcurrencyStyle(numComputeWorkers=2, computeWorkerKind=applier.CW_ECS, computeWorkerExtraParams={"cluster": 1})', /^UnsupportedError: computeWorkerExtraParams \(cluster\)/],
    ['applier.ConcurrencyStyle(numComputeWorkers=2)', /^ValueError: numComputeWorkers is 2; wanted a computeWorkerKind too/],
    ['controls.setReferencePixgrid(pixelgrid.PixelGridDefn(geotransform=(0, 1, 0, 0, 0, -1), nrows=3, ncols=4, projection="LOCAL_CS[\\"mine\\"]")); controls.setFootprintType(applier.BOUNDS_FROM_REFERENCE)', /^UnsupportedError: the reference grid's CRS is no EPSG code and no WKT of a map: LOCAL_CS/],
    ['controls.setStatsIgnore(0, imagename="nowhere")', /^ValueError: statsIgnore is set for nowhere, which is no name of an input or output/],
    ['controls.setApproxStats(True); controls.setOmitPyramids(True)', /^ValueError: output x has approximate statistics and no pyramids/],
    ['del infiles.a', /^ValueError: there are no input files, so the footprint/],
    ['infiles.a = "/vsizip/a.zip/a.tif"', /^UnsupportedError: \/vsizip\/a\.zip\/a\.tif: of GDAL's virtual file systems/],
    ['infiles.a = 5', /^ParameterError: input a is 5; wanted a file name/],
    ['controls.setThematic(True); controls.setOverviewAggregationType("AVERAGE")', /^UnsupportedError: setOverviewAggregationType\("AVERAGE"\) of a thematic output/],
  ];
  // Catches a plain AttributeError, which doesn't say what to call instead; and one that scripts which ask by hasattr stumble over.
  it('says of setters that are no more what to call instead', () => {
    const found = refusalsOf(['controls.setNumThreads(4)', 'controls.setJobManagerType("x")', 'controls.setLoggingStream(sys.stdout)', 'controls.setSomething(1)', 'assert not hasattr(controls, "setNumThreads") and not hasattr(controls, "gone")', 'import copy; copy.deepcopy(controls).setOverlap(1)',
      'try: controls.setNumThreads(4)\nexcept rioserrors.UnsupportedError: pass']);
    const wanted = [/: setNumThreads: wanted setConcurrencyStyle\(ConcurrencyStyle\(numComputeWorkers=N, computeWorkerKind=CW_THREADS\)\)/, /: setJobManagerType: wanted setConcurrencyStyle/, /: setLoggingStream: nothing is logged/, /: setSomething: ApplierControls of RIOS 2\.0 has no such setter/];
    for (const [i, words] of wanted.entries()) assert.match(found[i] ?? 'nothing was raised', words);
    assert.deepEqual(found.slice(wanted.length), [null, null, null]);
  });

  // Catches a function that hangs for a day, and a limit that can't be changed.
  it('gives a tile an hour, or what the script or the environment says', () => {
    const timeout = (script: string, more: NodeJS.ProcessEnv = {}): unknown => jobOf(script, more)['operation']?.['tileTimeout'];
    assert.deepEqual([timeout('pass'), timeout('controls.setTileTimeout("10m")'), timeout('pass', { TILEFAN_TILE_TIMEOUT: '90s' }), timeout('controls.setTileTimeout("2h")', { TILEFAN_TILE_TIMEOUT: '90s' })], ['1h', '10m', '90s', '2h']);
    assert.match(refusalsOf(['controls.setTileTimeout(600)'])[0] ?? '', /^ParameterError: setTileTimeout\(600\): wanted a whole number and s, m or h, for example '10m'/);
    assert.match(refusalsOf(['pass'], { TILEFAN_TILE_TIMEOUT: 'soon' })[0] ?? '', /^ParameterError: TILEFAN_TILE_TIMEOUT=soon: wanted a whole number/);
  });

  it('says by name why not, where it can\'t', () => {
    const found = refusalsOf(refused.map(([script]) => script));
    for (const [i, [script, wanted]] of refused.entries()) assert.match(found[i] ?? 'nothing was raised', wanted, script);
  });

  it('refuses a driver that the environment asks for', () => {
    assert.match(refusalsOf(['pass'], { RIOS_DFLT_DRIVER: 'HFA' })[0] ?? '', /^UnsupportedError: setOutputDriverName\('HFA'\)/);
  });

  it('takes what makes no difference here', () => {
    const script = ['setTempdir("/tmp")', 'setApproxStats(True)', 'setSinglePassPyramids(False)', 'setSinglePassBasicStats(True)', 'setSinglePassHistogram(False)', 'setOmitHistogram(True)', 'setOverviewMinDim(128)', 'setAllowOverviewsGdalwarp(False)', 'setAutoColorTableType(None)', 'setProgress(None)', 'setCallBeforeClose(print, (1,))', 'setConcurrencyStyle(applier.ConcurrencyStyle(numReadWorkers=3))', 'setOutputDriverName("COG")'];
    assert.deepEqual(refusalsOf([script.map((call) => `controls.${call}`).join('\n')]), [null]);
  });
});

describe('what scripts import', { skip }, () => {
  it('is there, under RIOS\'s names', () => {
    const names = pythonJson(`
import json
from tilefan.rios import applier, cuiprogress, rioserrors, imagereader, imagewriter, pixelgrid, fileinfo, imageio, readerinfo, structures, const
from tilefan.rios.applier import FilenameAssociations, OtherInputs, ApplierControls, BlockAssociations, ConcurrencyStyle, CW_NONE, CW_THREADS, CW_ECS, CW_SUBPROC, INTERSECTION, UNION, BOUNDS_FROM_REFERENCE, DEFAULTDRIVERNAME, DEFAULTWINDOWXSIZE
from tilefan.rios.cuiprogress import CUIProgressBar, GDALProgressBar, SilentProgress, LogProgressBar
from tilefan.rios.imagereader import DEFAULTOVERLAP, DEFAULTLOGGINGSTREAM
assert issubclass(rioserrors.ArrayShapeError, rioserrors.RiosError) and imageio.UNION == 1
print(json.dumps([name for name in dir(rioserrors) if name.endswith('Error')]))`) as string[];
    assert.ok(names.length > 25);
  });

  it('says what to do where it is not', () => {
    assert.throws(() => pythonJson('from tilefan.rios import rat'), /tilefan\.rios has no rat: it works on finished files.*from rios import rat/);
  });

  it('goes through files and blocks as RIOS\'s objects do', () => {
    assert.deepEqual(pythonJson(`${prelude}
infiles.a = 'a.tif'; infiles.l = ['x', 'y']
blocks = applier.BlockAssociations(infiles)
blocks['l', 1] = 5; blocks['a'] = 6
def fails(f):
    try: f()
    except KeyError as e: return True
print(json.dumps([list(infiles), len(infiles), infiles['l', 1], infiles['l'], ('l', 2) in infiles, 'a' in infiles, fails(lambda: infiles['b']), blocks.l, blocks['a', None], len(blocks), fails(lambda: blocks['l', 2])]))`),
    [[['a', null, 'a.tif'], ['l', 0, 'x'], ['l', 1, 'y']], 3, 'y', ['x', 'y'], false, true, true, [null, 5], 6, 3, true]);
  });

  it('shows progress: a number on a terminal, a line each in a log, dots as GDAL', () => {
    const shown = pythonJson(`
import io, json, sys
from tilefan.rios.cuiprogress import *
class Terminal(io.StringIO):
    def __init__(self, tty): super().__init__(); self.tty = tty
    def isatty(self): return self.tty
def show(kind, tty):
    old, sys.stdout = sys.stdout, Terminal(tty)
    try:
        bar = kind(); bar.setTotalSteps(50)
        for i in (0, 25, 25, 50): bar.setProgress(i)
        bar.displayInfo('x')
        return sys.stdout.getvalue()
    finally: sys.stdout = old
print(json.dumps([show(k, t) for k in (CUIProgressBar, GDALProgressBar, LogProgressBar, SilentProgress) for t in (True, False)]))`);
    assert.deepEqual(shown, ['0%\r50%\r50%\r100%\rInfo: x\n', 'Info: x\n', '0...10...20...30...40...50...60...70...80...90...100 - done.\nInfo: x\n', 'Info: x\n', '0%\n50%\n100%\nInfo: x\n', '0%\n50%\n100%\nInfo: x\n', '', '']);
  });

  it('counts in Timers what RIOS\'s counts', () => {
    assert.deepEqual(pythonJson(`
import json, pickle
from tilefan.rios.structures import Timers
t = Timers()
t.pairs['walltime'] = [(0, 4)]; t.pairs['reading'] = [(0, 1), (1, 4)]
t.merge(pickle.loads(pickle.dumps(t)))
s = t.makeSummaryDict()['reading']
print(json.dumps([float(s[k]) for k in ('tot', 'min', 'lower', 'median', 'upper', 'max', 'N')] + [t.getDurationsForName('x'), 'reading' in t.formatReport(1)]))`), [8, 1, 1, 2, 3, 3, 4, null, true]);
  });
});
