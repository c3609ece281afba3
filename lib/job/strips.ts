/** Strips of tiles: rows that a thread reads and computes together. */

/** Rows that are computed together, at least: fewer would make the steps of a program too short to be worth their calls. */
const leastStripRows = 256;

/**
 * Rows of a tile that are read and computed together. The planes of the inputs then hold a strip instead of a tile. No block may lie in two strips, or
 * it would be decoded twice; where the blocks of the inputs don't allow that, the strip is the whole tile.
 * @param blocks heights of the inputs' blocks, and a row of the grid at which one begins; undefined when nothing is known of them
 */
export function stripRows(tileSize: number, blocks: readonly { readonly height: number; readonly begin: number }[] | undefined): number {
  if (blocks === undefined) return tileSize;
  const together = blocks.reduce((a, { height }) => (a / greatestCommonDivisor(a, height)) * height, 1);
  const strip = together * Math.ceil(leastStripRows / together);
  const aligned = blocks.every(({ height, begin }) => begin % height === 0);
  return aligned && strip < tileSize && tileSize % strip === 0 ? strip : tileSize;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
