/** Keeps what V8 has compiled of a script while it ran, in a run that is made for that (make.mjs). */
'use strict';
const { renameSync, writeFileSync } = require('node:fs');
const v8 = require('node:v8');

/** A thread may be ended at any time. */
const everyMs = 50;

/** @param {(code: Uint8Array) => Uint8Array} checksums what comes before the code */
module.exports = (/** @type {import('node:vm').Script} */ script, /** @type {string} */ file, checksums) => {
  // Code made under other flags than it is read under, V8 refuses; the worker sets some when it has loaded.
  v8.setFlagsFromString = () => undefined;
  const keep = () => {
    const temporary = `${file}.${require('node:crypto').randomUUID()}`;
    const code = script.createCachedData();
    writeFileSync(temporary, Buffer.concat([checksums(code), code]));
    renameSync(temporary, file);
  };
  setInterval(keep, everyMs).unref();
  process.on('exit', keep);
};
