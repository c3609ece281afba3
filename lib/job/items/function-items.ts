/**
 * Functions and models over items: one process of the user's code for each thread. The worker brings each item's object to a file, has it worked on, and puts what a function has
 * left in its folder.
 */
import { mkdir, readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TryAgainError } from '../../base/errors.ts';
import { CodeProcess } from '../../code/code-process.ts';
import { imageModelPlan } from '../../code/model/image-model-plan.ts';
import { modelFacts } from '../../code/model/model-facts.ts';
import { makeCodeFolder, removeScratchFolder } from '../../code/scratch-folder.ts';
import { makeSharedFile } from '../../code/shared-file.ts';
import type { Store } from '../../store/store.ts';
import { localCopy } from '../code-runners.ts';
import { parseDuration } from '../quantities.ts';
import { fetchObject } from './fetch-object.ts';
import { ImageBatches } from './image-batches.ts';
import type { ItemWorker } from './item-batch.ts';
import { imageModelOf, itemCodeHref, itemSetupOf } from './item-code-setup.ts';
import type { ItemResult } from './item-outcome.ts';
import type { ItemPlan } from './item-plan.ts';
import type { Item } from './item.ts';
import { putMadeFiles } from './made-files.ts';
import { WaitingLine } from './waiting-line.ts';

export interface ItemWorkerOptions {
  /** Processes, each of which has one item under way. */
  readonly count: number;
  readonly env: NodeJS.ProcessEnv;
}

export type ClosableItemWorker = ItemWorker & {
  /** Ends the processes with all that they have started; items under way are rejected with TryAgainError CODE_CLOSED. */
  close(): Promise<void>;
};

/**
 * Makes ready and loads the code in one process, so that what is wrong with the code shows before there is work.
 * @throws DataError CODE_CHANGED; JobError FUNCTION_LOAD, FUNCTION_MISSING, FUNCTION_SIGNATURE, MODEL_*, PYTHON_MISSING, NUMPY_MISSING, REQUIREMENT_MISSING; OperationError
 * FUNCTION_DIED, FUNCTION_TIMEOUT while it is loaded; OutputError SHARED_FILE_NO_ROOM, SCRATCH_UNUSABLE
 */
export async function startItemWorker(store: Store, plan: Pick<ItemPlan, 'job' | 'code' | 'memory'>, { count, env }: ItemWorkerOptions): Promise<ClosableItemWorker> {
  const { job, code } = plan;
  const runtime = code?.runtime ?? null;
  if (code === null || runtime === null) throw new Error('the job has no code');
  const root = await makeCodeFolder();
  // No pixels go through it, but a process expects one.
  const shared = makeSharedFile(1);
  const processes: CodeProcess[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(processes.map((each) => each.close()));
    shared.close();
    await removeScratchFolder(root);
  };
  try {
    const path = await localCopy(store, code, itemCodeHref(job.operation), join(root, 'code'));
    const model = await imageModelOf(store, job.operation);
    const batch = model === null ? 1 : imageModelPlan(model, modelFacts(await readFile(path))).batch;
    const setup = itemSetupOf(plan, path, count, model, env);
    const timeoutSeconds = parseDuration(job.operation.timeout);
    for (let i = 0; i < count; i++) processes.push(new CodeProcess({ setup, runtime, sharedFd: shared.fd, scratch: join(root, `scratch-${String(i)}`), credentials: job.operation.credentials, timeoutSeconds, env }));
    await processes[0]?.load();
    return new CodeItems(store, plan, root, processes, model === null ? undefined : batch, close);
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Loads the code once and lets it go, before items are handed out: a mistake in it costs no fan-out.
 * @throws as startItemWorker does
 */
export async function checkItemCode(store: Store, plan: Pick<ItemPlan, 'job' | 'code' | 'memory'>, env: NodeJS.ProcessEnv): Promise<void> {
  const worker = await startItemWorker(store, plan, { count: 1, env });
  await worker.close();
}

/** Items that are fetched and put while each process works on another. */
const itemsPerProcess = 2;

class CodeItems implements ClosableItemWorker {
  readonly atOnce: number;
  readonly #store: Store;
  readonly #job: ItemPlan['job'];
  readonly #root: string;
  readonly #line: WaitingLine<CodeProcess>;
  readonly #batches: ImageBatches | undefined;
  readonly #end: () => Promise<void>;
  #closing: Promise<void> | undefined;
  #count = 0;

  /** @param batch images that the model takes at once; undefined for a function */
  constructor(store: Store, { job }: Pick<ItemPlan, 'job'>, root: string, processes: readonly CodeProcess[], batch: number | undefined, end: () => Promise<void>) {
    this.atOnce = processes.length * itemsPerProcess * (batch ?? 1);
    this.#store = store;
    this.#job = job;
    this.#root = root;
    this.#line = new WaitingLine(processes);
    this.#batches = batch === undefined ? undefined : new ImageBatches(batch, async (files) => await this.#line.use(async (process) => await process.images({ id: ++this.#count, files })));
    this.#end = end;
  }

  /**
   * @throws OperationError FUNCTION_*, MODEL_*, FILE_*; DataError IMAGE_*, STORE_CHANGED, ITEM_PATH; InputUnavailableError STORE_*: the item's own. What the code's loading
   * throws when a process is started anew, and TryAgainError CODE_CLOSED
   */
  async work(item: Item): Promise<ItemResult> {
    const number = String(++this.#count);
    // Made where there is something to put into it.
    const input = join(this.#root, `object-${number}`);
    try {
      if (this.#batches !== undefined) return await this.#predict(this.#batches, item, input);
      const output = join(this.#root, `item-${number}`);
      await mkdir(output, { mode: 0o700 });
      try {
        return await this.#call(item, input, output);
      } finally {
        // Most functions leave nothing.
        await rmdir(output).catch(async () => await removeScratchFolder(output));
      }
    } finally {
      if (item.href !== null) await removeScratchFolder(input);
    }
  }

  async #call(item: Item, input: string, output: string): Promise<ItemResult> {
    const { href, path, index, parameters } = item;
    const object = href === null ? null : await fetchObject(this.#store, href, item, input);
    const about = { href, path, name: path.slice(path.lastIndexOf('/') + 1), size: object?.size ?? null, file: object?.path ?? null };
    const { result } = await this.#line.use(
      async (process) => await process.item({ id: ++this.#count, index, item: about, parameters: { ...this.#job.operation.parameters, ...parameters }, folder: output }),
    );
    return { value: result, outputs: await putMadeFiles(this.#store, output, { prefix: this.#job.outputs?.prefix, item: path }) };
  }

  async #predict(batches: ImageBatches, item: Item, input: string): Promise<ItemResult> {
    const { href } = item;
    if (href === null) throw new Error('an item without an object has no image');
    return { value: await batches.predict(async () => (await fetchObject(this.#store, href, item, input)).path), outputs: [] };
  }

  async close(): Promise<void> {
    await (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#line.close(new TryAgainError('CODE_CLOSED', 'The processes with user code were closed before the item was begun'));
    await this.#end();
  }
}
