/** How a run goes on, for whoever watches: the latest state, and a wake-up when there is a later one. */
import { messageOf } from '../lib/base/errors.ts';
import type { RunProgress } from './types.ts';

/** Those who iterate see the latest progress, not each; so a slow one holds nothing up. */
export class ProgressFeed implements AsyncIterable<RunProgress> {
  #latest: RunProgress;
  #version = 0;
  #ended = false;
  #changed = Promise.withResolvers<void>();
  #listener: ((progress: RunProgress) => unknown) | undefined;

  /** @param listener one that throws, or rejects, is told no more: the run goes on without it */
  constructor(first: RunProgress, listener?: (progress: RunProgress) => unknown) {
    this.#latest = first;
    this.#listener = listener;
  }

  get latest(): RunProgress {
    return this.#latest;
  }

  update(change: Partial<RunProgress>): void {
    if (this.#ended) return;
    this.#latest = { ...this.#latest, ...change };
    this.#wake();
    void this.#tell();
  }

  /** @param state that the run has ended in */
  end(state: string): void {
    if (this.#ended) return;
    this.update({ state });
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RunProgress, void, undefined> {
    for (let seen = -1; ; ) {
      if (seen !== this.#version) {
        seen = this.#version;
        yield this.#latest;
      } else if (this.#ended) return;
      else await this.#changed.promise;
    }
  }

  async #tell(): Promise<void> {
    try {
      await this.#listener?.(this.#latest);
    } catch (error) {
      if (this.#listener !== undefined) process.emitWarning(`onProgress failed, and is not called any more: ${messageOf(error)}`, 'TilefanWarning');
      this.#listener = undefined;
    }
  }

  #wake(): void {
    this.#version++;
    const changed = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    changed.resolve();
  }
}
