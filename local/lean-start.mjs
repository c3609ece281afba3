/**
 * Loaded before everything else by the processes of a local run, their compute threads included: they load some hundred small modules, and Node takes
 * longer to find one (its real path, its package, its format) than to read what the compile cache has of it. Where that is known beforehand, it is told.
 *
 * And two packages import far more than is used of them, which nothing else would keep from loading: zod the messages of 50 languages (30 ms), middy all of
 * node:http for a table of status texts (25 ms). They get stand-ins.
 * Plain JavaScript, as it is also what `node --import` takes.
 */
import { registerHooks } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const project = new URL('../', import.meta.url).href;
const packages = new URL('node_modules/', project).href;
const zod = new URL('zod/', packages).href;

/** Source of what stands in, by the specifier and a part of the importing module's address. */
const standIns = [
  { specifier: '../locales/index.js', importer: '/node_modules/zod/', source: 'export {};' },
  { specifier: 'node:http', importer: '/node_modules/@middy/util/', source: 'export const STATUS_CODES = {};' },
];

if (isMainThread) {
  // zod writes and compiles a function for each schema that it meets, which pays after thousands of documents; a run has a dozen (10 to 20 ms in each process).
  // This is what z.config({ jitless: true }) sets, without loading zod first.
  // oxlint-disable-next-line no-underscore-dangle
  globalThis.__zod_globalConfig = { jitless: true };
}
registerHooks({ resolve: createResolve() });

/** What is not told here Node finds by itself. */
function createResolve() {
  /** What the project's modules import by name: it is the same for all of them. */
  const named = new Map();
  return (specifier, context, next) => {
    const { parentURL = '', conditions = [] } = context;
    // A set in Node before 24.5.
    if (new Set(conditions).has('require')) return next(specifier, context);
    const relative = specifier.startsWith('.');
    if (!parentURL.startsWith(project) || parentURL.startsWith(packages)) {
      const standIn = standIns.find((each) => each.specifier === specifier && parentURL.includes(each.importer));
      if (standIn !== undefined) return { url: `data:text/javascript,${encodeURIComponent(standIn.source)}`, shortCircuit: true };
      return relative && specifier.endsWith('.js') && parentURL.startsWith(zod) ? found(specifier, parentURL, 'module') : next(specifier, context);
    }
    if (relative) return specifier.endsWith('.ts') ? found(specifier, parentURL, 'module-typescript') : next(specifier, context);
    if (!named.has(specifier)) named.set(specifier, { ...next(specifier, context), shortCircuit: true });
    return named.get(specifier);
  };
}

function found(specifier, parentURL, format) {
  return { url: new URL(specifier, parentURL).href, format, shortCircuit: true };
}
