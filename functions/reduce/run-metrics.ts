/** What a finished run came to, as metrics. */
import type { Metrics } from '../../lib/base/metrics.ts';
import type { ItemRunRecord } from '../../lib/job/items/item-records.ts';
import type { RunRecord } from '../../lib/job/records.ts';

export function addFinished(metrics: Metrics, record: RunRecord | ItemRunRecord): void {
  if (record.state === 'SUCCEEDED') metrics.add('RunsFinished', 'Count', 1);
  if ('kind' in record) {
    metrics.add('ItemsFailed', 'Count', record.items.failed);
    metrics.add('OutputBytes', 'Bytes', (record.files?.bytes ?? 0) + (record.results?.bytes ?? 0));
    return;
  }
  metrics.add('OutputBytes', 'Bytes', record.outputs.reduce((sum, { bytes }) => sum + bytes, 0));
}
