/** The bytes that a tile can need at once: what the memory projection stands on. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { largestTileBytes, measureFile } from '../../lib/job/read-ahead.ts';
import { fileHref } from '../../lib/store/href.ts';
import { createStore } from '../../lib/store/routing-store.ts';
import { openTiff } from '../../lib/tiff/open.ts';
import { runPythonJson, withoutGdal } from '../support/gdal.ts';

/** A file that is empty but for one corner of noise; gives the sizes of all blocks as GDAL knows them. */
const program = `
import json, sys, numpy
from osgeo import gdal
gdal.UseExceptions()
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 1024, 768, 2, gdal.GDT_UInt16, ['TILED=YES', 'BLOCKXSIZE=128', 'BLOCKYSIZE=128', 'COMPRESS=DEFLATE', 'SPARSE_OK=TRUE', 'INTERLEAVE=PIXEL'])
noise = numpy.random.default_rng(1).integers(0, 65535, (200, 300), dtype=numpy.uint16)
for band in (1, 2): ds.GetRasterBand(band).WriteArray(noise, 300, 260)
ds = None
ds = gdal.Open(sys.argv[1])
band = ds.GetRasterBand(1)
sizes = [[int(band.GetMetadataItem('BLOCK_SIZE_%d_%d' % (x, y), 'TIFF') or 0) for x in range(8)] for y in range(6)]
print(json.dumps(sizes))
`;

void describe('the largest tile of a file', { skip: withoutGdal }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'tilefan-read-ahead-'));
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  // Catches: a projection from the file's mean, which a dense corner of a sparse file exceeds many times.
  void it('is the sum of the blocks under it, as GDAL gives their sizes', async () => {
    const file = path.join(folder, 'sparse.tif');
    const sizes = runPythonJson(program, [file]) as number[][];
    const store = createStore();
    const measured = await measureFile(await openTiff(store, fileHref(file)));
    const place = { column: 0, row: 0, window: { column: 0, row: 0, columns: 1024, rows: 768 } };
    for (const tileSize of [128, 256, 512]) {
      const side = tileSize / 128;
      const tiles: number[] = [];
      for (let y = 0; y < 6; y += side) {
        for (let x = 0; x < 8; x += side) tiles.push(sizes.slice(y, y + side).flatMap((row) => row.slice(x, x + side)).reduce((sum, size) => sum + size, 0));
      }
      assert.equal(largestTileBytes(measured, place, tileSize, 0), Math.max(...tiles), `tiles of ${String(tileSize)} px`);
    }
    // Where the lengths are too many to read, a block counts as large as it is decoded, and no more than the file.
    assert.equal(largestTileBytes({ ...measured, lengths: undefined }, place, 128, 0), Math.min(measured.tiff.size, 4 * 128 * 128 * 4));
    await store.close();
  });
});
