/** `tilefan dev`: the deployed stack on this machine, uploads included. The same start function, the same state machine, the same worker. */
import { readFile } from 'node:fs/promises';
import { createHandler } from '../functions/start/handler.ts';
import { DataError, describeError, InputUnavailableError, messageOf } from '../lib/base/errors.ts';
import { encodeDocument } from '../lib/job/records.ts';
import type { StartInput } from '../lib/job/uploads.ts';
import { displayHref, folderHref, joinHref, pathOf } from '../lib/store/href.ts';
import { createStore } from '../lib/store/routing-store.ts';
import type { ClosableStore } from '../lib/store/store.ts';
import { watchBucket } from '../local/bucket-uploads.ts';
import type { Json } from '../local/engine.ts';
import { watchFolder, type WatchedPlace } from '../local/folder-uploads.ts';
import { lockWork } from '../local/work-lock.ts';
import { LocalExecutions } from '../local/local-executions.ts';
import { recordedMessages, sqsEvent, uploadMessage, type FoundObject, type Message } from '../local/upload-events.ts';
import { UploadQueue } from '../local/upload-queue.ts';
import { DevReport } from './dev-report.ts';
import { catchInterrupts, interruptedExitCode } from './interrupt.ts';
import { outputPlaceOf, userFolderHref, userHref } from './job-file.ts';
import type { LocalOptions } from './local-environment.ts';
import { exitCodeOf, failureRecord, failureText, finishRun, keepFailure, runHere, runPrefix } from './local-run.ts';
import { isItemRecord, readRunRecord, type AnyRunRecord } from './run-records.ts';

export type DevOptions = LocalOptions & {
  readonly work: string;
  readonly bucket?: string;
  /** The place for outputs, as a deployment has its output bucket. */
  readonly output?: string;
  readonly once?: boolean;
  readonly replay?: string;
  readonly json?: boolean;
};

const defaultFolder = '.tilefan/input/';

/** Deliveries of a message before it is given up, as the stack's queue has it. */
const deliveries = 3;

/** Exit code for uploads that stayed undone (sysexits.h EX_DATAERR). */
const refusedExitCode = new DataError('UPLOADS_REFUSED', '').exitCode;

/** @returns the exit code of the process: that of the first run that failed, or of uploads that were refused */
export async function dev(folder: string | undefined, options: DevOptions): Promise<number> {
  const interrupts = catchInterrupts();
  const store = createStore();
  try {
    return await new Dev(folder, options, store, interrupts.signal).serve();
  } finally {
    interrupts.close();
    await store.close();
  }
}

class Dev {
  readonly #options: DevOptions;
  readonly #store: ClosableStore;
  readonly #signal: AbortSignal;
  readonly #report: DevReport;
  readonly #work: string;
  /** What `s3://{outputBucket}/` stands for. */
  readonly #output: string;
  /** Hrefs of the places that are watched: a folder, a bucket, or both. */
  readonly #places: readonly string[];
  readonly #executions: LocalExecutions;
  readonly #underWay = new Set<Promise<void>>();
  #exitCode = 0;
  #refused = 0;

  constructor(folder: string | undefined, options: DevOptions, store: ClosableStore, signal: AbortSignal) {
    this.#options = options;
    this.#store = store;
    this.#signal = signal;
    this.#report = new DevReport({ json: options.json === true });
    this.#work = userFolderHref(options.work);
    this.#output = options.output === undefined ? (outputPlaceOf(options.work) ?? '') : userFolderHref(options.output);
    const wanted = folder ?? (options.bucket === undefined ? defaultFolder : undefined);
    this.#places = [...(wanted === undefined ? [] : [userFolderHref(wanted)]), ...(options.bucket === undefined ? [] : [folderHref(`s3://${options.bucket}/`)])];
    this.#executions = new LocalExecutions({ store, work: this.#work, run: (name, input) => this.#run(name, input) });
  }

  async serve(): Promise<number> {
    const { replay, once } = this.#options;
    // In S3 nothing says who is still alive, so there a lock would only be in the way.
    const unlock = this.#work.startsWith('file:') ? await lockWork(pathOf(this.#work)) : undefined;
    try {
      return await this.#serve(replay, once === true);
    } finally {
      await unlock?.();
    }
  }

  async #serve(replay: string | undefined, once: boolean): Promise<number> {
    if (replay !== undefined) await this.#replay(replay);
    else await this.#watch(once);
    await this.#idle();
    if (this.#signal.aborted) return interruptedExitCode;
    return this.#exitCode === 0 && this.#refused > 0 ? refusedExitCode : this.#exitCode;
  }

  async #watch(once: boolean): Promise<void> {
    const watched: WatchedPlace[] = [];
    try {
      for (const place of this.#places) {
        const queue = this.#queueOf(place, deliveries);
        const onObject = (object: FoundObject): void => { this.#deliver(queue, uploadMessage(object), deliveries); };
        const told = { onObject, onError: (error: unknown) => this.#fail(error), signal: this.#signal };
        watched.push(place.startsWith('s3:') ? await watchBucket(this.#store, this.#options.bucket ?? '', told) : await watchFolder(pathOf(place), told));
      }
      this.#report.watching(this.#places, this.#output);
      await Promise.all(watched.map(({ scanned }) => scanned));
      if (!once) await aborted(this.#signal);
    } finally {
      await Promise.all(watched.map((place) => place.close()));
    }
  }

  /** Hands recorded events in once; nobody sends them again. */
  async #replay(file: string): Promise<void> {
    const path = pathOf(userHref(file));
    const text = await readFile(path, 'utf8').catch((cause: unknown) => {
      throw new InputUnavailableError('REPLAY_UNREADABLE', `Cannot read ${path}: ${messageOf(cause)}`, { cause });
    });
    const [place = ''] = this.#places;
    const queue = this.#queueOf(place, 1);
    for (const message of recordedMessages(text.replace(/^\uFEFF/, ''), displayHref(path))) this.#deliver(queue, message, 1);
  }

  #queueOf(place: string, times: number): UploadQueue {
    return new UploadQueue({
      createHandler: (report) => createHandler({ ...process.env, TILEFAN_INPUT: place }, { executions: this.#executions, report }),
      onReport: (_level, event, fields) => this.#report.started(event, fields),
      deliveries: times,
      signal: this.#signal,
    });
  }

  #deliver(queue: UploadQueue, message: Message, times: number): void {
    const delivered = this.#deliverOrKeep(queue, message, times)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => this.#underWay.delete(delivered));
    this.#underWay.add(delivered);
  }

  async #deliverOrKeep(queue: UploadQueue, message: Message, times: number): Promise<void> {
    const failures = await queue.deliver(message);
    if (failures === undefined) return;
    this.#refused++;
    // A message that was replayed lies in a file already.
    const file = times === 1 ? undefined : `${this.#work}dead-letters/${message.id}.json`;
    if (file !== undefined) await this.#store.put(file, encodeDocument(sqsEvent(message, times)), { createFolders: true, contentType: 'application/json' });
    this.#report.dead(message.id, failures, times, file);
  }

  async #run(runId: string, input: StartInput): Promise<void> {
    if (this.#signal.aborted) return;
    const started = performance.now();
    const prefix = runPrefix(this.#work, runId);
    try {
      const result = await runHere(this.#store, {
        runId,
        input: JSON.parse(JSON.stringify(input)) as Json,
        work: this.#work,
        options: this.#options,
        signal: this.#signal,
        env: { TILEFAN_TRIGGERS: this.#triggers(), TILEFAN_OUTPUT: this.#output },
        // Without a terminal, progress would be JSON among the words.
        progress: process.stderr.isTTY,
      });
      if (result.state === 'ABORTED') {
        this.#report.aborted(runId);
      } else if (result.state === 'SUCCEEDED') {
        this.#report.succeeded(await this.#finish(prefix), (performance.now() - started) / 1000);
      } else {
        const record = failureRecord(runId, prefix, result);
        await keepFailure(this.#store, record);
        this.#exitCode ||= exitCodeOf(result);
        this.#report.failed(record, exitCodeOf(result), failureText(runId, result));
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Nothing of a run over items is taken away: other runs may take its values for their items. */
  async #finish(prefix: string): Promise<AnyRunRecord> {
    const record = await readRunRecord(this.#store, prefix);
    return record !== undefined && isItemRecord(record) ? record : await finishRun(this.#store, prefix, { keep: false });
  }

  #fail(error: unknown): void {
    this.#exitCode ||= describeError(error).exitCode;
    this.#report.trouble(error);
  }

  /** Where no output may lie, as the stack says it to split. Commas divide the list. */
  #triggers(): string {
    return this.#places.flatMap((place) => ['jobs/', 'incoming/', 'templates/'].map((name) => joinHref(place, name).replaceAll(',', '%2C'))).join(',');
  }

  /** When every message is delivered or given up, and every run has ended. */
  async #idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    await this.#executions.idle();
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    // Listening to a signal keeps no process alive, but the watchers do.
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
