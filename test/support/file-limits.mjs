// Loaded into each test file by test/run.mjs: one that hangs, or leaves something open, fails within a bounded time and says what is open, instead of holding up the others for ever.
import { after } from 'node:test';
import { isMainThread } from 'node:worker_threads';

const wholeMinutes = 20;
const afterwardsMinutes = 1;

/** @param {number} minutes @param {string} what */
function endAfter(minutes, what) {
  setTimeout(() => {
    process.stderr.write(`${process.argv[1]}: wanted ${what} within ${minutes} min; still open: ${process.getActiveResourcesInfo().join(', ')}\n`);
    process.exit(1);
  }, minutes * 60_000).unref();
}

// Threads, and processes that a test starts, have its arguments for Node too.
if (isMainThread && process.argv[1]?.endsWith('.test.ts')) {
  endAfter(wholeMinutes, 'the tests to end');
  after(() => endAfter(afterwardsMinutes, 'the process to end after its tests'));
}
