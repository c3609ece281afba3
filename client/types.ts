/**
 * What `tilefan` exports, as users' editors see it; the client takes options and progress from here, too. It names nothing of ours but the types of functions, since a user's
 * project would check all that it names with options of its own. What is there at run time is index.ts; test/code/types holds the two together.
 */
export type * from '../lib/code/item-function.ts';
export type * from '../lib/code/tile-function.ts';

/** An instance of a class that the project may know, by the DOM's types or Node's. */
type Known<Name extends string> = typeof globalThis extends Readonly<Record<Name, { prototype: infer Instance }>> ? Instance : never;
type Url = Known<'URL'>;
type Signal = Known<'AbortSignal'>;

/** How a run goes on. */
export interface RunProgress {
  readonly run: string;
  /** State of the state machine: Split, ProcessBatches, Reduce; at the end SUCCEEDED, FAILED or ABORTED. */
  readonly state: string;
  readonly done: number;
  /** Of those done: items, or on AWS batches, that failed. */
  readonly failed: number;
  /** 0 while it isn't known. */
  readonly total: number;
  /** What is counted: on this machine tiles or items, on AWS batches. */
  readonly unit: 'items' | 'tiles' | 'batches';
}

/** What callers may say of a run. Everything has a default: in the environment, in `tilefan.config.json` (docs/clients.md), or a built-in one. */
export interface RunOptions {
  /** This machine, or the deployed stack. Default: `TILEFAN_RUN_ON`, the config's `where`, or this machine. */
  readonly where?: 'local' | 'aws';
  /** The run's id. That of an earlier run of the same job goes on with that one. Default: made of the job's name and the time. */
  readonly run?: string;
  /** On this machine: the folder, or `s3://` prefix, under which runs are kept. */
  readonly work?: string;
  /** On this machine: worker processes at a time. */
  readonly workers?: number;
  /** On this machine: threads of each worker. */
  readonly threads?: number;
  readonly region?: string;
  readonly profile?: string;
  /** Stage of the deployment. */
  readonly stage?: string;
  /** ARN of the state machine, in place of the stage's. */
  readonly stateMachine?: string;
  /** On AWS: an `s3://` folder for code that lies on this machine. Default: the run's own in the stack's work bucket. */
  readonly folder?: string;
  /** On AWS: what each task gets, over what the job says (its `compute`). */
  readonly capacity?: 'FARGATE' | 'FARGATE_SPOT' | 'EC2' | 'MANAGED_INSTANCES';
  readonly cpu?: number;
  readonly memory?: string;
  readonly ephemeralStorage?: string;
  readonly architecture?: 'ARM64' | 'X86_64';
  readonly image?: string;
  readonly maxConcurrency?: number;
  /** Aborting it cancels the run. */
  readonly signal?: Signal;
  /** Called when there is progress; `handle.progress` is the same as an iterator. If it throws, there is a warning, and the run goes on without it. */
  readonly onProgress?: (progress: RunProgress) => void;
  /** Whether Ctrl-C cancels the run before it ends this process. Default: it does. */
  readonly cancelOnInterrupt?: boolean;
}

/** What `map` says of its job besides. */
export interface MapOptions extends RunOptions {
  /** Name of the job. Default: that of the function, or of its file. */
  readonly name?: string;
  /** Named values for the function, the same for all items; an item's own come first. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** Python packages that the function needs, as pip writes them. */
  readonly requirements?: readonly string[];
  /** Whether the function gets AWS credentials. */
  readonly credentials?: boolean;
  /** How long one item may take, for example `10m`. */
  readonly timeout?: string;
  /** A folder or prefix for the files that the function leaves in `item.folder`. */
  readonly outputs?: string;
  /** A table of the results, .jsonl, .csv or .parquet. */
  readonly results?: string;
  /** Items that may fail, in percent, for the run to count as SUCCEEDED. */
  readonly tolerate?: number;
}

/** A file that an item's operation has made. */
export interface MadeFile {
  readonly href: string;
  /** Its place under the outputs' prefix. */
  readonly path: string;
  readonly size: number;
  /** SHA-256, hexadecimal. */
  readonly sha256: string;
}

/** As `Promise.allSettled` has them, with the item that they are about. */
export type ItemResult<Value = unknown> = {
  /** Among all items, from 0. */
  readonly index: number;
  /** Href of the object; null for a set of parameters. */
  readonly item: string | null;
  readonly parameters: Readonly<Record<string, unknown>> | null;
} & ({ readonly status: 'fulfilled'; readonly value: Value; readonly files: readonly MadeFile[] } | { readonly status: 'rejected'; readonly reason: ItemError });

/** An item that failed. `stack` has the traceback of the user's function, from wherever it ran. */
export declare class ItemError extends Error {
  private constructor();
  /** For programs: `FUNCTION_FAILED` where the function raised, `FUNCTION_TIMEOUT`, `FUNCTION_DIED`, … */
  readonly code: string;
  readonly index: number;
  readonly item: string | null;
  readonly parameters: Readonly<Record<string, unknown>> | null;
  /** Name of the class of what was thrown, where the function threw. */
  readonly type: string | undefined;
  readonly traceback: string | undefined;
  /** Everything else that is known: file, line, the ends of what was printed. */
  readonly where: Readonly<Record<string, unknown>>;
}

/** A run that failed as a whole, or was cancelled. */
export declare class RunError extends Error {
  private constructor();
  /** For programs: `RUN_CANCELLED`, or what the run failed with. */
  readonly code: string;
  readonly run: string;
  readonly state: 'FAILED' | 'ABORTED';
  /** Tile, file, line, traceback, as far as they are known. */
  readonly where: Readonly<Record<string, unknown>>;
}

export interface RunResult<Value = unknown> {
  readonly run: string;
  /**
   * FAILED when more items failed than the job tolerates, or a batch gave up; the others have their values all the same. ABORTED when it was cancelled; items that were not done by then have
   * failed with RUN_CANCELLED.
   */
  readonly state: 'SUCCEEDED' | 'FAILED' | 'ABORTED';
  /** Why it failed, or that it was cancelled. */
  readonly error: RunError | undefined;
  /** What `tilefan run --json` prints; undefined when the run has failed before it was written. */
  readonly record: Readonly<Record<string, unknown>> | undefined;
  /** Each item once, in order; empty for a raster job, and for a run that was cancelled before its items were listed. */
  readonly items: readonly ItemResult<Value>[];
}

/** A run that has been started: what it comes to, how it goes on, and how it is ended. */
export interface RunHandle<Value = unknown> {
  /** The run's id. */
  readonly run: string;
  readonly where: 'local' | 'aws';
  /** Iterates over how the run goes on, until its end. */
  readonly progress: AsyncIterable<RunProgress>;
  /** How it goes at the moment. */
  readonly latest: RunProgress;
  /**
   * What the run came to. Items that failed don't hide the others: each has its own value or error.
   * @throws RunError when the run failed otherwise than by its items and batches (RUN_EXISTS, a table that can't be written), and for a raster job that failed
   */
  result(): Promise<RunResult<Value>>;
  /**
   * The values of all items, in order.
   * @throws ItemError of the first item that failed; RunError as `result` does, when the run was cancelled (RUN_CANCELLED) or failed though no item did, and RUN_WITHOUT_ITEMS for a raster job
   */
  values(): Promise<Value[]>;
  /** Each item once, in order, for runs of more items than fit into memory. @throws as `result` */
  items(): AsyncGenerator<ItemResult<Value>, void, undefined>;
  /** Ends the run, workers included, and waits until it has ended. What is finished stays; the same run id goes on with it. */
  cancel(): Promise<void>;
}

/** A file with a function, and which function of it. */
export interface FunctionPlace {
  /** Path or href of a .ts, .mts, .js, .mjs, .py or .pkl file. */
  readonly module: string | Url;
  /** Default: the module's only one. */
  readonly function?: string;
}

/**
 * Starts a run of a job.
 * @param job the document of a job over rasters or items (docs/job-spec.md, docs/items.md), or the path or href of a job file. Relative hrefs count from the job's file; of a document, from the working folder
 * @throws JobError that lists everything that is wrong with the job; OPTION_UNKNOWN, CONFIG_INVALID; what AWS answers
 */
export declare function run<Value = unknown>(job: object | string | Url, options?: RunOptions): Promise<RunHandle<Value>>;

/**
 * Starts a run of a function over items: objects, whose hrefs or paths are given as texts or URLs (the function gets each as its item), or sets of parameters. Another value comes as the
 * parameter `value`. Or what another run has come to: its handle, whose end is waited for, or `run:ID`.
 * @throws JobError MAP_ITEMS, MAP_FUNCTION, OPTION_UNKNOWN; what `run` throws
 */
export declare function map<Value = unknown>(code: string | Url | FunctionPlace, items: Iterable<unknown> | RunHandle, options?: MapOptions): Promise<RunHandle<Value>>;
