/** What an editor makes of a user's function: tsc on samples, in a project of the user's own with the package installed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';

import { projectFolder } from '../../support/cli.ts';
import { createWorkspace } from '../../support/workspace.ts';

const workspace = createWorkspace('types');
after(() => workspace.remove());

/** What an editor reads: nothing else of ours. */
const published = ['package.json', 'client/types.ts', 'lib/code/item-function.ts', 'lib/code/tile-function.ts'];

/** A project with one file. @param linked as `npm link` leaves the package, else as npm installs it */
function project(source: string, linked: boolean): string {
  const folder = workspace.newFolder();
  const installed = join(folder, 'node_modules/tilefan');
  mkdirSync(dirname(installed));
  if (linked) symlinkSync(projectFolder, installed);
  else for (const file of published) cpSync(join(projectFolder, file), join(installed, file));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'f.ts'), source);
  return folder;
}

function check(source: string, options: readonly string[], linked = false): string {
  const args = ['--ignoreConfig', '--noEmit', '--strict', '--target', 'es2022', '--types', '', ...options, 'f.ts'];
  const { stdout, stderr } = spawnSync(join(projectFolder, 'node_modules/.bin/tsc'), args, { cwd: project(source, linked), encoding: 'utf8' });
  return stdout + stderr;
}

const good = `
import type { TileArray, TileFunction, TileInfo } from 'tilefan';

interface Parameters {
  readonly soil: number;
}

export const savi: TileFunction<{ red: TileArray<Uint16Array>; nir: TileArray<Uint16Array> }, { out: TileArray<Float32Array> }, Parameters, { pixels: number }> = ({ inputs, outputs, parameters }) => {
  const { red, nir } = inputs;
  outputs.out.set(Float32Array.from(nir, (n, i) => ((n - (red[i] ?? 0)) / (n + (red[i] ?? 0) + parameters.soil)) * (1 + parameters.soil)));
  return { pixels: red.band(1).length };
};

export const lists: TileFunction<{ scenes: readonly TileArray[] }, { out: Float32Array | number[] }> = async ({ inputs, outputs }) => {
  outputs.out = new Float32Array(inputs.scenes.length);
};

export const where = (info: TileInfo): number | undefined => info.pixelCentres().x[0];
`;

const untyped = `
import type { TileFunction } from 'tilefan';
const mean: TileFunction = ({ inputs, outputs, info, parameters }) => {
  const { scene } = inputs;
  outputs.out.set(scene.band(1).map((value) => value * Number(parameters.scale)));
  return [info.tile.column + scene[0], scene.valid?.length];
};
export default mean;
`;

const items = `
import type { ItemFunction, ParameterFunction } from 'tilefan';
export const size: ItemFunction = (item) => item.size;
export const add: ParameterFunction<{ a: number }, number> = ({ a }) => a + 1;
`;

const client = `
import { ItemError, map, run, RunError, type MapOptions, type RunHandle, type RunProgress, type RunResult } from 'tilefan';

const seen: RunProgress[] = [];
const options: MapOptions = { where: 'aws', workers: 2, onProgress: (progress) => { seen.push(progress); } };
const first: RunHandle<number> = await map<number>({ module: 'f.ts', function: 'f' }, [1, 'a', { a: 1 }], options);
for await (const { done, total } of first.progress) seen.push({ ...first.latest, done, total });
const second = await map('g.ts', first);
const values: unknown[] = await second.values();
const { items, record, state }: RunResult = await (await run({ name: 'job' }, { run: 'id' })).result();
export const errors = items.map((item) => (item.status === 'rejected' ? [item.reason.traceback, item.reason instanceof ItemError] : [item.value, item.files[0]?.sha256]));
try { for await (const item of second.items()) seen.push({ ...second.latest, done: item.index }); } catch (error) { if (error instanceof RunError) values.push(error.code, error.where['line'], record, state); }
await second.cancel();
`;

const withUrls = `
import { map } from 'tilefan';
await map(new URL('f.ts', 'file:///'), [], { signal: new AbortController().signal });
`;

const nodenext = ['--module', 'nodenext'];
const bundler = ['--module', 'esnext', '--moduleResolution', 'bundler'];
const strictest = ['--noUncheckedIndexedAccess', '--exactOptionalPropertyTypes', '--noPropertyAccessFromIndexSignature', '--verbatimModuleSyntax', '--isolatedModules'];

void describe('the types of functions', () => {
  // Catches types that only a project with our own options understands: imports with .ts, missing declarations.
  for (const [name, options, linked] of [
    ['nodenext', nodenext, false],
    ['bundler', bundler, false],
    ['the strictest', [...nodenext, ...strictest], false],
    ['a linked package', nodenext, true],
    ['neither the DOM nor Node', [...nodenext, '--lib', 'es2022'], false],
  ] as const) {
    void it(`are understood by a project with ${name}`, () => {
      assert.equal(check(good, options, linked), '');
      assert.equal(check(items + client, options, linked), '');
      if (!options.includes('--lib')) assert.equal(check(withUrls, options, linked), '');
      if (!options.includes('--noUncheckedIndexedAccess')) assert.equal(check(untyped, options, linked), '');
    });
  }

  // Catches exports that an editor knows and Node doesn't, or the other way round.
  void it('are of what there is at run time', () => {
    const folder = project(`import * as tilefan from 'tilefan'; console.log(JSON.stringify(Object.keys(tilefan)));`, true);
    const { stdout, stderr } = spawnSync(process.execPath, ['f.ts'], { cwd: folder, encoding: 'utf8' });
    const names = JSON.parse(stdout === '' ? '[]' : stdout) as string[];
    const told = [...readFileSync(join(projectFolder, 'client/types.ts'), 'utf8').matchAll(/^export declare (?:class|function) (\w+)/gm)].map(([, name = '']) => name);
    assert.deepEqual(new Set(told), new Set(names), stderr);
    assert.ok(names.includes('run'));
  });

  // Catches types so wide that they say nothing.
  void it('find what is wrong', () => {
    for (const [source, words] of [
      ['inputs.green', /Property 'green' does not exist/],
      ['inputs.red.bands = 2', /Cannot assign to 'bands' because it is a read-only property/],
      ['inputs.red.band("1")', /'string' is not assignable to parameter of type 'number'/],
      ['info.windows', /Property 'windows' does not exist on type 'TileInfo'/],
      ['outputs.out = "x"', /'string' is not assignable/],
      ['info.nodataOf("red") + 1', /is possibly 'undefined'/],
    ] as const) {
      const text = `import type { TileArray, TileFunction } from 'tilefan';\nexport const f: TileFunction<{ red: TileArray }, { out: TileArray }> = ({ inputs, outputs, info }) => { void [inputs, outputs, info]; ${source}; };`;
      assert.match(check(text, nodenext), words, source);
    }
  });
});
