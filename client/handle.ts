/** A run that has been started: what it comes to, how it goes on, and how it is ended. */
import type { ClosableStore } from '../lib/store/store.ts';
import type { ItemOutcome } from '../lib/job/items/item-outcome.ts';
import { findItemPlan, itemMissing, runOutcomes } from '../cli/run-outcomes.ts';
import type { AnyRunRecord } from '../cli/run-records.ts';
import { itemResult, type ItemResult } from './item-result.ts';
import type { ProgressFeed } from './progress.ts';
import type { RunProgress } from './types.ts';
import { cancelledCode, RunError, type RunEnd } from './run-end.ts';

/** A run as whatever runs it has it. */
export interface StartedRun {
  readonly run: string;
  readonly where: 'local' | 'aws';
  readonly progress: ProgressFeed;
  /** Rejects when the run can't be watched any more. */
  readonly end: Promise<RunEnd>;
  readonly cancel: () => Promise<void>;
}

export interface RunResult<Value = unknown> {
  readonly run: string;
  /**
   * FAILED when more items failed than the job tolerates, or a batch gave up; the others have their values all the same. ABORTED when it was cancelled; items that were not done by then have
   * failed with RUN_CANCELLED.
   */
  readonly state: 'SUCCEEDED' | 'FAILED' | 'ABORTED';
  /** Why it failed, or that it was cancelled. */
  readonly error: RunError | undefined;
  /** undefined when the run has failed before it was written. */
  readonly record: AnyRunRecord | undefined;
  /** Each item once, in order; empty for a raster job, and for a run that was cancelled before its items were listed. */
  readonly items: readonly ItemResult<Value>[];
}

/** What `run` and `map` give back. */
export class RunHandle<Value = unknown> {
  /** The run's id. */
  readonly run: string;
  readonly where: 'local' | 'aws';
  readonly #started: StartedRun;
  readonly #openStore: () => ClosableStore;
  #result: Promise<RunResult<Value>> | undefined;

  /** @param openStore for reading what the run came to */
  constructor(started: StartedRun, openStore: () => ClosableStore) {
    this.#started = started;
    this.#openStore = openStore;
    this.run = started.run;
    this.where = started.where;
  }

  /** Iterates over how the run goes on, until its end. */
  get progress(): AsyncIterable<RunProgress> {
    return this.#started.progress;
  }

  /** How it goes at the moment. */
  get latest(): RunProgress {
    return this.#started.progress.latest;
  }

  /**
   * What the run came to. Items that failed don't hide the others: each has its own value or error.
   * @throws RunError when the run failed otherwise than by its items and batches (RUN_EXISTS, a table that can't be written), and for a raster job that failed
   */
  async result(): Promise<RunResult<Value>> {
    return await (this.#result ??= this.#readResult());
  }

  /**
   * The values of all items, in order.
   * @throws ItemError of the first item that failed; RunError as `result` does, when the run was cancelled (RUN_CANCELLED) or failed though no item did, and RUN_WITHOUT_ITEMS for a raster job
   */
  async values(): Promise<Value[]> {
    const { state, items, run, record, error } = await this.result();
    if (state === 'ABORTED' && error !== undefined) throw error;
    if (items.length === 0) throw new RunError(run, 'FAILED', { code: 'RUN_WITHOUT_ITEMS', message: `run ${run} is that of a raster job, which has no items; its record has the outputs`, where: { outputs: record?.results ?? null } });
    const values = items.map((item) => {
      if (item.status === 'rejected') throw item.reason;
      return item.value;
    });
    if (error !== undefined) throw error;
    return values;
  }

  /** Each item once, in order, for runs of more items than fit into memory. @throws as `result` */
  async *items(): AsyncGenerator<ItemResult<Value>, void, undefined> {
    const store = this.#openStore();
    try {
      const end = await this.#ended(store);
      const plan = end.prefix === undefined || (end.state === 'ABORTED' && !end.hasItems) ? undefined : await findItemPlan(store, end.prefix);
      if (plan !== undefined) for await (const outcome of runOutcomes(store, plan)) yield itemResult<Value>(end.state === 'ABORTED' ? notDone(outcome, this.run) : outcome);
    } finally {
      await store.close();
    }
  }

  /** Ends the run, workers included, and waits until it has ended. What is finished stays; the same run id goes on with it. */
  async cancel(): Promise<void> {
    await this.#started.cancel();
  }

  async #readResult(): Promise<RunResult<Value>> {
    const items: ItemResult<Value>[] = [];
    for await (const item of this.items()) items.push(item);
    const { state, error, record } = await this.#started.end;
    if (state === 'FAILED' && items.length === 0 && error !== undefined) throw error;
    return { run: this.run, state, error, record, items };
  }

  /** @throws RunError for a run of which there is nothing to tell */
  async #ended(store: ClosableStore): Promise<RunEnd> {
    const end = await this.#started.end;
    // What a cancelled one has done by then is worth having, be it nothing.
    if (end.error === undefined || end.state === 'ABORTED') return end;
    // One that failed before it came to its items has none, whatever another run has left under its id.
    const planned = end.hasItems && end.prefix !== undefined && (await findItemPlan(store, end.prefix).catch(() => undefined)) !== undefined;
    if (!planned) throw end.error;
    return end;
  }
}

/** Of a run that was cancelled: what has no outcome was not done by then. */
function notDone(outcome: ItemOutcome, run: string): ItemOutcome {
  if (outcome.ok || outcome.error.code !== itemMissing) return outcome;
  return { ...outcome, error: { code: cancelledCode, message: `run ${run} was cancelled before it was done`, where: {} } };
}
