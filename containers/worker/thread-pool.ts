/** Compute threads, one a vCPU. Tiles that are read ahead wait here, so that a thread that has finished one begins the next at once. */
import { Worker } from 'node:worker_threads';
import { OperationError, TryAgainError, describeError, restoreError } from '../../lib/base/errors.ts';
import type { CodeCall } from '../../lib/code/code-setup.ts';
import type { CodeSlot } from '../../lib/job/code-runners.ts';
import type { TileRunner } from '../../lib/job/batch.ts';
import type { BlockTask, DecodeTask, TileResult, TileSetup, TileTask } from '../../lib/job/tile.ts';
import type { MadeBlock } from '../../lib/job/upper-levels.ts';
import { planeBuffers } from './plane-buffers.ts';
import { threadFile } from './thread-file.ts';
import type { CodeAnswer, TaskResult, ThreadAnswer, ThreadMessage, ThreadTask } from './thread.ts';
import { setFlags } from './v8-flags.ts';

interface Waiting {
  readonly task: ThreadTask;
  readonly resolve: (result: TaskResult) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  current: Waiting | undefined;
}

interface StartedThread {
  readonly worker: Worker;
  /** Resolves when it has loaded; never, if it dies before. */
  readonly loaded: Promise<void>;
}

/** Threads that load, and wait to be told what to work on. A pool takes them over. */
export class EarlyThreads {
  readonly threads: readonly StartedThread[];
  /** Why one of them died; a pool that takes them over is broken from the beginning. */
  failure: unknown;

  constructor(count: number) {
    this.threads = Array.from({ length: count }, () => startThread());
    for (const { worker } of this.threads) worker.on('error', (cause) => (this.failure ??= cause));
  }

  /** Ends them: the task turned out to need none. */
  dismiss(): void {
    for (const { worker } of this.threads) void worker.terminate();
  }
}

function startThread(): StartedThread {
  const worker = new Worker(threadFile);
  const { promise: loaded, resolve } = Promise.withResolvers<void>();
  worker.once('message', () => {
    resolve();
  });
  return { worker, loaded };
}

export class ThreadPool implements TileRunner {
  readonly inFlight: number;
  readonly threads: number;
  readonly #threads: Thread[];
  readonly #queue: Waiting[] = [];
  /** Whether the threads have their setup. */
  #begun = false;
  #broken: Error | undefined;

  /**
   * @param signal when it aborts, tiles that no thread has begun are given up
   * @param early threads that were started before; those that are too many are ended
   * @param code what runs the user's code, one for each thread; empty where there is none
   */
  constructor(setup: TileSetup, threads: number, signal: AbortSignal, early: EarlyThreads = new EarlyThreads(0), code: readonly CodeSlot[] = []) {
    this.threads = threads;
    // While each thread computes a tile, the next one for it is read.
    this.inFlight = 2 * threads;
    const started = Array.from({ length: threads }, (_, i) => early.threads[i] ?? startThread());
    this.#threads = started.map(({ worker }, i) => this.#useThread(worker, code[i]));
    for (const { worker } of early.threads.slice(threads)) void worker.terminate();
    void Promise.all(started.map(({ loaded }) => loaded)).then(() => {
      this.#begin(setup, code);
    });
    if (early.failure !== undefined) this.#died(early.failure);
    signal.addEventListener('abort', () => {
      // Blocks of levels above belong to tiles that are done, and take a moment.
      const waiting = this.#queue.splice(0);
      this.#queue.push(...waiting.filter(({ task }) => 'block' in task));
      for (const { task, reject } of waiting) if (!('block' in task)) reject(new TryAgainError('WORKER_STOPPED', 'the worker was stopped'));
    });
  }

  async run(task: TileTask): Promise<TileResult> {
    const result = await this.#ask({ tile: task }, 'last');
    if ('tile' in result) return result.tile;
    throw unexpected(result);
  }

  /** Comes before tiles that wait: some of them wait for these blocks. */
  async decode(task: DecodeTask): Promise<void> {
    await this.#ask({ decode: task }, 'first');
  }

  /** Comes before tiles that wait, as it is short, and frees memory. */
  async makeBlock(task: BlockTask): Promise<MadeBlock> {
    const result = await this.#ask({ block: task }, 'first');
    if ('block' in result) return result.block;
    throw unexpected(result);
  }

  #ask(task: ThreadTask, place: 'first' | 'last'): Promise<TaskResult> {
    return new Promise((resolve, reject) => {
      if (this.#broken !== undefined) {
        reject(this.#broken);
        return;
      }
      const waiting = { task, resolve, reject };
      if (place === 'first') this.#queue.unshift(waiting);
      else this.#queue.push(waiting);
      this.#dispatch();
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #begin(setup: TileSetup, code: readonly CodeSlot[]): void {
    setFlags();
    for (const [i, { worker }] of this.#threads.entries()) {
      const slot = code[i];
      const own = slot === undefined || setup.code === undefined ? setup : { ...setup, code: { ...setup.code, sharedFd: slot.sharedFd } };
      worker.postMessage({ setup: own } satisfies ThreadMessage);
    }
    this.#begun = true;
    this.#dispatch();
  }

  #dispatch(): void {
    if (!this.#begun) return;
    for (const thread of this.#threads) {
      if (thread.current !== undefined) continue;
      const next = this.#queue.shift();
      if (next === undefined) return;
      thread.current = next;
      thread.worker.postMessage(next.task satisfies ThreadMessage, 'block' in next.task ? planeBuffers(next.task.block.planes) : []);
    }
  }

  #useThread(worker: Worker, slot: CodeSlot | undefined): Thread {
    const thread: Thread = { worker, current: undefined };
    worker.on('message', (answer: ThreadAnswer) => {
      if ('loaded' in answer) return;
      if ('call' in answer) {
        void callCode(slot, answer.call).then((reply) => worker.postMessage(reply satisfies ThreadMessage));
        return;
      }
      const { current } = thread;
      thread.current = undefined;
      this.#dispatch();
      if ('result' in answer) current?.resolve(answer.result);
      else current?.reject(restoreError(answer.error));
    });
    worker.on('error', (cause) => {
      this.#died(cause);
    });
    return thread;
  }

  #died(cause: unknown): void {
    this.#fail(new OperationError('THREAD_DIED', `a compute thread died: ${cause instanceof Error ? cause.message : String(cause)}`, { cause }));
  }

  /** A thread that dies outside a tile's own error handling (out of heap, a defect) ends all work: its tile would never be answered. */
  #fail(error: OperationError): void {
    this.#broken = error;
    for (const thread of this.#threads) {
      thread.current?.reject(error);
      thread.current = undefined;
    }
    for (const { reject } of this.#queue.splice(0)) reject(error);
  }
}

function unexpected(result: TaskResult): Error {
  return new Error(`a thread has answered with ${Object.keys(result).join(', ')}, which it was not asked for`);
}

/** Never throws: the thread is told what went wrong. */
async function callCode(slot: CodeSlot | undefined, call: CodeCall): Promise<CodeAnswer> {
  try {
    if (slot === undefined) throw new Error('a thread wants code to be called, and there is none');
    const reply = await slot.runner.call(call);
    tellPrinted(slot, call);
    return { reply };
  } catch (error) {
    return { failure: describeError(error) };
  }
}

/** Of what a tile prints, so much goes into the log: the log of a run of thousands of tiles has to stay readable. */
const toldCharacters = 2000;

/** What the code printed for a tile that came out well; of one that didn't, the record has it. */
function tellPrinted({ runner }: CodeSlot, { column, row }: CodeCall): void {
  const { stdout, stderr, stdoutBytes, stderrBytes } = runner.output();
  if (stdoutBytes + stderrBytes === 0) return;
  process.stdout.write(`${JSON.stringify({ event: 'Tile:Printed', tile: [column, row], stdout: stdout.slice(-toldCharacters), stderr: stderr.slice(-toldCharacters), stdoutBytes, stderrBytes })}\n`);
}
