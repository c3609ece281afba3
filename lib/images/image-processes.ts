/**
 * Makes copies of images in processes of their own: an image that takes more memory than there is, or that makes a codec crash, ends such a process and not the worker, and it
 * is known which image it was. Processes have to be started, and have their own memory, so it is for workers whose predecessor was killed.
 */
import { messageOf, OperationError, restoreError, TryAgainError, unexpectedCode } from '../base/errors.ts';
import { howEnded, ImageProcess, imageProgram, isDeath, type Death, type ImageAnswer, type ImageRequest } from './image-process.ts';
import type { MadeImages } from './make-variants.ts';
import { SharedBudget } from './shared-budget.ts';

/** What a process may take to be ready, and beside its copies. */
const startSeconds = 60;

export class ImageProcesses {
  readonly #count: number;
  readonly #program: string;
  readonly #startSeconds: number;
  readonly #turns: SharedBudget;
  readonly #processes = new Set<ImageProcess>();
  readonly #idle: ImageProcess[] = [];
  #closed = false;

  /**
   * @param count of processes that may work at once; they are started when they are needed
   * @param options for tests: another program, and what it may take to be ready
   */
  constructor(count: number, options: { readonly program?: string; readonly startSeconds?: number } = {}) {
    this.#count = count;
    this.#program = options.program ?? imageProgram;
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
    for (const child of this.#processes) child.kill();
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
    const child = this.#freeProcess();
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

  #freeProcess(): ImageProcess {
    for (let child = this.#idle.pop(); child !== undefined; child = this.#idle.pop()) {
      if (!child.hasEnded) return child;
      this.#remove(child);
    }
    const child = new ImageProcess(this.#program);
    this.#processes.add(child);
    return child;
  }

  #remove(child: ImageProcess): void {
    child.kill();
    this.#processes.delete(child);
  }
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
