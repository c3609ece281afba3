/** Workers that are started ahead. Would catch processes that are left behind, and a run that relies on a worker that has died meanwhile. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { StandbyWorkers, workerCommand } from '../../local/standby.ts';

/** Prints what it gets on standard input, and ends with it. */
const echo = [process.execPath, '-e', "process.stdin.on('data', (data) => process.stdout.write(data))"];

function alive(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('each worker is taken once, and told its environment in a line', async () => {
  const standby = new StandbyWorkers(2, process.env, echo);
  const children = [standby.take({ TILEFAN_BATCH: '{"batch":0}' }), standby.take({ TILEFAN_BATCH: '{"batch":1}' })];
  assert.equal(standby.take({}), undefined);
  for (const [i, child] of children.entries()) {
    assert.ok(child !== undefined);
    const [data] = (await once(child.stdout, 'data')) as [Buffer];
    assert.equal(data.toString(), `{"TILEFAN_BATCH":"{\\"batch\\":${String(i)}}"}\n`);
    child.stdin.end();
    await once(child, 'exit');
  }
});

test('a worker that has ended, or could not start, is passed over', async () => {
  const ended = new StandbyWorkers(1, process.env, [process.execPath, '-e', '']);
  const missing = new StandbyWorkers(1, process.env, ['/nonexistent/program']);
  await sleep(1000);
  assert.equal(ended.take({}), undefined);
  assert.equal(missing.take({}), undefined);
});

test('the real worker on standby ends when it is dismissed, and by itself when its parent lets go', async () => {
  const standby = new StandbyWorkers(1, { ...process.env, TILEFAN_LOCAL_THREADS: '2' });
  const child = standby.take({});
  assert.ok(child !== undefined);
  child.kill('SIGKILL');
  await once(child, 'exit');

  const alone = new StandbyWorkers(1, { ...process.env, TILEFAN_LOCAL_THREADS: '2', TILEFAN_PARENT_PIPE: '1' }, [process.execPath, '-e', `
    const { spawn } = require('node:child_process');
    const [program, ...args] = ${JSON.stringify(workerCommand)};
    const worker = spawn(program, args, { stdio: ['pipe', 'inherit', 'inherit'], detached: true, env: { ...process.env, TILEFAN_STANDBY: '1' } });
    process.stdout.write(String(worker.pid) + '\\n');
    setInterval(() => undefined, 1000);
  `]);
  const parent = alone.take({});
  assert.ok(parent !== undefined);
  const [data] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(data.toString());
  assert.ok(alive(pid));
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  for (const end = Date.now() + 10_000; alive(pid) && Date.now() < end; ) await sleep(50);
  assert.ok(!alive(pid), 'the worker still waits for a parent that is gone');
});

test('workers beyond those that are wanted are ended', async () => {
  const standby = new StandbyWorkers(2, process.env, echo);
  standby.dismiss(1);
  const first = standby.take({});
  assert.ok(first !== undefined);
  assert.equal(standby.take({}), undefined);
  first.stdin.end();
  const [code] = (await once(first, 'exit')) as [number | null];
  assert.equal(code, 0);
});
