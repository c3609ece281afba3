/** What an editor makes of functions over items: tsc on samples, with our types and nothing else of ours. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { projectFolder } from '../../support/cli.ts';
import { createWorkspace } from '../../support/workspace.ts';

const workspace = createWorkspace('items-types');
after(() => workspace.remove());

function check(source: string, options: readonly string[] = []): string {
  const folder = workspace.newFolder();
  const installed = join(folder, 'node_modules/tilefan');
  mkdirSync(installed, { recursive: true });
  cpSync(join(projectFolder, 'lib/code/item-function.ts'), join(installed, 'index.ts'));
  writeFileSync(join(installed, 'package.json'), '{ "name": "tilefan", "type": "module", "exports": "./index.ts" }');
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'f.ts'), source);
  const args = ['--ignoreConfig', '--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--types', '', ...options, 'f.ts'];
  const { stdout, stderr } = spawnSync(join(projectFolder, 'node_modules/.bin/tsc'), args, { cwd: folder, encoding: 'utf8' });
  return stdout + stderr;
}

const good = `
import type { ItemFunction, ObjectItem, ParameterFunction, ParameterItem } from 'tilefan';
export const size: ItemFunction = ({ size, name }) => [size.toFixed(), name.length];
export const typed: ItemFunction<{ rate: number }, { half: number }> = async ({ parameters }) => ({ half: parameters.rate / 2 });
export const sum: ParameterFunction<{ a: number; b?: number }, number> = ({ a, b = 2 }, item) => a + b + item.index;
export const untyped: ParameterFunction = (parameters) => String(parameters['a']);
export const either = (item: ObjectItem | ParameterItem): number => (item.href === null ? 0 : item.file.length);
`;

const bad: readonly (readonly [string, RegExp])[] = [
  ['export const f: ItemFunction = ({ nmae }) => nmae;', /'nmae' does not exist/],
  ['export const f: ItemFunction = (item) => { item.file = ""; };', /read-only/],
  ['export const f: ItemFunction<{ a: number }, number> = ({ parameters }) => String(parameters.a);', /'string' is not assignable/],
  ['export const f: ItemFunction = (a, b) => [a, b];', /not assignable/],
  ['export const f: ParameterFunction = (p, { file }) => file.length;', /'file' is possibly 'null'|type 'null'|'never'/],
];

void describe('the types of functions over items', () => {
  // Catches types that need something else of ours, or that are too strict for what people write.
  void it('are understood by projects of all kinds', () => {
    for (const options of [[], ['--noUncheckedIndexedAccess', '--exactOptionalPropertyTypes', '--noPropertyAccessFromIndexSignature', '--verbatimModuleSyntax', '--isolatedModules']]) assert.equal(check(good, options), '');
  });

  // Catches types that let everything pass.
  for (const [source, words] of bad) {
    void it(`find what is wrong in ${source}`, () => {
      assert.match(check(`import type { ItemFunction, ParameterFunction } from 'tilefan';\n${source}`), words);
    });
  }
});
