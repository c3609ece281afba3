/** Where a process may have few addresses (`ulimit -v`), as on many clusters, V8 can't reserve 10 GiB of them for each memory of compiled loops. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { makeScene } from '../../examples/make-scene.ts';
import { runCli } from '../support/cli.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('few-addresses');
after(() => space.remove());
const skip = process.platform === 'linux' ? false : 'only Linux tells a process its limits';
/** KiB. With the least Node itself has no room for the first of those memories; with the others for one, and some. */
const limits = [9_000_000, 15_000_000, 20_000_000, 60_000_000];

void describe('few addresses', { skip }, () => {
  const scene = space.path('scene.tif');
  makeScene(scene, 700);

  // Catches: threads that die where the first memory, or the third, can't be made.
  for (const limit of limits) {
    void it(`are enough for a run: ${String(limit)} KiB`, async () => {
      const job = space.job(`job${String(limit)}.json`, {
        name: 'few', inputs: { scene }, grid: { tileSize: 256 }, operation: { expression: { out: '(scene[4] - scene[3]) / (scene[4] + scene[3])' } },
        outputs: { out: { href: space.path(`out${String(limit)}.tif`), dtype: 'float32', nodata: -9999, blockSize: 256 } },
      });
      const { exitCode, stderr } = await runCli(['run', job, '--work', space.path('work'), '--threads', '2'], { prefix: ['/bin/sh', '-c', `ulimit -v ${String(limit)}; exec "$@"`, 'sh'] });
      assert.equal(exitCode, 0, stderr);
    });
  }
});
