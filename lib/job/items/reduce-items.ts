/**
 * The last step of a run over items: the table of results, the list of the files that were made, the list of the items that failed, and the run record. It may be called
 * again at any time: everything is written anew from the outcomes, and each object is visible only when it is whole.
 */
import pLimit from 'p-limit';
import { OperationError } from '../../base/errors.ts';
import { displayHref } from '../../store/href.ts';
import type { ObjectStat, Store } from '../../store/store.ts';
import { runFiles } from '../plan.ts';
import { batchRecord, encodeDocument, readDocument, type BatchRecord } from '../records.ts';
import { resultFormat } from '../result-format.ts';
import { ObjectSink } from '../results/object-sink.ts';
import type { Table } from '../results/tables.ts';
import { writeTable } from '../results/write-results.ts';
import type { FailedItem, ItemOutcome } from './item-outcome.ts';
import { outcomeSegments, readItemRanges, readOutcomes } from './item-outcomes.ts';
import { listHref } from './item-places.ts';
import type { ItemPlan } from './item-plan.ts';
import type { ItemRunRecord } from './item-records.ts';
import { readItems, itemsFile, type Item, type ItemRange } from './item.ts';

/** Failed items that the record and the message name, at most; all of them are in the list. */
const recordedFailures = 100;
const namedFailures = 5;
/** Records of batches read at a time. */
const concurrency = 32;

/**
 * @param onRecord told the record, also of a run that fails
 * @returns the record, which is written
 * @throws OperationError ITEMS_FAILED when more items failed than the job tolerates, after everything has been written; RESULT_COLUMNS; DataError SEGMENT_BROKEN
 */
export async function reduceItems(store: Store, plan: ItemPlan, onRecord?: (record: ItemRunRecord) => void): Promise<ItemRunRecord> {
  const { job, state } = plan;
  const run = state.run.href;
  const [ranges, segments] = await Promise.all([readItemRanges(store, run), outcomeSegments(store, run)]);
  const outcomes = (): AsyncGenerator<readonly ItemOutcome[], void, undefined> => withMissing(store, plan, ranges, readOutcomes(store, ranges, segments));
  const lists = await writeLists(store, plan, outcomes);
  const results = job.results === undefined ? null : await writeResultTable(store, job.results, outcomes);
  const { total, retried, failed, computed, reused } = await readBatches(store, run, ranges.length);
  const failures = lists.failed === 0 ? null : { count: lists.failed, href: lists.failuresHref };
  const tolerated = (100 * lists.failed) / plan.items.count <= job.tolerateFailures.percentage;
  const record: ItemRunRecord = {
    run: state.run.id,
    kind: 'items',
    name: job.name,
    state: tolerated ? 'SUCCEEDED' : 'FAILED',
    prefix: run,
    createdAt: plan.createdAt,
    endedAt: new Date().toISOString(),
    items: { total: plan.items.count, done: plan.items.count - lists.failed, failed: lists.failed, computed, reused },
    batches: { total, failed, retried },
    files: lists.files === 0 || lists.outputsHref === null ? null : { count: lists.files, bytes: lists.bytes, href: lists.outputsHref },
    results,
    failures,
    errors: lists.first.map(({ index, item, error: { code, message } }) => ({ index, item, code, message })),
  };
  await store.put(`${run}${runFiles.record}`, encodeDocument(record), { contentType: 'application/json', createFolders: true });
  onRecord?.(record);
  if (!tolerated) throw failedError(plan, record);
  return record;
}

function failedError({ items, job }: ItemPlan, { errors, failures, run }: ItemRunRecord): OperationError {
  const count = failures?.count ?? 0;
  const named = errors.slice(0, namedFailures).map(({ item, index, message }) => `  ${item === null ? `item ${String(index)}` : displayHref(item)}: ${message}`);
  const more = count > namedFailures ? [`  … and ${String(count - namedFailures)} more`] : [];
  const list = failures?.href === null || failures === null ? '' : `; ${displayHref(failures.href)} lists them, and can be items.manifest of another run`;
  const tolerated = job.tolerateFailures.percentage > 0 ? ` (${String(job.tolerateFailures.percentage)} % are tolerated)` : '';
  return new OperationError('ITEMS_FAILED', `${String(count)} of ${String(items.count)} items failed${tolerated}${list}\n${[...named, ...more].join('\n')}`, { where: { run, failed: count } });
}

/** Outcomes with one for each item: those that no worker has told of (their batch has failed) count as failed. */
async function* withMissing(
  store: Store,
  plan: ItemPlan,
  ranges: readonly ItemRange[],
  outcomes: AsyncIterable<readonly ItemOutcome[]>,
): AsyncGenerator<readonly ItemOutcome[], void, undefined> {
  const missing = new MissingItems(store, plan, ranges);
  let next = 0;
  for await (const chunk of outcomes) {
    let from = 0;
    for (const [i, { index }] of chunk.entries()) {
      if (index > next) {
        yield chunk.slice(from, i);
        yield* missing.between(next, index);
        from = i;
      }
      next = index + 1;
    }
    yield chunk.slice(from);
  }
  if (next < plan.items.count) yield* missing.between(next, plan.items.count);
}

/** Items in a list, at most: however many are missing, memory holds so many of them. */
const listedItems = 1000;

/** Items that no worker has told of, read from `items.jsonl` once and forwards. */
class MissingItems {
  readonly #store: Store;
  readonly #plan: ItemPlan;
  readonly #ranges: readonly ItemRange[];
  #batch = 0;
  #why = '';
  #items: AsyncGenerator<Item, void, undefined> | undefined;

  constructor(store: Store, plan: ItemPlan, ranges: readonly ItemRange[]) {
    this.#store = store;
    this.#plan = plan;
    this.#ranges = ranges;
  }

  /** Those from `first` up to `end`, which is not one of them, in lists of bounded length. Later calls ask for later items. */
  async *between(first: number, end: number): AsyncGenerator<readonly FailedItem[], void, undefined> {
    let list: FailedItem[] = [];
    for (let next = first; next < end; ) {
      const range = this.#ranges[this.#batch];
      if (range === undefined) break;
      if (next >= range.first + range.count) {
        this.#batch++;
        this.#items = undefined;
        continue;
      }
      const { value: item, done } = await (await this.#open(range)).next();
      if (done === true) break;
      if (item.index < next) continue;
      const { index, href, path, parameters } = item;
      list.push({ index, item: href, path, parameters, ok: false, error: { code: 'ITEM_MISSING', message: `its batch ${String(this.#batch)} has ended without it: ${this.#why}`, where: {} } });
      next = index + 1;
      if (list.length < listedItems && next < end) continue;
      yield list;
      list = [];
    }
    if (list.length > 0) yield list;
  }

  /** The items of a batch, and why it has ended. */
  async #open(range: ItemRange): Promise<AsyncGenerator<Item, void, undefined>> {
    if (this.#items !== undefined) return this.#items;
    const run = this.#plan.state.run.href;
    const record = await readDocument(this.#store, `${run}${runFiles.result(this.#batch)}`, batchRecord).catch(() => undefined);
    this.#why = whyEnded(record);
    this.#items = readItems(this.#store, `${run}${itemsFile}`, range, this.#plan.items.version);
    return this.#items;
  }
}

/** What is known of the end of a batch that lacks items. */
function whyEnded(record: BatchRecord | undefined): string {
  if (record === undefined) return 'its task has left no record: it was never started, or was killed before it began';
  const { state, attempt, error, attempts } = record;
  if (error !== null) return error.message;
  const task = attempts.at(-1)?.task ?? null;
  const which = `attempt ${String(attempt)}${task === null ? '' : ` (task ${task})`}`;
  // Who begins writes that it runs, and who fails writes why.
  if (state === 'RUNNING') return `its worker was killed in ${which} before it could say anything: by the kernel for want of memory, with its machine, or by somebody; its log may say more`;
  return state === 'FAILED' ? `its worker has failed in ${which} and hasn't said why; its log may say more` : `its worker says in ${which} that all is done; what that has committed isn't there any more`;
}

interface Lists {
  readonly files: number;
  readonly bytes: number;
  readonly failed: number;
  /** The first failures. */
  readonly first: readonly FailedItem[];
  readonly outputsHref: string | null;
  readonly failuresHref: string | null;
}

/** The list of files (key, size, checksum, source) and the list of failures, each written only where there is something to list. */
async function writeLists(store: Store, { job, state }: ItemPlan, outcomes: () => AsyncIterable<readonly ItemOutcome[]>): Promise<Lists> {
  const outputs = new LineList(store, listHref(job, state.run.id, 'outputs'));
  const failures = new LineList(store, listHref(job, state.run.id, 'failures'));
  const first: FailedItem[] = [];
  let bytes = 0;
  try {
    for await (const chunk of outcomes()) {
      for (const outcome of chunk) {
        if (outcome.ok) {
          for (const { href, path, size, sha256 } of outcome.outputs) {
            bytes += size;
            await outputs.add({ href, path, size, sha256, source: outcome.item ?? outcome.path });
          }
          continue;
        }
        if (first.length < recordedFailures) first.push(outcome);
        await failures.add(failureLine(outcome));
      }
    }
    await outputs.finish();
    await failures.finish();
  } catch (error) {
    await outputs.abort();
    await failures.abort();
    throw error;
  }
  return { files: outputs.count, bytes, failed: failures.count, first, outputsHref: outputs.href ?? null, failuresHref: failures.href ?? null };
}

/** A failure as a row of a manifest that names the item as the run itself does: its parameters lie apart, so that the error is none of them. */
function failureLine({ index, item, path, parameters, error }: FailedItem): object {
  return { index, href: item, path, parameters, error };
}

/** A list of JSON lines that isn't there while it is empty. */
class LineList {
  readonly #store: Store;
  readonly href: string | undefined;
  #sink: ObjectSink | undefined;
  count = 0;

  constructor(store: Store, href: string | undefined) {
    this.#store = store;
    this.href = href;
  }

  async add(line: object): Promise<void> {
    this.count++;
    if (this.href === undefined) return;
    this.#sink ??= new ObjectSink(this.#store, this.href, { contentType: 'application/jsonl', createFolders: true, onAssembly: () => Promise.resolve() });
    await this.#sink.writeText(`${JSON.stringify(line)}\n`);
  }

  async finish(): Promise<void> {
    await this.#sink?.finish();
    if (this.#sink !== undefined || this.href === undefined) return;
    // The run has been continued, and what an earlier call has listed isn't so any more. Whoever may not look has nothing to say of it.
    const earlier = await this.#store.stat(this.href).catch(() => undefined);
    if (earlier !== undefined && earlier.size > 0) await this.#store.put(this.href, new Uint8Array(), { contentType: 'application/jsonl' });
  }

  async abort(): Promise<void> {
    await this.#sink?.abort().catch(() => undefined);
  }
}

async function writeResultTable(store: Store, results: NonNullable<ItemPlan['job']['results']>, outcomes: () => AsyncIterable<readonly ItemOutcome[]>): Promise<NonNullable<ItemRunRecord['results']>> {
  const format = resultFormat(results) ?? 'jsonl';
  const table: Table = {
    keys: [
      { name: 'index', type: 'integer' },
      { name: 'item', type: 'text' },
    ],
    async *rows() {
      for await (const chunk of outcomes()) yield chunk.flatMap((outcome) => (outcome.ok ? [{ keys: [outcome.index, outcome.item ?? outcome.path], value: outcome.value }] : []));
    },
  };
  const { stat, rows }: { readonly stat: ObjectStat; readonly rows: number } = await writeTable({ store, href: results.href, format, table });
  return { href: results.href, format, rows, bytes: stat.size };
}

async function readBatches(store: Store, run: string, total: number): Promise<ItemRunRecord['batches'] & { readonly computed: number; readonly reused: number }> {
  const limit = pLimit(concurrency);
  const found = await Promise.all(Array.from({ length: total }, (_, batch) => limit(() => readDocument(store, `${run}${runFiles.result(batch)}`, batchRecord))));
  const attempts = found.flatMap((record) => record?.attempts ?? []);
  return {
    total,
    failed: found.flatMap((record, batch) => (record?.state === 'SUCCEEDED' ? [] : [batch])),
    retried: found.flatMap((record) => (record !== undefined && record.attempts.length > 1 ? [{ batch: record.batch, attempts: record.attempts.length }] : [])),
    computed: attempts.reduce((sum, { tilesComputed }) => sum + tilesComputed, 0),
    reused: attempts.reduce((sum, { tilesReused }) => sum + tilesReused, 0),
  };
}
