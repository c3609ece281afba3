/** What the processes of a local run leave out of packages, whether these load as modules (lean-start.mjs) or as part of a program (programs/make.mjs). */

/**
 * Two packages import far more than is used of them, which nothing else would keep from loading: zod the messages of 50 languages (30 ms), middy all of node:http for a table of status
 * texts (25 ms). Source of what stands in, by the specifier and a part of the importing module's address.
 */
export const standIns = [
  { specifier: '../locales/index.js', importer: '/node_modules/zod/', source: 'export {};' },
  { specifier: 'node:http', importer: '/node_modules/@middy/util/', source: 'export const STATUS_CODES = {};' },
];

/**
 * zod writes and compiles a function for each schema that it meets, which pays after thousands of documents; a run has a dozen (10 to 20 ms in each process).
 * This is what z.config({ jitless: true }) sets, as a global that zod looks for, so that it needn't be loaded first.
 */
export const zodSettings = { jitless: true };
