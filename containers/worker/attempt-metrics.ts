/** What one attempt of a batch came to, as metrics. An attempt that is killed prints none. */
import type { Metrics } from '../../lib/base/metrics.ts';
import type { BatchSummary } from '../../lib/job/batch.ts';
import type { TaskMetadata } from './task-metadata.ts';

export interface AttemptOutcome extends BatchSummary {
  readonly failed: boolean;
}

/**
 * Seconds are those that are paid for: from the pull of the image, or from the start of the process where ECS doesn't say.
 * @param uptimeSeconds of the process
 */
export function addAttempt(metrics: Metrics, { computed, reused, failed }: AttemptOutcome, { vcpu, memoryGib, begunAt }: TaskMetadata, uptimeSeconds: number): void {
  const seconds = Math.max(uptimeSeconds, begunAt === null ? 0 : (Date.now() - begunAt.getTime()) / 1000);
  metrics.add('TilesComputed', 'Count', computed);
  metrics.add('TilesReused', 'Count', reused);
  // Zero as well: the average is the share of attempts that failed.
  metrics.add('AttemptsFailed', 'Count', failed ? 1 : 0);
  metrics.add('TaskSeconds', 'Seconds', seconds);
  if (vcpu !== null) metrics.add('VcpuSeconds', 'Seconds', vcpu * seconds);
  if (memoryGib !== null) metrics.add('GibSeconds', 'Seconds', memoryGib * seconds);
}
