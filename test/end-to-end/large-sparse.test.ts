/** The test of scale: 200,000 x 200,000 px, mostly empty, every level exact. */
import { statSync } from 'node:fs';
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { recordOf, runCli } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('large');
after(() => space.remove());
const scene = space.path('scene.tif');
const side = 200_000;
/** Patches of pixels: column, row, columns, rows. All corners, an edge, one across the borders of batches, one of a single pixel. */
const patches: readonly (readonly [column: number, row: number, columns: number, rows: number])[] = [
  [0, 0, 700, 300],
  [side - 513, 0, 513, 257],
  [0, side - 411, 300, 411],
  [side - 777, side - 333, 777, 333],
  [65_000, 130_900, 1500, 400],
  [99_999, 77_777, 1, 1],
  [side - 90, 131_071, 90, 3],
];

void describe('a raster of 200,000 x 200,000 px', { skip: withoutGdal }, () => {
  before(() => {
    makeFiles(
      `
side, patches = int(sys.argv[2]), json.loads(sys.argv[3])
rng = np.random.default_rng(21)
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], side, side, 1, gdal.GDT_Int16, ['TILED=YES', 'BLOCKXSIZE=512', 'BLOCKYSIZE=512', 'SPARSE_OK=TRUE', 'BIGTIFF=YES', 'COMPRESS=DEFLATE'])
ds.SetGeoTransform((0, 1, 0, 0, 0, -1))
srs = osr.SpatialReference(); srs.ImportFromEPSG(3857); ds.SetProjection(srs.ExportToWkt())
band = ds.GetRasterBand(1)
band.SetNoDataValue(-32768)
saved = {}
for i, (x, y, w, h) in enumerate(patches):
    a = rng.integers(-3000, 3000, (h, w)).astype(np.int16)
    # Some pixels are nodata within a patch, too.
    a[rng.random(a.shape) < 0.1] = -32768
    if w == 1: a[:] = 1234
    band.WriteArray(a, x, y)
    saved[str(i)] = a
ds = None
np.savez(sys.argv[1] + '.npz', **saved)`,
      [scene, String(side), JSON.stringify(patches)],
    );
  });

  // Catches: time or memory that goes with the pixels instead of the work, a level that is lost or wrong where batches, passes or edges meet, and data where there is none.
  void it('is copied, with every level exact', async () => {
    const job = space.job('copy.json', {
      inputs: { a: scene },
      grid: { tileSize: 2048 },
      operation: { expression: { o: 'a[1]' } },
      outputs: { o: { href: space.path('o.tif'), dtype: 'int16', nodata: -32_768, blockSize: 512, compression: 'deflate', overviews: 'average' } },
      compute: { tilesPerTask: 1024 },
    });
    const record = recordOf(await runCli(['run', job, '--work', space.path('work'), '--run', 'r', '--json'], { env: { TILEFAN_REDUCE_BLOCKS: '4' } }));
    assert.deepEqual([record.tiles.total, record.tiles.done, record.batches.total], [98 * 98, 98 * 98, 16]);
    assert.ok(record.passes.length > 0, 'workers made the upper levels');
    // 152,881 blocks of the image, and as much again in overviews, take 12 bytes each in the header; the rest is the patches.
    assert.ok(statSync(space.path('o.tif')).size < 20e6);
    assertNoDifferences(
      `
side, patches = int(sys.argv[3]), json.loads(sys.argv[4])
saved = np.load(sys.argv[1] + '.npz')
out = []
ds = gdal.Open(sys.argv[2])
band = ds.GetRasterBand(1)
out += check_cog(sys.argv[2])
# Each region is a patch with nodata around it, begun at a multiple of 2^9: what it becomes on a level depends on nothing else.
levels = band.GetOverviewCount()
if levels != 9: out.append('%d overviews' % levels)
def halved(a, w, h):
    """The next level of a region, of which w x h cells lie in the image."""
    a = a[:h, :w].astype(np.float64)
    H, W = (h + 1) // 2, (w + 1) // 2
    sums, counts = np.zeros((H, W)), np.zeros((H, W))
    for y in (0, 1):
        for x in (0, 1):
            part = a[y::2, x::2]
            ok = part != -32768
            sums[:part.shape[0], :part.shape[1]] += np.where(ok, part, 0)
            counts[:part.shape[0], :part.shape[1]] += ok
    with np.errstate(all='ignore'):
        mean = sums / counts
    # Half away from zero, as GDAL rounds integers.
    mean = np.sign(mean) * np.floor(np.abs(mean) + 0.5)
    return np.where(counts > 0, mean, -32768).astype(np.int16)
regions = []
for i, (x, y, w, h) in enumerate(patches):
    x0, y0 = x // 512 * 512, y // 512 * 512
    x1, y1 = min(side, -(-(x + w) // 512) * 512), min(side, -(-(y + h) // 512) * 512)
    a = np.full((y1 - y0, x1 - x0), -32768, np.int16)
    a[y - y0:y - y0 + h, x - x0:x - x0 + w] = saved[str(i)]
    regions.append((x0, y0, a))
size = side
for level in range(levels + 1):
    b = band if level == 0 else band.GetOverview(level - 1)
    if (b.XSize, b.YSize) != (size, size): out.append('level %d is %d x %d, wanted %d' % (level, b.XSize, b.YSize, size))
    valid = 0
    for n, (x0, y0, a) in enumerate(regions):
        got = b.ReadAsArray(x0, y0, a.shape[1], a.shape[0])
        if not np.array_equal(got, a): out.append('level %d, patch %d: %d pixels differ' % (level, n, (got != a).sum()))
        valid += (a != -32768).sum()
    # Nowhere else is anything: from the blocks that are stored, all of which are read.
    found = 0
    bs = 512
    for by in range(-(-size // bs)):
        for bx in range(-(-size // bs)):
            if b.GetMetadataItem('BLOCK_OFFSET_%d_%d' % (bx, by), 'TIFF') is None: continue
            block = b.ReadAsArray(bx * bs, by * bs, min(bs, size - bx * bs), min(bs, size - by * bs))
            found += (block != -32768).sum()
    if found != valid: out.append('level %d has %d valid pixels, wanted %d' % (level, found, valid))
    regions = [(x0 // 2, y0 // 2, halved(a, a.shape[1], a.shape[0])) for x0, y0, a in regions]
    size = (size + 1) // 2
answer(out)`,
      [scene, space.path('o.tif'), String(side), JSON.stringify(patches)],
    );
  });
});
