/** What programs get and what is made of what they leave, judged by GDAL, rasterio and numpy. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';

import { allocateSamples, dtypes, type Dtype, type SampleArray } from '../../../lib/raster/dtype.ts';
import { gdalPython, runPython, runPythonJson, withoutGdal } from '../../support/gdal.ts';
import { createWorkspace, type Workspace } from '../../support/workspace.ts';
import { runTile } from './tile-fixture.ts';

const window = { column: 512, row: 256, columns: 70, rows: 45 };

/** Samples with a little structure, of which every type holds all. */
function pattern(dtype: Dtype, bands: number, columns: number, rows: number): SampleArray {
  const samples = allocateSamples(dtype, bands * columns * rows);
  for (let i = 0; i < samples.length; i++) samples[i] = (i * 37 + Math.floor(i / 11)) % 120;
  return samples;
}

function bytesOf(samples: SampleArray): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
}

/** A buffer that holds the file and nothing else. */
function fileBytes(path: string): ArrayBuffer {
  return new Uint8Array(readFileSync(path)).buffer;
}

function shell(program: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  assert.equal(status, 0, `${program} ${args.join(' ')}: ${stderr}`);
}

describe('files of a command', { skip: withoutGdal }, () => {
  let workspace: Workspace;
  before(() => (workspace = createWorkspace('command')));
  after(() => workspace.remove());

  // Catches: a program that gets other pixels than lie in the shared file, of any type, and a reader that takes what GDAL writes for something else.
  void it('go through gdal_translate unchanged, however it writes them', async () => {
    const ways: readonly (readonly string[])[] = [
      [],
      ['TILED=YES', 'COMPRESS=DEFLATE', 'PREDICTOR=2', 'BLOCKXSIZE=16', 'BLOCKYSIZE=32'],
      ['INTERLEAVE=BAND', 'COMPRESS=LZW', 'BLOCKYSIZE=7'],
      ['COMPRESS=ZSTD', 'BIGTIFF=YES', 'ENDIANNESS=BIG'],
      ['COMPRESS=DEFLATE', 'TILED=YES', 'PREDICTOR=3'],
    ];
    for (const dtype of dtypes) {
      // Every type as it comes, and one of each kind in all ways.
      for (const way of dtype === 'uint16' ? ways.slice(0, 4) : dtype === 'float32' ? ways.filter((options) => !options.includes('PREDICTOR=2')) : ways.slice(0, 1)) {
        // This GDAL takes bytes with a sign for bytes; the pattern has none that differ.
        const samples = pattern(dtype, 3, 86, 61);
        const { outputs, reply } = await runTile({
          command: ['gdal_translate', '-q', ...way.flatMap((option) => ['-co', option]), '{input.scene}', '{output.same}'],
          window,
          halo: 8,
          inputs: { scene: { dtype, bands: 3, samples } },
          outputs: { same: { dtype, bands: 3 } },
          scratch: workspace.path('scratch'),
        });
        assert.deepEqual(outputs['same'], samples, `${dtype} ${way.join(' ')}`);
        assert.equal(reply.outputs[0]?.bands, 3);
      }
    }
  });

  // Catches: the margin left out of the origin, a lost CRS or nodata value; and a result that is not taken from what was printed.
  void it('say where the tile with its margin lies', async () => {
    const { reply } = await runTile({
      command: ['gdalinfo', '-json', '{input.scene}'],
      window,
      halo: 8,
      inputs: { scene: { dtype: 'int16', bands: 2, nodata: -7, samples: pattern('int16', 2, 86, 61) } },
      scratch: workspace.path('scratch'),
      options: { results: true },
    });
    const info = reply.result as { size: number[]; geoTransform: number[]; bands: { noDataValue: number; type: string }[]; coordinateSystem: { wkt: string } };
    assert.deepEqual(info.size, [86, 61]);
    assert.deepEqual(info.geoTransform, [600_000 + (512 - 8) * 10, 10, 0, 5_000_000 - (256 - 8) * 20, 0, -20]);
    assert.deepEqual(info.bands.map(({ noDataValue, type }) => [noDataValue, type]), [[-7, 'Int16'], [-7, 'Int16']]);
    assert.match(info.coordinateSystem.wkt, /ID\["EPSG",32633\]\]$/);
  });

  // Catches: validity that a program doesn't see, in either of the two ways, or that lies a row off.
  void it('tell programs which pixels are data', async () => {
    const validity = Uint8Array.from({ length: 70 * 45 }, (_, i) => ((i * 7919) % 5 === 0 ? 0 : 1));
    writeFileSync(workspace.path('validity.bin'), validity);
    const program = `
import json, sys, numpy as np, rasterio
want = np.fromfile(sys.argv[2], np.uint8).reshape(45, 70) * 255
with rasterio.open(sys.argv[1]) as d:
    a = d.read()
    print(json.dumps([bool((d.read_masks(b) == want).all()) for b in (1, 2)] + [bool((a[:, want == 0] == d.nodata).all()) if d.nodata is not None else None]))`;
    const samples = pattern('uint8', 2, 70, 45).map((value) => value + 1) as Uint8Array;
    const run = async (nodata?: number): Promise<unknown> => {
      const { reply } = await runTile({
        command: [gdalPython, '-c', program.replaceAll('{', '{{').replaceAll('}', '}}'), '{input.scene}', workspace.path('validity.bin')],
        window,
        inputs: { scene: { dtype: 'uint8', bands: 2, samples, validity, ...(nodata === undefined ? {} : { nodata }) } },
        scratch: workspace.path('scratch'),
        options: { results: true },
      });
      return reply.result;
    };
    assert.deepEqual(await run(), [true, true, null], 'as a mask');
    assert.deepEqual(await run(0), [true, true, true], 'as the nodata value');
    assert.deepEqual(await run(-9999), [true, true, null], 'as a mask, where no pixel can hold the nodata value');
  });

  // Catches: rounding by truncation, halves up, wrapping instead of saturating, NaN that becomes 0 although there is a nodata value.
  void it('are converted as numpy would', async () => {
    const floats = Float32Array.from([0.5, 1.5, 2.5, -0.5, 254.5, 255.5, 300, -3, Number.NaN, Infinity, -Infinity, 7, 1e30, 0.49999997, 99.5, 100]);
    const doubles = Float64Array.from([...floats.subarray(0, 12), 1e300, 2 ** 31 - 0.5, -(2 ** 31) - 0.5, 4_294_967_295.5]);
    const integers = Int32Array.from([0, 1, -1, 127, 128, -128, -129, 255, 256, 32_767, 32_768, 65_535, 65_536, 2_147_483_647, -2_147_483_648, 16_777_217]);
    const cases: readonly [Dtype, SampleArray, Dtype, number?][] = [
      ['float32', floats, 'uint8', 9], ['float32', floats, 'uint8'], ['float32', floats, 'int16', -1], ['float32', floats, 'uint32', 77], ['float32', floats, 'float64', -5], ['float32', floats, 'float32'],
      ['float64', doubles, 'int32', -1], ['float64', doubles, 'uint32'], ['float64', doubles, 'int8'], ['float64', doubles, 'float32', -1],
      ['int32', integers, 'uint8', 3], ['int32', integers, 'uint16'], ['int32', integers, 'int16'], ['int32', integers, 'uint32'], ['int32', integers, 'float32'],
    ];
    const found: string[] = [];
    for (const [i, [from, samples, dtype, nodata]] of cases.entries()) {
      const { outputs } = await runTile({
        command: ['cp', '{input.x}', '{output.y}'],
        window: { column: 0, row: 0, columns: 8, rows: 2 },
        inputs: { x: { dtype: from, samples } },
        outputs: { y: { dtype, ...(nodata === undefined ? {} : { nodata }) } },
        scratch: workspace.path('scratch'),
      });
      writeFileSync(workspace.path(`found-${String(i)}.bin`), bytesOf(outputs['y'] ?? assert.fail()));
      writeFileSync(workspace.path(`x-${String(i)}.bin`), bytesOf(samples));
      found.push(JSON.stringify([from, dtype, nodata ?? 0]));
    }
    const differences = runPythonJson(
      `
import json, sys, numpy as np
out = []
for n, case in enumerate(sys.argv[2:]):
    source, dtype, nodata = json.loads(case)
    a = np.fromfile(sys.argv[1] + '/x-%d.bin' % n, source).astype(np.float64)
    found = np.fromfile(sys.argv[1] + '/found-%d.bin' % n, dtype)
    if np.dtype(dtype).kind == 'f': want = a.astype(dtype)
    else:
        i = np.iinfo(dtype)
        want = np.where(np.isnan(a), nodata, np.clip(np.rint(a), i.min, i.max))
    bad = ~((found == want) | (np.isnan(found.astype(float)) & np.isnan(want)))
    out += [[case, str(a[k]), str(want[k]), str(found[k])] for k in np.flatnonzero(bad)] + ([] if len(found) == 16 else [[case, len(found)]])
print(json.dumps(out))`,
      [workspace.folder, ...found],
    );
    assert.deepEqual(differences, []);
  });

  // Catches: a program's own nodata value or mask that is taken for data.
  void it("give the job's nodata where the file declares nodata", async () => {
    const samples = pattern('uint8', 2, 70, 45);
    const run = async (args: readonly string[], output: { dtype: Dtype; nodata?: number }): Promise<SampleArray> => {
      const { outputs } = await runTile({
        command: ['gdal_translate', '-q', '--config', 'GDAL_TIFF_INTERNAL_MASK', 'YES', ...args, '{input.x}', '{output.y}'],
        window,
        inputs: { x: { dtype: 'uint8', bands: 2, samples } },
        outputs: { y: { ...output, bands: args.includes('-mask') ? 1 : 2 } },
        scratch: workspace.path('scratch'),
      });
      return outputs['y'] ?? assert.fail();
    };
    const marked = (nodata: number): number[] => Array.from(samples, (value) => (value === 37 ? nodata : value));
    assert.ok(samples.includes(37));
    assert.deepEqual(Array.from(await run(['-a_nodata', '37'], { dtype: 'uint8', nodata: 255 })), marked(255));
    assert.deepEqual(Array.from(await run(['-a_nodata', '37'], { dtype: 'float32', nodata: Number.NaN })), marked(Number.NaN));
    assert.deepEqual(Array.from(await run(['-a_nodata', '37'], { dtype: 'uint8' })), Array.from(samples), 'a job without nodata keeps the numbers');
    // Band 2 as the mask of band 1: 0 is nodata.
    const masked = await run(['-b', '1', '-mask', '2', '-co', 'COMPRESS=DEFLATE'], { dtype: 'int16', nodata: -1 });
    const pixels = 70 * 45;
    assert.deepEqual(Array.from(masked), Array.from(samples.subarray(0, pixels), (value, i) => (samples[pixels + i] === 0 ? -1 : value)));
    assert.ok(masked.includes(-1));
  });

  // Catches: blocks that GDAL never wrote, which hold nodata.
  void it('may have blocks that were never written', async () => {
    const { outputs } = await runTile({
      command: [gdalPython, '-c', "import sys, numpy as np; from osgeo import gdal; d = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 70, 45, 1, gdal.GDT_Int16, ['SPARSE_OK=YES', 'TILED=YES', 'BLOCKXSIZE=16', 'BLOCKYSIZE=16']); b = d.GetRasterBand(1); b.SetNoDataValue(-3); b.WriteArray(np.full((4, 5), 6), 17, 18); d.FlushCache()", '{output.y}'],
      window,
      outputs: { y: { dtype: 'uint8', nodata: 200 } },
      scratch: workspace.path('scratch'),
    });
    const wanted = new Uint8Array(70 * 45).fill(200);
    for (let row = 18; row < 22; row++) wanted.fill(6, row * 70 + 17, row * 70 + 22);
    assert.deepEqual(outputs['y'], wanted);
  });

  // Catches: anything at all between the pixels of a job and a program: tiles put together are what the program makes of the whole.
  void it('make of tiles what GDAL makes of the whole', async () => {
    runPython(
      `
import sys, numpy as np
from osgeo import gdal, osr
rng = np.random.default_rng(3)
a = (rng.normal(0, 1, (200, 300)).cumsum(0).cumsum(1) // 40).astype(np.int16)
a[rng.random(a.shape) < 0.05] += 3
d = gdal.GetDriverByName('GTiff').Create(sys.argv[1] + '/whole.tif', 300, 200, 1, gdal.GDT_Int16)
d.SetGeoTransform([600000, 10, 0, 5000000, 0, -20]); s = osr.SpatialReference(); s.ImportFromEPSG(32633); d.SetProjection(s.ExportToWkt())
d.GetRasterBand(1).WriteArray(a); a.tofile(sys.argv[1] + '/whole.bin')
`,
      [workspace.folder],
    );
    const whole = new Int16Array(fileBytes(workspace.path('whole.bin')));
    const cut = (column: number, row: number, columns: number, rows: number): Int16Array => {
      const part = new Int16Array(columns * rows);
      for (let y = 0; y < rows; y++) part.set(whole.subarray((row + y) * 300 + column, (row + y) * 300 + column + columns), y * columns);
      return part;
    };
    const expectedOf = (program: string, args: readonly string[], dtype: 'Int16' | 'Float32'): ArrayBuffer => {
      shell(program, ...args, workspace.path('expected.tif'));
      shell('gdal_translate', '-q', '-of', 'ENVI', '-ot', dtype, workspace.path('expected.tif'), workspace.path('expected.envi'));
      return fileBytes(workspace.path('expected.envi'));
    };
    // Pointwise, on four tiles.
    const scaled = new Float32Array(expectedOf('gdal_translate', ['-q', '-ot', 'Float32', '-scale', '-50', '50', '0', '1', workspace.path('whole.tif')], 'Float32'));
    for (const [column, row] of [[0, 0], [150, 0], [0, 100], [150, 100]] as const) {
      const { outputs } = await runTile({
        command: ['gdal_translate', '-q', '-ot', 'Float32', '-scale', '{parameter.from}', '50', '0', '1', '{input.scene}', '{output.scaled}'],
        window: { column, row, columns: 150, rows: 100 },
        inputs: { scene: { dtype: 'int16', samples: cut(column, row, 150, 100) } },
        outputs: { scaled: { dtype: 'float32' } },
        parameters: { from: -50 },
        scratch: workspace.path('scratch'),
      });
      const found = outputs['scaled'] ?? assert.fail();
      for (let y = 0; y < 100; y++) assert.deepEqual(found.subarray(y * 150, (y + 1) * 150), scaled.subarray((row + y) * 300 + column, (row + y) * 300 + column + 150));
    }
    // With neighbours: the same part of the whole, margin included.
    shell('gdal_translate', '-q', '-srcwin', '60', '40', '132', '96', workspace.path('whole.tif'), workspace.path('part.tif'));
    const sieved = new Int16Array(expectedOf('gdal_sieve.py', ['-q', '-st', '4', '-8', workspace.path('part.tif')], 'Int16'));
    const { outputs } = await runTile({
      command: ['gdal_sieve.py', '-q', '-st', '4', '-8', '{input.scene}', '{output.clean}'],
      window: { column: 76, row: 56, columns: 100, rows: 64 },
      halo: 16,
      inputs: { scene: { dtype: 'int16', samples: cut(60, 40, 132, 96) } },
      outputs: { clean: { dtype: 'int16' } },
      scratch: workspace.path('scratch'),
    });
    assert.deepEqual(outputs['clean'], sieved);
    assert.notDeepEqual(outputs['clean'], cut(60, 40, 132, 96), 'something was sieved');
    assert.ok(!existsSync(workspace.path('scratch')), 'the scratch folder is gone');
  });

  // Catches: a first tile that is refused because it isn't known yet how many bands there will be.
  void it('are only looked at when the first tile is tried', async () => {
    const { reply } = await runTile({
      command: ['gdal_translate', '-q', '-ot', 'UInt16', '-b', '1', '-b', '1', '-b', '1', '{input.x}', '{output.y}'],
      window,
      inputs: { x: { dtype: 'uint8', samples: pattern('uint8', 1, 70, 45) } },
      outputs: { y: { dtype: 'float32' } },
      scratch: workspace.path('scratch'),
      probe: true,
    });
    assert.deepEqual(reply, { outputs: [{ dtype: 'uint16', bands: 3 }] });
  });
});
