/**
 * The inner loops over one row of a block that copy one band's samples.
 *
 * Each width has a loop of its own, because a loop that has met arrays of several types is compiled to slower code.
 *
 * In all of them `from[start + i * step]` is the band's sample of pixel i of the block's row, `column` and `columns` say which pixels
 * are wanted, and `into[to]` is where the first goes.
 */

/** Copies. Samples side by side are copied as one piece. */
export function copyWords(
  from: Uint8Array | Uint16Array | Uint32Array,
  start: number,
  step: number,
  column: number,
  columns: number,
  into: Uint8Array | Uint16Array | Uint32Array,
  to: number,
): void {
  const first = start + column * step;
  if (step === 1) {
    into.set(from.subarray(first, first + columns), to);
  } else if (from instanceof Uint8Array && into instanceof Uint8Array) {
    copyWords8(from, first, step, columns, into, to);
  } else if (from instanceof Uint16Array && into instanceof Uint16Array) {
    copyWords16(from, first, step, columns, into, to);
  } else if (from instanceof Uint32Array && into instanceof Uint32Array) {
    copyWords32(from, first, step, columns, into, to);
  }
}

function copyWords8(from: Uint8Array, first: number, step: number, columns: number, into: Uint8Array, to: number): void {
  for (let i = 0, at = first; i < columns; i++, at += step) into[to + i] = from[at] ?? 0;
}

function copyWords16(from: Uint16Array, first: number, step: number, columns: number, into: Uint16Array, to: number): void {
  for (let i = 0, at = first; i < columns; i++, at += step) into[to + i] = from[at] ?? 0;
}

function copyWords32(from: Uint32Array, first: number, step: number, columns: number, into: Uint32Array, to: number): void {
  for (let i = 0, at = first; i < columns; i++, at += step) into[to + i] = from[at] ?? 0;
}

/** Copies samples of 64 bits, seen as pairs: `start` and `to` count halves. */
export function copyPairs(
  from: Uint32Array,
  start: number,
  step: number,
  column: number,
  columns: number,
  into: Uint32Array,
  to: number,
): void {
  let at = start + 2 * column * step;
  for (let i = 0; i < columns; i++, at += 2 * step) {
    into[to + 2 * i] = from[at] ?? 0;
    into[to + 2 * i + 1] = from[at + 1] ?? 0;
  }
}
