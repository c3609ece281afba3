/** A user's module with all that it imports, as the one file that every worker runs. */
import { createHash } from 'node:crypto';
import { posix } from 'node:path';

import type { BuildFailure, Message } from 'esbuild';

import { JobError, messageOf } from '../base/errors.ts';
import { basename, displayHref, parentHref, resolveHref } from '../store/href.ts';
import type { ObjectReader } from '../store/store.ts';
import { moduleSources } from './module-sources.ts';
import { sourcePrefix } from './source-names.ts';

export interface CodeBundle {
  readonly bytes: Uint8Array;
  /** Of the bytes, in hexadecimal. */
  readonly sha256: string;
  /** What the file's name has to end in, so that whoever runs it knows what it is. */
  readonly extension: '.mjs' | '.py' | '.pkl' | '.onnx';
}

/** What can be bundled, and what is taken as it is. */
const bundled: ReadonlySet<string> = new Set(['.ts', '.mts', '.js', '.mjs']);
const taken = ['.py', '.pkl', '.onnx'] as const;

/** A model may be larger than a document. */
const mostBytes = 2 * 1024 ** 3;

/** Packages in CommonJS ask for Node's own modules by require, which a module has not. */
const banner = "import { createRequire as tilefanCreateRequire } from 'node:module';\nglobalThis.require ??= tilefanCreateRequire(import.meta.url);";

/**
 * Reads the code that a job names. TypeScript and JavaScript are bundled by esbuild with what they import (from beside the module, from packages near it, else of
 * this installation), with an inline source map; types are not checked. The same sources give the same bytes, wherever they lie.
 * @throws JobError FUNCTION_LOAD with file, line and column for what can't be bundled; FUNCTION_KIND for another ending; InputUnavailableError as the store
 */
export async function bundleModule(href: string, store: ObjectReader): Promise<CodeBundle> {
  const entry = resolveHref(href);
  const ending = posix.extname(basename(entry)).toLowerCase();
  const asIs = taken.find((known) => known === ending);
  if (asIs !== undefined) return finished(await store.readAll(entry, mostBytes), asIs);
  if (!bundled.has(ending)) {
    throw new JobError('FUNCTION_KIND', `${displayHref(entry)} is no code that can be run: its name ends in ${ending === '' ? 'nothing' : ending}; wanted ${[...bundled, ...taken].join(', ')}`, { where: { module: entry } });
  }
  // Missing or out of reach is the store's own error, which says why.
  await store.stat(entry);
  return finished(await build(entry, store), '.mjs');
}

function finished(bytes: Uint8Array, extension: CodeBundle['extension']): CodeBundle {
  return { bytes, sha256: createHash('sha256').update(bytes).digest('hex'), extension };
}

async function build(entry: string, store: ObjectReader): Promise<Uint8Array> {
  // Only here: workers run bundles and don't make them.
  const esbuild = await import('esbuild');
  try {
    const { outputFiles } = await esbuild.build({
      entryPoints: [entry],
      plugins: [moduleSources(entry, store)],
      bundle: true,
      write: false,
      outfile: 'bundle.mjs',
      // Where esbuild works shows nowhere in the bundle, and a tsconfig.json that happens to lie around has no say.
      absWorkingDir: '/',
      tsconfigRaw: {},
      format: 'esm',
      platform: 'node',
      target: 'node24',
      sourcemap: 'inline',
      keepNames: false,
      charset: 'utf8',
      banner: { js: banner },
      logLevel: 'silent',
    });
    const file = outputFiles[0];
    if (file === undefined) throw new Error('esbuild made nothing');
    return file.contents;
  } catch (cause) {
    throw bundleError(entry, cause);
  }
}

function bundleError(entry: string, cause: unknown): JobError {
  const name = displayHref(entry);
  const errors = (cause as Partial<BuildFailure>).errors;
  const first = errors?.[0];
  if (first === undefined || errors === undefined) return new JobError('FUNCTION_LOAD', `${name} cannot be bundled: ${messageOf(cause)}`, { cause, where: { module: entry } });
  const { file, line, column } = placeOf(first);
  const place = file === undefined ? '' : `${file}:${String(line)}:${String(column)}: `;
  const more = errors.length > 1 ? ` (and ${String(errors.length - 1)} more)` : '';
  return new JobError('FUNCTION_LOAD', `${name} cannot be bundled: ${place}${first.text.replaceAll(sourcePrefix, '').trim()}${more}`, {
    where: { module: entry, folder: parentHref(entry), file, line, column, source: first.location?.lineText },
  });
}

/** 1-based, as editors count. */
function placeOf({ location }: Message): { readonly file: string | undefined; readonly line: number | undefined; readonly column: number | undefined } {
  if (location === null) return { file: undefined, line: undefined, column: undefined };
  return { file: location.file.replace(sourcePrefix, ''), line: location.line, column: location.column + 1 };
}
