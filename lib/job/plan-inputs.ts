/** From opened inputs to those of the plan: how each scene comes onto the grid, and what the operation gets of it. */
import { fromJsonNumber, toJsonNumber } from '../base/json-number.ts';
import { TilefanError } from '../base/errors.ts';
import { commonDtype } from '../raster/common-dtype.ts';
import { fitsDtype, type Dtype } from '../raster/dtype.ts';
import { mosaicDtype, type MosaicRule } from '../raster/mosaic.ts';
import { intersect, type Window } from '../raster/window.ts';
import { displayHref } from '../store/href.ts';
import { crsName } from '../tiff/crs.ts';
import { extentOnLattice, latticeOffset, reachOnGrid, SearchedGrid, turnsOntoGrid } from './lattice.ts';
import type { OpenInput, OpenScene } from './open-inputs.ts';
import { showExtent, whatIsMissing, type OutputGrid, type RasterInput } from './output-grid.ts';
import { nodataOf, type PlanInput, type PlanScene, type SceneReading } from './plan.ts';
import { jsonPath, problemOf, type Problem } from './problems.ts';
import type { JobInput, JobSpec } from './spec.ts';

type VectorInput = Extract<OpenInput, { readonly kind: 'vector' }>;

/**
 * Plans every input.
 * @returns those that can be planned; what is wrong with the others is in `problems`
 */
export async function planInputs(inputs: readonly OpenInput[], grid: OutputGrid, job: JobSpec, problems: Problem[]): Promise<PlanInput[]> {
  const searched = new SearchedGrid(grid);
  const planned = await Promise.all(inputs.map(async (input) => (input.kind === 'vector' ? planVector(input, grid, problems) : await planRaster(input, grid, searched, job, problems))));
  return planned.filter((input) => input !== undefined);
}

/** The bands that the job counts, 0-based in the file. */
export function chosenBands({ bands }: JobInput, of: number): number[] {
  return bands?.map((band) => band - 1) ?? Array.from({ length: of }, (_, band) => band);
}

/** Checks the bands that a job asks of its inputs, before the grid is known. @returns how many bands each has, as the job counts them */
export function bandCounts(inputs: readonly OpenInput[], problems: Problem[]): Record<string, number> {
  return Object.fromEntries(
    inputs.map((input): [string, number] => {
      if (input.kind === 'vector') return [input.name, 1];
      const { name, spec, scenes } = input;
      for (const [i, band] of (spec.bands ?? []).entries()) {
        const poor = scenes.find(({ facts }) => band > facts.bands);
        if (poor === undefined) continue;
        problems.push({ path: jsonPath(['inputs', name, 'bands', i]), message: `wanted a band from 1 to ${String(poor.facts.bands)} of ${displayHref(poor.source.href)}, found ${String(band)}` });
      }
      const [first] = scenes;
      const other = spec.bands === undefined ? scenes.find(({ facts }) => facts.bands !== first?.facts.bands) : undefined;
      if (other !== undefined) {
        problems.push({ path: jsonPath(['inputs', name]), message: `${displayHref(other.source.href)} has ${String(other.facts.bands)} bands, and ${displayHref(first?.source.href ?? '')} has ${String(first?.facts.bands)}; wanted scenes of the same bands, or a choice in bands` });
      }
      return [name, chosenBands(spec, first?.facts.bands ?? 0).length];
    }),
  );
}

async function planRaster({ name, spec, scenes: opened }: RasterInput, grid: OutputGrid, searched: SearchedGrid, { operation: { copy = {} } }: JobSpec, problems: Problem[]): Promise<PlanInput | undefined> {
  // An alpha band that is copied itself must not mask the bands beside it.
  const scenes = Object.values(copy).includes(name) ? opened.map((scene) => withoutAlphaMask(scene, spec)) : opened;
  const single = spec.href !== undefined;
  const rule = single ? null : (spec.rule ?? 'last');
  // Inputs are planned side by side, and each stops at problems of its own.
  const own: Problem[] = [];
  const placed = await Promise.all(scenes.map((scene) => placeScene(spec, scene, grid, searched, own)));
  const there = placed.filter((scene) => scene !== undefined);
  problems.push(...own);
  if (own.length > 0) return undefined;
  if (there.length === 0) {
    const [scene] = scenes as [OpenScene, ...OpenScene[]];
    const grids = `the grid of the outputs, which covers ${showExtent(grid, { xmin: 0, ymin: 0, xmax: grid.columns, ymax: grid.rows })} in ${crsName(grid.crs)}`;
    const found = await extentOnLattice(grid, scene.facts);
    const where = `${scenes.length === 1 ? 'it' : 'the first'} covers ${showExtent(grid, found)} there`;
    const what = scenes.length === 1 ? `${displayHref(scene.source.href)} (${crsName(scene.facts.crs)}) has nothing on` : `none of the ${String(scenes.length)} scenes (${crsName(scene.facts.crs)}) has anything on`;
    problems.push({ path: jsonPath(['inputs', name]), message: `${what} ${grids}; ${where}`, code: 'GRID_DISJOINT' });
    return undefined;
  }
  const input = { name, ...joined(spec, there, rule), rule, scenes: there };
  const fill = fromJsonNumber(input.fill);
  if (!fitsDtype(fill, input.dtype) && input.dtype !== 'float32') {
    problems.push({ path: jsonPath(['inputs', name, 'fill']), message: `${input.dtype}, the type of the input, can't hold ${String(fill)}; wanted a value that it can hold` });
  }
  return input;
}

function withoutAlphaMask(scene: OpenScene, spec: JobInput): OpenScene {
  const { facts } = scene;
  if (facts.alphaBand === null || !chosenBands(spec, facts.bands).includes(facts.alphaBand)) return scene;
  return { ...scene, facts: { ...facts, alphaBand: null, masked: false }, copiedAlpha: chosenBands(spec, facts.bands).at(-1) === facts.alphaBand };
}

/** What the operation gets of all scenes together. */
function joined(spec: JobInput, scenes: readonly PlanScene[], rule: MosaicRule | null): Omit<PlanInput, 'name' | 'rule' | 'scenes'> {
  const [first] = scenes as [PlanScene, ...PlanScene[]];
  const sceneDtype = scenes.map(({ dtype }) => dtype).reduce(commonDtype);
  const dtype = rule === null ? first.dtype : mosaicDtype(rule, sceneDtype);
  const alike = scenes.every(({ nodata }) => nodata === first.nodata);
  // A count is never nodata: where no scene has data, it is 0. A mean may well come to the scenes' nodata value, and is data then.
  const own = rule === 'count' || rule === 'mean' || rule === 'median' || !alike ? undefined : nodataOf(first);
  const nodata = own !== undefined && (fitsDtype(own, dtype) || Number.isNaN(own)) ? toJsonNumber(own) : null;
  // Holes of a mosaic are marked by its nodata value; without one, by planes of validity, if anything marks them in the scenes.
  const masked = rule === 'count' ? false : scenes.some((scene) => scene.masked) || (nodata === null && scenes.some((scene) => scene.nodata !== null));
  const fill = rule === 'count' ? 0 : (spec.fill ?? nodata ?? 0);
  const isNodata = nodata !== null && Object.is(fromJsonNumber(fill), fromJsonNumber(nodata));
  return { dtype, bands: first.bands.length, nodata, masked, fill, fillIsData: rule === 'count' || (!isNodata && (spec.fill !== undefined || !masked)) };
}

/** The nodata value as samples of a type have it; null for one that no sample can have, such as -9999 of uint8. */
function sampleValue(value: number | null, dtype: Dtype): PlanScene['nodata'] {
  if (value === null) return null;
  if (dtype === 'float32' && Number.isFinite(value)) return Math.fround(value);
  return fitsDtype(value, dtype) ? toJsonNumber(value) : null;
}

/** @returns undefined for a scene that lies elsewhere, and for one that has a problem */
async function placeScene(spec: JobInput, scene: OpenScene, grid: OutputGrid, searched: SearchedGrid, problems: Problem[]): Promise<PlanScene | undefined> {
  const { href, subdataset, facts, source } = scene;
  const path = jsonPath(source.path);
  const nodata = sampleValue(spec.nodata === undefined ? facts.nodata : spec.nodata === null ? null : fromJsonNumber(spec.nodata), facts.dtype);
  const base = { href, ...(source.href === href ? {} : { convertedFrom: source.href }), version: facts.version, sources: [...facts.sources], bytes: facts.bytes, subdataset, dtype: facts.dtype, bands: chosenBands(spec, facts.bands), nodata, masked: facts.masked, alphaBand: facts.alphaBand };
  const whole: Window = { column: 0, row: 0, columns: grid.columns, rows: grid.rows };
  const offset = latticeOffset(grid, facts);
  const turns = offset !== undefined && (await turnsOntoGrid(grid, facts, offset));
  if (offset !== undefined && !turns) {
    const window = intersect({ ...offset, columns: facts.width, rows: facts.height }, whole);
    if (window.columns === 0 || window.rows === 0) return undefined;
    const reading: SceneReading = { by: scene.tiff === undefined ? 'window' : 'blocks', ...offset };
    return { ...base, window, reading };
  }
  const missing = whatIsMissing(facts, grid);
  if (missing !== undefined) {
    problems.push({ path, message: `${displayHref(source.href)} ${missing}`, code: 'GRID_MISMATCH' });
    return undefined;
  }
  try {
    const reach = await reachOnGrid(searched, facts);
    if (reach === undefined) return undefined;
    const window = { column: reach.xmin, row: reach.ymin, columns: reach.xmax - reach.xmin, rows: reach.ymax - reach.ymin };
    // GDAL finds what lies a whole turn away; on the lattice nearest pixels are the pixels themselves.
    const reading: SceneReading = turns ? { by: 'warp', resampling: 'nearest', errorThreshold: 0, alpha: scene.copiedAlpha === true } : { by: 'warp', resampling: spec.resampling ?? 'nearest', errorThreshold: spec.errorThreshold ?? 0, alpha: scene.copiedAlpha === true };
    return { ...base, window, reading };
  } catch (error) {
    if (!(error instanceof TilefanError) || error.retryable) throw error;
    problems.push(problemOf(path, error));
    return undefined;
  }
}

function planVector({ name, spec, source, version, bytes }: VectorInput, grid: OutputGrid, problems: Problem[]): PlanInput | undefined {
  const { layer, where, burn, attribute, allTouched = false, dtype: wished } = spec.vector ?? {};
  const value = attribute === undefined ? (burn ?? 1) : null;
  const dtype = wished ?? (value !== null && fitsDtype(value, 'uint8') ? 'uint8' : 'float64');
  const nodata = spec.nodata === undefined ? null : spec.nodata;
  const fill = spec.fill ?? nodata ?? 0;
  for (const [field, number] of [['vector', value], ['fill', fromJsonNumber(fill)], ['nodata', nodata === null ? null : fromJsonNumber(nodata)]] as const) {
    if (number === null || fitsDtype(number, dtype) || dtype === 'float32') continue;
    problems.push({ path: jsonPath(['inputs', name, field]), message: `${dtype} can't hold ${String(number)}; wanted another value or dtype` });
  }
  if (grid.geotransform === null) {
    problems.push({ path: jsonPath(['inputs', name]), message: 'features need a grid with a georeference' });
    return undefined;
  }
  const reading: SceneReading = { by: 'burn', layer: layer ?? null, where: where ?? null, attribute: attribute ?? null, value, allTouched };
  const scene: PlanScene = {
    href: source.href, version, sources: [], bytes, subdataset: null, dtype, bands: [0], nodata, masked: false, alphaBand: null,
    window: { column: 0, row: 0, columns: grid.columns, rows: grid.rows },
    reading,
  };
  const fillIsData = nodata === null || fromJsonNumber(fill) !== fromJsonNumber(nodata);
  return { name, dtype, bands: 1, nodata, masked: false, fill, fillIsData, rule: null, scenes: [scene] };
}
