/** Where a raster lies among the pixels of a lattice: on it, or somewhere else on the Earth. */
import { applyAffine, determinant, extentOf, invertAffine, unionExtent, type Affine, type Extent, type Point } from '../raster/affine.ts';
import { hasCrs, sameCrs, type Crs } from '../tiff/crs.ts';
import type { Geotransform } from '../tiff/geo.ts';
import { crsOfEpsg, datumShiftBetween, datumSlack, fullTurn, isPlaceable, pointTransform } from '../tiff/projection.ts';

/** Pixels without end: a CRS, and the coordinates of pixel corners; null where there is no georeference. */
export interface Lattice {
  readonly crs: Crs;
  readonly geotransform: Geotransform | null;
}

/** A raster that lies somewhere. */
export interface Located extends Lattice {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

/** Corners that are nearer than this, in pixels, are the same: decimals in headers are rounded. */
const tolerancePixels = 0.01;

/** The column and row of the lattice at which a raster's first pixel lies, if its pixels are the lattice's; undefined otherwise. */
export function latticeOffset(lattice: Lattice, raster: Located): { readonly column: number; readonly row: number } | undefined {
  if (!sameCrs(lattice.crs, raster.crs)) return undefined;
  const { geotransform } = lattice;
  if (geotransform === null || raster.geotransform === null) return geotransform === raster.geotransform ? { column: 0, row: 0 } : undefined;
  if (determinant(geotransform) === 0) return undefined;
  const inverse = invertAffine(geotransform);
  const place = (point: Point): Point => applyAffine(inverse, applyAffine(raster.geotransform as Affine, point));
  const [x, y] = place([0, 0]);
  const [column, row] = [Math.round(x), Math.round(y)];
  const { width, height } = raster;
  const corners: Point[] = [[0, 0], [width, 0], [0, height], [width, height]];
  const off = corners.some((corner) => {
    const [cx, cy] = place(corner);
    return !(Math.hypot(cx - (column + corner[0]), cy - (row + corner[1])) < tolerancePixels);
  });
  // The sum of -0 and 0 is 0: -0 is not a column.
  return off ? undefined : { column: column + 0, row: row + 0 };
}

/** Steps between the points on each side and across of a raster that are looked at: edges are not straight in another CRS. */
export const steps = 32;

function gridPoints({ width, height, geotransform }: Located): Point[] {
  const points: Point[] = [];
  for (let row = 0; row <= steps; row++) {
    for (let column = 0; column <= steps; column++) {
      points.push(applyAffine(geotransform as Affine, [(width * column) / steps, (height * row) / steps]));
    }
  }
  return points;
}

/**
 * The rectangle of the lattice, in pixels, that a raster covers; exact for one of the same CRS.
 * @returns undefined where that can't be said: no georeference, a CRS whose coordinates only GDAL knows, a part without a place in the lattice's CRS, or one around a pole or across
 * the seam of the map
 * @throws DataError CRS_UNKNOWN
 */
export async function extentOnLattice(lattice: Lattice, raster: Located): Promise<Extent | undefined> {
  const offset = latticeOffset(lattice, raster);
  if (offset !== undefined) return { xmin: offset.column, ymin: offset.row, xmax: offset.column + raster.width, ymax: offset.row + raster.height };
  if (lattice.geotransform === null || raster.geotransform === null || !hasCrs(lattice.crs) || !hasCrs(raster.crs)) return undefined;
  const inverse = invertAffine(lattice.geotransform);
  const same = sameCrs(lattice.crs, raster.crs);
  if (!same && !((await isPlaceable(raster.crs)) && (await isPlaceable(lattice.crs)))) return undefined;
  const transform = await pointTransform(raster.crs, lattice.crs);
  const places = transform(gridPoints(raster)).map((point) => applyAffine(inverse, point));
  return extentOfPlaces(places, lattice.geotransform, same ? 'straight' : await fullTurn(lattice.crs));
}

/**
 * The rectangle around places of a raster on a lattice.
 * @param places (steps + 1) rows of (steps + 1), in pixels of the lattice; undefined where there is none
 * @param turn what x makes around the Earth, in units of the lattice's CRS, if it does; or `straight` where the raster has the same CRS, and can't be torn
 * @returns undefined for a raster of which a part has no place, or that lies around a pole or across the seam of the map
 */
export function extentOfPlaces(places: readonly (Point | undefined)[], geotransform: Affine, turn: number | 'straight' | undefined): Extent | undefined {
  const found = places.filter((place) => place !== undefined && Number.isFinite(place[0]) && Number.isFinite(place[1])) as Point[];
  if (found.length < places.length) return undefined;
  if (turn !== 'straight' && isTorn(found.map((place) => applyAffine(geotransform, place)), turn)) return undefined;
  return extentOf(found);
}

/**
 * By how many pixels of the lattice the extent that extentOnLattice finds may be beside its true place, since only GDAL knows the shift between the datums: 0 where there is none, and
 * infinitely many for a CRS whose coordinates only GDAL knows.
 * @throws DataError CRS_UNKNOWN
 */
export async function shiftOnLattice({ crs, geotransform }: Lattice, raster: Located): Promise<number> {
  if (geotransform === null || raster.geotransform === null || !hasCrs(crs) || !hasCrs(raster.crs) || sameCrs(crs, raster.crs)) return 0;
  if (!((await isPlaceable(raster.crs)) && (await isPlaceable(crs)))) return Infinity;
  const [, xc, xr, , yc, yr] = geotransform;
  return (await datumShiftBetween(raster.crs, crs)) / Math.min(Math.hypot(xc, yc), Math.hypot(xr, yr));
}

/**
 * Whether neighbouring points lie on far sides of the target: then the raster lies around a pole, or across the seam of the map. A step from point
 * to point is a small part of the whole; one that is half of it is a jump.
 */
function isTorn(points: readonly Point[], turn: number | undefined): boolean {
  const { xmin, xmax, ymin, ymax } = extentOf(points);
  const far = { x: turn === undefined ? (xmax - xmin) / 2 : Math.min(turn, xmax - xmin) / 2, y: (ymax - ymin) / 2 };
  const side = steps + 1;
  return points.some(([x, y], i) => {
    const right = i % side < steps ? points[i + 1] : undefined;
    const below = points[i + side];
    return [right, below].some((other) => other !== undefined && (Math.abs(other[0] - x) > far.x || Math.abs(other[1] - y) > far.y));
  });
}

/** A place of a grid beyond the seam of its map, and the place on the map that it is, too; both in pixels of the grid. */
interface SeamPlace {
  readonly at: Point;
  readonly like: Point;
}

/** A grid on which rasters are looked for, and its places beyond the seam of the map, found once for all of them when the first is looked for. */
export class SearchedGrid {
  readonly grid: Lattice & { readonly columns: number; readonly rows: number };
  #seam: Promise<readonly SeamPlace[]> | undefined;

  constructor(grid: SearchedGrid['grid']) {
    this.grid = grid;
  }

  /**
   * An extent with what is found of it beyond the seam of the map: coordinates there are those of a place on the map, too, and GDAL finds it by them. A grid in
   * EPSG:3857 that goes beyond 180° has in its last columns what lies at -180°. Grids in degrees go around evenly, and are seen to elsewhere.
   */
  async withFolded(extent: Extent): Promise<Extent> {
    const { columns, rows } = this.grid;
    // What lies between the points is within two steps of one of them.
    const [across, down] = [(2 * columns) / steps, (2 * rows) / steps];
    return (await (this.#seam ??= seamPlaces(this.grid))).reduce((all, { at: [column, row], like: [x, y] }) => {
      const near = x > extent.xmin - across && x < extent.xmax + across && y > extent.ymin - down && y < extent.ymax + down;
      return near ? unionExtent(all, { xmin: column - across, ymin: row - down, xmax: column + across, ymax: row + down }) : all;
    }, extent);
  }
}

/** None for most grids. */
async function seamPlaces(grid: SearchedGrid['grid']): Promise<SeamPlace[]> {
  const { crs: degrees } = await crsOfEpsg(4326);
  if (grid.geotransform === null || (await fullTurn(grid.crs)) !== undefined || !(await isPlaceable(grid.crs))) return [];
  const inverse = invertAffine(grid.geotransform);
  const points = gridPoints({ crs: grid.crs, geotransform: grid.geotransform, width: grid.columns, height: grid.rows });
  const there = await pointTransform(grid.crs, degrees);
  const back = await pointTransform(degrees, grid.crs);
  const likes = back(there(points)).map((point) => applyAffine(inverse, point));
  return points.flatMap((point, i) => {
    const [at, like] = [applyAffine(inverse, point), likes[i] as Point];
    return Math.hypot(like[0] - at[0], like[1] - at[1]) > 1 ? [{ at, like }] : [];
  });
}

/**
 * Pixels of a grid that a raster off the grid may have something for, safely too many; all of them where it can't be said.
 * @returns a rectangle in pixels of the grid, clipped to it; undefined when the raster lies elsewhere
 */
export async function reachOnGrid(searched: SearchedGrid, raster: Located): Promise<Extent | undefined> {
  const { grid } = searched;
  const whole = { xmin: 0, ymin: 0, xmax: grid.columns, ymax: grid.rows };
  const found = await extentOnLattice(grid, raster);
  if (found === undefined || grid.geotransform === null) return whole;
  const extent = sameCrs(grid.crs, raster.crs) ? found : await searched.withFolded(found);
  const [, xc, xr, , yc, yr] = grid.geotransform;
  const slack = sameCrs(grid.crs, raster.crs) ? 0 : await datumSlack(raster.crs, grid.crs);
  // Between the points that were looked at an edge can bulge a little, and kernels reach over it.
  const across = slack / Math.hypot(xc, yc) + (extent.xmax - extent.xmin) * 0.02 + 4;
  const down = slack / Math.hypot(xr, yr) + (extent.ymax - extent.ymin) * 0.02 + 4;
  // On a grid in degrees the same place comes again after a whole turn, and GDAL finds it there.
  const turn = hasCrs(grid.crs) ? await fullTurn(grid.crs) : undefined;
  if (turn !== undefined && (xr !== 0 || yc !== 0)) return whole;
  const shifts = turn === undefined ? [0] : [-turn / xc, 0, turn / xc];
  return shifts
    .map((shift): Extent => ({
      xmin: Math.max(0, Math.floor(extent.xmin + shift - across)),
      ymin: Math.max(0, Math.floor(extent.ymin - down)),
      xmax: Math.min(grid.columns, Math.ceil(extent.xmax + shift + across)),
      ymax: Math.min(grid.rows, Math.ceil(extent.ymax + down)),
    }))
    .filter(({ xmin, ymin, xmax, ymax }) => xmin < xmax && ymin < ymax)
    .reduce<Extent | undefined>((all, part) => (all === undefined ? part : unionExtent(all, part)), undefined);
}

/**
 * Whether a raster that lies on the pixels of a grid in degrees has more to give a whole turn away, as one of 179° to 181° has for a grid that begins at -180°.
 * @param offset of the raster on the grid
 */
export async function turnsOntoGrid(grid: Lattice & { readonly columns: number; readonly rows: number }, raster: Located, offset: { readonly column: number; readonly row: number }): Promise<boolean> {
  if (grid.geotransform === null || !hasCrs(grid.crs)) return false;
  const [, xc, xr, , yc] = grid.geotransform;
  if (xr !== 0 || yc !== 0 || offset.row >= grid.rows || offset.row + raster.height <= 0) return false;
  const [west, east] = [offset.column, offset.column + raster.width];
  // On a grid of one turn at most a raster that lies within it has nothing more to give. Most do, and need no tables of CRSs.
  if (west >= 0 && east <= grid.columns && grid.columns * Math.abs(xc) <= 360) return false;
  const turn = await fullTurn(grid.crs);
  if (turn === undefined) return false;
  return [-turn / xc, turn / xc].some((shift) => {
    // What lies on the grid after a turn, to a pixel: a sliver of one is a rounding of the header's decimals, or an edge that both ends of a globe share.
    const first = Math.max(0, Math.round(west + shift));
    const end = Math.min(grid.columns, Math.round(east + shift));
    return first < end && (first < west || end > east);
  });
}
