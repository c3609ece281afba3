/** What the kernels of focal operations have in common. */
import type { SlidingRows } from './rows.ts';

/** The part of a plane that lies within the image; what is outside of it counts as missing. Bounds are half open. */
export interface Inside {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/**
 * Computes one row of a focal operation from rows of its operand, for the columns inside; all rows that it looks at are there.
 * Rows come in order, from the top down.
 */
export interface FocalKernel {
  /** Forgets what it knows of the rows above: another window begins, `stride` samples a row. */
  restart(inside: Inside): void;
  /** Writes values and validity of `row` and whether it is full; `out` has the row already. */
  compute(row: number, operand: SlidingRows, out: SlidingRows): void;
}

/** The rows of a window around `row` that lie inside: from the first to before the second. */
export function rowsAround(row: number, reach: number, { top, bottom }: Inside): readonly [number, number] {
  return [Math.max(row - reach, top), Math.min(row + reach + 1, bottom)];
}

/** The validity of the result where only the centre counts. */
export function copyValidity(row: number, operand: SlidingRows, out: SlidingRows): void {
  const full = operand.isFull(row);
  const at = out.offset(row);
  if (full) out.validity.fill(1, at, at + out.stride);
  else out.validity.set(operand.validity.subarray(operand.offset(row), operand.offset(row) + out.stride), at);
  out.full[row - out.first] = Number(full);
}
