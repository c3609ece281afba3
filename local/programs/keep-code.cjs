/** Keeps what V8 has compiled of a script while it ran, in a run that is made for that (make.mjs). */
'use strict';
const { renameSync, writeFileSync } = require('node:fs');
const v8 = require('node:v8');

/** A thread may be ended at any time. */
const everyMs = 50;

module.exports = (/** @type {import('node:vm').Script} */ script, /** @type {string} */ file) => {
  // Code made under other flags than it is read under, V8 refuses; the worker sets some when it has loaded.
  v8.setFlagsFromString = () => undefined;
  const keep = () => {
    const temporary = `${file}.${require('node:crypto').randomUUID()}`;
    writeFileSync(temporary, script.createCachedData());
    renameSync(temporary, file);
  };
  setInterval(keep, everyMs).unref();
  process.on('exit', keep);
};
