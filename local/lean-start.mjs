/**
 * Loaded before everything else by the processes of a local run. Two packages import far more than is used of them, and nothing else would keep that from
 * loading: zod the messages of 50 languages (30 ms), middy all of node:http for a table of status texts (25 ms). They get stand-ins.
 * Plain JavaScript, as it is also what `node --import` takes.
 */
import { registerHooks } from 'node:module';
import { isMainThread } from 'node:worker_threads';

/** Source of what stands in, by the specifier and a part of the importing module's address. */
const standIns = [
  { specifier: '../locales/index.js', importer: '/node_modules/zod/', source: 'export {};' },
  { specifier: 'node:http', importer: '/node_modules/@middy/util/', source: 'export const STATUS_CODES = {};' },
];

// Compute threads load neither.
if (isMainThread) {
  // zod writes and compiles a function for each schema that it meets, which pays after thousands of documents; a run has a dozen (10 to 20 ms in each process).
  // This is what z.config({ jitless: true }) sets, without loading zod first.
  // oxlint-disable-next-line no-underscore-dangle
  globalThis.__zod_globalConfig = { jitless: true };
  registerHooks({
    resolve(specifier, context, next) {
      const found = standIns.find((each) => each.specifier === specifier && context.parentURL?.includes(each.importer));
      return found === undefined ? next(specifier, context) : { url: `data:text/javascript,${encodeURIComponent(found.source)}`, shortCircuit: true };
    },
  });
}
