/**
 * The strict pyramid: each overview level is made from 2 x 2 cells of the level below (of its stored values), at the right and lower edge
 * from the cells that exist, and nodata is left out. A level is therefore a function of the whole image alone: it doesn't depend on how
 * the image was cut into tiles, as long as tiles begin at multiples of a power of two.
 *
 * Where both sides are even the values equal those of GDAL's NEAREST, AVERAGE and MODE: integers are rounded half away from zero, an
 * average that happens to equal the nodata value is moved to the neighbouring value, and of equally frequent values the mode is the
 * one that reaches its count first in row order (gdal/gcore/overview.cpp; observed with GDAL 3.6). There are three differences, all in
 * averages: GDAL 3.6 takes those of 32-bit integers, of float64, and of float32 without a nodata value in float32, here the arithmetic is float64
 * throughout, so the last digits differ; and GDAL compares those of int16 and float32 with nodata before rounding them, so that valid pixels
 * can become nodata.
 */
import { bytesPerSample, dtypeFacts, fitsDtype, isFloat, type Dtype, type SampleArray } from './dtype.ts';
import { KernelSpace, chunkRows } from './kernels.ts';

/** How 2 x 2 cells become one. */
export type Resampling = 'nearest' | 'average' | 'mode';

/** One band over a rectangle, row by row: (rows, columns). */
export interface Plane {
  readonly samples: SampleArray;
  readonly columns: number;
  readonly rows: number;
}

/** Sides of every level of an image, level 0 first, down to the first that fits into one block. */
export function pyramidLevels(
  columns: number,
  rows: number,
  blockSize: number,
): { readonly columns: number; readonly rows: number }[] {
  const levels = [{ columns, rows }];
  let last = { columns, rows };
  while (Math.max(last.columns, last.rows) > blockSize) {
    last = { columns: Math.ceil(last.columns / 2), rows: Math.ceil(last.rows / 2) };
    levels.push(last);
  }
  return levels;
}

/**
 * Writes the next level of `source` into `target`, which must have room for ceil(columns / 2) x ceil(rows / 2) samples of the same type.
 * @returns the plane that was written
 */
export function halve(
  source: Plane,
  resampling: Resampling,
  dtype: Dtype,
  nodata: number | undefined,
  target: SampleArray,
): Plane {
  const plane = { samples: target, columns: Math.ceil(source.columns / 2), rows: Math.ceil(source.rows / 2) };
  switch (resampling) {
    case 'nearest':
      halveByNearest(source, plane);
      break;
    case 'average':
      halveByAverage(source, plane, dtype, nodata);
      break;
    case 'mode':
      halveByMode(source, plane, nodata);
      break;
  }
  return plane;
}

/**
 * The value that stands for a valid average which happens to equal nodata, so that the pixel stays valid. For float32 it is GDAL's: a
 * ten-millionth further from 0, or the smallest normal number beside 0.
 */
function besideNodata(nodata: number, dtype: Dtype): number {
  if (!isFloat(dtype)) return nodata === dtypeFacts(dtype).max ? nodata - 1 : nodata + 1;
  const [round, step, least, smallest] = dtype === 'float32' ? [Math.fround, 1e-7, 2 ** -126, 2 ** -149] : [(value: number): number => value, 2 ** -52, 2 ** -1022, 2 ** -1074];
  if (nodata === 0) return least;
  const further = round(nodata * (1 + step));
  // At the ends of the range there is nothing further, and among the subnormal numbers the step is too small.
  if (!Number.isFinite(further)) return round(nodata * (1 - step));
  return further === nodata ? nodata + smallest : further;
}

function halveByNearest(source: Plane, target: Plane): void {
  const { samples: from, columns } = source;
  const to = target.samples;
  for (let row = 0, t = 0; row < target.rows; row++) {
    for (let s = 2 * row * columns, end = t + target.columns; t < end; t++, s += 2) to[t] = from[s] as number;
  }
}

/** x !== x is the test for NaN that costs nothing beside the comparison with nodata. */
function isValid(value: number, nodata: number | undefined): boolean {
  return value !== nodata && !(nodata !== undefined && nodata !== nodata && value !== value);
}

function halveByAverage(source: Plane, target: Plane, dtype: Dtype, nodata: number | undefined): void {
  // A value that no sample can have is no nodata.
  const hasNodata = nodata !== undefined && fitsDtype(nodata, dtype);
  const [empty, replacement] = hasNodata ? [nodata, besideNodata(nodata, dtype)] : [0, 0];
  const own = KernelSpace.of(source.samples);
  if (own !== undefined && KernelSpace.of(target.samples) === own) {
    own.kernels[`average_${dtype}`](source.samples.byteOffset, source.columns, source.rows, target.samples.byteOffset, hasNodata, empty, replacement);
    return;
  }
  const rowBytes = source.columns * bytesPerSample(dtype);
  const step = Math.min(target.rows, chunkRows(2 * rowBytes));
  const space = KernelSpace.withRoom(step * (2 * rowBytes + target.columns * bytesPerSample(dtype)));
  // Rows of the level are written behind those that they are made from.
  const [from, to] = [space.room, space.room + 2 * step * rowBytes];
  for (let row = 0; row < target.rows; row += step) {
    const some = Math.min(step, target.rows - row);
    const rows = Math.min(2 * some, source.rows - 2 * row);
    space.copyIn(source.samples, 2 * row * source.columns, source.columns, rows, source.columns, from);
    space.kernels[`average_${dtype}`](from, source.columns, rows, to, hasNodata, empty, replacement);
    space.copyOut(to, target.samples, row * target.columns, target.columns, some, target.columns);
  }
}

/** The cells under target cell (row, column), in row order. */
function existingCells(source: Plane, above: number, below: number, row: number, column: number): number[] {
  const { samples, columns, rows } = source;
  const hasRight = 2 * column + 1 < columns;
  const hasBelow = 2 * row + 1 < rows;
  const cells = [samples[above + 2 * column] as number];
  if (hasRight) cells.push(samples[above + 2 * column + 1] as number);
  if (hasBelow) cells.push(samples[below + 2 * column] as number);
  if (hasBelow && hasRight) cells.push(samples[below + 2 * column + 1] as number);
  return cells;
}

function halveByMode(source: Plane, target: Plane, nodata: number | undefined): void {
  const counts = new Map<number, number>();
  for (let row = 0, t = 0; row < target.rows; row++) {
    const above = 2 * row * source.columns;
    for (let column = 0; column < target.columns; column++, t++) {
      let best = nodata as number;
      let bestCount = 0;
      counts.clear();
      for (const cell of existingCells(source, above, above + source.columns, row, column)) {
        if (!isValid(cell, nodata)) continue;
        const count = (counts.get(cell) ?? 0) + 1;
        counts.set(cell, count);
        if (count > bestCount) {
          best = cell;
          bestCount = count;
        }
      }
      target.samples[t] = best;
    }
  }
}
