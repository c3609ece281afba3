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
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, extname, join, relative, resolve } from 'node:path';
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
  const folder = `${target}.${process.pid}`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  try {
    const used = await Promise.all(Object.entries(modules).map(([name, entry]) => bundle(name, entry, folder)));
    const paths = new Set([...alsoMadeOf, ...ownFiles, ...used.flat()]);
    const made = { node, project, files: [...paths].toSorted().map((path) => factsOf(path)) };
    // Without the code that is kept they count as whole for the run that keeps it.
    writeFileSync(join(folder, files.madeOf), JSON.stringify({ ...made, bytes: {} }));
    keepCode(folder);
    const whole = Object.keys(modules).flatMap((name) => [files.script(name), files.code(name)]);
    // A thread that was ended while it kept its code has left a part of it.
    for (const name of readdirSync(folder)) if (name !== files.madeOf && !whole.includes(name)) rmSync(join(folder, name));
    const bytes = Object.fromEntries(whole.map((name) => [name, statSync(join(folder, name)).size]));
    writeFileSync(join(folder, files.madeOf), JSON.stringify({ ...made, bytes }));
    rmSync(target, { recursive: true, force: true });
    renameSync(folder, target);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns the project's files that the program is made of */
async function bundle(name, entry, folder) {
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
    plugins: [plugin([...standIns, ...interpreterStandIns])],
  });
  const left = Object.values(metafile.outputs).flatMap(({ imports }) => imports).find(({ kind }) => kind === 'dynamic-import');
  if (left !== undefined) throw new Error(`${entry} imports ${left.path} when it runs, in a way that make.mjs doesn't know`);
  const settings = name === 'thread' ? '' : `globalThis.__zod_globalConfig = ${JSON.stringify(zodSettings)};\n`;
  writeFileSync(join(folder, files.script(name)), `(function (require, tilefanImport) {\nconst module = { exports: {} };\n${settings}${outputFiles[0].text}\n})`);
  return Object.keys(metafile.inputs).filter((path) => !path.includes('node_modules/') && !path.includes(':'));
}

function loaderOf(path) {
  return extname(path) === '.ts' ? 'ts' : 'js';
}

function plugin(standIns) {
  return {
    name: 'tilefan',
    setup(build) {
      build.onResolve({ filter: /./ }, ({ path, importer }) => {
        const found = standIns.findIndex((each) => each.specifier === path && importer.includes(each.importer));
        return found < 0 ? undefined : { path: String(found), namespace: 'stand-in' };
      });
      build.onLoad({ filter: /./, namespace: 'stand-in' }, ({ path }) => ({ contents: standIns[Number(path)].source }));
      build.onLoad({ filter: /\.(?:ts|mjs|js)$/ }, ({ path }) => {
        const place = places[relative(project, path)];
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
  const space = mkdtempSync(join(tmpdir(), 'tilefan-programs-'));
  try {
    const job = {
      inputs: { scene: 'scene.tif' },
      operation: { expression: { out: '(scene[4] - scene[3]) / (scene[4] + scene[3])' } },
      outputs: { out: { href: 'out.tif', dtype: 'float32', nodata: -9999, overviews: 'average', statistics: true } },
    };
    writeFileSync(join(space, 'job.json'), JSON.stringify(job));
    run(['--eval', `import(${JSON.stringify(pathToFileURL(join(project, 'examples/make-scene.ts')).href)}).then(({ makeScene }) => makeScene(${JSON.stringify(join(space, 'scene.tif'))}, ${scenePixels}))`]);
    run([join(project, 'cli/tilefan.mjs'), 'run', join(space, 'job.json'), '--work', join(space, 'work')], { TILEFAN_PROGRAMS: folder, TILEFAN_KEEP_CODE: '1' });
  } finally {
    rmSync(space, { recursive: true, force: true });
  }
}

function run(args, env = {}) {
  const { status, signal, stderr, error } = spawnSync(process.execPath, args, { env: { ...process.env, ...env }, encoding: 'utf8', timeout: longestMs });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status ?? signal}: ${stderr}`);
}
