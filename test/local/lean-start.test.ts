/** Where local/lean-start.mjs says that modules are, Node would find them, too: it looks at none of them itself. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const project = new URL('../../', import.meta.url);
const leanStart = new URL('local/lean-start.mjs', project).href;
/** All that a local run loads: command, functions, worker and compute thread. */
const modules = ['cli/run.ts', 'cli/item-run.ts', 'functions/split/handler.ts', 'functions/reduce/handler.ts', 'containers/worker/dispatch.ts', 'containers/worker/item-tasks.ts', 'lib/job/tile.ts', 'lib/job/prepare-code.ts'];

/** Sees the answers of lean-start's hooks, and tells what is wrong with them. */
const observer = `
import { findPackageJSON, registerHooks } from 'node:module';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
let seen = 0;
const wrong = [];
registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    if (!specifier.startsWith('.') || !found.url.startsWith('file:')) return found;
    seen++;
    const path = fileURLToPath(found.url);
    if (!existsSync(path) || realpathSync(path) !== path) wrong.push(path + ' is no file, or elsewhere');
    else if (found.format === 'module' && JSON.parse(readFileSync(findPackageJSON(found.url), 'utf8')).type !== 'module') wrong.push(path + ' is CommonJS');
    return found;
  },
});
process.on('exit', () => console.log(JSON.stringify({ seen, wrong })));
`;

// Would catch: a module that is reached through a symbolic link (and then loaded twice), and a zod whose files aren't ES modules any more.
void test('modules are where they are told to be, and what they are told to be', () => {
  const loading = modules.map((name) => `await import(${JSON.stringify(new URL(name, project).href)});`).join('\n');
  const child = spawnSync(process.execPath, [`--import=${leanStart}`, `--import=data:text/javascript,${encodeURIComponent(observer)}`, '--input-type=module', '--eval', loading], {
    cwd: fileURLToPath(project),
    encoding: 'utf8',
  });
  assert.equal(child.status, 0, child.stderr);
  const { seen, wrong } = JSON.parse(child.stdout) as { seen: number; wrong: string[] };
  assert.deepEqual(wrong, []);
  assert.ok(seen > 200, `only ${String(seen)} imports were seen`);
});

// Would catch: what Node before 24.5 hands to hooks for a require, which was no array, taken for one.
void test('conditions may be a set', () => {
  const conditionsAs = (kind: string): string =>
    `--import=data:text/javascript,${encodeURIComponent(`import { registerHooks } from 'node:module'; registerHooks({ resolve: (specifier, context, next) => next(specifier, { ...context, conditions: ${kind} }) });`)}`;
  const requiring = `import { createRequire } from 'node:module';\nconsole.log(typeof createRequire(${JSON.stringify(new URL('package.json', project).href)})('zod').object);`;
  const child = spawnSync(process.execPath, [conditionsAs('[...context.conditions]'), `--import=${leanStart}`, conditionsAs('new Set(context.conditions)'), '--input-type=module', '--eval', requiring], { encoding: 'utf8' });
  assert.equal(child.stderr, '');
  assert.equal(child.stdout.trim(), 'function');
});
