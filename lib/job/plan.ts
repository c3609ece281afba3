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
import type { BlockEncoding } from '../tiff/block-encoder.ts';
import type { CogImage } from '../tiff/cog-header.ts';
import type { Codec } from '../tiff/compressor.ts';
import { runState } from './events.ts';
import { compressions, overviewMethods, jobSpec } from './spec.ts';

const numbers = z.array(z.number()).readonly();

const geoTags = z.object({
  modelPixelScale: numbers.exactOptional(),
  modelTiepoint: numbers.exactOptional(),
  modelTransformation: numbers.exactOptional(),
  geoKeyDirectory: numbers.exactOptional(),
  geoDoubleParams: numbers.exactOptional(),
  geoAsciiParams: z.string().exactOptional(),
});

const planInput = z.object({
  name: z.string(),
  href: z.string(),
  /** What the object was when the run was planned; a worker that finds another refuses it. */
  version: z.string(),
  bytes: z.number(),
  dtype: z.enum(dtypes),
  /** Bands of the file, 0-based, that the job's band numbers 1, 2, … stand for. */
  bands: z.array(z.int()),
  /** The value that means nodata, in the job's words or the file's; null for none. */
  nodata: jsonNumber.nullable(),
  masked: z.boolean(),
});
export type PlanInput = z.infer<typeof planInput>;

const planOutput = z.object({
  name: z.string(),
  href: z.string(),
  dtype: z.enum(dtypes),
  bands: z.int().positive(),
  bandNames: z.array(z.string()).nullable(),
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
  /** Red, green, blue, alpha by pixel value. */
  colorTable: z.record(z.string(), z.tuple([z.int(), z.int(), z.int(), z.int()])).nullable(),
  /** One a band. */
  scales: numbers.nullable(),
  offsets: numbers.nullable(),
});
export type PlanOutput = z.infer<typeof planOutput>;

const memoryProjection = z.object({
  /** Bytes, by what needs them. */
  process: z.number(),
  threads: z.number(),
  readAhead: z.number(),
  segments: z.number(),
  overviews: z.number(),
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
  }),
  tileSize: z.int().positive(),
  /** Sides of a batch in tiles. */
  batchColumns: z.int().positive(),
  batchRows: z.int().positive(),
  inputs: z.array(planInput),
  outputs: z.array(planOutput),
  threads: z.int().positive(),
  /** Size at which a segment is closed, in bytes. */
  segmentBytes: z.number().positive(),
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
  result: (batch: number): string => `results/${String(batch)}.json`,
  merge: (output: string): string => `merge/${output}.json`,
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

export function nodataOf({ nodata }: { readonly nodata: PlanOutput['nodata'] }): number | undefined {
  return nodata === null ? undefined : fromJsonNumber(nodata);
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

export function codecOf({ compression, level }: PlanOutput): Codec {
  switch (compression) {
    case 'deflate':
      return { compression, level: level ?? undefined };
    case 'zstd':
      return { compression, level: level ?? 3 };
    case 'lerc':
    case 'jpeg':
    case 'webp':
      throw new Error(`no encoder for ${compression}`);
    default:
      return { compression };
  }
}

export function encodingOf(output: PlanOutput): BlockEncoding {
  const { dtype, bands, blockSize, predictor } = output;
  return { dtype, bands, blockSize, predictor, codec: codecOf(output), nodata: nodataOf(output) };
}

export function cogImageOf(plan: Plan, output: PlanOutput, metadata: string): CogImage {
  const { dtype, bands, blockSize, compression, predictor } = output;
  return { dtype, bands, blockSize, compression, predictor, nodata: nodataOf(output), geo: plan.grid.geo, metadata, levels: levelsOf(plan, output) };
}
