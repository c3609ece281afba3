/** Parts of planes: a plane holds the samples of a region, row by row, and a part is a window within the region. */
import type { SampleArray } from './dtype.ts';
import { area, type Window } from './window.ts';

/** Fills the part of a region's plane. */
export function fillPart(plane: SampleArray, value: number, region: Window, part: Window): void {
  if (part.columns === region.columns) {
    const start = (part.row - region.row) * region.columns;
    plane.fill(value, start, start + area(part));
    return;
  }
  for (let row = 0; row < part.rows; row++) {
    const start = (part.row - region.row + row) * region.columns + part.column - region.column;
    plane.fill(value, start, start + part.columns);
  }
}

/** Copies the part that both windows have from one plane to another. */
export function copyPart(from: SampleArray, fromWindow: Window, to: SampleArray, toWindow: Window, part: Window): void {
  for (let row = 0; row < part.rows; row++) {
    const start = (part.row - fromWindow.row + row) * fromWindow.columns + part.column - fromWindow.column;
    const target = (part.row - toWindow.row + row) * toWindow.columns + part.column - toWindow.column;
    to.set(from.subarray(start, start + part.columns), target);
  }
}

/** Alpha becomes validity: 0 is transparent, all else is data, as in GDAL's masks. */
export function alphaToValidity(alpha: SampleArray, validity: Uint8Array, region: Window, part: Window): void {
  for (let row = 0; row < part.rows; row++) {
    const start = (part.row - region.row + row) * region.columns + part.column - region.column;
    for (let at = start; at < start + part.columns; at++) validity[at] = alpha[at] === 0 ? 0 : 1;
  }
}
