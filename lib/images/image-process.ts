/**
 * Makes copies of images in a process of its own, one after the other: an image that takes more memory than there is, or that makes a codec crash, ends that process and not
 * the worker, and it is known which image it was. Bytes go over and back, which costs time, so it is for workers whose predecessor was killed.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { OperationError, restoreError, TryAgainError, type ErrorRecord } from '../base/errors.ts';
import type { ImageLimits } from './image-limits.ts';
import type { MadeImages } from './make-variants.ts';
import type { ImageVariants } from './variant-spec.ts';

export interface ImageRequest {
  readonly bytes: Uint8Array;
  readonly variants: ImageVariants;
  readonly limits: ImageLimits;
}

export type ImageAnswer = { readonly made: MadeImages } | { readonly error: ErrorRecord };

/** How a process ended that gave no answer. */
interface Death {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Somebody else may have killed it once. */
const attempts = 2;

export class ImageProcess {
  readonly #oneByOne = pLimit(1);
  #child: ChildProcess | undefined;
  #closed = false;

  /**
   * As makeVariants.
   * @throws DataError IMAGE_*; OperationError IMAGE_CRASH when the process ends over this image, twice; TryAgainError IMAGE_PROCESS_CLOSED
   */
  async make(bytes: Uint8Array, variants: ImageVariants, limits: ImageLimits): Promise<MadeImages> {
    return await this.#oneByOne(async () => {
      for (let attempt = 1; ; attempt++) {
        const answer = await this.#ask({ bytes, variants, limits });
        if ('made' in answer) return answer.made;
        if ('error' in answer) throw restoreError(answer.error);
        if (attempt === attempts) throw crashError(answer);
      }
    });
  }

  /** An image under way is rejected. */
  close(): void {
    this.#closed = true;
    this.#child?.kill('SIGKILL');
  }

  async #ask(request: ImageRequest): Promise<ImageAnswer | Death> {
    if (this.#closed) throw new TryAgainError('IMAGE_PROCESS_CLOSED', 'The process that makes copies of images was closed before their turn');
    const child = (this.#child ??= this.#start());
    const settled = new AbortController();
    try {
      const answered = (once(child, 'message', { signal: settled.signal }) as Promise<[ImageAnswer]>).then(([answer]) => answer);
      // A process that can't be started has no exit, but an error, which both throw.
      const ended = (once(child, 'exit', { signal: settled.signal }) as Promise<[Death['exitCode'], Death['signal']]>).then(([exitCode, signal]): Death => ({ exitCode, signal }));
      // The one that comes second is aborted.
      for (const each of [answered, ended]) each.catch(() => undefined);
      // Where it has just ended, its exit says so.
      child.send(request, () => undefined);
      const first = await Promise.race([answered, ended]);
      if ('exitCode' in first && this.#closed) {
        throw new TryAgainError('IMAGE_PROCESS_CLOSED', 'The process that makes copies of images was closed over one');
      }
      return first;
    } finally {
      settled.abort();
    }
  }

  #start(): ChildProcess {
    const child = fork(join(import.meta.dirname, 'image-process-main.ts'), { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    child.once('exit', () => {
      this.#child = undefined;
    });
    // Where memory ends, the kernel is to take this one and not the worker. Not Linux, or gone already: then it is as it is.
    if (child.pid !== undefined) void writeFile(`/proc/${String(child.pid)}/oom_score_adj`, '1000').catch(() => undefined);
    return child;
  }
}

function crashError({ exitCode, signal }: Death): OperationError {
  const how = signal === null ? `with exit code ${String(exitCode)}` : `by ${signal}`;
  const why = signal === 'SIGKILL' ? ', as the kernel does for want of memory (imageLimits.maxPixels refuses large images, compute.memory gives the task more)' : '';
  return new OperationError('IMAGE_CRASH', `making copies of it has ended the process that does, twice: ${how}${why}`, { where: { exitCode, signal } });
}
