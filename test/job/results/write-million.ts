/**
 * Writes the results of a run in one format, and prints what memory and time it took. `hold` keeps all results instead: what the others must not do.
 * node write-million.ts RUN_HREF ACROSS HREF FORMAT MERGE
 */
import { tilingOf } from '../../../lib/job/plan.ts';
import { collectResults } from '../../../lib/job/results/collected-results.ts';
import type { FoldName } from '../../../lib/job/results/fold.ts';
import { readResults } from '../../../lib/job/results/read-results.ts';
import { writeResults } from '../../../lib/job/results/write-results.ts';
import type { ResultFormat } from '../../../lib/job/result-format.ts';
import { createStore } from '../../../lib/store/routing-store.ts';
import { planOf } from './collected.ts';

const [, , run = '', across = '', href = '', format = '', merge = ''] = process.argv;
const plan = planOf(run, { across: Number(across), down: Number(across), batchColumns: 64, batchRows: 64 });
const store = createStore();
if (format === 'parquet') await import('../../../lib/job/results/parquet-table.ts');
const before = process.memoryUsage.rss();
const began = performance.now();
const { segments, tilesDone } = await collectResults(store, plan, undefined);
let rows = 0;
if (format === 'hold') {
  const all: unknown[] = [];
  for await (const chunk of readResults(store, tilingOf(plan), segments)) all.push(...chunk);
  rows = all.length;
} else {
  const written = await writeResults({
    store,
    href,
    format: format as ResultFormat,
    tiling: tilingOf(plan),
    segments,
    merge: merge as 'list' | FoldName,
    onAssembly: () => Promise.resolve(),
    check: () => undefined,
  });
  rows = written.rows;
}
// In KiB.
const peak = process.resourceUsage().maxRSS * 1024;
process.stdout.write(JSON.stringify({ tilesDone, rows, beforeBytes: before, grownBytes: peak - before, seconds: (performance.now() - began) / 1000 }));
await store.close();
