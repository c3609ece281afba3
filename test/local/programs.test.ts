/** The programs of a local run (local/programs/): that they run, do what the modules do that they are made of, and give way to these when a file has changed. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makeScene } from '../../examples/make-scene.ts';
import type { RunRecord } from '../../lib/job/records.ts';
import { projectFolder, runCli, runJob, until } from '../support/cli.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('programs');
/** Where packages are found that are no part of a program. */
const folder = join(projectFolder, `node_modules/.cache/tilefan-test-${String(process.pid)}`);
const none = join(folder, 'none');
const names = ['command', 'worker', 'thread'];
const mains = ['cli/main.ts', 'containers/worker/main.ts', 'containers/worker/thread.ts'];

function make(target: string): { readonly status: number | null; readonly stderr: string } {
  // As npm does it.
  return spawnSync(process.execPath, ['local/programs/make.mjs', target], { cwd: projectFolder, encoding: 'utf8', env: { ...process.env, npm_lifecycle_event: 'prepare', INIT_CWD: '/' } });
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
function changed(name: string, change: (made: { node: string; project: string; files: [string, number, number][] }) => void): string {
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
    'another Node': (made) => { made.node = made.node.replace('v', 'v1'); },
    'another folder': (made) => { made.project += 'a'; },
  })) {
    void it(`give way to modules when there is ${what}`, async () => {
      const { loaded } = await run(changed(what.replaceAll(' ', '-'), change));
      for (const main of mains) assert.ok(loaded.includes(main), main);
    });
  }

  // Catches: a disk that has lost a piece, with a command that crashes ever after, or, which V8 doesn't look for, constants that are others.
  for (const name of names) {
    for (const kind of ['js', 'code']) {
      void it(`give way to modules where ${name}.${kind} is damaged`, async () => {
        const damaged = changed(`${name}-${kind}`, () => undefined);
        const file = join(damaged, `${name}.${kind}`);
        const bytes = readFileSync(file);
        const at = Math.floor(bytes.length * 0.6);
        bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
        writeFileSync(file, bytes);
        const { bands, loaded } = await run(damaged);
        assert.ok(loaded.includes(mains[names.indexOf(name)] ?? ''), loaded.join(' '));
        assert.deepEqual(bands, (await run(none)).bands);
      });
    }
  }

  // Catches: what Node prints of scripts that import something by themselves.
  void it('print what modules print, also where a package is loaded late', async () => {
    writeFileSync(space.path('f.ts'), 'export function f({ inputs, outputs }) { outputs.out = inputs.scene.slice(0, outputs.out.length); }');
    const job = space.path('typescript.json');
    writeFileSync(job, JSON.stringify({ inputs: { scene: 'scene.tif' }, operation: { module: 'f.ts', function: 'g' }, outputs: { out: { href: 'f.tif', dtype: 'uint16' } } }));
    const [programs, modules] = await Promise.all([folder, none].map((each, i) => runCli(['run', job, '--run', 'r', '--work', space.path(`work-f${String(i)}`)], { env: { TILEFAN_PROGRAMS: each } })));
    assert.match(programs?.stderr ?? '', /has no export g/);
    const said = (stderr = ''): string => stderr.replaceAll(/"seconds":[\d.]+|work-f\d/g, '');
    assert.deepEqual([programs?.exitCode, said(programs?.stderr)], [modules?.exitCode, said(modules?.stderr)]);
  });

  // Catches: an edit that nobody sees because it came while the programs were made; paths that are taken for something else.
  void it('notice what is edited while they are made, in a folder of any name', async () => {
    const copy = space.newFolder('#1 50%20 ä');
    for (const path of spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: projectFolder, encoding: 'utf8' }).stdout.split('\0').filter(Boolean)) {
      if (!existsSync(join(projectFolder, path))) continue;
      mkdirSync(dirname(join(copy, path)), { recursive: true });
      copyFileSync(join(projectFolder, path), join(copy, path));
    }
    symlinkSync(join(projectFolder, 'node_modules'), join(copy, 'node_modules'));
    const target = join(copy, 'programs');
    const current = (): string => spawnSync(process.execPath, ['--print', 'require("./local/programs/start.cjs").areCurrent()'], { cwd: copy, encoding: 'utf8', env: { ...process.env, TILEFAN_PROGRAMS: target } }).stdout.trim();
    const making = spawn(process.execPath, ['local/programs/make.mjs', target], { cwd: copy, stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    making.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const ended = once(making, 'close');
    await until('the first program', () => existsSync(`${target}.${String(making.pid)}/thread.js`));
    appendFileSync(join(copy, 'containers/worker/thread.ts'), '\n');
    await ended;
    assert.equal(current(), 'false');
    // The example may have found that they aren't current, and have kept nothing.
    assert.match(said, /^$|^tilefan: commands will start a little slower: ENOENT.*\n$/);
    const again = spawnSync(process.execPath, ['local/programs/make.mjs', target], { cwd: copy, encoding: 'utf8' });
    assert.deepEqual([again.stderr, current()], ['', 'true']);
  });

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
const check = (name) => console.log(name, new Script(readFileSync(${JSON.stringify(folder)} + '/' + name + '.js', 'latin1'), { cachedData: readFileSync(${JSON.stringify(folder)} + '/' + name + '.code').subarray(8) }).cachedDataRejected);
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
