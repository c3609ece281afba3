#!/usr/bin/env node
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
await import('./main.ts');
