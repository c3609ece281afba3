// Runs the tests: all, or those whose paths are given. Plain JavaScript, so that an old Node can say what it lacks.
import { spawnSync } from 'node:child_process';

if (Number(process.versions.node.split('.')[0]) < 24) {
  process.stderr.write(`The tests run on Node 24 or newer; this is ${process.version}. "npm test" finds the one that "npm ci" has installed on Linux.\n`);
  process.exit(69);
}
const files = process.argv.slice(2);
const { status } = spawnSync(process.execPath, ['--test', '--test-concurrency=2', '--import=./test/support/file-limits.mjs', ...(files.length > 0 ? files : ['test/**/*.test.ts'])], {
  stdio: 'inherit',
  cwd: new URL('..', import.meta.url),
});
process.exit(status ?? 1);
