/**
 * Rasters that don't line up, through whole runs: each comes onto the grid as one gdalwarp onto the whole grid brings it there, and what lies
 * on the grid's own pixels is taken as it is, without GDAL. The outputs are float64, with not-a-number where an input has no data, so that they show both.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { Plan } from '../../lib/job/plan.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { withoutGdalPrograms } from '../gdal/oracle.ts';
import { runInProcess } from '../support/in-process-run.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { warpScales } from '../support/warp-scales.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('alignment');
const store = new FileStore();
after(async () => {
  await store.close();
  space.remove();
});

type Input = Readonly<Record<string, unknown>> & { readonly href: string; readonly resampling?: string; readonly fill?: number; readonly nodata?: number | string | null };

/** Runs a job with an output for each input, and compares each with gdalwarp's answer. @param how `cut`: an input covers so little of the grid that gdalwarp would cut it */
async function check(inputs: Readonly<Record<string, Input>>, grid: object, how: { readonly warped: readonly string[]; readonly cut?: boolean; readonly tilesPerTask?: number }): Promise<Plan> {
  const folder = space.newFolder();
  const names = Object.keys(inputs);
  const { plan } = await runInProcess({
    store,
    work: folder,
    inFlight: 3,
    job: {
      inputs,
      grid: { tileSize: 128, ...grid },
      compute: { tilesPerTask: how.tilesPerTask ?? 'auto' },
      operation: { expression: Object.fromEntries(names.map((name) => [name, `${name}[1]`])) },
      outputs: Object.fromEntries(names.map((name) => [name, { href: `${folder}/${name}.tif`, dtype: 'float64', nodata: 'nan', overviews: 'none', statistics: false, blockSize: 128 }])),
    },
  });
  const reading = Object.fromEntries(plan.inputs.map(({ name, scenes: [scene] }) => [name, scene?.reading.by]));
  assert.deepEqual(reading, Object.fromEntries(names.map((name) => [name, how.warped.includes(name) ? 'warp' : 'blocks'])));
  const scales = how.cut === true ? await warpScales(plan, `${folder}/${names[0] ?? ''}.tif`) : {};
  const facts = plan.inputs.map(({ name, fill, fillIsData, scenes: [scene] }) => ({ name, fill, fillIsData, nodata: inputs[name]?.nodata === undefined ? 'file' : inputs[name].nodata, href: inputs[name]?.href, resampling: how.warped.includes(name) ? (inputs[name]?.resampling ?? 'nearest') : 'nearest', scale: scales[scene?.href ?? ''] }));
  assertNoDifferences(
    `
from grid_oracle import *
folder, out = sys.argv[1], []
for f in json.loads(sys.argv[2]):
    path = folder + '/' + f['name'] + '.tif'
    nodata = float(f['nodata']) if f['nodata'] not in ('file', None) else f['nodata']
    values, valid, reached = on_grid(f['href'], path, f['resampling'], nodata, f.get('scale'))
    if not valid.any():
        out.append('nothing of %s lies on the grid' % f['name'])
    out += differences(path, as_input(values, valid, reached, float(f['fill']), f['fillIsData'])[:1], f['name'])
answer(out)`,
    [folder, JSON.stringify(facts)],
  );
  return plan;
}

void describe('inputs of any grid', { skip: withoutGdalPrograms }, () => {
  // Catches, for each resampling and CRS: pixels that differ from gdalwarp's, at edges, at gaps, under masks and beyond the input.
  void it('are warped as gdalwarp does it, by every resampling, out of any CRS', async () => {
    const resamplings = ['nearest', 'bilinear', 'cubic', 'average', 'mode', 'min', 'max', 'med'];
    const places: readonly (readonly [epsg: number, size: number])[] = [[32634, 10], [3857, 14], [4326, 0.0001], [3035, 4.1], [32633, 10], [32633, 3.3], [32633, 37], [4326, 0.00031]];
    const inputs: Record<string, Input> = { reference: { href: space.path('reference.tif') } };
    const kinds: unknown[] = [];
    for (const [i, resampling] of resamplings.entries()) {
      const [epsg, size] = places[i] as [number, number];
      const kind = { name: `w${String(i)}`, epsg, size, dtype: ['int16', 'float32', 'uint8', 'uint16'][i % 4], nodata: [null, -9, 0, null, 7, null, 200, null][i], mask: [null, null, null, 'mask', null, 'alpha', null, null][i] };
      kinds.push(kind);
      inputs[kind.name] = { href: space.path(`${kind.name}.tif`), resampling, ...(i === 1 || i === 3 || i === 7 ? { fill: 3 } : {}), ...(i === 4 ? { nodata: null } : {}) };
    }
    makeFiles(
      `
from grid_oracle import *
folder = sys.argv[1]
reference = [500000.0, 10.0, 0, 5000000.0, 0, -10.0]
make_raster(folder + '/reference.tif', 300, 260, reference, 32633)
centre = (500000 + 1500, 5000000 - 1300)
for n, k in enumerate(json.loads(sys.argv[2])):
    metres = k['size'] * (90000 if k['epsg'] == 4326 else 1)
    columns, rows = int(2600 / metres) + n, int(2500 / metres)
    gt = place_around(centre, 32633, k['epsg'], k['size'], columns, rows, (n - 3.3, 2.7 - n))
    make_raster(folder + '/' + k['name'] + '.tif', columns, rows, gt, k['epsg'], k['dtype'], 1, k['nodata'], k['mask'], n)`,
      [space.folder, JSON.stringify(kinds)],
    );
    await check(inputs, { like: 'reference', footprint: 'reference' }, { warped: Object.keys(inputs).filter((name) => name !== 'reference'), tilesPerTask: 4 });
  });

  // Catches: blocks of an input at an offset that are drawn in the wrong place; fill, nodata and masks beyond its edges; GDAL where none is needed.
  void it('are taken as they are where they lie on the pixels of the grid, without GDAL', async () => {
    const kinds = [
      { name: 'before', at: [-37, -21], size: [200, 150], nodata: 5 },
      { name: 'behind', at: [150, 101], size: [300, 300], options: ['COMPRESS=LZW', 'BLOCKYSIZE=7'] },
      { name: 'inside', at: [33, 44], size: [90, 80], dtype: 'uint8', nodata: 0 },
      { name: 'around', at: [-100, -90], size: [600, 500], options: ['TILED=YES', 'BLOCKXSIZE=80', 'BLOCKYSIZE=48', 'COMPRESS=DEFLATE', 'PREDICTOR=2'] },
      { name: 'touching', at: [299, 259], size: [40, 40], nodata: 5 },
      { name: 'masked', at: [-20, 30], size: [250, 260], mask: 'mask' },
      { name: 'alpha', at: [20, -30], size: [250, 260], mask: 'alpha', dtype: 'uint16', bands: 2 },
      { name: 'filled', at: [10, 10], size: [100, 100], nodata: 5, input: { fill: 77 } },
      { name: 'maskedfilled', at: [40, 60], size: [100, 100], mask: 'mask', input: { fill: 77 } },
      { name: 'nodatanull', at: [0, 0], size: [100, 100], nodata: 5, input: { nodata: null } },
      { name: 'nodataown', at: [0, 0], size: [100, 100], dtype: 'float32', nodata: 5, input: { nodata: -1 } },
      { name: 'bands', at: [-5, 8], size: [310, 250], bands: 3, options: ['INTERLEAVE=BAND', 'TILED=YES', 'BLOCKXSIZE=32', 'BLOCKYSIZE=64'] },
    ];
    makeFiles(
      `
from grid_oracle import *
folder = sys.argv[1]
make_raster(folder + '/on-reference.tif', 300, 260, [500000.0, 10.0, 0, 5000000.0, 0, -10.0], 32633)
for n, k in enumerate(json.loads(sys.argv[2])):
    gt = [500000.0 + k['at'][0] * 10, 10.0, 0, 5000000.0 - k['at'][1] * 10, 0, -10.0]
    make_raster(folder + '/' + k['name'] + '.tif', *k['size'], gt, 32633, k.get('dtype', 'int16'), k.get('bands', 1), k.get('nodata'), k.get('mask'), n, k.get('options', ['TILED=YES', 'BLOCKXSIZE=64', 'BLOCKYSIZE=64']))`,
      [space.folder, JSON.stringify(kinds)],
    );
    const inputs: Record<string, Input> = { reference: { href: space.path('on-reference.tif') } };
    for (const { name, input } of kinds) inputs[name] = { href: space.path(`${name}.tif`), ...input };
    const python = process.env['TILEFAN_PYTHON'];
    process.env['TILEFAN_PYTHON'] = '/nonexistent';
    try {
      await check(inputs, { like: 'reference', footprint: 'reference' }, { warped: [] });
      await check(Object.fromEntries(Object.entries(inputs).slice(0, 5)), { footprint: 'union' }, { warped: [], tilesPerTask: 2 });
    } finally {
      if (python === undefined) delete process.env['TILEFAN_PYTHON'];
      else process.env['TILEFAN_PYTHON'] = python;
    }
  });

  // Catches: a lattice that is rotated or has its first row in the south, taken for one that is north-up.
  void it('may lie on a rotated or a south-up lattice, and others are warped onto it', async () => {
    const rotated = [500_000, 8, 6, 5_000_000, 6, -8];
    const southUp = [500_000, 10, 0, 4_997_000, 0, 10];
    makeFiles(
      `
from grid_oracle import *
folder = sys.argv[1]
for name, gt in json.loads(sys.argv[2]).items():
    make_raster(folder + '/' + name + '.tif', 200, 180, gt, 32633, seed=3)
    x, y = gt[0] + 30 * gt[1] - 20 * gt[2], gt[3] + 30 * gt[4] - 20 * gt[5]
    make_raster(folder + '/' + name + '-shifted.tif', 200, 180, [x, gt[1], gt[2], y, gt[4], gt[5]], 32633, seed=4, nodata=9)
make_raster(folder + '/upright.tif', 300, 300, [500003.0, 9.0, 0, 5000400.0, 0, -9.0], 32633, seed=5, nodata=9)`,
      [space.folder, JSON.stringify({ rotated, southup: southUp })],
    );
    for (const name of ['rotated', 'southup']) {
      const own = { reference: { href: space.path(`${name}.tif`) }, shifted: { href: space.path(`${name}-shifted.tif`) } };
      // oxlint-disable-next-line no-await-in-loop
      await check({ ...own, upright: { href: space.path('upright.tif'), resampling: 'bilinear' } }, { like: 'reference', footprint: 'reference' }, { warped: ['upright'] });
      // oxlint-disable-next-line no-await-in-loop
      await check(own, { footprint: 'union' }, { warped: [] });
    }
    await check({ upright: { href: space.path('upright.tif') }, r: { href: space.path('rotated.tif'), resampling: 'cubic' }, s: { href: space.path('southup.tif') } }, { like: 'upright', footprint: 'union' }, { warped: ['r', 's'], cut: true });
  });
});
