/** A run record as people read it. */
import { fromJsonNumber } from '../lib/base/json-number.ts';
import type { RunRecord } from '../lib/job/records.ts';
import { displayHref } from '../lib/store/href.ts';
import { bytesText, countText, secondsText } from './text.ts';

const passWords: Readonly<Record<string, string>> = { conversion: 'inputs converted by', trial: 'code tried by', results: 'results merged by' };

/** What all attempts have done together, so a tile or item that was lost with a worker counts twice. @param retried batches that had more than one */
export function attemptsText({ computed, reused }: { readonly computed: number; readonly reused: number }, retried: number): string {
  const counts = `${String(computed)} computed, ${String(reused)} found committed`;
  return retried === 0 ? counts : `over all attempts ${counts}, ${countText(retried, 'batch', 'batches')} needed more than one attempt`;
}

/** @param seconds that this took */
export function runRecordText(record: RunRecord, seconds: number): string {
  const { tiles, batches, outputs } = record;
  const lines = [`run ${record.run}: ${String(tiles.done)} of ${String(tiles.total)} tiles in ${secondsText(seconds)} (${attemptsText(tiles, batches.retried.length)})`];
  if (batches.failed.length > 0) lines.push(`  tolerated: ${String(batches.failed.length)} of ${String(batches.total)} batches failed; ${String(tiles.total - tiles.done)} tiles are nodata`);
  for (const { pass, tasks, retried: again } of record.passes) {
    const what = passWords[pass] ?? 'overviews made by';
    lines.push(`  ${what} ${countText(tasks, 'task')}${again.length === 0 ? '' : `, of which ${String(again.length)} needed more than one attempt`}`);
  }
  for (const output of outputs) {
    lines.push(`${output.name}: ${displayHref(output.href)} (${bytesText(output.bytes)}, ${countText(output.overviews, 'overview')}${output.bigTiff ? ', BigTIFF' : ''})`);
    for (const [i, { name, statistics }] of output.bands.entries()) {
      if (statistics === null) continue;
      const { count, minimum, maximum, mean, stddev } = statistics;
      const digits = (value: typeof minimum): string => (value === null ? 'none' : String(Number(fromJsonNumber(value).toPrecision(6))));
      lines.push(`  band ${String(i + 1)}${name === null ? '' : ` ${name}`}: ${String(count)} valid, min ${digits(minimum)}, max ${digits(maximum)}, mean ${digits(mean)}, stddev ${digits(stddev)}`);
    }
  }
  if (record.results !== null) {
    const { href, rows, bytes, missing } = record.results;
    const without = missing.tiles === 0 ? '' : `, without ${countText(missing.tiles, 'tile')} that failed`;
    lines.push(`results: ${displayHref(href)} (${countText(rows, 'row')}, ${bytesText(bytes)}${without})`);
  }
  return `${lines.join('\n')}\n`;
}
