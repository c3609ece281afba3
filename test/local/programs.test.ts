/** The programs of a local run (local/programs/): that they run, do what the modules do that they are made of, and give way to these when a file has changed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makeScene } from '../../examples/make-scene.ts';
import type { RunRecord } from '../../lib/job/records.ts';
import { projectFolder, runJob } from '../support/cli.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('programs');
/** Where packages are found that are no part of a program. */
const folder = join(projectFolder, `node_modules/.cache/tilefan-test-${String(process.pid)}`);
const none = join(folder, 'none');
const names = ['command', 'worker', 'thread'];
const mains = ['cli/main.ts', 'containers/worker/main.ts', 'containers/worker/thread.ts'];

function make(target: string): { readonly status: number | null; readonly stderr: string } {
  return spawnSync(process.execPath, ['local/programs/make.mjs', target], { cwd: projectFolder, encoding: 'utf8' });
}

before(() => {
  const { status, stderr } = make(folder);
  assert.deepEqual([status, stderr], [0, '']);
  makeScene(space.path('scene.tif'), 600);
});
after(() => {
  rmSync(folder, { recursive: true, force: true });
  space.remove();
});

/** Tells which of the project's modules are loaded, by any process or thread. */
const observer = `
import { registerHooks } from 'node:module';
import { appendFileSync } from 'node:fs';
registerHooks({
  load(url, context, next) {
    if (url.startsWith(process.env.PROJECT) && !url.includes('/node_modules/')) appendFileSync(process.env.LOADED, decodeURIComponent(url.slice(process.env.PROJECT.length)) + '\\n');
    return next(url, context);
  },
});
`;

let runs = 0;

/** @returns what is known of the file that a job makes, and the modules of the project that were loaded meanwhile */
async function run(programs: string): Promise<{ readonly bands: RunRecord['outputs'][number]['bands'] | undefined; readonly bytes: number | undefined; readonly loaded: readonly string[] }> {
  const id = String(runs++);
  const job = space.path(`job-${id}.json`);
  // Zstandard makes the same of a block each time; deflate chooses by the blocks that a thread happens to get.
  const expression = { out: '(scene[4] - scene[3]) / (scene[4] + scene[3])' };
  writeFileSync(job, JSON.stringify({ inputs: { scene: 'scene.tif' }, grid: { tileSize: 256 }, operation: { expression }, outputs: { out: { href: `out-${id}.tif`, dtype: 'float32', nodata: -1, blockSize: 256, compression: 'zstd', overviews: 'average' } } }));
  const observed = observing(programs, id);
  const { outputs: [out] } = await runJob([job, '--work', space.path(`work-${id}`)], { env: observed.env });
  return { bands: out?.bands, bytes: out?.bytes, loaded: observed.loaded() };
}

function observing(programs: string, id: string): { readonly env: Record<string, string>; readonly loaded: () => readonly string[] } {
  const log = space.path(`loaded-${id}`);
  const env = { TILEFAN_PROGRAMS: programs, PROJECT: new URL('../../', import.meta.url).href, LOADED: log, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(observer)}` };
  return { env, loaded: () => (existsSync(log) ? [...new Set(readFileSync(log, 'utf8').trim().split('\n'))] : []) };
}

/** Programs like those that were made, but for what `change` does to the document that says what they are made of. */
function changed(name: string, change: (made: { node: string; project: string; files: [string, number, number][]; bytes: Record<string, number> }) => void): string {
  const copy = `${folder}-${name}`;
  mkdirSync(copy);
  after(() => {
    rmSync(copy, { recursive: true });
  });
  for (const file of readdirSync(folder)) copyFileSync(join(folder, file), join(copy, file));
  const document = join(copy, 'made-of.json');
  const made = JSON.parse(readFileSync(document, 'utf8')) as Parameters<typeof change>[0];
  change(made);
  writeFileSync(document, JSON.stringify(made));
  return copy;
}

void describe('programs', () => {
  // Catches: modules that are loaded all the same; other pixels; a module that programs are made of whose change nobody would notice.
  void it('do what modules do, load none of them, and know all of them', async () => {
    const [programs, modules] = [await run(folder), await run(none)];
    const typescript = (loaded: readonly string[]): string[] => loaded.filter((path) => path.endsWith('.ts'));
    assert.deepEqual(typescript(programs.loaded), []);
    for (const main of mains) assert.ok(modules.loaded.includes(main), main);
    assert.deepEqual([programs.bytes, programs.bands], [modules.bytes, modules.bands]);
    const { files } = JSON.parse(readFileSync(join(folder, 'made-of.json'), 'utf8')) as { files: [string, number, number][] };
    const known = new Set(files.map(([path]) => path));
    assert.deepEqual([...programs.loaded, ...modules.loaded].filter((path) => !known.has(path)), []);
  });

  // Catches: code of another Node, or another checkout, or of files as they were, that runs.
  for (const [what, change] of Object.entries<Parameters<typeof changed>[1]>({
    'a file of another length': ({ files: [first] }) => { if (first !== undefined) first[1]++; },
    'a file of another time': ({ files }) => { const last = files.at(-1); if (last !== undefined) last[2]--; },
    'a file that is gone': ({ files }) => { files.push(['lib/gone.ts', 1, 1]); },
    'code that is cut off': ({ bytes }) => { bytes['worker.code'] = 1 + (bytes['worker.code'] ?? 0); },
    'no code': ({ bytes }) => { bytes['gone.code'] = 1; },
    'another Node': (made) => { made.node = made.node.replace('v', 'v1'); },
    'another folder': (made) => { made.project += 'a'; },
  })) {
    void it(`give way to modules when there is ${what}`, async () => {
      const { loaded } = await run(changed(what.replaceAll(' ', '-'), change));
      for (const main of mains) assert.ok(loaded.includes(main), main);
    });
  }

  // Catches: a worker, or a thread, that can't start any more when the programs are taken away under a command.
  void it('are not needed by a worker that is one', () => {
    const { env, loaded } = observing(none, 'worker');
    const { status, stderr } = spawnSync(process.execPath, [join(projectFolder, 'local/programs/worker.cjs')], { env: { ...process.env, ...env }, encoding: 'utf8' });
    assert.equal(status, 64, stderr);
    assert.match(stderr, /TILEFAN_RUN: wanted a run prefix/);
    assert.ok(loaded().includes('containers/worker/main.ts'));
  });

  // Catches: kept code that V8 refuses because it was made under other flags, which nobody would see but by the time it takes.
  void it('come with code that V8 takes', () => {
    const taken = `
const { readFileSync } = require('node:fs'); const { Script } = require('node:vm'); const { Worker, isMainThread, workerData } = require('node:worker_threads');
const check = (name) => console.log(name, new Script(readFileSync(${JSON.stringify(folder)} + '/' + name + '.js', 'latin1'), { cachedData: readFileSync(${JSON.stringify(folder)} + '/' + name + '.code') }).cachedDataRejected);
if (isMainThread) { check(process.argv[1]); if (process.argv[1] === 'worker') new Worker(__filename, { workerData: 'thread' }); } else check(workerData);`;
    const file = space.path('taken.cjs');
    writeFileSync(file, taken.replaceAll('process.argv[1]', 'process.argv[2]'));
    const command = spawnSync(process.execPath, [file, 'command'], { encoding: 'utf8' });
    const worker = spawnSync(process.execPath, ['--max-semi-space-size=2', file, 'worker'], { encoding: 'utf8' });
    assert.equal(command.stdout + worker.stdout, names.map((name) => `${name} false\n`).join(''), command.stderr + worker.stderr);
  });

  // Catches: an installation that fails because of what only makes it faster.
  void it('are left out, with a reason, where they can not be made', () => {
    const { status, stderr } = make(space.path('scene.tif/programs'));
    assert.equal(status, 0);
    assert.match(stderr, /^tilefan: commands will start a little slower: ENOTDIR.*\n$/);
  });
});
