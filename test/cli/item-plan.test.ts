/** What `plan` and `validate` say of object jobs, without running anything. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { runCli } from '../support/cli.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('item-plan');
after(() => space.remove());

const images = { images: { thumbs: { width: 8, height: 8 } } };

before(() => {
  mkdirSync(space.path('in/deep'), { recursive: true });
  for (const [name, bytes] of [['a.jpg', 1000], ['deep/b.JPG', 3000], ['c.txt', 5]] as const) writeFileSync(space.path(`in/${name}`), new Uint8Array(bytes));
});

void describe('plan of an object job', () => {
  // Catches: items that are counted without the pattern, sizes that are not theirs, files that planning leaves behind.
  void it('lists the items, and says what a run would take', async () => {
    const job = space.job('photos.json', { name: 'photos', items: { prefix: 'in/', match: '**/*.jpg' }, operation: images, outputs: { prefix: 'out/' }, compute: { itemsPerTask: 1 } });
    const result = await runCli(['plan', job, '--work', space.path('work')]);
    assert.equal(result.exitCode, 0, result.stderr);
    assert.match(result.stdout, /^items +2: objects below .*in\/ that match \*\*\/\*\.jpg$/m);
    assert.match(result.stdout, /^bytes +3\.9 KiB, 2\.0 KiB an item$/m);
    assert.match(result.stdout, /^batches +2, each of 1 items, 1000 B to 2\.9 KiB$/m);
    assert.match(result.stdout, /^files +below .*out\/$/m);
    assert.ok(!existsSync(space.path('work')) && !existsSync(space.path('out')));
    const json = await runCli(['plan', job, '--work', space.path('work'), '--json']);
    const plan = JSON.parse(json.stdout) as { kind: string; items: { count: number; bytes: number }; state: { run: { href: string } }; sizes: { items: number; bytes: number; weight: number }[] };
    assert.deepEqual([plan.kind, plan.items.count, plan.items.bytes, plan.sizes.map(({ items, bytes }) => [items, bytes])], ['items', 2, 4000, [[1, 1000], [1, 3000]]]);
    assert.match(plan.state.run.href, /\/work\/runs\/RUN\/$/);
  });

  // Catches: code that is looked for, or tried, to count combinations.
  void it('counts sets of parameters without the code', async () => {
    const job = space.job('grid.json', { name: 'grid', items: { parameterGrid: { a: [1, 2, 3], b: ['x', 'y'] } }, operation: { module: 'none.ts' }, results: { href: 'out.csv' } });
    const { exitCode, stdout, stderr } = await runCli(['plan', job, '--work', space.path('work')]);
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /^items +6: all combinations of a \(3\), b \(2\)$/m);
    assert.match(stdout, /^bytes +not known, or none$/m);
  });

  // Catches: a plan of a run that would be refused, or would find nothing.
  void it('refuses what a run would refuse', async () => {
    const nothing = space.job('nothing.json', { name: 'nothing', items: { prefix: 'in/', match: '*.png' }, operation: images, outputs: { prefix: 'out/' } });
    const none = await runCli(['plan', nothing, '--work', space.path('work')]);
    assert.equal(none.exitCode, 64);
    assert.match(none.stderr, /there is nothing to do: .* has 3 objects, none of which matches "\*\.png"/);
    const inside = space.job('inside.json', { name: 'inside', items: { prefix: 'in/' }, operation: images, outputs: { prefix: 'in/out/' } });
    const refused = await runCli(['plan', inside, '--work', space.path('work')]);
    assert.equal(refused.exitCode, 64);
    assert.match(refused.stderr, /in\/out\/thumbs\/ lies below the items' prefix/);
  });
});

void describe('validate of an object job', () => {
  void it('says what it is, and lists everything that is wrong', async () => {
    const good = space.job('good.json', { name: 'good', items: { hrefs: ['in/a.jpg'] }, operation: images, outputs: { prefix: 's3://{outputBucket}/x/' } });
    const valid = await runCli(['validate', good]);
    assert.deepEqual([valid.exitCode, valid.stdout], [0, `${good}: job good is valid (items: ${space.path('in/a.jpg')}; operation: images thumbs)\n`], valid.stderr);
    const bad = space.job('bad.json', { name: 'bad', items: { prefix: 'in/', hrefs: ['a'] }, operation: images, compute: { cpu: 3 } });
    const { exitCode, stderr } = await runCli(['validate', bad, '--input', 'a=b']);
    assert.equal(exitCode, 64);
    for (const part of ['$.items: wanted one of', '$.outputs: missing', '--input: an object job has no inputs', '$.compute.cpu: Fargate has no task of 3 vCPU']) assert.ok(stderr.includes(part), `${part} is not in ${stderr}`);
  });
});

void describe('commands about tiles', () => {
  // Catches: a job over items that is called a broken job over rasters.
  void it('say that a job or a run over items has none', async () => {
    const job = space.job('notiles.json', { name: 'notiles', items: { hrefs: ['in/a.jpg'] }, operation: images, outputs: { prefix: 'notiles/' } });
    const tried = await runCli(['try', job]);
    assert.deepEqual([tried.exitCode, /is a job over items, which has no tiles/.test(tried.stderr)], [64, true], tried.stderr);
    // An empty file is no image: the run fails, and is there.
    await runCli(['run', job, '--work', space.path('work-of-run'), '--run', 'failed']);
    const replayed = await runCli(['replay', 'failed', '--work', space.path('work-of-run')]);
    assert.deepEqual([replayed.exitCode, /is a run over items, which has no tiles/.test(replayed.stderr)], [64, true], replayed.stderr);
  });
});
