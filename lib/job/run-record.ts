/** The run record: what came out, and what it took. Written by the reducer at the end of a run. */
import pLimit from 'p-limit';
import { toJsonNumber } from '../base/json-number.ts';
import { standardDeviation, type Statistics } from '../raster/statistics.ts';
import type { Store } from '../store/store.ts';
import { extentsNumber, firstConversion, mergeBatch, passNumbers, trialNumber } from './manifest.ts';
import { levelsOf, runFiles, tilingOf, type Plan, type PlanOutput } from './plan.ts';
import type { MergedResults } from './results/reduce-results.ts';
import { batchRecord, encodeDocument, readDocument, type BatchRecord, type RunRecord } from './records.ts';
import { batchCount, tileCount } from './tiling.ts';

/** What the merge of one output came to. */
export interface MergedOutput {
  readonly output: PlanOutput;
  readonly bytes: number;
  readonly bigTiff: boolean;
  readonly statistics: readonly Statistics[];
  readonly tilesDone: number;
}

/** Result records read at a time. */
const concurrency = 32;
/** Errors in the record, at most; each batch has its own record with all of its attempts. */
const maxErrors = 100;

export async function writeRunRecord(store: Store, plan: Plan, merged: readonly MergedOutput[], mergedResults?: MergedResults): Promise<RunRecord> {
  const tiling = tilingOf(plan);
  const total = batchCount(tiling);
  const limit = pLimit(concurrency);
  const results = await Promise.all(
    Array.from({ length: total }, (_, batch) =>
      limit(() => readDocument(store, `${plan.state.run.href}${runFiles.result(batch)}`, batchRecord)),
    ),
  );
  const records = results.filter((record) => record !== undefined);
  const attempts = records.flatMap((record) => record.attempts);
  const done = Math.min(...[...merged, ...(mergedResults === undefined ? [] : [mergedResults])].map(({ tilesDone }) => tilesDone));
  // Another execution of the same run may be at work on a batch that is finished.
  const ended = (record: BatchRecord | undefined): boolean => record?.state === 'SUCCEEDED' || (done === tileCount(tiling) && record?.attempts.some(({ state }) => state === 'SUCCEEDED') === true);
  const failed = results.flatMap((record, batch) => (ended(record) ? [] : [batch]));
  const record: RunRecord = {
    run: plan.state.run.id,
    name: plan.job.name,
    state: 'SUCCEEDED',
    prefix: plan.state.run.href,
    createdAt: plan.createdAt,
    endedAt: new Date().toISOString(),
    grid: { columns: plan.grid.columns, rows: plan.grid.rows, epsg: plan.grid.epsg },
    tiles: {
      total: tileCount(tiling),
      done,
      computed: attempts.reduce((sum, { tilesComputed }) => sum + tilesComputed, 0),
      reused: attempts.reduce((sum, { tilesReused }) => sum + tilesReused, 0),
    },
    batches: {
      total,
      failed,
      retried: records.filter((each) => each.attempts.length > 1).map(({ batch, attempts: { length } }) => ({ batch, attempts: length })),
    },
    passes: await describePasses(store, plan),
    outputs: merged.map((each) => describeOutput(plan, each)),
    results: mergedResults?.record ?? null,
    errors: errorsOf(records).slice(0, maxErrors),
  };
  await store.put(`${plan.state.run.href}${runFiles.record}`, encodeDocument(record), { contentType: 'application/json', createFolders: true });
  return record;
}

/** The tasks beside the batches, from the records that they have left. */
async function describePasses(store: Store, plan: Plan): Promise<RunRecord['passes']> {
  const hrefs: { readonly batch: number; readonly href: string }[] = [];
  for await (const { href } of store.list(`${plan.state.run.href}${runFiles.results}`)) {
    const batch = Number(/\/(\d+)\.json$/.exec(href)?.[1] ?? -1);
    if (batch >= firstConversion) hrefs.push({ batch, href });
  }
  const limit = pLimit(concurrency);
  const found = await Promise.all(hrefs.map(({ batch, href }) => limit(async () => ({ batch, record: await readDocument(store, href, batchRecord) }))));
  const passes = Map.groupBy(found.toSorted((a, b) => a.batch - b.batch), ({ batch }) => passName(batch));
  return [...passes].map(([pass, tasks]) => ({
    pass,
    tasks: tasks.length,
    retried: tasks.flatMap(({ batch, record }) => (record !== undefined && record.attempts.length > 1 ? [{ batch, attempts: record.attempts.length }] : [])),
  }));
}

function passName(batch: number): string {
  if (batch === trialNumber) return 'trial';
  if (batch === extentsNumber) return 'extents';
  if (batch === mergeBatch) return 'results';
  return batch < passNumbers ? 'conversion' : `overviews-${String(Math.floor(batch / passNumbers))}`;
}

function errorsOf(records: readonly BatchRecord[]): RunRecord['errors'] {
  return records.flatMap(({ batch, error }) => (error === null ? [] : [{ batch, error }]));
}

function describeOutput(plan: Plan, { output, bytes, bigTiff, statistics }: MergedOutput): RunRecord['outputs'][number] {
  return {
    name: output.name,
    href: output.href,
    bytes,
    bigTiff,
    overviews: levelsOf(plan, output).length - 1,
    bands: Array.from({ length: output.bands }, (_, band) => ({
      name: output.bandNames?.[band] ?? null,
      statistics: describeStatistics(statistics[band]),
    })),
  };
}

type BandStatistics = RunRecord['outputs'][number]['bands'][number]['statistics'];

function describeStatistics(statistics: Statistics | undefined): BandStatistics {
  if (statistics === undefined) return null;
  const { count, minimum, maximum, mean } = statistics;
  if (count === 0) return { count, minimum: null, maximum: null, mean: null, stddev: null };
  return {
    count,
    minimum: toJsonNumber(minimum),
    maximum: toJsonNumber(maximum),
    mean: toJsonNumber(mean),
    stddev: toJsonNumber(standardDeviation(statistics)),
  };
}
