/** The inputs of a job, opened: what their headers say, scene by scene. Nothing but headers is read. */
import pLimit from 'p-limit';
import { DataError, TilefanError } from '../base/errors.ts';
import { displayHref, parentHref } from '../store/href.ts';
import type { ObjectReader } from '../store/store.ts';
import { determinant } from '../raster/affine.ts';
import { openTiff, type Tiff } from '../tiff/open.ts';
import { convertedHref, type Conversions } from './conversions.ts';
import { rasterFormat } from './raster-format.ts';
import { jsonPath, problemOf, type Problem } from './problems.ts';
import { inputHrefs, type NamedHref } from './resolve.ts';
import type { SceneFacts } from './scene-facts.ts';
import type { JobInput, JobSpec } from './spec.ts';
import { stacScenes } from './stac.ts';

export interface OpenScene {
  /** What is read: the scene itself, or what it was converted to. */
  readonly href: string;
  /** What the job says. */
  readonly source: NamedHref;
  readonly subdataset: string | null;
  readonly facts: SceneFacts;
  /** Its last band is alpha, and is copied as a band like the others. */
  readonly copiedAlpha?: boolean;
  /** undefined for what GDAL reads. */
  readonly tiff: Tiff | undefined;
}

export type OpenInput =
  | { readonly kind: 'raster'; readonly name: string; readonly spec: JobInput; readonly scenes: readonly OpenScene[] }
  | { readonly kind: 'vector'; readonly name: string; readonly spec: JobInput; readonly source: NamedHref; readonly version: string; readonly bytes: number };

/** Headers read at a time. */
const concurrency = 32;

/** An input in its long form. */
export function inputSpec(input: JobSpec['inputs'][string]): JobInput {
  return typeof input === 'string' ? { href: input } : input;
}

/**
 * Opens every input; what can't be opened is a problem, and the others go on.
 * @param tiffs those that are open already, by href
 * @returns inputs of which every scene could be opened
 */
export async function openInputs(reader: ObjectReader, job: JobSpec, conversions: Conversions, problems: Problem[], tiffs: ReadonlyMap<string, Tiff> = new Map()): Promise<OpenInput[]> {
  const known = new Set(problems.map(({ path }) => path));
  const limit = pLimit(concurrency);
  const opened = await Promise.all(
    Object.entries(job.inputs).map(async ([name, input]): Promise<OpenInput | undefined> => {
      const spec = inputSpec(input);
      const before = problems.length;
      const guard = async <T>(path: string, open: () => Promise<T>): Promise<T | undefined> => {
        // An href that is wrong in itself has been reported.
        if (known.has(path)) return undefined;
        try {
          return await open();
        } catch (error) {
          if (!(error instanceof TilefanError) || error.retryable) throw error;
          problems.push(problemOf(path, error));
          return undefined;
        }
      };
      const places = spec.stac === undefined ? inputHrefs(name, input) : await guard(jsonPath(['inputs', name, 'stac', 'href']), () => stacScenes(reader, name, spec));
      if (places === undefined) return undefined;
      if (spec.vector !== undefined) {
        const [source] = places;
        if (source === undefined) return undefined;
        const stat = await guard(jsonPath(source.path), () => reader.stat(source.href));
        return stat && { kind: 'vector', name, spec, source, version: stat.version, bytes: stat.size };
      }
      const scenes = await Promise.all(places.map((source) => limit(() => guard(jsonPath(source.path), () => openScene(reader, spec, source, conversions, tiffs)))));
      const there = scenes.filter((scene) => scene !== undefined);
      if (problems.length > before && there.length < scenes.length) return undefined;
      return there.length < scenes.length || there.length === 0 ? undefined : { kind: 'raster', name, spec, scenes: there };
    }),
  );
  return opened.filter((input) => input !== undefined);
}

async function openScene(reader: ObjectReader, spec: JobInput, source: NamedHref, conversions: Conversions, tiffs: ReadonlyMap<string, Tiff>): Promise<OpenScene> {
  const subdataset = spec.subdataset ?? null;
  const href = convertedHref(conversions, source.href, subdataset) ?? source.href;
  const base = { href, source, subdataset: href === source.href ? subdataset : null };
  const open = tiffs.get(href);
  if (open === undefined && href === source.href && subdataset === null && (await rasterFormat(reader, href)) === 'vrt') {
    // Few inputs are VRTs, and the parser of XML is loaded for these only.
    const { openVrt } = await import('./vrt.ts');
    const facts = await openVrt(reader, href, spec.sources ?? [parentHref(href)], spec.nodata === undefined);
    return { ...base, facts: checked(source.href, facts), tiff: undefined };
  }
  const tiff = open ?? (await openTiff(reader, href));
  const { main, geo, alphaBand, nodata, version, size, bandDescriptions, scales, offsets, colorTable, colorInterpretations } = tiff;
  const { width, height, bands, dtype } = main.layout;
  const facts: SceneFacts = {
    version,
    sources: [],
    bytes: size,
    width,
    height,
    bands,
    dtype,
    nodata,
    masked: main.mask !== null || alphaBand !== null,
    alphaBand: main.mask === null ? alphaBand : null,
    geotransform: geo.geotransform,
    groundControlPoints: geo.groundControlPoints,
    crs: { epsg: geo.epsg, keys: geo.keys, wkt: null },
    tags: geo.tags,
    bandDescriptions,
    scales,
    offsets,
    colorTable,
    colorInterpretations,
  };
  return { ...base, facts: checked(source.href, facts), tiff };
}

/** @throws DataError SCENE_GEOTRANSFORM for one that no grid can have */
function checked(href: string, facts: SceneFacts): SceneFacts {
  const { geotransform } = facts;
  if (geotransform === null) return facts;
  if (!geotransform.every((value) => Number.isFinite(value)) || determinant(geotransform) === 0) {
    throw new DataError('SCENE_GEOTRANSFORM', `${displayHref(href)}: the geotransform [${geotransform.join(', ')}] gives its pixels no area; wanted six finite numbers`, { where: { href } });
  }
  return facts;
}
