/**
 * Loaded before everything else by the processes of a local run, their compute threads included: they load some hundred small modules, and Node takes
 * longer to find one (its real path, its package, its format) than to read what the compile cache has of it. Where that is known beforehand, it is told.
 * Plain JavaScript, as it is also what `node --import` takes.
 */
import { registerHooks } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import { standIns, zodSettings } from './stand-ins.mjs';

const project = new URL('../', import.meta.url).href;
const packages = new URL('node_modules/', project).href;
const zod = new URL('zod/', packages).href;

if (isMainThread) {
  // oxlint-disable-next-line no-underscore-dangle
  globalThis.__zod_globalConfig = zodSettings;
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
