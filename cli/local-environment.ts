/** The settings of a run on this machine, in the form in which a deployment gives them to the functions. */
import { availableParallelism } from 'node:os';

export interface LocalOptions {
  readonly workers: number;
  readonly threads?: number;
}

/** Seconds that a worker takes to begin here, against a minute on Fargate. */
const startupSeconds = 0.3;

export function localEnvironment({ workers, threads }: LocalOptions): Record<string, string> {
  const each = threads ?? Math.max(1, Math.floor(availableParallelism() / workers));
  return {
    TILEFAN_LOCAL_THREADS: String(each),
    TILEFAN_LOCAL_WORKERS: String(workers),
    TILEFAN_MAX_CONCURRENCY: String(workers),
    TILEFAN_STARTUP_SECONDS: String(startupSeconds),
    // Nobody pays by the hour here, and whoever has had enough stops the run.
    TILEFAN_TIMEOUT: process.env['TILEFAN_TIMEOUT'] ?? '168h',
    // Workers log to a file of the run each, where more is better.
    TILEFAN_LOG_LEVEL: process.env['TILEFAN_LOG_LEVEL'] === 'silent' ? 'info' : (process.env['TILEFAN_LOG_LEVEL'] ?? 'info'),
  };
}
