/** One tile as `try` and `replay` show it: its pixels in numbers, what the code printed and returned, and how it failed. */
import { describeError, JobError, TilefanError } from '../lib/base/errors.ts';
import type { CodePrinted } from '../lib/code/code-setup.ts';
import type { ComputedTile, OneTile } from '../lib/job/one-tile.ts';
import { nodataOf, tilingOf, type Plan } from '../lib/job/plan.ts';
import { tileGrid } from '../lib/job/tiling.ts';
import type { SampleArray } from '../lib/raster/dtype.ts';
import { noStatistics, windowStatistics } from '../lib/raster/statistics.ts';
import type { Window } from '../lib/raster/window.ts';
import { secondsText } from './text.ts';

interface BandReport {
  readonly valid: number;
  readonly minimum: number | null;
  readonly maximum: number | null;
  readonly mean: number | null;
  /** The first pixels of the first rows. */
  readonly corner: readonly (readonly (number | null)[])[];
}

export interface TileReport {
  readonly tile: readonly [number, number];
  readonly window: Window;
  readonly state: 'SUCCEEDED' | 'FAILED';
  readonly seconds: number;
  readonly outputs: readonly { readonly name: string; readonly dtype: string; readonly bands: readonly BandReport[] }[];
  /** What the code returned. */
  readonly result?: unknown;
  readonly printed: CodePrinted | null;
  readonly error: { readonly name: string; readonly code: string; readonly message: string; readonly where: Readonly<Record<string, unknown>>; readonly exitCode: number } | null;
}

/** Pixels of a corner that are shown. */
const cornerPixels = 4;

/** @throws JobError TILE_UNKNOWN for a tile that the grid doesn't have */
export function checkTile(plan: Plan, { column, row }: { readonly column: number; readonly row: number }): void {
  const { across, down } = tileGrid(tilingOf(plan));
  if (column < across && row < down) return;
  throw new JobError('TILE_UNKNOWN', `there is no tile ${String(column)},${String(row)}: columns are 0 to ${String(across - 1)}, rows 0 to ${String(down - 1)}`);
}

/** Computes the tile and says how it went; what the code throws is part of the report. */
export async function reportTile(plan: Plan, tile: OneTile, { column, row }: { readonly column: number; readonly row: number }, window: Window): Promise<TileReport> {
  const started = performance.now();
  const common = { tile: [column, row], window } as const;
  try {
    const computed = await tile.compute();
    const seconds = (performance.now() - started) / 1000;
    return { ...common, state: 'SUCCEEDED', seconds, outputs: outputsOf(plan, computed), ...(computed.value === undefined ? {} : { result: computed.value }), printed: tile.printed ?? null, error: null };
  } catch (error) {
    if (!(error instanceof TilefanError)) throw error;
    return { ...failedReport(error, window, (performance.now() - started) / 1000), ...common };
  }
}

/** What a tile failed with; it names the tile, and has what was printed last. */
export function failedReport(error: TilefanError, window: Window, seconds: number): TileReport {
  const { name, code, message, where, exitCode } = describeError(error);
  const [column = 0, row = 0] = Array.isArray(where['tile']) ? (where['tile'] as number[]) : [];
  const text = (of: 'stdout' | 'stderr'): string => (typeof where[of] === 'string' ? where[of] : '');
  const printed = { stdout: text('stdout'), stderr: text('stderr'), stdoutBytes: text('stdout').length, stderrBytes: text('stderr').length };
  return { tile: [column, row], window, state: 'FAILED', seconds, outputs: [], printed, error: { name, code, message, where, exitCode } };
}

function outputsOf(plan: Plan, { outputs, window }: ComputedTile): TileReport['outputs'] {
  return outputs.map(({ name, bands }, i) => {
    const planned = plan.outputs[i] as Plan['outputs'][number];
    return { name, dtype: planned.dtype, bands: bands.map((band) => bandReport(band, window, nodataOf(planned))) };
  });
}

function bandReport(samples: SampleArray, { columns, rows }: Window, nodata: number | undefined): BandReport {
  const { count, minimum, maximum, mean } = columns * rows === 0 ? noStatistics : windowStatistics(samples, 0, columns, rows, columns, nodata);
  const corner = Array.from({ length: Math.min(cornerPixels, rows) }, (_, row) =>
    Array.from(samples.subarray(row * columns, row * columns + Math.min(cornerPixels, columns)), (value) => (value === nodata || !Number.isFinite(value) ? null : value)),
  );
  return count === 0 ? { valid: 0, minimum: null, maximum: null, mean: null, corner } : { valid: count, minimum, maximum, mean, corner };
}

export function tileReportText({ tile, window, state, seconds, outputs, result, printed, error }: TileReport): string {
  const lines = [`tile ${tile.join(',')} (columns ${String(window.column)} to ${String(window.column + window.columns - 1)}, rows ${String(window.row)} to ${String(window.row + window.rows - 1)}): ${state === 'SUCCEEDED' ? `computed in ${secondsText(seconds)}` : `failed after ${secondsText(seconds)}`}`];
  for (const { name, dtype, bands } of outputs) {
    for (const [i, { valid, minimum, maximum, mean, corner }] of bands.entries()) {
      const numbers = minimum === null ? '' : `, min ${digits(minimum)}, max ${digits(maximum)}, mean ${digits(mean)}`;
      lines.push(`${name} band ${String(i + 1)} (${dtype}): ${String(valid)} valid${numbers}`, ...corner.map((row) => `  ${row.map(digits).join('  ')}  …`));
    }
  }
  if (result !== undefined) lines.push(`result: ${JSON.stringify(result)}`);
  for (const [name, text, bytes] of [['stdout', printed?.stdout, printed?.stdoutBytes], ['stderr', printed?.stderr, printed?.stderrBytes]] as const) {
    if (text === undefined || text === '') continue;
    lines.push(`${name}${(bytes ?? 0) > text.length ? ` (the end of ${String(bytes)} bytes)` : ''}:`, ...text.trimEnd().split('\n').map((line) => `  ${line}`));
  }
  if (error !== null) {
    lines.push(`${error.code}: ${error.message}`);
    const { traceback } = error.where;
    if (typeof traceback === 'string' && traceback !== '') lines.push(...traceback.trimEnd().split('\n').map((line) => `  ${line}`));
  }
  return `${lines.join('\n')}\n`;
}

function digits(value: number | null): string {
  return value === null ? 'nodata' : String(Number(value.toPrecision(6)));
}
