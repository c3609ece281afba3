/**
 * Makes each program of a local run one script, with all packages it uses, and runs a small job with them, so that V8's code of the functions that really run can be kept. Node's own
 * compile cache is written before a module runs, so it lacks these functions; and finding and linking hundreds of modules takes longer than reading one script. What it
 * gains is in docs/performance.md.
 *
 *   node local/programs/make.mjs [FOLDER]      default: node_modules/.cache/tilefan
 *
 * `npm ci` does that at its end. Nothing depends on it: without programs, or when a file has been edited since, commands run from the modules. So this never fails; it says why it
 * made none.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, dirname, extname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import start from './start.cjs';

const { factsOf, files, modules, node, project } = start;
const target = resolve(process.argv[2] ?? join(project, 'node_modules/.cache/tilefan'));

/** Beside the modules that are part of the programs: all packages, and what starts and makes them. */
const alsoMadeOf = ['node_modules/.package-lock.json', 'package.json', 'tsconfig.json', 'cli/tilefan.mjs', 'local/lean-start.mjs', 'local/stand-ins.mjs'];
const ownFiles = ['start.cjs', 'worker.cjs', 'thread.cjs', 'keep-code.cjs', 'make.mjs'].map((name) => `local/programs/${name}`);

/** Packages that stay what they are: those with native code, or programs of their own; and large ones that few runs load. */
const external = ['esbuild', 'fsevents', 'onnxruntime-node', 'sharp', '@aws-sdk/*', 'geotiff-geokeys-to-proj4', 'proj4'];

/** Imports, when the program runs, of what isn't part of it. */
const importOutside = new RegExp(
  String.raw`\bimport\(\s*(?:/\*[^*]*\*/\s*)?(?<name>(?<quote>['"])(?:${[...builtinModules, 'node:[\\w/]+', ...external].join('|').replaceAll('*', String.raw`[\w-]+`)})\k<quote>)\s*\)`,
  'g',
);

/** Modules that say where a program lies, and what they say in programs. */
const places = {
  'containers/worker/thread-file.ts': `export const threadFile = new URL(${JSON.stringify(pathToFileURL(join(project, 'local/programs/thread.cjs')).href)});`,
  'local/worker-files.ts': `export const workerFiles = [${JSON.stringify(join(project, 'local/programs/worker.cjs'))}];`,
};

/** A side of the scene that the small job computes: some tiles for each thread. */
const scenePixels = 1024;
const longestMs = 120_000;

try {
  if (Number(process.versions.node.split('.')[0]) < 24) throw new Error(`wanted Node 24 or newer, found ${process.version}`);
  await make();
} catch (error) {
  process.stderr.write(`tilefan: commands will start a little slower: ${error instanceof Error ? error.message : String(error)}\n`);
}

async function make() {
  removeLeft();
  const folder = `${target}.${process.pid}`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  try {
    // Before they are read: what is edited meanwhile is then found to have changed.
    const known = new Map([...alsoMadeOf, ...ownFiles].map((path) => [path, factsOf(path)]));
    await Promise.all(Object.entries(modules).map(([name, entry]) => bundle(name, entry, folder, known)));
    writeFileSync(join(folder, files.madeOf), JSON.stringify({ node, project, files: [...known.values()] }));
    keepCode(folder);
    const whole = new Set([files.madeOf, ...Object.keys(modules).flatMap((name) => [files.script(name), files.code(name)])]);
    for (const name of whole) statSync(join(folder, name));
    // A thread that was ended while it kept its code has left a part of it.
    for (const name of readdirSync(folder)) if (!whole.has(name)) rmSync(join(folder, name), { recursive: true });
    rmSync(target, { recursive: true, force: true });
    renameSync(folder, target);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Folders of processes that were killed while they made programs. */
function removeLeft() {
  for (const name of existsSync(dirname(target)) ? readdirSync(dirname(target)) : []) {
    const [, pid] = name.startsWith(`${basename(target)}.`) ? (/\.(\d+)$/.exec(name) ?? []) : [];
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(dirname(target), name), { recursive: true, force: true });
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code !== 'ESRCH';
  }
}

/** @param known facts of the project's files that are part of programs, by their path; those of this one are added */
async function bundle(name, entry, folder, known) {
  const { build } = await import('esbuild');
  const [{ standIns, zodSettings }, { interpreterStandIns }] = await Promise.all([import('../stand-ins.mjs'), import('../lean-import.ts')]);
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    absWorkingDir: project,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: `node${process.versions.node}`,
    external,
    metafile: true,
    write: false,
    logLevel: 'silent',
    define: { 'import.meta.url': 'tilefanModuleUrl', 'import.meta.dirname': 'tilefanModuleFolder' },
    plugins: [plugin([...standIns, ...interpreterStandIns], known)],
  });
  const left = Object.values(metafile.outputs).flatMap(({ imports }) => imports).find(({ kind }) => kind === 'dynamic-import');
  if (left !== undefined) throw new Error(`${entry} imports ${left.path} when it runs, in a way that make.mjs doesn't know`);
  const settings = name === 'thread' ? '' : `globalThis.__zod_globalConfig = ${JSON.stringify(zodSettings)};\n`;
  writeFileSync(join(folder, files.script(name)), `(function (require, tilefanImport) {\nconst module = { exports: {} };\n${settings}${outputFiles[0].text}\n})`);
}

function loaderOf(path) {
  return extname(path) === '.ts' ? 'ts' : 'js';
}

function plugin(standIns, known) {
  return {
    name: 'tilefan',
    setup(build) {
      build.onResolve({ filter: /./ }, ({ path, importer }) => {
        const found = standIns.findIndex((each) => each.specifier === path && importer.includes(each.importer));
        return found < 0 ? undefined : { path: String(found), namespace: 'stand-in' };
      });
      build.onLoad({ filter: /./, namespace: 'stand-in' }, ({ path }) => ({ contents: standIns[Number(path)].source }));
      build.onLoad({ filter: /./, namespace: 'file' }, ({ path }) => {
        const name = relative(project, path);
        if (!name.startsWith('node_modules/') && !known.has(name)) known.set(name, factsOf(name));
        if (!/\.(?:ts|mjs|js)$/.test(path)) return undefined;
        const place = places[name];
        if (place !== undefined) return { contents: place, loader: 'ts' };
        const text = readFileSync(path, 'utf8');
        // A script can't import without a warning of Node's; who starts it can.
        const contents = text.replaceAll(importOutside, 'tilefanImport($<name>)');
        if (!contents.includes('import.meta')) return contents === text ? undefined : { contents, loader: loaderOf(path) };
        // A module says where it lies, not where the program does.
        const here = `const tilefanModuleUrl = ${JSON.stringify(pathToFileURL(path).href)}, tilefanModuleFolder = ${JSON.stringify(dirname(path))}; `;
        return { contents: here + contents, loader: loaderOf(path) };
      });
    },
  };
}

/** Runs a job like the first one of a newcomer with the programs. */
function keepCode(folder) {
  const space = join(folder, 'example');
  mkdirSync(space);
  const job = {
    inputs: { scene: 'scene.tif' },
    operation: { expression: { out: '(scene[4] - scene[3]) / (scene[4] + scene[3])' } },
    outputs: { out: { href: 'out.tif', dtype: 'float32', nodata: -9999, overviews: 'average', statistics: true } },
  };
  writeFileSync(join(space, 'job.json'), JSON.stringify(job));
  run(['--eval', `import(${JSON.stringify(pathToFileURL(join(project, 'examples/make-scene.ts')).href)}).then(({ makeScene }) => makeScene(${JSON.stringify(join(space, 'scene.tif'))}, ${scenePixels}))`]);
  run([join(project, 'cli/tilefan.mjs'), 'run', join(space, 'job.json'), '--work', join(space, 'work')], { cwd: space, env: { ...process.env, TILEFAN_KEEP_CODE: folder } });
}

function run(args, options = {}) {
  const { status, signal, stderr, error } = spawnSync(process.execPath, args, { ...options, encoding: 'utf8', timeout: longestMs });
  if (error !== undefined) throw error;
  if (status === 0) return;
  const lines = stderr.trim().split('\n');
  throw new Error(`the example ended with ${status ?? signal}: ${lines.find((line) => /^(?:tilefan: )?\w*Error: /.test(line)) ?? lines.at(-1)}`);
}
