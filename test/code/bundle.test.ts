/** Modules with what they import, as one file. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { after, describe, it } from 'node:test';

import { JobError } from '../../lib/base/errors.ts';
import { bundleModule, type CodeBundle } from '../../lib/code/bundle.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';
import { createStore } from '../../lib/store/routing-store.ts';
import { startS3Server, whyNoS3Server } from '../support/s3-server.ts';
import { createWorkspace } from '../support/workspace.ts';

const workspace = createWorkspace('bundle');
after(() => workspace.remove());
const store = new FileStore();

/** Writes files into a new folder, which it gives. */
function files(sources: Readonly<Record<string, string>>): string {
  const folder = workspace.newFolder();
  for (const [name, text] of Object.entries(sources)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

async function bundleOf(sources: Readonly<Record<string, string>>, entry = 'f.ts'): Promise<CodeBundle> {
  return await bundleModule(fileHref(join(files(sources), entry)), store);
}

/** What the bundle's function gives, run where none of its sources are. */
async function result(bundle: CodeBundle): Promise<unknown> {
  const path = join(workspace.newFolder(), 'bundle.mjs');
  writeFileSync(path, bundle.bytes);
  const { f } = (await import(pathToFileURL(path).href)) as { f: () => unknown };
  return f();
}

const many = {
  'f.ts': `
    import { readFileSync } from 'fs';
    import type { TileFunction } from 'tilefan';
    import { Tile } from 'tilefan';
    import whole, { part } from './lib/part';
    import { typed } from './lib/typed.js';
    import { outer } from './folder';
    import table from './table.json' with { type: 'json' };
    import scale from 'scale-package/sub';
    import words from './words.txt';
    export const f = (): unknown => [whole, part, typed as number satisfies number, outer, table.n, scale(2), words, typeof readFileSync, f.name];
    export type T = TileFunction | Tile;`,
  'lib/part.mts': 'export const part = "part"; export default "whole";',
  'lib/typed.ts': 'export const typed: number = 3;',
  'folder/index.ts': 'export { default as outer } from "../lib/cjs.cjs";',
  'lib/cjs.cjs': 'const path = require("path"); let missing; try { missing = require("optional-package-that-is-missing"); } catch { missing = "none"; } module.exports = path.basename("/a/b") + missing;',
  'table.json': '{ "n": 5 }',
  'words.txt': 'some words',
  'node_modules/scale-package/package.json': '{ "name": "scale-package", "type": "module", "exports": { "./sub": "./inner.js" } }',
  'node_modules/scale-package/inner.js': 'import { factor } from "./factor.js"; export default (n) => n * factor;',
  'node_modules/scale-package/factor.js': 'export const factor = 21;',
};

void describe('a bundle', () => {
  // Catches endings, packages, CommonJS and types that are not understood, and a bundle that needs its sources.
  void it('holds what the module imports', async () => {
    const sources = { ...many, 'lib/part.ts': many['lib/part.mts'] };
    const bundle = await bundleOf(sources);
    assert.deepEqual(await result(bundle), ['whole', 'part', 3, 'bnone', 5, 42, 'some words', 'function', 'f']);
    assert.equal(bundle.extension, '.mjs');
    assert.equal(bundle.sha256, createHash('sha256').update(bundle.bytes).digest('hex'));
  });

  // Catches paths of the machine in the bytes: another worker, or a rerun, would have another hash for the same code.
  void it('has the same bytes wherever the sources lie', async () => {
    const sources = { ...many, 'lib/part.ts': many['lib/part.mts'] };
    const first = files(sources);
    const second = join(workspace.newFolder(), 'deeper/and deeper');
    cpSync(first, second, { recursive: true });
    // What lies around has no say.
    writeFileSync(join(second, 'tsconfig.json'), '{ "compilerOptions": { "paths": { "./lib/part": ["./nowhere"] }, "useDefineForClassFields": false, "verbatimModuleSyntax": true } }');
    const [a, b] = await Promise.all([first, second].map(async (folder) => await bundleModule(fileHref(join(folder, 'f.ts')), store)));
    assert.equal(a?.sha256, b?.sha256);
    const text = Buffer.from(a?.bytes ?? []).toString();
    const map = Buffer.from(/base64,(\S+)/.exec(text)?.[1] ?? '', 'base64').toString();
    assert.doesNotMatch(text + map, new RegExp(workspace.folder));
    assert.match(map, /"tilefan-source:lib\/typed\.ts"/);
  });

  // Catches packages beside the module that are passed over for those of this installation, and those of it that can't be had.
  void it('finds packages near the module, else of the installation', async () => {
    const folder = files({ 'f.js': 'import { nearest, near } from "p-limit"; import * as proj4 from "proj4"; export const f = () => [near, typeof proj4.default];', 'node_modules/p-limit/index.js': 'export const near = "mine", nearest = 1;' });
    assert.deepEqual(await result(await bundleModule(fileHref(join(folder, 'f.js')), store)), ['mine', 'function']);
  });

  // Catches one file that is there twice, once as its link.
  void it('takes a linked file once', async () => {
    const folder = files({ 'a/f.js': 'import { one } from "./one.js"; import { one as two } from "./two.js"; export const f = () => one === two;', 'a/one.js': 'export const one = {};' });
    symlinkSync(join(folder, 'a/one.js'), join(folder, 'a/two.js'));
    assert.equal(await result(await bundleModule(fileHref(join(folder, 'a/f.js')), store)), true);
  });

  // Catches code of other languages that goes through esbuild.
  void it('takes Python and models as they are', async () => {
    for (const name of ['f.py', 'f.pkl', 'm.onnx']) {
      const bytes = 'def f(info, inputs, outputs): pass\n';
      // oxlint-disable-next-line no-await-in-loop
      const bundle = await bundleOf({ [name]: bytes }, name);
      assert.deepEqual([Buffer.from(bundle.bytes).toString(), bundle.extension, bundle.sha256], [bytes, name.slice(1), createHash('sha256').update(bytes).digest('hex')]);
    }
  });

  const refusals: readonly (readonly [string, Readonly<Record<string, string>>, RegExp])[] = [
    ['a syntax error', { 'f.ts': 'export const f = () => {\n  const x = ;\n};' }, /f\.ts cannot be bundled: f\.ts:2:13: Unexpected ";"$/],
    ['a syntax error in what it imports', { 'f.ts': 'import "./lib/a.ts";', 'lib/a.ts': '\n  let 3;' }, /f\.ts cannot be bundled: lib\/a\.ts:2:7: /],
    ['a file that is missing', { 'f.ts': '\nimport { a } from "./missing.ts";\nexport const f = a;' }, /f\.ts:2:19: Could not resolve "\.\/missing\.ts"$/],
    ['a package that is missing', { 'f.ts': 'import a from "package-that-is-missing";\nexport const f = a;' }, /f\.ts:1:15: Could not resolve "package-that-is-missing"$/],
    ['an export that is missing', { 'f.ts': 'import { b } from "./a.ts";\nexport const f = b;', 'a.ts': 'export const a = 1;' }, /f\.ts:1:10: No matching export in "a\.ts" for import "b"$/],
    ['two errors', { 'f.ts': 'import "./a.ts"; import "./b.ts";' }, /Could not resolve "\.\/a\.ts" \(and 1 more\)$/],
    ['a native addon', { 'f.ts': 'import "./a.node";' }, /f\.ts:1:8: \.\/a\.node is a native addon, which cannot be part of a bundle/],
    ['a package with a native addon', { 'f.ts': 'import sharp from "sharp"; export const f = sharp;' }, /f\.ts:1:19: the package sharp is a native addon/],
    ['the web', { 'f.ts': 'import "https://example.com/a.js";' }, /f\.ts:1:8: https:\/\/example\.com\/a\.js is on the web: put a copy of it beside the module$/],
    ['a file of another kind', { 'f.ts': 'import "./a.css";', 'a.css': 'a {}' }, /a\.css is none of the files that a module may import: \.ts, /],
  ];
  for (const [what, sources, words] of refusals) {
    // Catches an error of esbuild's that reaches the user as pages of text, or without the place.
    void it(`refuses ${what}`, async () => {
      await assert.rejects(bundleOf(sources), (error: JobError) => {
        assert.ok(error instanceof JobError);
        assert.equal(error.code, 'FUNCTION_LOAD');
        assert.match(error.message, words);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      });
    });
  }

  // Catches a file that is run for what it is not, and a missing one that is esbuild's to explain.
  void it('refuses what is no code', async () => {
    await assert.rejects(bundleOf({ 'f.rb': '' }, 'f.rb'), { name: 'JobError', code: 'FUNCTION_KIND', message: /f\.rb is no code that can be run: its name ends in \.rb; wanted \.ts, \.mts, \.js, \.mjs, \.py, \.pkl, \.onnx$/ });
    await assert.rejects(bundleOf({}), { name: 'InputUnavailableError', code: 'STORE_NOT_FOUND' });
  });

  // Catches imports that only files can have, and bytes that depend on where the module is.
  void it('is made of sources on S3', { skip: whyNoS3Server() }, async () => {
    const server = await startS3Server();
    Object.assign(process.env, server.env);
    const s3 = createStore();
    try {
      const sources = {
        'f.ts': "import { part } from './lib/part'; import { typed } from './lib/typed.js'; import { outer } from '../shared/outer'; import table from './table.json' with { type: 'json' }; import * as proj4 from 'proj4'; export const f = () => [part, typed, outer, table.n, typeof proj4.default];",
        'lib/part.ts': 'export const part = "part";',
        'lib/typed.ts': 'export const typed: number = 3;',
        '../shared/outer/index.ts': 'export { outer } from "./more.mjs";',
        '../shared/outer/more.mjs': 'export const outer = 4;',
        'table.json': '{ "n": 5 }',
      };
      const base = `s3://${server.bucket}/code`;
      for (const [name, text] of Object.entries(sources)) {
        // oxlint-disable-next-line no-await-in-loop
        await s3.put(name.startsWith('../') ? `s3://${server.bucket}/${name.slice(3)}` : `${base}/${name}`, Buffer.from(text));
      }
      const bundle = await bundleModule(`${base}/f.ts`, s3);
      assert.deepEqual(await result(bundle), ['part', 3, 4, 5, 'function']);
      const folder = files(Object.fromEntries(Object.entries(sources).map(([name, text]) => [name.startsWith('../') ? name.slice(3) : `code/${name}`, text])));
      assert.equal((await bundleModule(fileHref(join(folder, 'code/f.ts')), store)).sha256, bundle.sha256);
      await s3.put(`${base}/g.ts`, Buffer.from("import './nowhere';"));
      await assert.rejects(bundleModule(`${base}/g.ts`, s3), { code: 'FUNCTION_LOAD', message: /g\.ts:1:8: there is no s3:\/\/.*\/code\/nowhere\.ts, nor s3:/ });
    } finally {
      await s3.close();
      await server.stop();
    }
  });
});
