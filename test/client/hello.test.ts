/** The example of two steps, by each of its ways: the second takes what the first has come to. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, it } from 'node:test';
import { projectFolder, runCli } from '../support/cli.ts';
import { createWorkspace } from '../support/workspace.ts';
import { python, withoutCloudpickle } from '../python/support/host.ts';
import { runScript } from '../python/support/rios.ts';

const space = createWorkspace('hello');
after(() => space.remove());
const example = (name: string): string => `${projectFolder}examples/hello/${name}`;

void it('prints "Hello, World!" from TypeScript', () => {
  const { stdout, stderr } = spawnSync(process.execPath, [example('hello.ts')], { cwd: space.newFolder(), encoding: 'utf8' });
  assert.equal(stdout, 'Hello, World!\n', stderr);
});

void it('prints "Hello, World!" from Python', { skip: withoutCloudpickle }, async () => {
  const { stdout, stderr } = await runScript(example('hello.py'), [], space.newFolder());
  assert.equal(stdout, 'Hello, World!\n', `${python}: ${stderr}`);
});

void it('writes "Hello, World!" by two job files', async () => {
  const work = `${space.newFolder()}/`;
  const table = space.path('hello.jsonl');
  const first = await runCli(['run', example('join.json'), '--run', 'hello-join', '--work', work]);
  assert.equal(first.exitCode, 0, first.stderr);
  // The table beside the job is for those who follow the page; a test leaves nothing there.
  const job = JSON.parse(readFileSync(example('excite.json'), 'utf8')) as { results: { href: string }; operation: { module: string } };
  const second = await runCli(['run', space.job('excite.json', { ...job, results: { href: table }, operation: { ...job.operation, module: example('steps.ts') } }), '--work', work]);
  assert.equal(second.exitCode, 0, second.stderr);
  assert.equal((JSON.parse(readFileSync(table, 'utf8')) as { value: string }).value, 'Hello, World!');
});
