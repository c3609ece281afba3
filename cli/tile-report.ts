/** One tile as `try` and `replay` show it to people. */
import type { TileReport } from '../lib/job/tile-report.ts';
import type { Streams } from './streams.ts';
import { secondsText } from './text.ts';

/** @returns the exit code: 0, or that of what the tile failed with */
export function printReport(report: TileReport, json: boolean, { stdout }: Pick<Streams, 'stdout'> = process): number {
  stdout.write(json ? `${JSON.stringify(report)}\n` : tileReportText(report));
  return report.error?.exitCode ?? 0;
}

function tileReportText({ tile, window, state, seconds, outputs, result, printed, error }: TileReport): string {
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
