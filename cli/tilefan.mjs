#!/usr/bin/env node
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import module from 'node:module';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

// Plain JavaScript, so that an old Node can at least say what is wrong: the rest is TypeScript, which Node runs from version 24 on.
const wanted = 24;
const found = Number(process.versions.node.split('.')[0]);
if (found < wanted) {
  process.stderr.write(
    `tilefan runs on Node ${wanted} or newer; this is ${process.version} (${process.execPath}).\n` +
      `"npm ci" brings a Node ${wanted} for Linux into node_modules/.bin, which "npm run" finds first; elsewhere install Node ${wanted} yourself.\n`,
  );
  process.exit(69);
}
// Type stripping and parsing are done once for each version of a file; workers inherit the cache by the environment.
const cache = module.enableCompileCache(process.env.NODE_COMPILE_CACHE ? undefined : cacheFolder());
if (cache.directory !== undefined) process.env.NODE_COMPILE_CACHE ??= cache.directory;
const { areCurrent, startModules, startProgram } = module.createRequire(import.meta.url)('../local/programs/start.cjs');
await (areCurrent() ? startProgram : startModules)('command');

/** The user's own cache, and no folder that everybody writes into (XDG Base Directory Specification); undefined, Node's default, where that can't be made. */
function cacheFolder() {
  const { XDG_CACHE_HOME: named = '' } = process.env;
  try {
    const folder = isAbsolute(named) ? named : join(homedir(), '.cache');
    // Level by level: where nothing can be made, as in /proc, Node would try to make all of them for ever.
    for (const path of [folder, join(folder, 'tilefan')]) if (!existsSync(path)) mkdirSync(path, { mode: 0o700 });
    accessSync(join(folder, 'tilefan'), constants.W_OK);
    return join(folder, 'tilefan', 'node-compile-cache');
  } catch {
    return undefined;
  }
}
