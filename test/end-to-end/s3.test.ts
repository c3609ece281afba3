/** Whole runs against a real S3 server: inputs, work prefix and outputs. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { runCli, runJob, startCli, until, workersOf } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { startS3Server, whyNoS3Server, type S3Server } from '../support/s3-server.ts';
import { createWorkspace } from '../support/workspace.ts';

const skip = withoutGdal || (whyNoS3Server() ?? false);
/** Of 256 pixels in 1500 x 1300. */
const tiles = 36;
const space = createWorkspace('s3');
after(() => space.remove());

void describe('runs over S3', { skip }, () => {
  let server: S3Server;
  let bucket: string;
  const scene = space.path('scene.tif');
  before(async () => {
    server = await startS3Server('tilefan-e2e');
    bucket = join(server.root, server.bucket);
    makeFiles(
      `
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 1500, 1300, 2, gdal.GDT_UInt16, ['TILED=YES', 'COMPRESS=DEFLATE'])
ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
srs = osr.SpatialReference(); srs.ImportFromEPSG(32633); ds.SetProjection(srs.ExportToWkt())
ds.WriteArray(np.random.default_rng(8).integers(0, 9000, (2, 1300, 1500), np.uint16))
for i in (1, 2): ds.GetRasterBand(i).SetNoDataValue(0)
ds = None`,
      [scene],
    );
    mkdirSync(join(bucket, 'in'));
    copyFileSync(scene, join(bucket, 'in/scene with space.tif'));
    writeFileSync(join(bucket, 'in/text.tif'), 'no raster');
  });
  after(async () => {
    await server.stop();
  });

  /** Written into the bucket, so that relative hrefs count from there. */
  function job(name: string, more: object = {}, output: object = {}): string {
    const document = {
      name: 'nd',
      inputs: { a: 'in/scene with space.tif' },
      grid: { tileSize: 256 },
      compute: { tilesPerTask: 32 },
      operation: { expression: { o: '(a[1] - a[2]) / (a[1] + a[2])' } },
      outputs: { o: { href: `s3://${server.bucket}/out/${name}.tif`, dtype: 'float64', compression: 'none', blockSize: 128, ...output } },
      ...more,
    };
    writeFileSync(join(bucket, `${name}.json`), JSON.stringify(document));
    return `s3://${server.bucket}/${name}.json`;
  }

  function assertResult(file: string): void {
    assertNoDifferences(
      `
source, path = sys.argv[1:]
(a, va), (b, vb) = band_values(source, 1), band_values(source, 2)
with np.errstate(all='ignore'): image = to_dtype((a - b) / (a + b), va & vb, 'float64', np.nan)[None]
answer(check_header(path, source, 1, 'float64', np.nan, 128) + check_levels(path, image, 'average', np.nan, 128) + check_statistics(path, image, np.nan) + check_cog(path))`,
      [scene, file],
    );
  }

  // Catches: anything that works with files only: the job itself, relative hrefs, segments, the merge by part copies, the record, cleaning up.
  void it('runs with job, input, work prefix and output in S3', async () => {
    const record = await runJob([job('all'), '--work', `s3://${server.bucket}/work`, '--run', 'r', '--workers', '2', '--keep'], { env: server.env, cwd: space.newFolder() });
    assert.deepEqual([record.prefix, record.tiles.done, record.outputs[0]?.href], [`s3://${server.bucket}/work/runs/r/`, tiles, `s3://${server.bucket}/out/all.tif`]);
    assertResult(join(bucket, 'out/all.tif'));
    const run = join(bucket, 'work/runs/r');
    assert.deepEqual(readdirSync(run).toSorted(), ['job.json', 'logs', 'manifest.jsonl', 'merge', 'plan.json', 'pyramids', 'results', 'run.json', 'segments']);
    // The same run again: nothing to do. And without --keep its segments go.
    assert.deepEqual(await runJob([job('all'), '--work', `s3://${server.bucket}/work`, '--run', 'r'], { env: server.env }), record);
    const other = await runJob([job('swept'), '--work', `s3://${server.bucket}/work`, '--run', 'swept'], { env: server.env });
    assert.equal(other.tiles.done, tiles);
    assert.ok(!existsSync(join(bucket, 'work/runs/swept/segments/o')) || readdirSync(join(bucket, 'work/runs/swept/segments/o')).length === 0);
  });

  // Catches: one store for everything, instead of the one that each href asks for.
  void it('runs from S3 into files, and from files into S3', async () => {
    const folder = space.newFolder('mixed');
    const out = await runJob([job('mixed'), '--work', `${folder}/work`, '--output', `o=${folder}/o.tif`, '--run', 'to-file'], { env: server.env });
    assert.equal(out.outputs[0]?.href, `file://${folder}/o.tif`);
    assertResult(`${folder}/o.tif`);
    await runJob([job('mixed'), '--work', `${folder}/work`, '--input', `a=${scene}`, '--run', 'to-s3'], { env: server.env });
    assertResult(join(bucket, 'out/mixed.tif'));
    await runJob([job('mixed-2'), '--work', `s3://${server.bucket}/work`, '--input', `a=${scene}`, '--output', `o=${folder}/o2.tif`, '--run', 'work-in-s3'], { env: server.env });
    assertResult(`${folder}/o2.tif`);
  });

  // Catches: tiles that are lost or made twice, or an upload that is left open, when a run over S3 is killed and continued.
  void it('continues a run that was killed', async () => {
    const args = [job('killed', { compute: { tilesPerTask: 8 } }), '--work', `s3://${server.bucket}/work`, '--run', 'killed', '--threads', '1'];
    const cli = startCli(['run', ...args], { env: server.env });
    const segments = join(bucket, 'work/runs/killed/segments/o');
    await until('segments', () => existsSync(segments) && readdirSync(segments).length >= 2);
    cli.child.kill('SIGKILL');
    await cli.ended;
    await until('the end of the workers', () => workersOf(`s3://${server.bucket}/work`).length === 0, 10);
    const record = await runJob(args, { env: server.env });
    assert.deepEqual([record.tiles.done, record.tiles.computed], [tiles, tiles]);
    assertResult(join(bucket, 'out/killed.tif'));
  });

  // Catches: GDAL's own ways to S3 (endpoint, credentials, sidecar files), and conversions that take a bucket for a folder.
  void it('brings inputs of every kind onto the grid from S3 as from files', async () => {
    const folder = space.newFolder();
    makeFiles(
      `
import json, os
source, folder = sys.argv[1:]
at = lambda name: os.path.join(folder, name)
gdal.Warp(at('mercator.tif'), source, dstSRS='EPSG:3857', xRes=14, yRes=14)
gdal.Translate(at('left.tif'), source, srcWin=[0, 0, 800, 1300]); gdal.Translate(at('right.tif'), source, srcWin=[700, 0, 800, 1300])
gdal.BuildVRT(at('both.vrt'), [at('left.tif'), at('right.tif')]).FlushCache()
gdal.SetConfigOption('GDAL_PAM_ENABLED', 'YES')
gdal.Translate(at('plain.png'), source, format='PNG', bandList=[1], creationOptions=['WORLDFILE=YES'])
json.dump({'type': 'FeatureCollection', 'features': [{'type': 'Feature', 'id': n, 'stac_version': '1.0.0', 'properties': {}, 'geometry': None, 'links': [], 'assets': {'data': {'href': './%s.tif' % n}}} for n in ('left', 'right')]}, open(at('items.json'), 'w'))
x, y = 5e5 + 3000, 5e6 - 3000
json.dump({'type': 'FeatureCollection', 'crs': {'type': 'name', 'properties': {'name': 'urn:ogc:def:crs:EPSG::32633'}}, 'features': [{'type': 'Feature', 'properties': {}, 'geometry': {'type': 'Polygon', 'coordinates': [[[x, y], [x + 5000, y], [x + 2000, y - 6000], [x, y]]]}}]}, open(at('areas.geojson'), 'w'))`,
      [scene, folder],
    );
    for (const name of readdirSync(folder)) copyFileSync(join(folder, name), join(bucket, 'in', name));
    const kinds = (base: string): object => ({
      inputs: {
        a: base === '' ? scene : 'in/scene with space.tif',
        far: { href: `${base}mercator.tif`, resampling: 'bilinear' },
        vrt: `${base}both.vrt`,
        items: { stac: { href: `${base}items.json`, asset: 'data' } },
        png: `${base}plain.png`,
        areas: { href: `${base}areas.geojson`, vector: { burn: 7 } },
      },
      grid: { like: 'a', tileSize: 256 },
      operation: { expression: { o: ['a[1]', 'far[1]', 'vrt[2]', 'items[2]', 'png[1]', 'areas[1]'] } },
    });
    const output = { dtype: 'uint16', nodata: 0 };
    await runJob([job('kinds', kinds('in/'), output), '--work', `s3://${server.bucket}/work`, '--workers', '2'], { env: server.env });
    const files = join(folder, 'job.json');
    writeFileSync(files, JSON.stringify({ name: 'kinds', ...kinds(''), outputs: { o: { href: 'files.tif', blockSize: 128, compression: 'none', ...output } } }));
    await runJob([files, '--work', `${folder}/work`]);
    assertNoDifferences(
      `
s3, files, source = (gdal.Open(path).ReadAsArray() for path in sys.argv[1:])
answer([] if (s3 == files).all() and (files[0] == source[0]).all() and (files[2] == source[1]).all() and (files[3] == source[1]).all() and (files[4] == source[0]).all() and (files[1] != 0).mean() > 0.9 and set(np.unique(files[5])) == {0, 7} else ['differ'])`,
      [join(bucket, 'out/kinds.tif'), join(folder, 'files.tif'), scene],
    );
  });

  void it('says what is wrong with a bucket, a key or credentials', async () => {
    const bad = async (args: readonly string[], exitCode: number, says: readonly (string | RegExp)[], env: Readonly<Record<string, string>> = {}): Promise<void> => {
      const result = await runCli(['run', job('bad'), '--run', 'bad', ...args], { env: { ...server.env, ...env } });
      assert.equal(result.exitCode, exitCode, result.stderr);
      for (const part of says) assert.ok(typeof part === 'string' ? result.stderr.includes(part) : part.test(result.stderr), `wanted ${String(part)} in: ${result.stderr}`);
      assert.doesNotMatch(result.stderr, /\n\s+at /, 'a stack trace is nothing for users');
      assert.ok(!result.stderr.includes(server.credentials.secretAccessKey), 'no secret in a message');
    };
    const work = ['--work', `s3://${server.bucket}/work`];
    await bad([...work, '--input', `a=s3://${server.bucket}/in/none.tif`], 69, ['$.inputs.a', `s3://${server.bucket}/in/none.tif`, 'no object of the key']);
    await bad([...work, '--input', 'a=s3://no-such-bucket/scene.tif'], 69, ['$.inputs.a', 's3://no-such-bucket/scene.tif', /bucket/]);
    await bad([...work, '--input', `a=s3://${server.bucket}/in/text.tif`], 65, [`s3://${server.bucket}/in/text.tif: not a TIFF`]);
    await bad([...work, '--output', 'o=s3://no-such-bucket/o.tif'], 73, ['$.outputs.o.href', 's3://no-such-bucket/o.tif', /bucket/]);
    await bad(['--work', 's3://no-such-bucket/work'], 73, [/no-such-bucket/, /bucket/]);
    await bad(work, 69, [`s3://${server.bucket}/bad.json`, /permission|denied|access/i], { AWS_SECRET_ACCESS_KEY: 'wrong' });
    await bad(work, 69, [`s3://${server.bucket}/bad.json`], { AWS_ACCESS_KEY_ID: 'nobody' });
    await bad(work, 69, [`s3://${server.bucket}/bad.json`, /credentials/i], { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_EC2_METADATA_DISABLED: 'true', HOME: space.folder });
  });
});
