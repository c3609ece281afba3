/**
 * One object out of those of all tiles, with the names of all. What several tiles have under one name is merged in the same way if both are objects; otherwise
 * that of the last tile stays, as Python's `update` does, also if it is null.
 */
import { OperationError } from '../../base/errors.ts';
import { emptyObject, isObject, wrongKind, type ResultFold, type TilePlace } from './result-values.ts';

/** Names and other parts of the merged value, at most: it is held in memory, some hundred bytes for each. */
const mostParts = 2_000_000;

export class DictFold implements ResultFold {
  #root: Record<string, unknown> | undefined;
  #parts = 0;

  add(tile: TilePlace, value: unknown): void {
    if (value === null) return;
    if (!isObject(value)) throw wrongKind('dict', tile, [], 'an object', value);
    this.#root ??= emptyObject();
    this.#update(this.#root, value);
    if (this.#parts > mostParts) {
      throw new OperationError('RESULTS_TOO_LARGE', `the results of all tiles are too many names for one object (more than ${String(mostParts)} until tile ${String(tile.column)},${String(tile.row)}); merge them as a list`, {
        where: { tile: [tile.column, tile.row] },
      });
    }
  }

  finish(): unknown {
    return this.#root ?? null;
  }

  #update(target: Record<string, unknown>, value: Readonly<Record<string, unknown>>): void {
    for (const [key, theirs] of Object.entries(value)) {
      let ours = target[key];
      if (isObject(theirs)) {
        if (!isObject(ours)) {
          this.#parts += 1 - (key in target ? partsOf(ours) : 0);
          ours = target[key] = emptyObject();
        }
        this.#update(ours as Record<string, unknown>, theirs);
      } else {
        this.#parts += partsOf(theirs) - (key in target ? partsOf(ours) : 0);
        target[key] = theirs;
      }
    }
  }
}

/** A value counts as one, and so do all of those in it. */
function partsOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce((sum: number, each) => sum + partsOf(each), 1);
}
