/** Focal operations through whole runs, against scipy and gdaldem; and what they read: no byte of a block twice in a batch. */
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { fileHref } from '../../lib/store/href.ts';
import { withoutGdalPrograms } from '../gdal/oracle.ts';
import { CountingStore } from '../support/counting-store.ts';
import { runInProcess } from '../support/in-process-run.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('focal');
const store = new CountingStore();
after(async () => {
  await store.close();
  space.remove();
});

// Catches: neighbours lost at the edges of tiles, fill inside the image, blocks fetched again by the tile beside.
void it('focal operations over many tiles are those over the whole image, and fetch each block once', { skip: withoutGdalPrograms }, async () => {
  const folder = space.newFolder();
  const input = space.path('in.tif');
  // Blocks of 94 KiB without compression: between those that a tile wants lies more than is read for nothing.
  makeFiles(`from grid_oracle import *\nmake_raster(sys.argv[1], 700, 600, [500000.0, 10.0, 0, 5000000.0, 0, -10.0], 32633, 'float64', options=['TILED=YES', 'BLOCKXSIZE=112', 'BLOCKYSIZE=112'])`, [input]);
  const expressions = { mean: 'focal_mean(a, 5)', largest: 'focal_max(a, 9, 3)', edges: 'convolve(a, k)', slope: 'slope(a)' };
  await runInProcess({
    store,
    work: folder,
    inFlight: 3,
    order: (lines) => {
      assert.equal(lines.length, 1);
      store.reads.length = 0;
      return lines;
    },
    job: {
      inputs: { a: input },
      grid: { tileSize: 128 },
      compute: { tilesPerTask: 64 },
      operation: { expression: expressions, kernels: { k: [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]] } },
      outputs: Object.fromEntries(Object.keys(expressions).map((name) => [name, { href: `${folder}/${name}.tif`, dtype: 'float64', nodata: 'nan', overviews: 'none', statistics: false, blockSize: 128 }])),
    },
  });
  const blocks = store.reads.filter(({ href, length }) => href === fileHref(input) && length % (112 * 112 * 8) === 0).toSorted((a, b) => a.offset - b.offset);
  for (const [i, { offset }] of blocks.entries()) {
    const before = blocks[i - 1];
    assert.ok(before === undefined || offset >= before.offset + before.length, `bytes from ${String(offset)} on were fetched twice`);
  }
  assert.equal(blocks.reduce((sum, { length }) => sum + length, 0), 7 * 6 * 112 * 112 * 8);
  assertNoDifferences(
    `
from grid_oracle import *
from scipy import ndimage
folder, a = sys.argv[1], gdal.Open(sys.argv[2]).ReadAsArray()
run(['gdaldem', 'slope', '-q', sys.argv[2], folder + '/gdaldem.tif'])
count = ndimage.uniform_filter(np.ones_like(a), 5, mode='constant')
slope = gdal.Open(folder + '/gdaldem.tif').ReadAsArray().astype(np.float64)
edges = ndimage.correlate(a, np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], float), mode='constant')
edges[[0, -1]] = np.nan
edges[:, [0, -1]] = np.nan
wanted = {'mean': ndimage.uniform_filter(a, 5, mode='constant') / count, 'largest': ndimage.maximum_filter(a, (3, 9), mode='constant', cval=-np.inf), 'edges': edges, 'slope': np.where(slope == -9999, np.nan, slope)}
out = []
for name, w in wanted.items():
    found = gdal.Open(folder + '/' + name + '.tif').ReadAsArray()
    if not np.allclose(found, w, rtol=1e-6 if name == 'slope' else 1e-10, atol=1e-6 if name == 'slope' else 1e-9, equal_nan=True):
        out.append('%s differs by %r' % (name, float(np.nanmax(np.abs(found - w)))))
answer(out)`,
    [folder, input],
  );
});
