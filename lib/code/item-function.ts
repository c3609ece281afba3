/**
 * The types of functions over items that users write. As those of functions over tiles (tile-function.ts) they name nothing of ours. docs/items-functions.md shows how
 * they are used.
 */

/** What objects and sets of parameters have in common. */
interface AnyItem<Parameters> {
  /** Place among all items of the run, from 0. */
  readonly index: number;
  /** Below the prefix of the job; of a set of parameters its index in 8 digits. */
  readonly path: string;
  /** The last part of the path. */
  readonly name: string;
  /** An empty folder: what is in it when the function returns goes to the job's outputs, below the path of the item. */
  readonly folder: string;
  /** The job's `operation.parameters`, and in front of them the item's own. */
  readonly parameters: Parameters;
}

/** An object: a file, or what lies under a key in S3. */
export interface ObjectItem<Parameters = Readonly<Record<string, unknown>>> extends AnyItem<Parameters> {
  readonly href: string;
  /** Bytes of the object. */
  readonly size: number;
  /** The object as a local file, to be read only. */
  readonly file: string;
}

/** A set of parameters. */
export interface ParameterItem<Parameters = Readonly<Record<string, unknown>>> extends AnyItem<Parameters> {
  readonly href: null;
  readonly size: null;
  readonly file: null;
}

/**
 * A function over objects. What it returns, if anything, is the item's row of the table: JSON, in which typed arrays become arrays.
 *
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import type { ItemFunction } from 'tilefan';
 *
 * export const words: ItemFunction = async ({ file }) => ({ words: (await readFile(file, 'utf8')).split(/\s+/).length });
 * ```
 */
export type ItemFunction<Parameters = Readonly<Record<string, unknown>>, Result = unknown> = (item: ObjectItem<Parameters>) => Result | Promise<Result>;

/** A function over sets of parameters: `items.parameters`, `items.parameterGrid`, or what another run has come to. */
export type ParameterFunction<Parameters = Readonly<Record<string, unknown>>, Result = unknown> = (parameters: Parameters, item: ParameterItem<Parameters>) => Result | Promise<Result>;
