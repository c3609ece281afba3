/** An item as a source finds it, before it has a number. */
import type { Json, ItemParameters } from './item.ts';

export interface FoundItem {
  /** null for a set of parameters. */
  readonly href: string | null;
  /** undefined where the source doesn't decide it: then it is the index. */
  readonly path: string | undefined;
  readonly size: number | null;
  readonly version: string | null;
  readonly parameters: ItemParameters | null;
}

/** A set of parameters. */
export function parameterItem(parameters: Readonly<Record<string, Json>>): FoundItem {
  return { href: null, path: undefined, size: null, version: null, parameters: { ...parameters } };
}
