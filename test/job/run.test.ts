/**
 * Whole runs, in this process, against numpy. Would catch: pixels or overviews that depend on how the grid was cut; a nodata pixel that gets lost
 * on the way; statistics that are not those of the pixels; files that are no COGs.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { reduce } from '../../lib/job/reduce.ts';
import { allocateSamples, type Dtype } from '../../lib/raster/dtype.ts';
import { seededRandom, type NumpyArray } from '../support/arrays.ts';
import { withoutGdal } from '../support/gdal.ts';
import { Bench, manifestOf, problemsOf, runBatches, writeInputs, type Expectation, type InputFile } from './pipeline.ts';

function image(dtype: Dtype, bands: number, rows: number, columns: number, seed: number, value: (random: () => number, x: number, y: number, band: number) => number): NumpyArray {
  const random = seededRandom(seed);
  const samples = allocateSamples(dtype, bands * rows * columns);
  for (let i = 0; i < samples.length; i++) samples[i] = value(random, i % columns, Math.floor(i / columns) % rows, Math.floor(i / columns / rows));
  return { dtype, shape: [bands, rows, columns], samples };
}

const scene = image('uint16', 3, 501, 701, 1, (random, x, y, band) => (x + y < 300 ? 0 : Math.floor(2000 + 900 * Math.sin(x / 40 + band) + random() * 500)));
const dem = image('float32', 1, 501, 701, 2, (random, x, y) => (x > 500 && y > 400 ? Number.NaN : Math.fround(1e6 + Math.sin(y / 30) + random())));
const classes = image('uint8', 1, 501, 701, 3, (random, x, y) => (x < 270 && y < 390 ? 0 : 1 + Math.floor((x / 64 + y / 50) % 5) * (random() < 0.9 ? 1 : 0)));
const arrays = { scene, dem, classes };

const files: readonly InputFile[] = [
  { name: 'scene.tif', array: 'scene', nodata: 0, options: ['TILED=YES', 'BLOCKXSIZE=256', 'BLOCKYSIZE=256', 'COMPRESS=DEFLATE', 'PREDICTOR=2'] },
  { name: 'dem.tif', array: 'dem', options: ['INTERLEAVE=BAND', 'BLOCKYSIZE=9'] },
  { name: 'classes.tif', array: 'classes', options: ['TILED=YES', 'BLOCKXSIZE=128', 'BLOCKYSIZE=64', 'COMPRESS=LZW'], script: 'ds.CreateMaskBand(gdal.GMF_PER_DATASET)\nm = np.full(a.shape[1:], 255, np.uint8); m[100:333, 50:444] = 0; ds.GetRasterBand(1).GetMaskBand().WriteArray(m)' },
  // Only one corner is ever written; the rest is nodata without blocks.
  { name: 'sparse.tif', array: 'scene', nodata: 7, options: ['SPARSE_OK=TRUE', 'TILED=YES', 'BLOCKXSIZE=128', 'BLOCKYSIZE=128', 'INTERLEAVE=BAND'], script: 'for i in range(3): ds.GetRasterBand(i + 1).WriteArray(a[i, 384:450, 512:600], 512, 384)' },
];

interface Case {
  readonly name: string;
  readonly job: (folder: string) => Record<string, unknown>;
  readonly expect: readonly Omit<Expectation, 'file'>[];
}

const cases: readonly Case[] = [
  {
    name: 'index of two bands in float32, average overviews',
    job: () => ({ inputs: { s: 'scene.tif' }, operation: { expression: { out: '(s[2] - s[1]) / (s[2] + s[1])' } }, outputs: { out: { href: 'out.tif', blockSize: 128 } } }),
    expect: [{ want: "s = arrays['scene'].astype(float); a = (s[1] - s[0]) / (s[1] + s[0]); a[(s[0] == 0) | (s[1] == 0)] = np.nan; want = np.stack([a]).astype(np.float32)", nodata: 'nan', overviews: 'average', levels: 4 }],
  },
  {
    name: 'several bands in int16, nearest overviews, bands chosen',
    job: () => ({
      inputs: { s: { href: 'scene.tif', bands: [3, 1] } },
      operation: { expression: { out: ['s[1] - 2000', 's[2] / 3', 's[1] - s[2]'] } },
      outputs: { out: { href: 'out.tif', dtype: 'int16', nodata: -1, compression: 'zstd', blockSize: 128, overviews: 'nearest', bandNames: ['a', 'b', 'c'] } },
    }),
    // A valid pixel that is rounded to the nodata value is nodata from there on.
    expect: [{ want: "s = arrays['scene'].astype(float); n2 = s[2] == 0; n0 = s[0] == 0; w = [np.rint(s[2] - 2000), np.rint(s[0] / 3), np.rint(s[2] - s[0])]\nw[0][n2] = -1; w[1][n0] = -1; w[2][n0 | n2] = -1; want = np.stack(w).astype(np.int16)", nodata: -1, overviews: 'nearest', levels: 4 }],
  },
  {
    name: 'two outputs, a mask, mode and no overviews',
    job: () => ({
      inputs: { c: 'classes.tif', d: 'dem.tif' },
      operation: { expression: { cls: 'c[1]', height: 'd[1] * k + c[1]' }, parameters: { k: 0.5 } },
      outputs: { cls: { href: 'cls.tif', dtype: 'uint8', nodata: 255, blockSize: 128, overviews: 'mode', compression: 'lzw' }, height: { href: 'height.tif', dtype: 'float64', nodata: -9999, blockSize: 128, overviews: 'none', predictor: 1, statistics: false } },
    }),
    expect: [
      { want: "c = arrays['classes'].copy(); c[:, 100:333, 50:444] = 255; want = c", nodata: 255, overviews: 'mode', levels: 4 },
      { want: "want = arrays['dem'].astype(float) * 0.5 + arrays['classes']; want[:, 100:333, 50:444] = -9999", nodata: -9999, overviews: 'none', levels: 1, statistics: false },
    ],
  },
  {
    name: 'sparse input, sparse output',
    job: () => ({ inputs: { s: 'sparse.tif' }, operation: { expression: { out: ['s[1] + 1', 's[3]'] } }, outputs: { out: { href: 'out.tif', dtype: 'uint16', blockSize: 128, overviews: 'average' } } }),
    expect: [{ want: "want = np.full((2, 501, 701), 7, np.uint16); s = arrays['scene'][:, 384:450, 512:600]; want[0, 384:450, 512:600] = s[0] + 1; want[1, 384:450, 512:600] = s[2]", nodata: 7, overviews: 'average', levels: 4 }],
  },
];

/** Tile sizes and tiles per task: overviews made in tiles, in batches, in reduce, and in all three. */
const cuts = [
  [128, 1],
  [128, 4],
  [128, 8],
  [256, 1],
  [256, 16],
  [2048, 'auto'],
] as const;

void describe('whole runs', () => {
  for (const { name, job, expect } of cases) {
    void it(`equal numpy however the grid is cut: ${name}`, { skip: withoutGdal }, async () => {
      await using bench = new Bench();
      writeInputs(bench.folder, arrays, files);
      const expectations: Expectation[] = [];
      for (const [tileSize, tilesPerTask] of cuts) {
        const run = `run-${tileSize}-${tilesPerTask}`;
        const document = job(bench.folder) as { inputs: Record<string, string | { href: string }>; outputs: Record<string, { href: string }> };
        const inputs = Object.fromEntries(Object.entries(document.inputs).map(([key, input]) => [key, typeof input === 'string' ? bench.file(input) : { ...input, href: bench.file(input.href) }]));
        const outputs = Object.fromEntries(Object.entries(document.outputs).map(([key, output]) => [key, { ...output, href: bench.file(`{run}-${output.href}`) }]));
        const state = await bench.split({ ...document, inputs, outputs, grid: { tileSize }, compute: { tilesPerTask } }, run);
        const lines = manifestOf(state);
        if (tilesPerTask === 1) assert.equal(lines.length, Math.ceil(701 / tileSize) * Math.ceil(501 / tileSize));
        const summary = await runBatches(bench.store, state);
        assert.deepEqual(summary, { computed: Math.ceil(701 / tileSize) * Math.ceil(501 / tileSize), reused: 0 });
        const { status } = await reduce(state, { store: bench.store });
        assert.equal(status, 'DONE');
        for (const [i, output] of Object.values(document.outputs).entries()) {
          const each = expect[i];
          assert.ok(each);
          expectations.push({ ...each, file: bench.file(`${run}-${output.href}`) });
        }
      }
      assert.deepEqual(problemsOf(arrays, expectations), []);
    });
  }
});
