/**
 * Predictor 3 (Adobe Photoshop TIFF Technical Note 3): the bytes of a row's samples are sorted by significance, most significant first
 * whatever the file's byte order, and then kept as differences, each from the byte one pixel before.
 */

import { type Window } from '../raster/window.ts';

export interface FloatRowShape {
  readonly band: number;
  /** Samples of a pixel: the distance of the differences, in bytes. */
  readonly step: number;
  /** Pixels of a row of the block. */
  readonly pixels: number;
  readonly sampleBytes: number;
}

/**
 * Rebuilds one band's window of the row that begins at `start`, as bytes in little-endian order from `into[to]` on.
 *
 * A plane of bytes goes on where the one before ended, but always within the same band, because the planes' length is a multiple of
 * `step`. So one band can be rebuilt without the others.
 */
export function undoFloatRow(
  raw: Uint8Array,
  start: number,
  shape: FloatRowShape,
  window: Window,
  into: Uint8Array,
  to: number,
): void {
  const { band, step, pixels, sampleBytes } = shape;
  const { column, columns } = window;
  const end = column + columns;
  let sum = 0;
  let at = start + band;
  for (let place = sampleBytes - 1; place >= 0; place--) {
    for (let i = 0; i < column; i++, at += step) sum = (sum + (raw[at] ?? 0)) & 0xff;
    let target = to + place;
    for (let i = column; i < end; i++, at += step, target += sampleBytes) {
      sum = (sum + (raw[at] ?? 0)) & 0xff;
      into[target] = sum;
    }
    for (let i = end; i < pixels; i++, at += step) sum = (sum + (raw[at] ?? 0)) & 0xff;
  }
}
