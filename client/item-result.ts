/** What became of an item, as callers get it: its value, or its error with the traceback of where it happened. */
import type { ItemOutcome, MadeFile } from '../lib/job/items/item-outcome.ts';

/** A set of named values. */
export type Parameters = Readonly<Record<string, unknown>>;

interface Place {
  /** Among all items, from 0. */
  readonly index: number;
  /** Href of the object; null for a set of parameters. */
  readonly item: string | null;
  readonly parameters: Parameters | null;
}

/** As `Promise.allSettled` has them, with the item that they are about. */
export type ItemResult<Value = unknown> = Place &
  ({ readonly status: 'fulfilled'; readonly value: Value; /** Files that the item's operation has made. */ readonly files: readonly MadeFile[] } | { readonly status: 'rejected'; readonly reason: ItemError });

/** An item that failed. `stack` has the traceback of the user's function, from wherever it ran. */
export class ItemError extends Error {
  /** For programs: `FUNCTION_FAILED` where the function raised, `FUNCTION_TIMEOUT`, `FUNCTION_DIED`, … */
  readonly code: string;
  readonly index: number;
  readonly item: string | null;
  readonly parameters: Parameters | null;
  /** Name of the class of what was thrown, where the function threw. */
  readonly type: string | undefined;
  readonly traceback: string | undefined;
  /** Everything else that is known: file, line, the ends of what was printed. */
  readonly where: Readonly<Record<string, unknown>>;

  constructor({ index, item, parameters, error }: Extract<ItemOutcome, { ok: false }>) {
    super(`item ${String(index)}${item === null ? '' : ` (${item})`}: ${error.message}`);
    this.name = 'ItemError';
    this.code = error.code;
    this.index = index;
    this.item = item;
    this.parameters = parameters;
    this.where = error.where;
    this.type = textIn(error.where, 'type');
    this.traceback = textIn(error.where, 'traceback');
    this.stack = stackOf(this, this.traceback);
  }
}

/** The user's own frames in place of ours. What isn't from the user's code has no frames, and its text is the message. */
export function stackOf({ name, message }: Error, traceback: unknown): string {
  const frames = typeof traceback === 'string' && traceback.includes('\n') ? `\n${traceback.trimEnd()}` : '';
  return `${name}: ${message}${frames}`;
}

function textIn(where: Readonly<Record<string, unknown>>, field: string): string | undefined {
  const value = where[field];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export function itemResult<Value>(outcome: ItemOutcome): ItemResult<Value> {
  const { index, item, parameters } = outcome;
  if (!outcome.ok) return { status: 'rejected', index, item, parameters, reason: new ItemError(outcome) };
  // What a function returned is JSON, and of the type that the caller says.
  return { status: 'fulfilled', index, item, parameters, value: outcome.value as Value, files: outcome.outputs };
}
