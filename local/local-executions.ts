/** Step Functions' StartExecution on this machine: one run of a name, one run after the other. */
import * as z from 'zod';
import { runFiles } from '../lib/job/plan.ts';
import { readDocument } from '../lib/job/records.ts';
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

/** What is read of run records, of whichever job. */
const finished = z.looseObject({ state: z.string(), batches: z.looseObject({ failed: z.array(z.int()) }) });

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
    const record = await readDocument(store, `${work}runs/${name}/${runFiles.record}`, finished);
    if (record === undefined) return false;
    // Items that failed stay failed, but of a batch that ended without them there is something left to do.
    return record.state !== 'FAILED' || record.batches.failed.length === 0;
  }
}
