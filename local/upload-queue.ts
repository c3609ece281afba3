/** SQS between uploads and the start function, on this machine: repeated delivery with growing pauses, and an end to it. */
import { setTimeout as sleep } from 'node:timers/promises';
import pLimit from 'p-limit';
import type { BatchResponse } from '../functions/start/handler.ts';
import type { Report } from '../functions/start/handle-message.ts';
import { sqsEvent, type Message } from './upload-events.ts';
import type { FunctionContext } from './services.ts';

export type StartFunction = (event: unknown, context: FunctionContext) => Promise<BatchResponse>;

/** What the start function said of a message that it couldn't do. */
export type Failure = Readonly<Record<string, unknown>>;

export interface QueueOptions {
  /** Makes the start function, which then reports here. */
  readonly createHandler: (report: Report) => StartFunction;
  /** Told what went well. */
  readonly onReport: Report;
  /** Deliveries of a message, at most. */
  readonly deliveries: number;
  readonly signal: AbortSignal;
}

/** Before the second delivery and the third: SQS's visibility timeout, scaled to somebody who waits. */
const pausesMs = [1_000, 3_000];

/** The function's time, as the stack sets it. */
const functionTimeMs = 60_000;

export class UploadQueue {
  readonly #options: QueueOptions;
  readonly #handler: StartFunction;
  /** One message at a time, so that what is reported belongs to it. */
  readonly #turn = pLimit(1);
  #failures: Failure[] = [];

  constructor(options: QueueOptions) {
    this.#options = options;
    this.#handler = options.createHandler((level, event, fields) => {
      if (level === 'info') options.onReport(level, event, fields);
      else this.#failures.push({ event, ...fields });
    });
  }

  /**
   * Delivers a message until it is done.
   * @returns what was said of it the last time when it never was, and undefined when it was, or when everything ended before
   */
  async deliver(message: Message): Promise<readonly Failure[] | undefined> {
    const { deliveries, signal } = this.#options;
    for (let delivery = 1; !signal.aborted; delivery++) {
      const failures = await this.#turn(() => this.#once(message, delivery));
      if (failures === undefined || delivery >= deliveries) return failures;
      await sleep(pausesMs[delivery - 1] ?? pausesMs.at(-1), undefined, { signal }).catch(() => undefined);
    }
    return undefined;
  }

  async #once(message: Message, delivery: number): Promise<readonly Failure[] | undefined> {
    this.#failures = [];
    const end = performance.now() + functionTimeMs;
    const context = { awsRequestId: `${message.id}-${String(delivery)}`, getRemainingTimeInMillis: () => end - performance.now() };
    const { batchItemFailures } = await this.#handler(sqsEvent(message, delivery), context);
    return batchItemFailures.length === 0 ? undefined : this.#failures;
  }
}
