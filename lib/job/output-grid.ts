/**
 * The pixel grid of the outputs. A lattice (CRS, and a map from pixels to coordinates) comes from an input or from the job; which of its pixels
 * the grid has comes from a footprint of the inputs, or from bounds. Extents of rasters are compared in pixels of the lattice.
 */
import { TilefanError } from '../base/errors.ts';
import { extentOf, intersectExtent, invertAffine, applyAffine, shiftAffine, unionExtent, type Extent } from '../raster/affine.ts';
import { displayHref } from '../store/href.ts';
import { crsName, geoTagsOf, hasCrs, isWkt, sameCrs, type Crs } from '../tiff/crs.ts';
import type { GeoTags, Geotransform } from '../tiff/geo.ts';
import { crsOfEpsg, crsOfWkt, fullTurn } from '../tiff/projection.ts';
import type { FindExtents } from './gdal-extents.ts';
import { extentOnLattice, latticeOffset, shiftOnLattice, type Lattice } from './lattice.ts';
import type { OpenInput, OpenScene } from './open-inputs.ts';
import { jsonPath, type Problem } from './problems.ts';
import type { JobSpec } from './spec.ts';

export interface OutputGrid extends Lattice {
  /** Pixels. */
  readonly columns: number;
  readonly rows: number;
  readonly tags: GeoTags;
}

export type RasterInput = Extract<OpenInput, { readonly kind: 'raster' }>;

/** A lattice, and which input it is of. */
interface Reference {
  readonly lattice: Lattice;
  readonly tags: GeoTags;
  /** The input that the lattice is of; undefined for one of the job's own. */
  readonly input: RasterInput | undefined;
}

/** What the functions below look among, and where they say what is wrong. */
interface Search {
  readonly rasters: readonly RasterInput[];
  readonly findExtents: FindExtents | undefined;
  readonly problems: Problem[];
}

/** Rounding of coordinates in headers, in pixels: an edge so near to a pixel's edge is that edge. */
const slackPixels = 0.01;

/**
 * Fixes the grid.
 * @param findExtents asked for extents that only GDAL knows; without it they are problems
 * @returns undefined when it can't be; what is wrong is in `problems` then
 * @throws InputUnavailableError GDAL_MISSING where `findExtents` does; what it throws that is no error of the tree
 */
export async function outputGrid(grid: JobSpec['grid'], rasters: readonly RasterInput[], problems: Problem[], findExtents?: FindExtents): Promise<OutputGrid | undefined> {
  try {
    const search: Search = { rasters, findExtents, problems };
    const reference = await referenceLattice(grid, search);
    if (reference === undefined) return undefined;
    const extent = await gridExtent(grid, reference, search);
    return extent && cut(grid, reference, extent, problems);
  } catch (error) {
    if (!(error instanceof TilefanError) || error.retryable || error.code === 'GDAL_MISSING') throw error;
    problems.push({ path: '$.grid', message: error.message, code: error.code });
    return undefined;
  }
}

async function referenceLattice({ like, crs, resolution, bounds, alignedPixels, footprint: kind }: JobSpec['grid'], search: Search): Promise<Reference | undefined> {
  const { rasters, problems } = search;
  const first = like === undefined ? rasters[0] : rasters.find(({ name }) => name === like);
  if (crs === undefined && resolution === undefined) {
    if (first === undefined) {
      problems.push({ path: '$.grid', message: like === undefined ? 'no input is a raster, so the grid has to be said: wanted crs, resolution and bounds' : `input ${like} is no raster that could be opened, so the grid can't be like it` });
      return undefined;
    }
    const scene = first.scenes[0] as OpenScene;
    if (like === undefined && !sharesLattice(scene.facts, first, rasters, problems)) return undefined;
    const known = await writableCrs(scene, problems);
    return known && { lattice: { crs: known, geotransform: scene.facts.geotransform }, tags: scene.facts.tags, input: first };
  }
  const scene = first?.scenes[0];
  const sceneCrs = crs === undefined && scene !== undefined ? await writableCrs(scene, problems) : undefined;
  if (crs === undefined && scene !== undefined && sceneCrs === undefined) return undefined;
  const of = crs === undefined ? sceneCrs : await namedCrs(crs);
  if (of === undefined || !hasCrs(of)) {
    problems.push({ path: '$.grid.crs', message: 'missing: no input has a CRS' });
    return undefined;
  }
  const [x, y] = typeof resolution === 'number' ? [resolution, resolution] : (resolution ?? [1, 1]);
  const tags = crs === undefined ? (first?.scenes[0]?.facts.tags ?? {}) : {};
  const lattice = { crs: of, geotransform: [0, x, 0, 0, 0, -y] as Geotransform };
  if (!invertAffine(lattice.geotransform).every((value) => Number.isFinite(value))) {
    problems.push({ path: '$.grid.resolution', message: `wanted pixels of some area in units of ${crsName(of)}, found ${String(x)} x ${String(y)}` });
    return undefined;
  }
  if (alignedPixels ?? bounds === undefined) return { lattice, tags, input: undefined };
  // Pixels count from the upper left corner of what is to be covered.
  const corner = bounds === undefined ? await inputsExtent({ kind, like: undefined }, { lattice, tags, input: undefined }, search, exactly) : undefined;
  if (bounds === undefined && corner === undefined) return undefined;
  const origin: Geotransform = bounds === undefined ? [(corner as Extent).xmin * x, x, 0, -(corner as Extent).ymin * y, 0, -y] : [bounds[0], x, 0, bounds[3], 0, -y];
  return { lattice: { crs: of, geotransform: origin }, tags, input: undefined };
}

async function namedCrs(crs: string): Promise<Crs> {
  const [, code] = /^EPSG:(\d+)$/i.exec(crs) ?? [];
  return code === undefined ? await crsOfWkt(crs) : (await crsOfEpsg(Number(code))).crs;
}

/** The CRS of a scene as a GeoTIFF can say it: a VRT has it as a text that may be more than WKT. */
async function writableCrs({ href, tiff, facts: { crs } }: OpenScene, problems: Problem[]): Promise<Crs | undefined> {
  if (tiff !== undefined || crs.wkt === null || !hasCrs(crs)) return crs;
  if (crs.epsg !== null) return (await crsOfEpsg(crs.epsg)).crs;
  if (isWkt(crs.wkt)) return await crsOfWkt(crs.wkt);
  problems.push({ path: '$.grid.crs', message: `missing: ${displayHref(href)} is a VRT whose CRS is said as ${JSON.stringify(crs.wkt)}, which outputs can't take over; wanted WKT or an EPSG code there, or crs and resolution in grid`, code: 'CRS_UNKNOWN' });
  return undefined;
}

/** Whether all rasters are on the lattice of the first; those that aren't are problems, because nobody has said which grid is wanted. */
function sharesLattice(lattice: Lattice, input: RasterInput, rasters: readonly RasterInput[], problems: Problem[]): boolean {
  let shared = true;
  for (const { name, scenes } of rasters) {
    const other = scenes.find(({ facts }) => latticeOffset(lattice, facts) === undefined);
    if (other === undefined) continue;
    shared = false;
    const differences = latticeDifferences(lattice, other).join(', ');
    const than = input.name === name ? `its own first scene` : `${input.name} (${displayHref(input.scenes[0]?.source.href ?? '')})`;
    problems.push({
      path: jsonPath(['inputs', name]),
      message: `${displayHref(other.source.href)} is on another pixel grid than ${than}: ${differences}; say in grid which one the outputs take: like (an input), or crs, resolution and bounds`,
      code: 'GRID_MISMATCH',
    });
  }
  return shared;
}

function latticeDifferences({ crs, geotransform }: Lattice, { facts }: OpenScene): string[] {
  const differences: string[] = [];
  if (!sameCrs(crs, facts.crs)) differences.push(`wanted CRS ${crsName(crs)}, found ${crsName(facts.crs)}`);
  const show = (transform: Geotransform | null): string => (transform === null ? 'none' : `[${transform.join(', ')}]`);
  if (differences.length === 0) differences.push(`wanted pixels of geotransform ${show(geotransform)}, found ${show(facts.geotransform)}`);
  return differences;
}

/** From any rectangle to one of whole pixels. */
type Snap = (extent: Extent) => Extent;

const exactly: Snap = (extent) => extent;

/** Every pixel that the rectangle touches, as gdalwarp's -tap. */
const outwards: Snap = ({ xmin, ymin, xmax, ymax }) => {
  const side = (low: number, high: number): [number, number] => {
    const first = Math.floor(low + slackPixels);
    // One thinner than the slack still lies in some pixel.
    return [first, Math.max(first + 1, Math.ceil(high - slackPixels))];
  };
  const [west, east] = side(xmin, xmax);
  const [north, south] = side(ymin, ymax);
  return { xmin: west, ymin: north, xmax: east, ymax: south };
};

/** The pixels whose centres lie within: those for which nearest resampling finds something. A raster smaller than a pixel has the one that it lies in. */
const byCentres: Snap = ({ xmin, ymin, xmax, ymax }) => {
  const side = (low: number, high: number): [number, number] => {
    const [first, end] = [Math.floor(low + 0.5), Math.floor(high + 0.5)];
    return first < end ? [first, end] : [Math.floor(low), Math.floor(low) + 1];
  };
  const [west, east] = side(xmin, xmax);
  const [north, south] = side(ymin, ymax);
  return { xmin: west, ymin: north, xmax: east, ymax: south };
};

/** From the corner of the lattice on, as gdalwarp's -te and -tr: the upper left corner stays, and the sides are rounded. */
const fromCorner: Snap = ({ xmax, ymax }) => ({ xmin: 0, ymin: 0, xmax: Math.max(1, Math.floor(xmax + 0.5)), ymax: Math.max(1, Math.floor(ymax + 0.5)) });

/** Which pixels of the lattice the grid has. */
async function gridExtent({ footprint: kind, bounds, alignedPixels, like }: JobSpec['grid'], reference: Reference, search: Search): Promise<Extent | undefined> {
  const { lattice, input } = reference;
  const { problems } = search;
  const ownCorner = input === undefined && !(alignedPixels ?? bounds === undefined);
  if (bounds === undefined) {
    const found = async (snap: Snap): Promise<Extent | undefined> => await inputsExtent({ kind, like }, reference, search, snap);
    if (input !== undefined) return await found(byCentres);
    const extent = ownCorner ? await found(exactly) : await found(outwards);
    if (extent === undefined) return undefined;
    const mayBeTooCoarse = extent.xmax - extent.xmin <= 2 && extent.ymax - extent.ymin <= 2;
    if (mayBeTooCoarse && isTooCoarse(lattice, ownCorner ? extent : await found(exactly), problems)) return undefined;
    return ownCorner ? fromCorner(extent) : extent;
  }
  if (lattice.geotransform === null) {
    problems.push({ path: '$.grid.bounds', message: `input ${input?.name ?? ''} has no georeference, so bounds have no meaning` });
    return undefined;
  }
  const [xmin, ymin, xmax, ymax] = bounds;
  const inverse = invertAffine(lattice.geotransform);
  const extent = extentOf([[xmin, ymin], [xmin, ymax], [xmax, ymin], [xmax, ymax]].map(([x = 0, y = 0]) => applyAffine(inverse, [x, y])));
  return ownCorner ? fromCorner(extent) : outwards(extent);
}

/** Whether a pixel would be more than twice as large as all that it covers in both directions: a resolution in the units of another CRS. Who wants one pixel says so by bounds. */
function isTooCoarse(lattice: Lattice, extent: Extent | undefined, problems: Problem[]): boolean {
  const coarsest = 0.5;
  if (extent === undefined || extent.xmax - extent.xmin >= coarsest || extent.ymax - extent.ymin >= coarsest) return false;
  const [, x = 0, , , , y = 0] = lattice.geotransform ?? [];
  problems.push({
    path: '$.grid.resolution',
    message: `makes pixels of ${String(Math.abs(x))} x ${String(Math.abs(y))}, one of which has room for all inputs, ${showExtent(lattice, extent)}. Is the resolution in units of ${crsName(lattice.crs)}? Wanted a finer one, or bounds in grid`,
    code: 'GRID_TOO_COARSE',
  });
  return true;
}

/** The footprint of the inputs that the job asks for, in pixels of the lattice; each input's own extent is snapped, and then they are put together. */
async function inputsExtent(
  { kind, like }: { readonly kind: JobSpec['grid']['footprint']; readonly like: string | undefined },
  reference: Reference,
  search: Search,
  snap: Snap,
): Promise<Extent | undefined> {
  const { lattice, input } = reference;
  const { rasters, problems } = search;
  if (kind === 'reference') {
    if (input === undefined) {
      problems.push({ path: '$.grid.footprint', message: 'reference is the extent of the input that the grid is like, and this grid is like none; wanted like, bounds, or another footprint' });
      return undefined;
    }
    return await footprint('union', reference, { ...search, rasters: [input] }, snap);
  }
  if (rasters.length === 0) {
    problems.push({ path: '$.grid.bounds', message: 'missing: no input is a raster whose extent could be taken' });
    return undefined;
  }
  const extent = await footprint(kind, reference, search, snap);
  if (extent === undefined || (extent.xmin < extent.xmax && extent.ymin < extent.ymax)) return extent;
  const places = await Promise.all(rasters.map(async (raster) => `${raster.name} covers ${showExtent(lattice, await footprint('union', reference, { ...search, rasters: [raster], problems: [] }, exactly))}`));
  problems.push({
    path: '$.inputs',
    message: `the inputs don't overlap: in ${crsName(lattice.crs)} ${places.join('; ')}; wanted a common part, or "footprint": "union"${like === undefined ? '' : ' or "reference"'}`,
    code: 'GRID_DISJOINT',
  });
  return undefined;
}

/** Coordinates of an extent in pixels, for people. */
export function showExtent({ geotransform }: Lattice, extent: Extent | undefined): string {
  if (extent === undefined) return 'nothing that can be said';
  const { xmin, ymin, xmax, ymax } = extent;
  if (geotransform === null) return `columns ${String(xmin)} to ${String(xmax)}, rows ${String(ymin)} to ${String(ymax)}`;
  const corners = extentOf([[xmin, ymin], [xmin, ymax], [xmax, ymin], [xmax, ymax]].map(([x = 0, y = 0]) => applyAffine(geotransform, [x, y])));
  return `[${[corners.xmin, corners.ymin, corners.xmax, corners.ymax].map((value) => String(Number(value.toPrecision(10)))).join(', ')}]`;
}

/** Pixels by which an extent may be beside its true place before GDAL is asked for it, which takes a task on AWS. */
const mostShifted = 0.05;

/** The union or the intersection of the extents of inputs, in pixels of the lattice. */
async function footprint(kind: 'union' | 'intersection', reference: Reference, search: Search, snap: Snap): Promise<Extent | undefined> {
  const { rasters, problems } = search;
  const extents = await sceneExtents(reference, search);
  const found = rasters.map(({ name, scenes }): Extent | undefined => {
    const there = scenes.map((scene) => extents.get(scene));
    const lost = there.indexOf(undefined);
    if (lost < 0) return snap((there as Extent[]).reduce(unionExtent));
    problems.push({ path: jsonPath(['inputs', name]), message: lostMessage(reference, scenes[lost] as OpenScene, search), code: 'GRID_EXTENT' });
    return undefined;
  });
  return found.includes(undefined) ? undefined : (found as Extent[]).reduce(kind === 'union' ? unionExtent : intersectExtent);
}

function lostMessage({ lattice }: Reference, { source, facts }: OpenScene, { findExtents }: Search): string {
  const missing = whatIsMissing(facts, lattice);
  if (missing !== undefined) return `${displayHref(source.href)} ${missing}`;
  const subject = `${displayHref(source.href)} (${crsName(facts.crs)})`;
  if (findExtents !== undefined) return `${subject} has no bounded place in ${crsName(lattice.crs)}; wanted bounds in grid`;
  return `${subject} has no bounded place in ${crsName(lattice.crs)}, or none that is known without GDAL; wanted bounds in grid, or like and "footprint": "reference"`;
}

/** Why a scene has no place on a lattice that isn't its own, whatever GDAL knows; undefined where nothing is missing. */
export function whatIsMissing(facts: OpenScene['facts'], lattice: Lattice): string | undefined {
  if (lattice.geotransform === null) return 'is on another grid than the reference, which has no georeference; wanted one of the same size without georeference';
  if (facts.geotransform === null) {
    return facts.groundControlPoints > 0
      ? `has ${String(facts.groundControlPoints)} ground control points and no geotransform, so it can't be placed on the grid; wanted a georeference (gdalwarp makes one from the points)`
      : "has no georeference, so it can't be placed on the grid";
  }
  if (!hasCrs(facts.crs)) return `has no CRS, so it can't be brought into ${crsName(lattice.crs)}`;
  if (!hasCrs(lattice.crs)) return `is in ${crsName(facts.crs)}, and the grid has no CRS`;
  return undefined;
}

/** Extents of all scenes, in pixels of the lattice; undefined for one without a bounded place. */
async function sceneExtents(reference: Reference, { rasters, findExtents }: Search): Promise<ReadonlyMap<OpenScene, Extent | undefined>> {
  const { lattice } = reference;
  const scenes = rasters.flatMap((raster) => raster.scenes);
  const shifts = await Promise.all(scenes.map((scene) => shiftOnLattice(lattice, scene.facts)));
  const uncertain = scenes.filter((_, i) => (shifts[i] ?? 0) > mostShifted);
  const certain = scenes.filter((_, i) => (shifts[i] ?? 0) <= mostShifted);
  const computed = await Promise.all(certain.map(async (scene) => [scene, await extentOnLattice(lattice, scene.facts)] as const));
  const asked = findExtents === undefined || uncertain.length === 0 ? [] : await extentsByGdal(reference, uncertain, findExtents);
  return new Map([...computed, ...asked]);
}

/** What GDAL says, of a lattice that begins at the origin of the CRS: one answer is good for all that only begin elsewhere. */
async function extentsByGdal({ lattice, tags }: Reference, scenes: readonly OpenScene[], findExtents: FindExtents): Promise<(readonly [OpenScene, Extent | undefined])[]> {
  const [x, xc, xr, y, yc, yr] = lattice.geotransform as Geotransform;
  const geotransform: Geotransform = [0, xc, xr, 0, yc, yr];
  const [column, row] = applyAffine(invertAffine(geotransform), [x, y]);
  const found = await findExtents(
    { geo: geoTagsOf(lattice.crs, tags, geotransform), geotransform, turn: (await fullTurn(lattice.crs)) ?? null },
    scenes.map(({ href, source, subdataset, facts: { version } }) => ({ href, subdataset, version, ...(href === source.href ? {} : { convertedFrom: source.href }) })),
  );
  return scenes.map((scene, i) => {
    const extent = found[i];
    return [scene, extent ? { xmin: extent.xmin - column, ymin: extent.ymin - row, xmax: extent.xmax - column, ymax: extent.ymax - row } : undefined];
  });
}

/** GDAL counts columns and rows in 32 bits. */
const longestSide = 2 ** 31 - 1;

/** The grid of an extent of whole pixels, unless it is too large. */
function cut({ maxPixels }: JobSpec['grid'], { lattice, tags, input }: Reference, { xmin: column, ymin: row, xmax, ymax }: Extent, problems: Problem[]): OutputGrid | undefined {
  const columns = xmax - column;
  const rows = ymax - row;
  const pixels = columns * rows;
  if (!(pixels <= maxPixels && columns <= longestSide && rows <= longestSide)) {
    problems.push({
      path: '$.grid',
      message: `makes ${columns.toLocaleString('en')} x ${rows.toLocaleString('en')} = ${pixels.toExponential(2)} pixels; wanted ${maxPixels.toExponential(2)} at most (grid.maxPixels)${pixels <= maxPixels ? ', and 2^31 - 1 on a side' : ''}. Is the resolution in units of ${crsName(lattice.crs)}?`,
      code: 'GRID_TOO_LARGE',
    });
    return undefined;
  }
  const own = input?.scenes[0];
  const whole = own !== undefined && column === 0 && row === 0 && columns === own.facts.width && rows === own.facts.height;
  if (lattice.geotransform === null) return { ...lattice, columns, rows, tags };
  const geotransform = shiftAffine(lattice.geotransform, column, row);
  return { crs: lattice.crs, geotransform, columns, rows, tags: whole && own.tiff !== undefined ? tags : geoTagsOf(lattice.crs, tags, geotransform) };
}
