/** Where the parts of a user's module come from: an esbuild plugin that reads them through the store. */
import { isBuiltin } from 'node:module';
import { dirname, join, posix } from 'node:path';

import type { ImportKind, Loader, OnLoadResult, OnResolveResult, Plugin, PluginBuild } from 'esbuild';

import { InputUnavailableError, messageOf } from '../base/errors.ts';
import { basename, displayHref, fileHref, parentHref, parseHref, pathOf, resolveHref } from '../store/href.ts';
import type { ObjectReader } from '../store/store.ts';
import { nativeAddon } from './native-addons.ts';
import { sourcePrefix } from './source-names.ts';

/** The namespace of all sources: what a source map shows before their names. */
const namespace = sourcePrefix.slice(0, -1);

/** Of the module alone. */
const entryPoint = 'entry-point';

/** Packages that lie nowhere near a module on S3 are those of this installation. */
const installation = join(import.meta.dirname, '../..');

const loaders: Readonly<Record<string, Loader>> = {
  '.ts': 'ts',
  '.mts': 'ts',
  '.cts': 'ts',
  '.js': 'js',
  '.mjs': 'js',
  '.cjs': 'js',
  '.json': 'json',
  '.txt': 'text',
  '.wasm': 'binary',
};

/** What may be left out of the name of a file that is imported, and what TypeScript's people write instead. */
const endings = ['.ts', '.mts', '.js', '.mjs', '.json'] as const;
const written: Readonly<Record<string, string>> = { '.js': '.ts', '.mjs': '.mts' };

/** What the plugin knows of a source beside its name. */
interface Source {
  readonly href: string;
}

/** @param entry href of the module */
export function moduleSources(entry: string, store: ObjectReader): Plugin {
  return {
    name: 'tilefan',
    setup(build) {
      const names = new SourceNames(entry);
      const found = (href: string, sideEffects?: boolean): OnResolveResult => ({
        path: names.of(href),
        namespace,
        pluginData: { href } satisfies Source,
        ...(sideEffects === undefined ? {} : { sideEffects }),
      });
      build.onResolve({ filter: /.*/ }, async ({ path, kind, pluginData }) => {
        // Asked by ourselves, below.
        if (pluginData === 'asked') return undefined;
        if (kind === entryPoint) return found(entry);
        if (path === 'tilefan') return { path, namespace: 'tilefan-types' };
        if (isBuiltin(path)) return { path: path.startsWith('node:') ? path : `node:${path}`, external: true };
        if (path.endsWith('.node')) return refused(`${path} is a native addon, which cannot be part of a bundle: install it in the worker's image and use a Python function or a command, or find a package in JavaScript or WebAssembly`);
        if (/^https?:/.test(path)) return refused(`${path} is on the web: put a copy of it beside the module`);
        const importer = (pluginData as Source).href;
        if (path.startsWith('s3://') || (importer.startsWith('s3://') && /^\.{1,2}(?:\/|$)/.test(path))) return await inStore(store, path, importer, found);
        return await byEsbuild(build, path, kind, importer, found);
      });
      build.onLoad({ filter: /.*/, namespace: 'tilefan-types' }, () => ({ contents: 'export {}', loader: 'js' }));
      build.onLoad({ filter: /.*/, namespace }, async ({ pluginData }): Promise<OnLoadResult> => {
        const { href } = pluginData as Source;
        const loader = loaders[posix.extname(basename(href))];
        if (loader === undefined) return refused(`${displayHref(href)} is none of the files that a module may import: ${Object.keys(loaders).join(', ')}`);
        try {
          return { contents: await store.readAll(href), loader, pluginData: { href } satisfies Source };
        } catch (error) {
          return refused(messageOf(error));
        }
      });
    },
  };
}

function refused(text: string): { readonly errors: { readonly text: string }[] } {
  return { errors: [{ text }] };
}

/** Files, and packages of wherever the importing module is: esbuild's own search, which knows package.json. */
async function byEsbuild(build: PluginBuild, path: string, kind: ImportKind, importer: string, found: (href: string, sideEffects?: boolean) => OnResolveResult): Promise<OnResolveResult | undefined> {
  const near = importer.startsWith('s3://') ? undefined : dirname(pathOf(importer));
  let problem: OnResolveResult | undefined;
  for (const resolveDir of near === undefined ? [installation] : [near, installation]) {
    // A package near the module comes before one of this installation, and a file is only there.
    if (resolveDir !== near && /^\.{0,2}\//.test(path)) continue;
    // oxlint-disable-next-line no-await-in-loop
    const { errors, warnings, path: file, namespace: where, external, sideEffects } = await build.resolve(path, { resolveDir, kind, pluginData: 'asked' });
    if (errors.length === 0 && where === 'file' && !external) {
      const addon = nativeAddon(file);
      if (addon !== undefined) return refused(`the package ${addon} is a native addon, which cannot be part of a bundle: use one in JavaScript or WebAssembly, or a Python function or a command`);
      return found(fileHref(file), sideEffects);
    }
    // A package may leave a file out for Node ("browser": false and the like).
    if (errors.length === 0 && where !== 'file') return { path: file, namespace: where, external };
    problem ??= { errors: errors.map(({ text, notes }) => ({ text, notes })), warnings };
  }
  // An optional package, asked for by require within try, may be missing: esbuild knows, and says so itself where it may not.
  return kind === 'require-call' || kind === 'require-resolve' ? undefined : problem;
}

/** Files on S3, with the endings that may be left out. */
async function inStore(store: ObjectReader, path: string, importer: string, found: (href: string) => OnResolveResult): Promise<OnResolveResult> {
  const href = resolveHref(path, parentHref(importer));
  const ending = posix.extname(basename(href));
  const typed = written[ending];
  const candidates = [
    ...(ending in loaders ? [href] : []),
    ...(typed === undefined ? [] : [`${href.slice(0, -ending.length)}${typed}`]),
    ...(ending in loaders ? [] : [...endings.map((end) => `${href}${end}`), ...endings.map((end) => `${href}/index${end}`)]),
  ];
  for (const candidate of candidates) {
    try {
      // One after another: the first is nearly always the right one.
      // oxlint-disable-next-line no-await-in-loop
      await store.stat(candidate);
      return found(candidate);
    } catch (error) {
      // Without the right to list a bucket, what is missing is refused.
      if (!(error instanceof InputUnavailableError)) throw error;
    }
  }
  return refused(`there is no ${candidates.map((candidate) => displayHref(candidate)).join(', nor ')}`);
}

/** What sources are called in the bundle: the same wherever the module and the packages lie, so that its bytes are the same. */
class SourceNames {
  readonly #folder: string;
  readonly #names = new Map<string, string>();
  readonly #taken = new Set<string>();

  constructor(entry: string) {
    this.#folder = parentHref(entry);
  }

  of(href: string): string {
    const known = this.#names.get(href);
    if (known !== undefined) return known;
    const base = this.#nameOf(href);
    let name = base;
    for (let count = 2; this.#taken.has(name); count++) name = `${base}?${String(count)}`;
    this.#names.set(href, name);
    this.#taken.add(name);
    return name;
  }

  #nameOf(href: string): string {
    const [to, from] = [parseHref(href), parseHref(this.#folder)];
    const path = to.scheme === 's3' ? `/${to.bucket}/${to.key}` : to.path;
    const modules = path.lastIndexOf('/node_modules/');
    if (modules >= 0) return path.slice(modules + 1);
    const folder = from.scheme === 's3' ? `/${from.bucket}/${from.key}` : from.path;
    return to.scheme === from.scheme ? posix.relative(folder, path) : basename(href);
  }
}
