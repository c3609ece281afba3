/**
 * The worker in its own image: the root that containers/worker/try-without-engine.sh has built from the Dockerfile, entered as an engine enters it. Would catch a
 * file or library that the image lacks, a write to its root, a process that needs to be root, a SIGTERM that doesn't reach the worker, and an exit code that gets lost.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { projectFolder, until } from '../support/cli.ts';
import { startS3Server, whyNoS3Server, type S3Server } from '../support/s3-server.ts';
import { createStore } from '../../lib/store/routing-store.ts';
import { openImage, startInImage, withoutImage, type Ended, type Image, type InImage } from './image-root.ts';
import { answers, recorded, startMetadataServer } from './metadata-server.ts';
import { finish, makeSmallScene, readBatchRecord, splitSmallJob, tiles } from './small-run.ts';

const skip = withoutImage || (whyNoS3Server() ?? false);
process.env['TILEFAN_LOG_LEVEL'] = 'silent';

void describe('the image of the worker', { skip }, () => {
  let image: Image;
  let server: S3Server;
  let store: ReturnType<typeof createStore>;
  let base: string;
  before(async () => {
    image = openImage();
    server = await startS3Server('tilefan-image');
    Object.assign(process.env, server.env);
    store = createStore();
    base = `s3://${server.bucket}/`;
    makeSmallScene(join(server.root, server.bucket, 'scene.tif'));
  });
  after(async () => {
    await store.close();
    await server.stop();
  });

  async function run(options: InImage): Promise<Ended> {
    return await startInImage(image, options).ended;
  }

  async function shell(script: string): Promise<Ended> {
    return await run({ entrypoint: ['sh', '-c', script] });
  }

  function segments(id: string): string[] {
    return readdirSync(join(server.root, server.bucket, 'work/runs', id, 'segments/ndvi'));
  }

  // Catches: a root that was built before the code changed, about which all else here would say nothing.
  void it('has the code of this tree', () => {
    for (const folder of ['lib', 'containers/worker']) {
      for (const file of readdirSync(join(projectFolder, folder), { recursive: true, encoding: 'utf8' })) {
        if (!/\.(?:ts|py|mjs)$/.test(file)) continue;
        const built = join(image.root, image.config.WorkingDir, folder, file);
        const same = existsSync(built) && readFileSync(built, 'utf8') === readFileSync(join(projectFolder, folder, file), 'utf8');
        assert.ok(same, `${folder}/${file} is another in ${image.root}: build the image anew`);
      }
    }
  });

  void it('runs as a user without rights, and writes nowhere but in /scratch', async () => {
    const { stdout } = await shell('id; grep -E "^Cap(Prm|Eff)|^NoNewPrivs" /proc/self/status; touch /scratch/a && echo scratch; for f in / /tmp /opt/tilefan /usr/local/bin /var/tmp /root; do touch $f/a; done');
    assert.match(stdout, /^uid=1000 gid=1000 groups=1000$/m);
    assert.match(stdout, /^CapPrm:\t0+\nCapEff:\t0+\nNoNewPrivs:\t1$/m);
    assert.match(stdout, /^scratch$/m);
    const { exitCode, stderr } = await shell('set -e; touch /opt/tilefan/a');
    assert.notEqual(exitCode, 0);
    assert.match(stderr, /Read-only file system/);
    for (const folder of ['', 'tmp', 'opt/tilefan', 'usr/local/bin', 'var/tmp', 'root']) {
      assert.ok(!readdirSync(join(image.root, folder)).includes('a'), `/${folder} was written to`);
    }
  });

  void it('has GDAL, Python with numpy, and what the build arguments named', async () => {
    const { exitCode, stdout, stderr } = await shell(`set -e
gdalinfo --version
gdal_calc.py --help | head -n 1
python3 -c 'import numpy; from osgeo import gdal; print("numpy", numpy.__version__, gdal.__version__)'
python3 -c 'import sys; print(sys.prefix)'
jq --version; tree --version
python3 -c 'import affine, cligj; print("affine", affine.__version__)'`);
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /^GDAL 3\./);
    assert.match(stdout, /^numpy \d.*\n\/opt\/venv$/m);
    assert.match(stdout, /^jq-.*\ntree v.*\naffine /m);
  });

  void it('has no package manager of Node or Python, no compiler, and no manual', async () => {
    const { stdout } = await shell('for p in npm npx yarn corepack pip pip3 gcc cc make; do command -v $p; done; ls /usr/share/man/man1 /usr/include/node 2>/dev/null; true');
    assert.equal(stdout, '');
  });

  // Catches: a native library that doesn't load; the small job needs none of these.
  void it('has the native codecs', async () => {
    const script = `
import sharp from 'sharp';
const image = sharp({ create: { width: 16, height: 16, channels: 3, background: '#102030' } });
for (const format of ['jpeg', 'webp']) console.log((await sharp(await image.toFormat(format).toBuffer()).metadata()).format);`;
    const { stdout, stderr } = await run({ entrypoint: ['node', '--input-type=module', '-e', script] });
    assert.equal(stdout, 'jpeg\nwebp\n', stderr);
  });

  // The task definitions say nothing of it: what never changes is in the image.
  void it('has its temporary files in the volume that the stack mounts', () => {
    assert.ok(image.config.Env.includes('TMPDIR=/scratch'), image.config.Env.join(' '));
    assert.deepEqual(Object.keys(image.config.Volumes), ['/scratch']);
  });

  // Nothing is mounted: the worker itself must get by without any place to write.
  void it('computes a batch over S3 without writing a file, and tells its task, its log and its metrics', async () => {
    const small = await splitSmallJob(base, 'whole');
    const metadata = await startMetadataServer(answers(recorded.fargate));
    const more = { ECS_CONTAINER_METADATA_URI_V4: metadata.endpoint, POWERTOOLS_METRICS_NAMESPACE: 'tilefan', POWERTOOLS_SERVICE_NAME: 'tilefan-dev' };
    const { exitCode, stdout, stderr } = await run({ env: { ...server.env, ...small.env, ...more }, volumes: false });
    await metadata.stop();
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /"CloudWatchMetrics":.*"TilesComputed":64/);
    const { state, attempts } = await readBatchRecord(store, small);
    assert.deepEqual([state, attempts.length, attempts[0]?.tilesComputed], ['SUCCEEDED', 1, tiles]);
    assert.equal(attempts[0]?.log?.stream, 'ecs/curl/cd189a933e5849daa93386466019ab50');
    assert.ok(segments('whole').length > 0);
  });

  // Catches: an image whose GDAL the worker doesn't find, or that can't reach S3.
  void it('warps an input that is off the grid', async () => {
    const small = await splitSmallJob(base, 'warped', { grid: { crs: 'EPSG:3857', resolution: 20, tileSize: 128 } });
    const { exitCode, stderr } = await run({ env: { ...server.env, ...small.env } });
    assert.equal(exitCode, 0, stderr);
    const { outputs } = await finish(store, small);
    assert.ok((outputs[0]?.bands[0]?.statistics?.count ?? 0) > 100_000, JSON.stringify(outputs[0]));
  });

  void it('commits what is finished on SIGTERM, exits 75, and the next one goes on to the same result', async () => {
    const small = await splitSmallJob(base, 'stopped');
    const env = { ...server.env, ...small.env };
    const first = startInImage(image, { env });
    await until('the first tile', () => first.stdout().includes('Tile:Done'));
    first.kill('SIGTERM');
    const { exitCode, stderr } = await first.ended;
    assert.equal(exitCode, 75, stderr);
    const stopped = await readBatchRecord(store, small);
    assert.deepEqual([stopped.state, stopped.error?.code], ['FAILED', 'WORKER_STOPPED']);
    const computed = stopped.attempts[0]?.tilesComputed ?? 0;
    assert.ok(computed > 0 && computed < tiles, `stopped after ${String(computed)} tiles`);
    assert.ok(segments('stopped').length > 0);

    const second = await run({ env });
    assert.equal(second.exitCode, 0, second.stderr);
    const { attempts } = await readBatchRecord(store, small);
    assert.deepEqual(attempts.map(({ state, tilesComputed, tilesReused }) => [state, tilesComputed, tilesReused]), [['FAILED', computed, 0], ['SUCCEEDED', tiles - computed, computed]]);
    const statistics = async (id: string): Promise<unknown> => (await finish(store, await splitSmallJob(base, id))).outputs.map(({ bands }) => bands);
    assert.deepEqual(await statistics('stopped'), await statistics('whole'));
  });

  // Catches: Node as process 1, which would never see a signal that comes before it listens, and be killed two minutes later.
  void it('ends at once on a SIGTERM that comes before the worker has begun', async () => {
    const small = await splitSmallJob(base, 'early');
    const worker = startInImage(image, { env: { ...server.env, ...small.env } });
    await until('process 1', () => {
      const first = worker.firstProcess();
      return first?.program === 'tini' && first.hasChild;
    });
    worker.kill('SIGTERM');
    const { exitCode } = await worker.ended;
    // 143 where Node had no handler yet: any other code than the worker's own is repeated, as 75 is.
    assert.ok(exitCode === 143 || exitCode === 75, `exit code ${String(exitCode)}`);
  });

  void it('exits with the worker’s own code', async () => {
    const { exitCode, stderr } = await run({});
    assert.equal(exitCode, 64, stderr);
    assert.match(stderr, /TILEFAN_RUN/);
  });
});
