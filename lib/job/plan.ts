/**
 * The plan: everything that split has found out and decided, as one JSON document under the run prefix. Workers and the reducer read it
 * and need nothing else; windows of tiles and blocks are arithmetic on it.
 */
import * as z from 'zod';
import { jsonNumber } from '../base/json-number-schema.ts';
import { fromJsonNumber } from '../base/json-number.ts';
import { DataError } from '../base/errors.ts';
import { dtypes } from '../raster/dtype.ts';
import { pyramidLevels } from '../raster/pyramid.ts';
import { displayHref } from '../store/href.ts';
import type { ObjectReader } from '../store/store.ts';
import type { BlockEncoding, Codec } from '../tiff/block-encoding.ts';
import type { CogImage } from '../tiff/cog-header.ts';
import { runState } from './events.ts';
import { compressions, jobSpec, mosaicRules, overviewMethods, resamplings } from './spec.ts';

const numbers = z.array(z.number()).readonly();

export const geoTags = z.object({
  modelPixelScale: numbers.exactOptional(),
  modelTiepoint: numbers.exactOptional(),
  modelTransformation: numbers.exactOptional(),
  geoKeyDirectory: numbers.exactOptional(),
  geoDoubleParams: numbers.exactOptional(),
  geoAsciiParams: z.string().exactOptional(),
});

const planWindow = z.object({ column: z.int(), row: z.int(), columns: z.int().nonnegative(), rows: z.int().nonnegative() });

/** How the pixels of a scene come onto the grid. */
const sceneReading = z.discriminatedUnion('by', [
  /** By our own reader, block by block: the scene's first pixel is the grid's pixel (column, row), which may lie outside of it. */
  z.object({ by: z.literal('blocks'), column: z.int(), row: z.int() }),
  /** By GDAL, window by window: the scene's pixels are the grid's, as above. */
  z.object({ by: z.literal('window'), column: z.int(), row: z.int() }),
  /** Warped by GDAL. */
  z.object({
    by: z.literal('warp'),
    resampling: z.enum(resamplings),
    errorThreshold: z.number(),
    /** The last band is alpha, and is warped as such. */
    alpha: z.boolean(),
  }),
  /** Features, burnt by GDAL. */
  z.object({
    by: z.literal('burn'),
    layer: z.string().nullable(),
    where: z.string().nullable(),
    attribute: z.string().nullable(),
    value: z.number().nullable(),
    allTouched: z.boolean(),
  }),
]);
export type SceneReading = z.infer<typeof sceneReading>;

/** One dataset of an input. */
const planScene = z.object({
  href: z.string(),
  /** Where it came from, as the job says; only of one that has been converted. */
  convertedFrom: z.string().exactOptional(),
  /** What the object was when the run was planned; a worker that finds another refuses it. */
  version: z.string(),
  /** Files that the dataset reads itself, as a VRT does, and what they were. */
  sources: z.array(z.object({ href: z.string(), version: z.string() })).readonly(),
  bytes: z.number(),
  subdataset: z.string().nullable(),
  dtype: z.enum(dtypes),
  /** Bands of the file, 0-based, that the job's band numbers 1, 2, … stand for. */
  bands: z.array(z.int()),
  /** The value that means nodata, in the job's words or the file's; null for none. */
  nodata: jsonNumber.nullable(),
  /** It has a mask, or an alpha band. Where there is a nodata value as well, a pixel is valid when both say so. */
  masked: z.boolean(),
  /** 0-based. */
  alphaBand: z.int().nullable(),
  /** Pixels of the grid that it may have; nothing of it is read for others. */
  window: planWindow,
  reading: sceneReading,
});
export type PlanScene = z.infer<typeof planScene>;

const planInput = z.object({
  name: z.string(),
  /** What the operation gets. */
  dtype: z.enum(dtypes),
  bands: z.int().positive(),
  /** The value that means nodata; null for none. */
  nodata: jsonNumber.nullable(),
  /** Its validity comes in planes of its own. */
  masked: z.boolean(),
  /** What it is where no scene lies, and whether that is data. */
  fill: jsonNumber,
  fillIsData: z.boolean(),
  /** How scenes become one; null for a single one. */
  rule: z.enum(mosaicRules).nullable(),
  scenes: z.array(planScene).min(1),
});
export type PlanInput = z.infer<typeof planInput>;

const planOutput = z.object({
  name: z.string(),
  href: z.string(),
  dtype: z.enum(dtypes),
  bands: z.int().positive(),
  /** Null for a band without one. */
  bandNames: z.array(z.string().nullable()).readonly().nullable(),
  nodata: jsonNumber.nullable(),
  compression: z.enum(compressions),
  level: z.int().nullable(),
  /** Of jpeg, and of webp that loses something. */
  quality: z.int().nullable(),
  /** Of lerc. */
  maxError: z.number().nullable(),
  predictor: z.union([z.literal(1), z.literal(2), z.literal(3)]),
  blockSize: z.int().positive(),
  overviews: z.enum(overviewMethods),
  statistics: z.boolean(),
  /** Red, green, blue by pixel value. */
  colorTable: z.record(z.string(), z.tuple([z.int(), z.int(), z.int()])).nullable(),
  /** What the bands mean: the first is grey, or the first three are red, green and blue. */
  photometric: z.enum(['gray', 'rgb']),
  /** The last band is alpha. */
  alpha: z.boolean(),
  /** What that band holds where there is data, when it is none of the input's but made of its mask; null otherwise. */
  addedAlpha: z.number().nullable(),
  /** One a band. */
  scales: numbers.nullable(),
  offsets: numbers.nullable(),
});
export type PlanOutput = z.infer<typeof planOutput>;

/** User code that a run goes by: the very bytes, whatever becomes of the file that they came from. */
export const planCode = z.object({
  kind: z.enum(['module', 'model', 'command']),
  /** What runs it; null for commands. */
  runtime: z.enum(['node', 'python']).nullable(),
  /** Where it lies under the run prefix, and its checksum; null for commands. */
  href: z.string().nullable(),
  sha256: z.string().nullable(),
});
export type PlanCode = z.infer<typeof planCode>;

const memoryProjection = z.object({
  /** Bytes, by what needs them. */
  process: z.number(),
  threads: z.number(),
  readAhead: z.number(),
  /** Decoded blocks that tiles share. */
  shared: z.number(),
  /** Processes with GDAL. */
  gdal: z.number(),
  segments: z.number(),
  overviews: z.number(),
  /** Processes that run functions, models or commands, and the arrays that they share with the worker. */
  code: z.number().default(0),
  total: z.number(),
  /** What a task has. */
  limit: z.number(),
});
export type MemoryProjection = z.infer<typeof memoryProjection>;

export const plan = z.object({
  version: z.literal(1),
  /** What the state machine is given. */
  state: runState,
  createdAt: z.string(),
  job: jobSpec,
  grid: z.object({
    columns: z.int().positive(),
    rows: z.int().positive(),
    geo: geoTags,
    /** GDAL's six numbers, of pixel corners; null where the inputs have no georeference. */
    geotransform: numbers.nullable(),
    epsg: z.int().nullable(),
    /** Of a CRS without a code that was said, or is kept, as WKT. */
    wkt: z.string().exactOptional(),
  }),
  tileSize: z.int().positive(),
  /** Sides of a batch in tiles. */
  batchColumns: z.int().positive(),
  batchRows: z.int().positive(),
  /** The order of the tiles in a batch: row by row where neighbours share blocks, which then live shortest. */
  order: z.enum(['z', 'rows']),
  /** Margin in pixels that the operation sees around a tile. */
  halo: z.int().nonnegative(),
  inputs: z.array(planInput),
  outputs: z.array(planOutput),
  /** null for expressions and copies. */
  code: planCode.nullable().default(null),
  threads: z.int().positive(),
  /** Size at which a segment is closed, in bytes. */
  segmentBytes: z.number().positive(),
  /** Blocks, times their bands, that reduce reads for the levels above; when it would be more, workers make levels first (pyramid-passes.ts). */
  reduceBlocks: z.int().positive().exactOptional(),
  memory: memoryProjection,
});
export type Plan = z.infer<typeof plan>;

/** The tiling of a plan. */
export function tilingOf({ grid, tileSize, batchColumns, batchRows }: Plan): {
  columns: number;
  rows: number;
  tileSize: number;
  batchColumns: number;
  batchRows: number;
} {
  return { columns: grid.columns, rows: grid.rows, tileSize, batchColumns, batchRows };
}

/** Where each document of a run lies under its prefix. */
export const runFiles = {
  job: 'job.json',
  plan: 'plan.json',
  manifest: (pass: number): string => (pass === 0 ? 'manifest.jsonl' : `manifest-${String(pass)}.jsonl`),
  segments: (output: string): string => `segments/${output}/`,
  /** Segments of levels above the batches, made from one choice of segments. */
  pyramids: (output: string, generation: string): string => `pyramids/${output}/${generation}/`,
  /** Beside them: what the tasks of a pass are made from. */
  pyramidSources: (pass: number): string => `sources-${String(pass)}.bin`,
  /** Values that functions returned, as segments. */
  collected: 'collected/',
  code: 'code/',
  /** Of inputs, where only GDAL knows them. */
  extents: 'extents.json',
  results: 'results/',
  result: (batch: number): string => `results/${String(batch)}.json`,
  merge: (output: string): string => `merge/${output}.json`,
  /** What came of it. */
  finished: (output: string): string => `merge/finished/${output}.json`,
  record: 'run.json',
} as const;

/** @throws DataError PLAN_BROKEN; whatever the store throws when there is none */
export async function readPlan(reader: ObjectReader, runHref: string): Promise<Plan> {
  const href = `${runHref}${runFiles.plan}`;
  const bytes = await reader.readAll(href);
  try {
    return plan.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw new DataError('PLAN_BROKEN', `${displayHref(href)} is not a plan of this version of tilefan`, { cause, where: { href } });
  }
}

export function nodataOf({ nodata }: Pick<PlanOutput, 'nodata'>): number | undefined {
  return nodata === null ? undefined : fromJsonNumber(nodata);
}

/** Whether a plan has scenes that our own reader doesn't read. */
export function needsGdal({ inputs }: Plan): boolean {
  return inputs.some(({ scenes }) => scenes.some(({ reading }) => reading.by !== 'blocks'));
}

/** What an input is where no scene lies. */
export function fillOf({ fill }: Pick<PlanInput, 'fill'>): number {
  return fromJsonNumber(fill);
}

/** Sides of an output's levels, the image first. */
export function levelsOf({ grid }: Plan, output: PlanOutput): { readonly columns: number; readonly rows: number }[] {
  return levelSides(grid.columns, grid.rows, output);
}

/** The same before there is a plan. */
export function levelSides(columns: number, rows: number, { overviews, blockSize }: PlanOutput): { readonly columns: number; readonly rows: number }[] {
  return overviews === 'none' ? [{ columns, rows }] : pyramidLevels(columns, rows, blockSize);
}

/**
 * Which levels are made where. A tile holds whole blocks of levels 0 to `tile`, a batch those up to `batch` (both inclusive); what lies
 * above is made from the blocks of level `batch` when the batches are merged.
 */
export function levelOwners(plan: Plan, output: PlanOutput): { readonly tile: number; readonly batch: number; readonly top: number } {
  const top = levelsOf(plan, output).length - 1;
  const tile = Math.min(top, Math.log2(plan.tileSize / output.blockSize));
  const batch = Math.min(top, tile + Math.floor(Math.log2(Math.min(plan.batchColumns, plan.batchRows))));
  return { tile, batch, top };
}

export function codecOf({ compression, level, quality, maxError }: PlanOutput): Codec {
  switch (compression) {
    case 'deflate':
      return { compression, level: level ?? undefined };
    case 'zstd':
      return { compression, level: level ?? 3 };
    case 'lerc':
      return { compression, maxError: maxError ?? 0, level: level ?? undefined };
    case 'jpeg':
      return { compression, quality: quality ?? 75 };
    case 'webp':
      return { compression, quality: quality ?? undefined };
    default:
      return { compression };
  }
}

export function encodingOf(output: PlanOutput): BlockEncoding {
  const { dtype, bands, blockSize, predictor } = output;
  return { dtype, bands, blockSize, predictor, codec: codecOf(output), nodata: nodataOf(output) };
}

export function cogImageOf(plan: Plan, output: PlanOutput, metadata: string): CogImage {
  const { dtype, bands, blockSize, compression, predictor, photometric, alpha } = output;
  const colors = output.colorTable === null ? undefined : new Map(Object.entries(output.colorTable).map(([value, color]) => [Number(value), color] as const));
  return {
    dtype,
    bands,
    blockSize,
    compression,
    lercInZstd: compression === 'lerc' && output.level !== null,
    predictor,
    nodata: nodataOf(output),
    photometric,
    alpha,
    colorTable: colors,
    geo: plan.grid.geo,
    metadata,
    levels: levelsOf(plan, output),
  };
}
