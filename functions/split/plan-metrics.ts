/** What split came to, as metrics. A run that is continued, or a call that Lambda repeats, counts again. */
import { TilefanError } from '../../lib/base/errors.ts';
import type { Metrics } from '../../lib/base/metrics.ts';
import type { ItemPlan } from '../../lib/job/items/item-plan.ts';
import { tilingOf, type Plan } from '../../lib/job/plan.ts';
import { batchCount, tileCount } from '../../lib/job/tiling.ts';

export function addPlanned(metrics: Metrics, plan: Plan | ItemPlan): void {
  metrics.add('JobsPlanned', 'Count', 1);
  if ('kind' in plan) {
    metrics.add('ItemsPlanned', 'Count', plan.items.count);
    metrics.add('BatchesPlanned', 'Count', plan.batches);
    return;
  }
  const tiling = tilingOf(plan);
  metrics.add('TilesPlanned', 'Count', tileCount(tiling));
  metrics.add('BatchesPlanned', 'Count', batchCount(tiling));
}

/** A passing fault refuses nothing: the call is repeated. */
export function addRefused(metrics: Metrics, error: unknown): void {
  if (error instanceof TilefanError && !error.retryable) metrics.add('JobsRefused', 'Count', 1);
}
