/** What a finished run came to, as metrics. Reduce that is called once more after the end counts it again. */
import type { Metrics } from '../../lib/base/metrics.ts';
import type { ReduceResult } from '../../lib/job/events.ts';
import { runFiles } from '../../lib/job/plan.ts';
import { readDocument, runRecord } from '../../lib/job/records.ts';
import type { Store } from '../../lib/store/store.ts';

export async function addFinished(metrics: Metrics, store: Store, { status, run }: ReduceResult): Promise<void> {
  if (status !== 'DONE') return;
  const record = await readDocument(store, `${run.href}${runFiles.record}`, runRecord);
  metrics.add('RunsFinished', 'Count', 1);
  metrics.add('OutputBytes', 'Bytes', record?.outputs.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0);
}
