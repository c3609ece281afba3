/**
 * Makes copies of images in processes of their own: an image that takes more memory than there is, or that makes a codec crash, ends such a process and not the worker, and it
 * is known which image it was. Processes have to be started, and have their own memory, so it is for workers whose predecessor was killed.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, OperationError, restoreError, TryAgainError, unexpectedCode, type ErrorRecord } from '../base/errors.ts';
import type { ImageLimits } from './image-limits.ts';
import type { MadeImages } from './make-variants.ts';
import { SharedBudget } from './shared-budget.ts';
import type { ImageVariants } from './variant-spec.ts';

export interface ImageRequest {
  /** Of a file, which the process reads: sent to it, its bytes would be there four times. */
  readonly href: string;
  /** What the file has to be still; null where nobody else changes it. */
  readonly version: string | null;
  readonly variants: ImageVariants;
  readonly limits: ImageLimits;
}

export type ImageAnswer = { readonly made: MadeImages } | { readonly error: ErrorRecord };

/** What a process says: once that it can work, and then one answer to each request. */
export type ImageMessage = 'ready' | ImageAnswer;

/** How a process ended that gave no answer. */
interface Death {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Where it could not even be started. */
  readonly cause?: unknown;
  /** Where it was ended because it didn't answer within so many seconds. */
  readonly silentSeconds?: number;
}

/** What a process may take to be ready, and beside its copies. */
const startSeconds = 60;

export class ImageProcesses {
  readonly #count: number;
  readonly #program: string;
  readonly #startSeconds: number;
  readonly #turns: SharedBudget;
  readonly #children = new Set<ImageChild>();
  readonly #idle: ImageChild[] = [];
  #closed = false;

  /**
   * @param count of processes that may work at once; they are started when they are needed
   * @param options for tests: another program, and what it may take to be ready
   */
  constructor(count: number, options: { readonly program?: string; readonly startSeconds?: number } = {}) {
    this.#count = count;
    this.#program = options.program ?? join(import.meta.dirname, 'image-process-main.ts');
    this.#startSeconds = options.startSeconds ?? startSeconds;
    this.#turns = new SharedBudget(count);
  }

  /**
   * As makeVariants, of a file. An image over which a process ends may not be the one to blame, as others take memory at the same time, or somebody else may have killed it: it is
   * made once more, alone.
   * @throws DataError IMAGE_*; OperationError IMAGE_CRASH when a process ends over this image, twice; TryAgainError IMAGE_PROCESS_START where none can work at all, and
   *   IMAGE_PROCESS_CLOSED; what reading the file throws; Error for a fault of ours
   */
  async make(request: ImageRequest): Promise<MadeImages> {
    const first = await this.#turns.use(1, async () => await this.#ask(request));
    const answer = isDeath(first) ? await this.#turns.use(this.#count, async () => await this.#askAlone(request)) : first;
    if (isDeath(answer)) throw crashError(answer);
    if ('made' in answer) return answer.made;
    throw answer.error.code === unexpectedCode ? new Error(answer.error.message) : restoreError(answer.error);
  }

  /** Images under way are rejected. */
  close(): void {
    this.#closed = true;
    for (const child of this.#children) child.kill();
  }

  /** @throws TryAgainError IMAGE_PROCESS_CLOSED */
  checkOpen(): void {
    if (this.#closed) throw new TryAgainError('IMAGE_PROCESS_CLOSED', 'The processes that make copies of images were closed before their turn');
  }

  async #askAlone(request: ImageRequest): Promise<ImageAnswer | Death> {
    // What they hold, they hold until they end.
    for (const child of this.#idle.splice(0)) this.#remove(child);
    return await this.#ask(request);
  }

  async #ask(request: ImageRequest): Promise<ImageAnswer | Death> {
    this.checkOpen();
    const child = this.#freeChild();
    const answer = await child.ask(request, this.#startSeconds);
    if (!isDeath(answer)) {
      this.#idle.push(child);
      return answer;
    }
    this.#remove(child);
    this.checkOpen();
    if (!child.isReady) throw startError(answer);
    return answer;
  }

  #freeChild(): ImageChild {
    for (let child = this.#idle.pop(); child !== undefined; child = this.#idle.pop()) {
      if (!child.hasEnded) return child;
      this.#remove(child);
    }
    const child = new ImageChild(this.#program);
    this.#children.add(child);
    return child;
  }

  #remove(child: ImageChild): void {
    child.kill();
    this.#children.delete(child);
  }
}

/** One such process, until it ends. */
class ImageChild {
  isReady = false;
  hasEnded = false;
  readonly #process: ChildProcess | undefined;
  readonly #ready = Promise.withResolvers<'ready'>();
  readonly #end = Promise.withResolvers<Death>();
  #onAnswer: (answer: ImageAnswer) => void = () => undefined;

  constructor(program: string) {
    try {
      this.#process = this.#start(program);
    } catch (cause) {
      this.#ended({ exitCode: null, signal: null, cause });
    }
  }

  /** Only one request at a time. Never rejects. @param seconds that it may take to be ready, and for what is no copy */
  async ask(request: ImageRequest, seconds: number): Promise<ImageAnswer | Death> {
    // Not before: what ends it from here on is the request.
    const first = await this.#within(seconds, this.#ready.promise);
    if (first !== 'ready') return first;
    const answer = Promise.withResolvers<ImageAnswer>();
    this.#onAnswer = answer.resolve;
    // Where it has just ended, its exit says so.
    this.#process?.send(request, () => undefined);
    return await this.#within(seconds + Object.keys(request.variants).length * request.limits.seconds, answer.promise);
  }

  /** Ends the process where nothing comes of it: it may be stopped, or a codec may go round in circles. */
  async #within<Result>(seconds: number, work: Promise<Result>): Promise<Result | Death> {
    const timer = setTimeout(() => {
      this.kill();
      this.#ended({ exitCode: null, signal: null, silentSeconds: seconds });
    }, seconds * 1000);
    try {
      return await Promise.race([work, this.#end.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  kill(): void {
    this.#process?.kill('SIGKILL');
  }

  #start(program: string): ChildProcess {
    const child = fork(program, { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    child.on('message', (message: ImageMessage) => {
      if (message !== 'ready') {
        this.#onAnswer(message);
        return;
      }
      this.isReady = true;
      this.#ready.resolve(message);
    });
    child.on('exit', (exitCode, signal) => {
      this.#ended({ exitCode, signal });
    });
    // Nobody can hear it any more. If it hasn't ended by itself, it is to.
    child.on('disconnect', () => child.kill('SIGKILL'));
    child.on('error', (cause) => {
      // A process that can't be started has no exit.
      if (child.pid === undefined) this.#ended({ exitCode: null, signal: null, cause });
    });
    // Where memory ends, the kernel is to take this one and not the worker. Not Linux, or gone already: then it is as it is.
    if (child.pid !== undefined) void writeFile(`/proc/${String(child.pid)}/oom_score_adj`, '1000').catch(() => undefined);
    return child;
  }

  #ended(death: Death): void {
    this.hasEnded = true;
    this.#end.resolve(death);
  }
}

function isDeath(answer: ImageAnswer | Death): answer is Death {
  return 'exitCode' in answer;
}

function crashError(death: Death): OperationError {
  const { exitCode, signal } = death;
  const why = signal === 'SIGKILL' ? ', as the kernel does for want of memory (imageLimits.maxPixels refuses large images, compute.memory gives the task more)' : '';
  return new OperationError('IMAGE_CRASH', `making copies of it has ended the process that does, twice, the second time alone: ${howEnded(death)}${why}`, { where: { exitCode, signal } });
}

function startError(death: Death): TryAgainError {
  const { exitCode, signal, cause } = death;
  const how = cause === undefined ? `it ended ${howEnded(death)} before it could work` : messageOf(cause);
  return new TryAgainError('IMAGE_PROCESS_START', `The process that makes copies of images can't be started: ${how}`, { cause, where: { exitCode, signal } });
}

function howEnded({ exitCode, signal, silentSeconds }: Death): string {
  if (silentSeconds !== undefined) return `as it gave no answer within ${String(silentSeconds)} s`;
  return signal === null ? `with exit code ${String(exitCode)}` : `by ${signal}`;
}
