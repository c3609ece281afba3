/** What callers may say of a run. Everything has a default: in the environment, in `tilefan.config.json` (docs/clients.md), or a built-in one. */
import type { RunProgress } from './progress.ts';

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
  readonly signal?: AbortSignal;
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
