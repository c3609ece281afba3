/** Items out of what another run has come to: its values, or the files that it has made. */
import * as z from 'zod';
import { DataError, InputUnavailableError } from '../../base/errors.ts';
import { displayHref } from '../../store/href.ts';
import type { ObjectReader, ObjectStat } from '../../store/store.ts';
import { plan as rasterPlan, runFiles, tilingOf, type Plan } from '../plan.ts';
import { readDocument } from '../records.ts';
import { readResults } from '../results/read-results.ts';
import { isObject } from '../results/result-values.ts';
import { parameterItem, type FoundItem } from './found-item.ts';
import { listedPath } from './item-path.ts';
import type { ItemOutcome } from './item-outcome.ts';
import { outcomeSegments, readItemRanges, readOutcomes } from './item-outcomes.ts';
import { isItemPlan } from './item-documents.ts';
import { itemPlan, type ItemPlan } from './item-plan.ts';
import type { Json } from './item.ts';

const endedRecord = z.object({ state: z.string(), outputs: z.array(z.object({ href: z.string(), bytes: z.number().optional() })).optional() });

/**
 * @param from `run:ID`
 * @param work the prefix under which `runs/` lies
 * @throws InputUnavailableError RUN_UNKNOWN for a run that isn't there; DataError RUN_NOT_SUCCEEDED, RUN_MERGED; those of the run's documents and segments
 */
export async function* earlierItems(reader: ObjectReader, from: string, work: string): AsyncGenerator<FoundItem, void, undefined> {
  const id = from.slice('run:'.length);
  const run = `${work}runs/${id}/`;
  const document = await readDocument(reader, `${run}${runFiles.plan}`, z.unknown());
  if (document === undefined) throw new InputUnavailableError('RUN_UNKNOWN', `$.items.from: there is no run ${id} under ${displayHref(`${work}runs/`)}`, { where: { run } });
  const record = await readDocument(reader, `${run}${runFiles.record}`, endedRecord);
  if (record?.state !== 'SUCCEEDED') {
    throw new DataError('RUN_NOT_SUCCEEDED', `$.items.from: wanted a run that has succeeded, found run ${id}, which ${record === undefined ? 'has not come to its end' : `is ${record.state}`}`, { where: { run } });
  }
  const segments = await outcomeSegments(reader, run);
  if (isItemPlan(document)) yield* outcomesOf(reader, run, itemPlan.parse(document), segments);
  else yield* tilesOf(reader, id, rasterPlan.parse(document), segments, record.outputs ?? []);
}

/** Of an object job: items that failed, which that run tolerated, are none. */
async function* outcomesOf(reader: ObjectReader, run: string, { job }: ItemPlan, segments: readonly ObjectStat[]): AsyncGenerator<FoundItem, void, undefined> {
  for await (const outcomes of readOutcomes(reader, await readItemRanges(reader, run), segments)) {
    for (const outcome of outcomes) yield* foundIn(outcome, job.operation.images !== undefined);
  }
}

function* foundIn(outcome: ItemOutcome, images: boolean): Generator<FoundItem, void, undefined> {
  if (!outcome.ok) return;
  const { value, outputs } = outcome;
  if (images || (value === null && outputs.length > 0)) {
    for (const made of outputs) yield { href: made.href, path: made.path, size: made.size, version: null, parameters: null };
    return;
  }
  // What it was made from was the business of that run: the next step gets the value.
  yield parameterItem(parametersOf(value));
}

/** Of a raster job: the values of its tiles, or its rasters where it has no values. */
async function* tilesOf(
  reader: ObjectReader,
  id: string,
  plan: Plan,
  segments: readonly ObjectStat[],
  outputs: readonly { readonly href: string; readonly bytes?: number | undefined }[],
): AsyncGenerator<FoundItem, void, undefined> {
  const { results } = plan.job;
  if (results === undefined) {
    for (const { href, bytes } of outputs) yield { href, path: listedPath(href, undefined), size: bytes ?? null, version: null, parameters: null };
    return;
  }
  if (results.merge !== 'list') {
    throw new DataError('RUN_MERGED', `$.items.from: the values of run ${id} have become one by ${typeof results.merge === 'string' ? results.merge : 'a function'}; wanted a run whose results.merge is list, or its table ${displayHref(results.href)} as items.manifest`);
  }
  for await (const tiles of readResults(reader, tilingOf(plan), segments)) for (const { value } of tiles) yield parameterItem(parametersOf(value));
}

/** What a function gets of a value: its fields, or the value as `value`. */
function parametersOf(value: unknown): Readonly<Record<string, Json>> {
  return (isObject(value) ? value : { value }) as Readonly<Record<string, Json>>;
}
