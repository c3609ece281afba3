/** `run`: a job of any kind, on this machine or on AWS. */
import { pathToFileURL } from 'node:url';
import { createStore } from '../lib/store/routing-store.ts';
import type { ClosableStore } from '../lib/store/store.ts';
import { computeOf, readConfig, withCompute, type Config } from '../cli/config-file.ts';
import { readJobDocument } from '../cli/job-file.ts';
import { fromCaller } from './caller-stack.ts';
import { RunHandle } from './handle.ts';
import { cancelOnInterrupt } from './interrupts.ts';
import { checkOptions, runOptions } from './options.ts';
import type { RunOptions } from './types.ts';
import type { AwsContext } from './start-aws.ts';

/**
 * Starts a run of a job.
 * @param job the document of a job over rasters or items (docs/job-spec.md, docs/items.md), or the path or href of a job file. Relative hrefs count from the job's file; of a document, from the working folder
 * @throws JobError that lists everything that is wrong with the job; OPTION_UNKNOWN, CONFIG_INVALID; what AWS answers
 */
export async function run<Value = unknown>(job: object | string | URL, options: RunOptions = {}, aws?: AwsContext): Promise<RunHandle<Value>> {
  return await fromCaller(run, async () => {
    await checkOptions(options, runOptions);
    return await start<Value>(job, options, aws);
  });
}

/** The same with options that are known to be right. */
export async function start<Value>(job: object | string | URL, options: RunOptions, aws?: AwsContext): Promise<RunHandle<Value>> {
  const config = await readConfig();
  const all = { ...withoutUndefined(config), ...withoutUndefined(options) } as RunOptions & Config;
  // An explicit stage is not that of the state machine that a file names.
  const { stateMachine: _other, ...others } = all;
  const chosen = options.stage !== undefined && options.stateMachine === undefined ? others : all;
  const openStore = (): ClosableStore => aws?.store ?? createStore();
  const store = openStore();
  try {
    const named = job instanceof URL ? job.href : job;
    const { document, href } = typeof named === 'string' ? await readJobDocument(store, named) : { document: named, href: pathToFileURL(`${process.cwd()}/job.json`).href };
    if (chosen.where === 'aws') {
      const { startRemotely } = await import('./start-aws.ts');
      return watched(await startRemotely(store, overridden(document, options), href, chosen, computeOf(config), aws), options);
    }
    const { startLocally } = await import('./start-local.ts');
    return watched(await startLocally(store, document, href, chosen), options);
  } catch (error) {
    await store.close();
    throw error;
  }

  function watched(started: ConstructorParameters<typeof RunHandle>[0], { signal, cancelOnInterrupt: interrupts = true }: RunOptions): RunHandle<Value> {
    const handle = new RunHandle<Value>(started, openStore);
    const cancel = (): void => void handle.cancel().catch(() => undefined);
    const stopListening = interrupts ? cancelOnInterrupt(() => handle.cancel()) : () => undefined;
    if (signal?.aborted === true) cancel();
    else signal?.addEventListener('abort', cancel, { once: true });
    const ended = (state: string): void => {
      started.progress.end(state);
      stopListening();
      signal?.removeEventListener('abort', cancel);
      void store.close();
    };
    // Whoever asks for the result sees the error; nobody has to ask.
    started.end.then(({ state }) => { ended(state); }, () => { ended('FAILED'); });
    return handle;
  }
}

/** What the caller says of tasks comes before what the job says. */
function overridden(document: unknown, options: RunOptions): unknown {
  const wanted = computeOf(options);
  const compute = typeof document === 'object' && document !== null && 'compute' in document ? (document.compute as object) : {};
  return Object.keys(wanted).length === 0 ? document : withCompute({ ...(document as object), compute: { ...compute, ...wanted } }, {});
}

function withoutUndefined(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
