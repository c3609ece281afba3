/** Affine maps of the plane in GDAL's notation: x = a0 + a1 * column + a2 * row, y = a3 + a4 * column + a5 * row. */

export type Affine = readonly [number, number, number, number, number, number];

export type Point = readonly [x: number, y: number];

export function applyAffine([x0, xc, xr, y0, yc, yr]: Affine, [column, row]: Point): Point {
  return [x0 + column * xc + row * xr, y0 + column * yc + row * yr];
}

/** Twice the area of the triangle that the unit vectors make; 0 for a map that can't be inverted. */
export function determinant([, xc, xr, , yc, yr]: Affine): number {
  return xc * yr - xr * yc;
}

/** The map the other way round, for a determinant that isn't 0. */
export function invertAffine(map: Affine): Affine {
  const [x0, xc, xr, y0, yc, yr] = map;
  const d = determinant(map);
  return [(xr * y0 - x0 * yr) / d, yr / d, -xr / d, (x0 * yc - xc * y0) / d, -yc / d, xc / d];
}

/** The same map for pixels that are counted from (column, row). */
export function shiftAffine(map: Affine, column: number, row: number): Affine {
  if (column === 0 && row === 0) return map;
  const [x, y] = applyAffine(map, [column, row]);
  return [x, map[1], map[2], y, map[4], map[5]];
}

/** A rectangle by its sides: smallest and largest column and row, or x and y. */
export interface Extent {
  readonly xmin: number;
  readonly ymin: number;
  readonly xmax: number;
  readonly ymax: number;
}

export function extentOf(points: readonly Point[]): Extent {
  let [xmin, ymin, xmax, ymax] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    xmin = Math.min(xmin, x);
    ymin = Math.min(ymin, y);
    xmax = Math.max(xmax, x);
    ymax = Math.max(ymax, y);
  }
  return { xmin, ymin, xmax, ymax };
}

export function unionExtent(a: Extent, b: Extent): Extent {
  return { xmin: Math.min(a.xmin, b.xmin), ymin: Math.min(a.ymin, b.ymin), xmax: Math.max(a.xmax, b.xmax), ymax: Math.max(a.ymax, b.ymax) };
}

/** What two rectangles share; its largest is not above its smallest where they don't meet. */
export function intersectExtent(a: Extent, b: Extent): Extent {
  return { xmin: Math.max(a.xmin, b.xmin), ymin: Math.max(a.ymin, b.ymin), xmax: Math.min(a.xmax, b.xmax), ymax: Math.min(a.ymax, b.ymax) };
}
