/** The result record of a batch over the life of one attempt: begun, succeeded or failed, with what the attempts before left in it. */
import { describeError } from '../../lib/base/errors.ts';
import type { BatchSummary } from '../../lib/job/batch.ts';
import { describeTask, type ManifestLine } from '../../lib/job/manifest.ts';
import { runFiles } from '../../lib/job/plan.ts';
import { batchRecord, encodeDocument, readDocument, type AttemptRecord, type BatchRecord } from '../../lib/job/records.ts';
import type { Store } from '../../lib/store/store.ts';
import type { TaskMetadata } from './task-metadata.ts';

export class Attempt {
  readonly #store: Store;
  readonly #href: string;
  readonly #earlier: readonly AttemptRecord[];
  readonly #line: ManifestLine;
  readonly #number: number;
  readonly #metadata: TaskMetadata;
  readonly #startedAt = new Date().toISOString();

  private constructor(store: Store, href: string, line: ManifestLine, number: number, earlier: readonly AttemptRecord[], metadata: TaskMetadata) {
    this.#store = store;
    this.#href = href;
    this.#line = line;
    this.#number = number;
    this.#earlier = earlier;
    this.#metadata = metadata;
  }

  /**
   * Writes that the attempt has begun; if it is killed, this is what remains of it, and says where its log is.
   * @param metadata may be under way still: it comes while the earlier record is read
   */
  static async begin(store: Store, run: string, line: ManifestLine, metadata: Promise<TaskMetadata>): Promise<Attempt> {
    const href = `${run}${runFiles.result(line.batch)}`;
    const [before, known] = await Promise.all([readDocument(store, href, batchRecord), metadata]);
    const earlier = before?.attempts ?? [];
    // A run that is continued counts on, so the number is that of the record, not the state machine's.
    const attempt = new Attempt(store, href, line, earlier.length + 1, earlier, known);
    await attempt.#write({ state: 'RUNNING', tilesComputed: 0, tilesReused: 0, endedAt: null, error: null });
    return attempt;
  }

  /** Whether one of the attempts before it, the run's or those of a run which is continued, was killed before it could say anything; or is still at work somewhere. */
  get followsKill(): boolean {
    return this.#earlier.some(({ state }) => state === 'RUNNING');
  }

  async succeed({ computed, reused }: BatchSummary): Promise<void> {
    await this.#write({ state: 'SUCCEEDED', tilesComputed: computed, tilesReused: reused, endedAt: new Date().toISOString(), error: null });
  }

  async fail(error: unknown, { computed, reused }: BatchSummary): Promise<void> {
    const { stack, ...described } = describeError(error);
    await this.#write({
      state: 'FAILED',
      tilesComputed: computed,
      tilesReused: reused,
      endedAt: new Date().toISOString(),
      error: { ...described, where: { ...described.where }, ...(stack === undefined ? {} : { stack }) },
    });
  }

  async #write(state: Pick<AttemptRecord, 'state' | 'tilesComputed' | 'tilesReused' | 'endedAt' | 'error'>): Promise<void> {
    const { task: taskArn, log } = this.#metadata;
    const current: AttemptRecord = { attempt: this.#number, startedAt: this.#startedAt, ...state, task: taskArn, log };
    const [, , columns, rows] = 'tiles' in this.#line ? this.#line.tiles : 'items' in this.#line ? [0, 0, this.#line.items.count, 1] : [0, 0, 0, 0];
    const task = describeTask(this.#line);
    const record: BatchRecord = {
      batch: this.#line.batch,
      ...(task === undefined ? {} : { task }),
      state: current.state,
      attempt: this.#number,
      tiles: columns * rows,
      error: current.error,
      attempts: [...this.#earlier, current],
    };
    await this.#store.put(this.#href, encodeDocument(record), { contentType: 'application/json', createFolders: true });
  }
}
