/** One tile as `try` and `replay` show it: its pixels in numbers, what the code printed and returned, and how it failed. A task that tries a tile writes it down. */
import * as z from 'zod';
import { describeError, JobError, TilefanError } from '../base/errors.ts';
import type { ComputedTile, OneTile } from './one-tile.ts';
import { nodataOf, tilingOf, type Plan } from './plan.ts';
import { tileGrid } from './tiling.ts';
import type { SampleArray } from '../raster/dtype.ts';
import { noStatistics, windowStatistics } from '../raster/statistics.ts';
import type { Window } from '../raster/window.ts';

const bandReport = z.object({
  valid: z.number(),
  minimum: z.number().nullable(),
  maximum: z.number().nullable(),
  mean: z.number().nullable(),
  /** The first pixels of the first rows. */
  corner: z.array(z.array(z.number().nullable())),
});
type BandReport = z.infer<typeof bandReport>;

const window = z.object({ column: z.int(), row: z.int(), columns: z.int(), rows: z.int() });
const printed = z.object({ stdout: z.string(), stderr: z.string(), stdoutBytes: z.number(), stderrBytes: z.number() });

export const tileReport = z.object({
  tile: z.tuple([z.int(), z.int()]),
  window,
  state: z.enum(['SUCCEEDED', 'FAILED']),
  seconds: z.number(),
  outputs: z.array(z.object({ name: z.string(), dtype: z.string(), bands: z.array(bandReport) })),
  /** What the code returned. */
  result: z.unknown().optional(),
  printed: printed.nullable(),
  error: z.object({ name: z.string(), code: z.string(), message: z.string(), where: z.record(z.string(), z.unknown()), exitCode: z.int() }).nullable(),
});
export type TileReport = z.infer<typeof tileReport>;

/** Pixels of a corner that are shown. */
const cornerPixels = 4;

/** @throws JobError TILE_UNKNOWN for a tile that the grid doesn't have */
export function checkTile(plan: Plan, { column, row }: { readonly column: number; readonly row: number }): void {
  const { across, down } = tileGrid(tilingOf(plan));
  if (column < across && row < down) return;
  throw new JobError('TILE_UNKNOWN', `there is no tile ${String(column)},${String(row)}: columns are 0 to ${String(across - 1)}, rows 0 to ${String(down - 1)}`);
}

/** Computes the tile and says how it went; what the code throws is part of the report. */
export async function reportTile(plan: Plan, tile: OneTile, { column, row }: { readonly column: number; readonly row: number }, area: Window): Promise<TileReport> {
  const started = performance.now();
  const common: Pick<TileReport, 'tile' | 'window'> = { tile: [column, row], window: area };
  try {
    const computed = await tile.compute();
    const seconds = (performance.now() - started) / 1000;
    return { ...common, state: 'SUCCEEDED', seconds, outputs: outputsOf(plan, computed), ...(computed.value === undefined ? {} : { result: computed.value }), printed: tile.printed ?? null, error: null };
  } catch (error) {
    if (!(error instanceof TilefanError)) throw error;
    return { ...failedReport(error, area, (performance.now() - started) / 1000), ...common };
  }
}

/** What a tile failed with; it names the tile, and has what was printed last. */
export function failedReport(error: TilefanError, area: Window, seconds: number): TileReport {
  const { name, code, message, where, exitCode } = describeError(error);
  const [column = 0, row = 0] = Array.isArray(where['tile']) ? (where['tile'] as number[]) : [];
  const text = (of: 'stdout' | 'stderr'): string => (typeof where[of] === 'string' ? where[of] : '');
  const end = { stdout: text('stdout'), stderr: text('stderr'), stdoutBytes: text('stdout').length, stderrBytes: text('stderr').length };
  return { tile: [column, row], window: area, state: 'FAILED', seconds, outputs: [], printed: end, error: { name, code, message, where, exitCode } };
}

function outputsOf(plan: Plan, { outputs, window }: ComputedTile): TileReport['outputs'] {
  return outputs.map(({ name, bands }, i) => {
    const planned = plan.outputs[i] as Plan['outputs'][number];
    return { name, dtype: planned.dtype, bands: bands.map((band) => reportBand(band, window, nodataOf(planned))) };
  });
}

function reportBand(samples: SampleArray, { columns, rows }: Window, nodata: number | undefined): BandReport {
  const { count, minimum, maximum, mean } = columns * rows === 0 ? noStatistics : windowStatistics(samples, 0, columns, rows, columns, nodata);
  const corner = Array.from({ length: Math.min(cornerPixels, rows) }, (_, row) =>
    Array.from(samples.subarray(row * columns, row * columns + Math.min(cornerPixels, columns)), (value) => (value === nodata || !Number.isFinite(value) ? null : value)),
  );
  return count === 0 ? { valid: 0, minimum: null, maximum: null, mean: null, corner } : { valid: count, minimum, maximum, mean, corner };
}

