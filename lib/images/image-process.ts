/**
 * Makes copies of images in a process of its own, one after the other: an image that takes more memory than there is, or that makes a codec crash, ends that process and not
 * the worker, and it is known which image it was. Bytes go over and back, which costs time, so it is for workers whose predecessor was killed.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { messageOf, OperationError, restoreError, TryAgainError, unexpectedCode, type ErrorRecord } from '../base/errors.ts';
import type { ImageLimits } from './image-limits.ts';
import type { MadeImages } from './make-variants.ts';
import type { ImageVariants } from './variant-spec.ts';

export interface ImageRequest {
  readonly bytes: Uint8Array;
  readonly variants: ImageVariants;
  readonly limits: ImageLimits;
}

export type ImageAnswer = { readonly made: MadeImages } | { readonly error: ErrorRecord };

/** What the process says: once that it can work, and then one answer to each request. */
export type ImageMessage = 'ready' | ImageAnswer;

/** How a process ended that gave no answer. */
interface Death {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Where it could not even be started. */
  readonly cause?: unknown;
}

/** Somebody else may have killed it once. */
const attempts = 2;

export class ImageProcess {
  readonly #program: string;
  readonly #oneByOne = pLimit(1);
  #child: ImageChild | undefined;
  #closed = false;

  /** @param program what is run, for tests */
  constructor(program = join(import.meta.dirname, 'image-process-main.ts')) {
    this.#program = program;
  }

  /**
   * As makeVariants.
   * @throws DataError IMAGE_*; OperationError IMAGE_CRASH when the process ends over this image, twice; TryAgainError IMAGE_PROCESS_START where it can't work at all, and
   *   IMAGE_PROCESS_CLOSED; Error for a fault of ours
   */
  async make(bytes: Uint8Array, variants: ImageVariants, limits: ImageLimits): Promise<MadeImages> {
    return await this.#oneByOne(async () => {
      for (let attempt = 1; ; attempt++) {
        const answer = await this.#ask({ bytes, variants, limits });
        if ('made' in answer) return answer.made;
        if ('error' in answer) throw answer.error.code === unexpectedCode ? new Error(answer.error.message) : restoreError(answer.error);
        if (attempt === attempts) throw crashError(answer);
      }
    });
  }

  /** An image under way is rejected. */
  close(): void {
    this.#closed = true;
    this.#child?.kill();
  }

  async #ask(request: ImageRequest): Promise<ImageAnswer | Death> {
    this.#checkOpen();
    if (this.#child?.hasEnded !== false) this.#child = new ImageChild(this.#program);
    const child = this.#child;
    const answer = await child.ask(request);
    if ('exitCode' in answer) {
      this.#checkOpen();
      if (!child.isReady) throw startError(answer);
    }
    return answer;
  }

  #checkOpen(): void {
    if (this.#closed) throw new TryAgainError('IMAGE_PROCESS_CLOSED', 'The process that makes copies of images was closed before their turn');
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

  /** Only one request at a time. Never rejects. */
  async ask(request: ImageRequest): Promise<ImageAnswer | Death> {
    // Not before: what ends it from here on is the request.
    const first = await Promise.race([this.#ready.promise, this.#end.promise]);
    if (first !== 'ready') return first;
    const answer = Promise.withResolvers<ImageAnswer>();
    this.#onAnswer = answer.resolve;
    // Where it has just ended, its exit says so.
    this.#process?.send(request, () => undefined);
    return await Promise.race([answer.promise, this.#end.promise]);
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

function crashError({ exitCode, signal }: Death): OperationError {
  const why = signal === 'SIGKILL' ? ', as the kernel does for want of memory (imageLimits.maxPixels refuses large images, compute.memory gives the task more)' : '';
  return new OperationError('IMAGE_CRASH', `making copies of it has ended the process that does, twice: ${howEnded(exitCode, signal)}${why}`, { where: { exitCode, signal } });
}

function startError({ exitCode, signal, cause }: Death): TryAgainError {
  const how = cause === undefined ? `it ended ${howEnded(exitCode, signal)} before it could work` : messageOf(cause);
  return new TryAgainError('IMAGE_PROCESS_START', `The process that makes copies of images can't be started: ${how}`, { cause, where: { exitCode, signal } });
}

function howEnded(exitCode: Death['exitCode'], signal: Death['signal']): string {
  return signal === null ? `with exit code ${String(exitCode)}` : `by ${signal}`;
}
