/** What functions are told of the files that their inputs come from. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { runJob } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { makeFiles } from '../support/raster-oracle.ts';
import { codeEnv } from '../support/user-code.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('code-names');
after(() => space.remove());

void describe('names of files', { skip: withoutGdal }, () => {
  // Catches: the GeoTIFF that an input was converted to, which the user has never heard of, in place of the file that the job names.
  void it('are those of the job, also where an input was converted', async () => {
    makeFiles(
      `
ds = gdal.GetDriverByName('HFA').Create(sys.argv[1], 60, 50, 1, gdal.GDT_Byte)
ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
ds.WriteArray(np.ones((1, 50, 60), np.uint8))
ds = None`,
      [space.path('ramp.img')],
    );
    writeFileSync(space.path('f.py'), 'def f(info, inputs, outputs):\n    return {"a": info.getFilenameFor(inputs.a)}\n');
    const job = space.job('names.json', { inputs: { a: 'ramp.img' }, operation: { module: 'f.py', function: 'f' }, results: { href: 'names.json.jsonl' } });
    await runJob([job, '--work', space.path('work')], { env: codeEnv });
    const { value } = JSON.parse(readFileSync(space.path('names.json.jsonl'), 'utf8')) as { value: { a: string } };
    assert.equal(value.a, space.path('ramp.img'));
  });
});
