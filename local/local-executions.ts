/** Step Functions' StartExecution on this machine: one run of a name, one run after the other. */
import { TilefanError } from '../lib/base/errors.ts';
import { runFiles } from '../lib/job/plan.ts';
import type { StartInput } from '../lib/job/uploads.ts';
import type { ObjectReader } from '../lib/store/store.ts';
import type { Executions } from '../functions/start/handle-message.ts';

export interface LocalExecutionsOptions {
  readonly store: ObjectReader;
  /** The href under which `runs/` lies; ends in `/`. */
  readonly work: string;
  /** Does a run; must not reject. */
  readonly run: (name: string, input: StartInput) => Promise<void>;
}

export class LocalExecutions implements Executions {
  readonly #options: LocalExecutionsOptions;
  readonly #taken = new Set<string>();
  #last: Promise<void> = Promise.resolve();

  constructor(options: LocalExecutionsOptions) {
    this.#options = options;
  }

  /** A run that has a record is finished, and its name is taken, as an execution's is; one without is begun, or gone on with. */
  async start(name: string, input: StartInput): Promise<'started' | 'duplicate'> {
    const { run } = this.#options;
    if (this.#taken.has(name)) return 'duplicate';
    if (await this.#isFinished(name)) return 'duplicate';
    this.#taken.add(name);
    this.#last = this.#last.then(() => run(name, input));
    return 'started';
  }

  /** When every run that was started has ended. */
  async idle(): Promise<void> {
    await this.#last;
  }

  async #isFinished(name: string): Promise<boolean> {
    const { store, work } = this.#options;
    try {
      await store.stat(`${work}runs/${name}/${runFiles.record}`);
      return true;
    } catch (error) {
      if (error instanceof TilefanError && error.code === 'STORE_NOT_FOUND') return false;
      throw error;
    }
  }
}
