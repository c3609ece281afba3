/** What a finished run came to, as metrics. */
import type { Metrics } from '../../lib/base/metrics.ts';
import type { RunRecord } from '../../lib/job/records.ts';

export function addFinished(metrics: Metrics, { outputs }: RunRecord): void {
  metrics.add('RunsFinished', 'Count', 1);
  metrics.add('OutputBytes', 'Bytes', outputs.reduce((sum, { bytes }) => sum + bytes, 0));
}
