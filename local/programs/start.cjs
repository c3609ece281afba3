/**
 * Starts the programs of a local run: the command, the worker, and a compute thread of it. Each may have been made one script beforehand, which is read with the code that V8 has made
 * of it (make.mjs, which says why). Where there are none, or a file has changed since, the modules run that they are made of. Plain JavaScript, as it is the first thing that loads.
 */
'use strict';
const { readFileSync, statSync } = require('node:fs');
const { createRequire } = require('node:module');
const { join } = require('node:path');
const { Script } = require('node:vm');
const { crc32 } = require('node:zlib');

const project = join(__dirname, '../..');
/** Where programs are being made. */
const keeping = process.env.TILEFAN_KEEP_CODE || undefined;
/** Where the programs lie. In node_modules: so they go when the packages do that are part of them. */
const folder = keeping || process.env.TILEFAN_PROGRAMS || join(project, 'node_modules/.cache/tilefan');

/** @type {Readonly<Record<string, string>>} */
const modules = { command: 'cli/main.ts', worker: 'containers/worker/main.ts', thread: 'containers/worker/thread.ts' };

/** Names of a program's files. */
const files = {
  script: (/** @type {string} */ name) => `${name}.js`,
  code: (/** @type {string} */ name) => `${name}.code`,
  madeOf: 'made-of.json',
};

/** The Node that runs this: code is of use to no other. */
const node = `${process.version} ${process.platform} ${process.arch}`;

/** What tells whether a file is as it was. */
function factsOf(/** @type {string} */ path) {
  const { size, mtimeMs } = statSync(join(project, path));
  return [path, size, mtimeMs];
}

/** Whether there are programs, made by this Node, here, of the files as they are. */
function areCurrent() {
  try {
    const made = JSON.parse(readFileSync(join(folder, files.madeOf), 'utf8'));
    if (made.node !== node || made.project !== project) return false;
    return made.files.every((/** @type {unknown[]} */ known) => {
      const found = factsOf(/** @type {string} */ (known[0]));
      return found[1] === known[1] && found[2] === known[2];
    });
  } catch {
    return false;
  }
}

/** @param {string} name */
async function startModules(name) {
  await import('../lean-start.mjs');
  await import(`../../${modules[name]}`);
}

/** Bytes of the checksums before the code. */
const checksumBytes = 8;

/** Of the script, and of its code: V8 itself looks at neither. */
function checksums(/** @type {Uint8Array} */ script, /** @type {Uint8Array} */ code) {
  const bytes = Buffer.alloc(checksumBytes);
  bytes.writeUInt32LE(crc32(script), 0);
  bytes.writeUInt32LE(crc32(code), 4);
  return bytes;
}

/** @returns undefined when they can't be read, or are damaged */
function readProgram(/** @type {string} */ name) {
  try {
    const script = readFileSync(join(folder, files.script(name)));
    if (keeping !== undefined) return { script, code: undefined };
    const kept = readFileSync(join(folder, files.code(name)));
    const code = kept.subarray(checksumBytes);
    return checksums(script, code).equals(kept.subarray(0, checksumBytes)) ? { script, code } : undefined;
  } catch {
    return undefined;
  }
}

/** Where a program's files are not what was made, its modules run. */
async function startProgram(/** @type {string} */ name) {
  const program = readProgram(name);
  if (program === undefined) {
    await startModules(name);
    return;
  }
  const filename = join(folder, files.script(name));
  // All of it is ASCII, of which a string takes a byte each.
  const script = new Script(program.script.latin1Slice(), { filename, cachedData: program.code });
  if (keeping !== undefined) require('./keep-code.cjs')(script, join(folder, files.code(name)), (/** @type {Uint8Array} */ code) => checksums(program.script, code));
  script.runInThisContext()(createRequire(filename), (/** @type {string} */ specifier) => import(specifier));
}

module.exports = { areCurrent, factsOf, files, folder, modules, node, project, startModules, startProgram };
