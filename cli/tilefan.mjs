#!/usr/bin/env node
import module from 'node:module';

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
const cache = module.enableCompileCache();
if (cache.directory !== undefined) process.env.NODE_COMPILE_CACHE ??= cache.directory;
await import('../local/lean-start.mjs');
await import('./main.ts');
