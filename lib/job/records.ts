/** What is kept of how a run went: one result record a batch, written by workers, and one run record, written by the reducer. */
import * as z from 'zod';
import { DataError, InputUnavailableError } from '../base/errors.ts';
import { jsonNumber } from '../base/json-number-schema.ts';
import { displayHref } from '../store/href.ts';
import type { ObjectReader } from '../store/store.ts';

/** An error as it lies in a record. `where` has the tile and its window, if a tile is to blame. */
export const errorRecord = z.object({
  name: z.string(),
  code: z.string(),
  message: z.string(),
  exitCode: z.int(),
  retryable: z.boolean(),
  where: z.record(z.string(), z.unknown()),
  stack: z.string().optional(),
});

const logLocation = z.object({ group: z.string(), stream: z.string(), region: z.string() });
export type LogLocation = z.infer<typeof logLocation>;

const attemptRecord = z.object({
  attempt: z.int().positive(),
  state: z.enum(['RUNNING', 'SUCCEEDED', 'FAILED']),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
  /** Tiles computed and committed by this attempt, and tiles that were committed before it. */
  tilesComputed: z.int().nonnegative(),
  tilesReused: z.int().nonnegative(),
  error: errorRecord.nullable(),
  /** ARN of the ECS task; null where there is none, as in a local run, and in records from before it was kept. */
  task: z.string().nullable().default(null),
  /** Where CloudWatch Logs has what the attempt printed. */
  log: logLocation.nullable().default(null),
});
export type AttemptRecord = z.infer<typeof attemptRecord>;

export const batchRecord = z.object({
  batch: z.int().nonnegative(),
  /** What the task is, where it isn't a batch of tiles. */
  task: z.string().exactOptional(),
  state: z.enum(['RUNNING', 'SUCCEEDED', 'FAILED']),
  /** Number of the last attempt. */
  attempt: z.int().positive(),
  /** Tiles, or items, of the batch; 0 for a task that is none. */
  tiles: z.int().nonnegative(),
  /** Of the last attempt. */
  error: errorRecord.nullable(),
  /** One that is still RUNNING when a later one has begun was killed. */
  attempts: z.array(attemptRecord),
});
export type BatchRecord = z.infer<typeof batchRecord>;

const bandStatistics = z.object({
  count: z.number(),
  minimum: jsonNumber.nullable(),
  maximum: jsonNumber.nullable(),
  mean: jsonNumber.nullable(),
  stddev: jsonNumber.nullable(),
});

export const runRecord = z.object({
  run: z.string(),
  name: z.string(),
  state: z.enum(['SUCCEEDED', 'FAILED', 'ABORTED']),
  prefix: z.string(),
  createdAt: z.string(),
  endedAt: z.string(),
  grid: z.object({ columns: z.int(), rows: z.int(), epsg: z.int().nullable() }),
  tiles: z.object({
    total: z.int(),
    /** In the outputs. Fewer than total only when failures were tolerated. */
    done: z.int(),
    /** Sums over all attempts that lived to say so. */
    computed: z.int(),
    reused: z.int(),
  }),
  batches: z.object({
    total: z.int(),
    failed: z.array(z.int()),
    /** Batches that needed more than one attempt, and how many. */
    retried: z.array(z.object({ batch: z.int(), attempts: z.int() })),
  }),
  /** Tasks beside the batches, by what they were for. */
  passes: z
    .array(z.object({ pass: z.string(), tasks: z.int(), retried: z.array(z.object({ batch: z.int(), attempts: z.int() })) }))
    .default([]),
  outputs: z.array(
    z.object({
      name: z.string(),
      href: z.string(),
      bytes: z.number(),
      bands: z.array(z.object({ name: z.string().nullable(), statistics: bandStatistics.nullable() })),
      overviews: z.int(),
      bigTiff: z.boolean(),
    }),
  ),
  /** What became of the values that a function returned for each tile; null where the job has no results. */
  results: z
    .object({
      href: z.string(),
      format: z.string(),
      rows: z.int(),
      bytes: z.number(),
      /** Tiles that failed, which the job tolerates: how many, and the first of them. */
      missing: z.object({ tiles: z.int(), first: z.array(z.array(z.int())) }),
    })
    .nullable()
    .default(null),
  errors: z.array(z.object({ batch: z.int(), error: errorRecord })),
});
export type RunRecord = z.infer<typeof runRecord>;

/**
 * Reads a JSON document of the run; undefined when there is none.
 * @throws DataError RECORD_BROKEN when it is there but isn't what it should be
 */
export async function readDocument<Schema extends z.ZodType>(
  reader: ObjectReader,
  href: string,
  schema: Schema,
): Promise<z.output<Schema> | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await reader.readAll(href);
  } catch (error) {
    if (error instanceof InputUnavailableError && error.code === 'STORE_NOT_FOUND') return undefined;
    throw error;
  }
  try {
    return schema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw new DataError('RECORD_BROKEN', `${displayHref(href)} is not a document of this version of tilefan`, { cause, where: { href } });
  }
}

/** A document as the bytes that are stored: indented, because people read them too. */
export function encodeDocument(document: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(document, undefined, 1)}\n`);
}
