/** A process that makes copies of images: what is said to it (image-process-main.ts is what hears it), what it says, and how it ends. */
import { fork, type ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ErrorRecord } from '../base/errors.ts';
import type { ImageLimits } from './image-limits.ts';
import type { MadeImages } from './make-variants.ts';
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
export interface Death {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Where it could not even be started. */
  readonly cause?: unknown;
  /** Where it was ended because it didn't answer within so many seconds. */
  readonly silentSeconds?: number;
}

/** What a process runs that is none of a test. */
export const imageProgram = join(import.meta.dirname, 'image-process-main.ts');

/** One process that makes copies of images, one after the other, until it ends. */
export class ImageProcess {
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

export function isDeath(answer: ImageAnswer | Death): answer is Death {
  return 'exitCode' in answer;
}

/** For a sentence: the process ended … */
export function howEnded({ exitCode, signal, silentSeconds }: Death): string {
  if (silentSeconds !== undefined) return `as it gave no answer within ${String(silentSeconds)} s`;
  return signal === null ? `with exit code ${String(exitCode)}` : `by ${signal}`;
}
