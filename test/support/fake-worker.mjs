/**
 * A worker that does as it is told: the script lies in TILEFAN_TEST_SCRIPT as JSON, one list of steps a batch, one step an attempt
 * (the last step repeats). Each start is noted under TILEFAN_TEST_NOTES, so that a test can count what ran, and with what.
 * Plain JavaScript: it starts in 30 ms.
 *
 * Steps: { exit, record?, print?, stderr? } | { hang, stubborn?, child? } | { kill: 'SIGKILL' }
 */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const { TILEFAN_RUN, TILEFAN_BATCH, TILEFAN_ATTEMPT, TILEFAN_TEST_SCRIPT, TILEFAN_TEST_NOTES, TILEFAN_PARENT_PIPE } = process.env;
const line = JSON.parse(TILEFAN_BATCH);
const attempt = Number(TILEFAN_ATTEMPT);
const script = JSON.parse(TILEFAN_TEST_SCRIPT ?? '{}');
const steps = script[line.batch] ?? script.default ?? [{ exit: 0 }];
const step = steps[Math.min(attempt, steps.length) - 1];
writeFileSync(`${TILEFAN_TEST_NOTES}/${line.batch}-${attempt}-${process.pid}`, TILEFAN_BATCH);

if (TILEFAN_PARENT_PIPE === '1') {
  process.stdin.resume();
  process.stdin.on('end', () => process.exit(75));
  process.stdin.unref();
}
for (const printed of step.print ?? []) console.log(printed);
if (step.stderr) console.error(step.stderr);
if (step.record) {
  const results = new URL('results/', TILEFAN_RUN);
  mkdirSync(fileURLToPath(results), { recursive: true });
  const record = { batch: line.batch, attempt, state: 'FAILED', error: step.record };
  writeFileSync(new URL(`${line.batch}.json`, results), JSON.stringify(record));
}
if (step.child) {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  writeFileSync(`${TILEFAN_TEST_NOTES}/child-${line.batch}-${attempt}-${child.pid}`, '');
}
if (step.kill) process.kill(process.pid, step.kill);
else if (step.hang) {
  process.on('SIGTERM', () => {
    if (!step.stubborn) process.exit(75);
  });
  setInterval(() => undefined, 1000);
} else process.exitCode = step.exit;
