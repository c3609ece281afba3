/** The log: where it can't be made, what would have been told goes on. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const log = new URL('../../lib/base/log.ts', import.meta.url).href;

function logged(level: string | undefined): { readonly status: number | null; readonly lines: readonly Record<string, unknown>[] } {
  const program = `const { createLogger } = await import(${JSON.stringify(log)});\nconst log = await createLogger({ run: 'r' });\nlog.info({ tiles: 3 }, 'Batch:Done');\nlog.error({}, 'Batch:Failed');`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8', env: { ...process.env, TILEFAN_LOG_LEVEL: level } });
  return { status, lines: stderr.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>) };
}

// Would catch: fields that are lost, and a level that isn't heeded.
void test('a line is one JSON object, with the fields of its logger', () => {
  const { status, lines } = logged(undefined);
  assert.equal(status, 0);
  assert.deepEqual(lines.map(({ level, event, run, tiles }) => ({ level, event, run, tiles })), [
    { level: 'info', event: 'Batch:Done', run: 'r', tiles: 3 },
    { level: 'error', event: 'Batch:Failed', run: 'r', tiles: undefined },
  ]);
  assert.deepEqual(logged('error').lines.map(({ event }) => event), ['Batch:Failed']);
  assert.deepEqual(logged('silent').lines, []);
});

// Would catch: a batch that dies of its log, with its record left behind as running.
void test('a log that can not be made is told, and nothing fails', () => {
  const { status, lines } = logged('verbose');
  assert.equal(status, 0);
  assert.deepEqual(lines.map(({ event }) => event), ['Log:Failed']);
  assert.match(String(lines[0]?.['cause']), /verbose/);
});
