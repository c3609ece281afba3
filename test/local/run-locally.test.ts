/** The local engine with real child processes. Would catch stray processes, lost output, and a fault that takes another path than on ECS. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { runScripted } from '../support/local-run.ts';
import type { RunEvent } from '../../local/run-locally.ts';

const fails = { name: 'OperationError', code: 'OPERATION_THREW', message: 'tile 3,4: boom', exitCode: 70, where: { tile: [3, 4] } };

/** Whether a process still does anything: one that ended but was never asked for its exit code (a zombie) does not. */
function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (process.platform !== 'linux') return true;
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Waits until a condition holds; a test that waits in vain fails by its assertion afterwards. */
async function until(condition: () => boolean, timeoutMs = 5000): Promise<void> {
  for (const end = Date.now() + timeoutMs; !condition() && Date.now() < end; ) await sleep(20);
}

test('a run of good workers succeeds, and tells what happens in order', async () => {
  const { result, events, ran } = await runScripted({ batches: 2, options: { workers: 1 } });
  assert.equal(result.state, 'SUCCEEDED');
  assert.deepEqual(result.failedBatches, []);
  assert.deepEqual(ran, ['0-1', '1-1']);
  assert.deepEqual(events, [
    { type: 'StateEntered', state: 'Split' },
    { type: 'StateEntered', state: 'ProcessBatches' },
    { type: 'BatchesStarted', pass: 0, batches: 2 },
    { type: 'BatchStarted', batch: 0, attempt: 1 },
    { type: 'BatchSucceeded', batch: 0 },
    { type: 'BatchStarted', batch: 1, attempt: 1 },
    { type: 'BatchSucceeded', batch: 1 },
    { type: 'StateEntered', state: 'Reduce' },
  ] satisfies RunEvent[]);
});

test('the worker gets its line of the manifest as it is, quotes and backslashes too', async () => {
  const line = { batch: 7, parameters: { text: String.raw`a "quoted" \ back\nslash, (brackets) 'ticks' ü` } };
  await runScripted({ lines: [line] }, ({ result, folder, ran }) => {
    assert.equal(result.state, 'SUCCEEDED');
    assert.deepEqual(ran, ['7-1']);
    const [note] = readdirSync(join(folder, 'notes'));
    assert.deepEqual(JSON.parse(readFileSync(join(folder, 'notes', note ?? ''), 'utf8')), line);
  });
});

test('exit code 75 brings a second attempt, and its log and reason are kept', async () => {
  await runScripted({ script: { 0: [{ exit: 75, stderr: 'S3 said SlowDown' }, { exit: 0 }] } }, ({ result, ran, events, folder }) => {
    assert.equal(result.state, 'SUCCEEDED');
    assert.deepEqual(ran, ['0-1', '0-2']);
    const failed = events.find((event) => event.type === 'AttemptFailed');
    assert.ok(failed?.type === 'AttemptFailed');
    assert.equal(failed.exitCode, 75);
    assert.match(failed.reason, /S3 said SlowDown/);
    assert.match(readFileSync(fileURLToPath(failed.log), 'utf8'), /S3 said SlowDown/);
    assert.equal(fileURLToPath(failed.log), join(folder, 'runs/run-1/logs/0-1.log'));
    assert.ok(events.some((event) => event.type === 'BatchRetried' && event.attempt === 2 && event.reason === 'try again'));
  });
});

test('a worker that is killed is started again, with the larger size', async () => {
  const { result, ran, events } = await runScripted({ script: { 0: [{ kill: 'SIGKILL' }, { exit: 0 }] } });
  assert.equal(result.state, 'SUCCEEDED');
  assert.deepEqual(ran, ['0-1', '0-2']);
  assert.ok(events.some((event) => event.type === 'AttemptFailed' && event.exitCode === 137));
  assert.ok(events.some((event) => event.type === 'BatchRetried' && event.reason === 'out of memory'));
});

test('a permanent failure ends the run at once, names tile and batch, and stops the workers that still run', async () => {
  const { result, ran, pids } = await runScripted({ batches: 3, script: { 0: [{ hang: true }], 1: [{ exit: 70, record: fails }], 2: [{ hang: true }] } });
  assert.ok(result.state === 'FAILED');
  assert.equal(result.error, 'States.ExceedToleratedFailureThreshold');
  assert.match(result.cause, /Batch 1 failed for good in attempt 1 \(exit code 70, OPERATION_THREW\): tile 3,4: boom\. Task/);
  assert.deepEqual(result.failedBatches.map(({ batch, error }) => ({ batch, error })), [{ batch: 1, error: 'OperationError' }]);
  assert.ok(ran.every((name) => name.endsWith('-1')), 'nothing is repeated');
  assert.deepEqual(pids.filter(alive), []);
});

test('tolerated failures let the run go on, and are named', async () => {
  const { result } = await runScripted({ batches: 4, tolerated: 25, script: { 2: [{ exit: 70, record: fails }] } });
  assert.equal(result.state, 'SUCCEEDED');
  assert.deepEqual(result.failedBatches.map(({ batch }) => batch), [2]);
});

test('a worker that cannot be started is told by its reason, after its attempts', async () => {
  const { result, events } = await runScripted({ options: { workerCommand: ['/nonexistent/worker'] } });
  assert.ok(result.state === 'FAILED');
  assert.match(result.cause, /Batch 0 gave up after 5 attempts.*TaskFailedToStart: The worker could not be started: spawn \/nonexistent\/worker ENOENT/);
  assert.equal(events.filter((event) => event.type === 'AttemptFailed' && event.exitCode === undefined).length, 5);
});

test('what a worker prints as events is passed on; other lines, broken ones and long ones are only logged', async () => {
  const print = ['{"event":"Tile:Done","tile":[0,1],"ms":12}', 'hello', '{"event":', '{"no":"event"}', `{"event":"Long","x":"${'x'.repeat(100_000)}"}`];
  await runScripted({ script: { 0: [{ exit: 0, print }] } }, ({ events, folder }) => {
    assert.deepEqual(events.filter((event) => event.type === 'WorkerEvent'), [
      { type: 'WorkerEvent', batch: 0, attempt: 1, event: 'Tile:Done', fields: { tile: [0, 1], ms: 12 } },
    ]);
    const log = readFileSync(join(folder, 'runs/run-1/logs/0-1.log'), 'utf8').split('\n');
    assert.deepEqual(log.slice(0, 4), print.slice(0, 4));
    assert.equal(log[4]?.length, 64 * 1024);
  });
});

test('a log that cannot be written does not fail the batch', async () => {
  const level = process.env['TILEFAN_LOG_LEVEL'];
  process.env['TILEFAN_LOG_LEVEL'] = 'silent';
  try {
    const { result, ran } = await runScripted({ files: { 'runs/run-1/logs': 'a file where the folder should be' }, script: { 0: [{ exit: 75, stderr: 'x' }, { exit: 0 }] } });
    assert.equal(result.state, 'SUCCEEDED');
    assert.deepEqual(ran, ['0-1', '0-2']);
  } finally {
    if (level === undefined) delete process.env['TILEFAN_LOG_LEVEL'];
    else process.env['TILEFAN_LOG_LEVEL'] = level;
  }
});

test('a worker that takes too long is ended and repeated once', async () => {
  const { result, ran, pids } = await runScripted({ compute: { timeoutSeconds: 1 }, script: { 0: [{ hang: true }, { exit: 0 }] } });
  assert.equal(result.state, 'SUCCEEDED');
  assert.deepEqual(ran, ['0-1', '0-2']);
  assert.deepEqual(pids.filter(alive), []);
});

for (const stubborn of [false, true]) {
  test(`an abort ends ${stubborn ? 'stubborn ' : ''}workers and what they started within two seconds, without a repeat`, async () => {
    const abort = new AbortController();
    let aborted = 0;
    const { result, ran, pids } = await runScripted({
      batches: 5,
      script: { default: [{ hang: true, stubborn, child: true }] },
      options: {
        workers: 3,
        signal: abort.signal,
        onEvent: (event) => {
          if (event.type !== 'BatchStarted' || event.batch !== 2) return;
          setTimeout(() => {
            aborted = Date.now();
            abort.abort();
            // On a busy machine the last worker takes this long to begin.
          }, 2000);
        },
      },
    });
    const took = Date.now() - aborted;
    assert.equal(result.state, 'ABORTED');
    assert.deepEqual(ran, ['0-1', '1-1', '2-1']);
    assert.equal(pids.length, 6, 'three workers, each with a process of its own');
    await until(() => pids.every((pid) => !alive(pid)), 500);
    assert.deepEqual(pids.filter(alive), []);
    assert.ok(took < 2000, `${took} ms`);
  });
}

test('an abort in the middle of a wait or a retry ends the run', async () => {
  const abort = new AbortController();
  const { result, ran } = await runScripted({
    script: { 0: [{ exit: 75 }] },
    options: { waitScale: 1, signal: abort.signal, onEvent: (event) => event.type === 'AttemptFailed' && setTimeout(() => abort.abort(), 50) },
  });
  assert.equal(result.state, 'ABORTED');
  assert.deepEqual(ran, ['0-1']);
});

test('a run that is aborted before it began starts nothing', async () => {
  const { result, ran } = await runScripted({ options: { signal: AbortSignal.abort() } });
  assert.deepEqual(result, { state: 'ABORTED', failedBatches: [] });
  assert.deepEqual(ran, []);
});

test('workers notice that their parent was killed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tilefan-parent-'));
  const notes = join(folder, 'notes');
  mkdirSync(notes);
  const parent = spawn(process.execPath, [fileURLToPath(new URL('../support/parent-run.ts', import.meta.url)), folder, notes], { stdio: 'inherit' });
  try {
    await until(() => readdirSync(notes).length === 2, 15_000);
    await sleep(200);
    const pids = readdirSync(notes).map((name) => Number(name.split('-').at(-1)));
    assert.equal(pids.filter(alive).length, 2);
    parent.kill('SIGKILL');
    await until(() => !pids.some(alive));
    assert.deepEqual(pids.filter(alive), []);
  } finally {
    parent.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
});
