/** What outputs of code are of which the job says nothing but where they go: bands, type and nodata value, as docs/job-spec.md has it. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { runJob } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { codeEnv } from '../support/user-code.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('code-defaults');
after(() => space.remove());

/** What an output is: bands, type, nodata value as Python writes it, and the pixels that its statistics count of 200 x 100, of which a fifth is nodata in the input. */
interface Made {
  readonly bands: number;
  readonly type: string;
  readonly nodata: string;
  readonly count: number;
}

const cases: Readonly<Record<string, { readonly operation: object; readonly output?: object; readonly made: Made }>> = {
  'three bands assigned in TypeScript': { operation: { module: 'd.ts', function: 'all' }, made: { bands: 3, type: 'Byte', nodata: 'None', count: 20_000 } },
  'an array filled in TypeScript': { operation: { module: 'd.ts', function: 'first' }, made: { bands: 1, type: 'Float32', nodata: 'nan', count: 20_000 } },
  'three bands of a program': { operation: { command: ['cp', '{input.a}', '{output.o}'] }, made: { bands: 3, type: 'Byte', nodata: 'None', count: 20_000 } },
  'three bands in Python': { operation: { module: 'd.py', function: 'all' }, made: { bands: 3, type: 'Byte', nodata: 'None', count: 20_000 } },
  'integers with a type and no nodata value': { operation: { module: 'd.py', function: 'all' }, output: { dtype: 'uint8' }, made: { bands: 3, type: 'Byte', nodata: 'None', count: 20_000 } },
  'floats': { operation: { module: 'd.py', function: 'all' }, output: { dtype: 'float32' }, made: { bands: 3, type: 'Float32', nodata: 'nan', count: 20_000 } },
  'integers that are masked': { operation: { module: 'd.py', function: 'all', nodata: 'mask' }, output: { dtype: 'uint8' }, made: { bands: 3, type: 'Byte', nodata: '0.0', count: 16_000 } },
};

void describe('outputs of code of which the job says nothing', { skip: withoutGdal, concurrency: 2 }, () => {
  before(() => {
    makeFiles(
      `
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 200, 100, 3, gdal.GDT_Byte)
ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
pixels = np.full((3, 100, 200), 7, np.uint8)
pixels[:, :20] = 0
ds.WriteArray(pixels)
for band in (1, 2, 3): ds.GetRasterBand(band).SetNoDataValue(0)
ds = None`,
      [space.path('a.tif')],
    );
    writeFileSync(space.path('d.py'), 'def all(info, inputs, outputs):\n    outputs.o = inputs.a\n');
    writeFileSync(space.path('d.ts'), 'export function all({ inputs, outputs }: any) { outputs.o = inputs.a.slice(); }\nexport function first({ inputs, outputs }: any) { outputs.o.set(inputs.a.band(1)); }\n');
  });

  for (const [name, { operation, output = {}, made }] of Object.entries(cases)) {
    // Catches: a file that is another than the documentation says, by bands, type or nodata value, and statistics that leave out what is data.
    void it(`are what the documentation says: ${name}`, async () => {
      const stem = name.replaceAll(' ', '-');
      const job = space.job(`${stem}.json`, { inputs: { a: 'a.tif' }, operation, outputs: { o: { href: `${stem}.tif`, ...output } } });
      const record = await runJob([job, '--work', space.path('work'), '--workers', '1'], { env: codeEnv });
      assertNoDifferences(
        `
ds = gdal.Open(sys.argv[1])
found = [ds.RasterCount, gdal.GetDataTypeName(ds.GetRasterBand(1).DataType), str(ds.GetRasterBand(1).GetNoDataValue())]
answer([] if found == json.loads(sys.argv[2]) else ['found %r' % found])`,
        [space.path(`${stem}.tif`), JSON.stringify([made.bands, made.type, made.nodata])],
      );
      assert.deepEqual(record.outputs[0]?.bands.map(({ statistics }) => statistics?.count), Array.from({ length: made.bands }, () => made.count));
    });
  }
});
