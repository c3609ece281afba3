/** A local run with scripted workers: split writes a manifest of so many batches, reduce answers as it is told. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { addressOf } from '../../lib/job/events.ts';
import type { ReduceResult, RunState } from '../../lib/job/events.ts';
import { runLocally } from '../../local/run-locally.ts';
import type { CreateHandler, LocalRunOptions, LocalRunResult, RunEvent } from '../../local/run-locally.ts';

const fakeWorker = fileURLToPath(new URL('fake-worker.mjs', import.meta.url));

export const compute: RunState['compute'] = {
  taskDefinition: 'local',
  size: { Cpu: '2048', Memory: '16384' },
  larger: { Cpu: '4096', Memory: '30720' },
  strategy: [{ CapacityProvider: 'FARGATE_SPOT', Weight: 1 }],
  fallback: [{ CapacityProvider: 'FARGATE', Weight: 1 }],
  publicIp: 'ENABLED',
  timeoutSeconds: 3600,
  metrics: { namespace: '', service: '' },
  mallocArenas: '2',
};

/** One attempt of a scripted worker; see fake-worker.mjs. */
export type Step =
  | { readonly exit: number; readonly record?: object; readonly print?: readonly string[]; readonly stderr?: string }
  | { readonly hang: true; readonly stubborn?: boolean; readonly child?: boolean }
  | { readonly kill: 'SIGKILL' };

export interface ScriptedRun {
  readonly batches?: number;
  /** Lines of the manifest instead of `{ batch }`. */
  readonly lines?: readonly object[];
  /** Steps by batch number, or `default`. */
  readonly script?: Readonly<Record<string, readonly Step[]>>;
  readonly tolerated?: number;
  /** Files that are there before the run, by their path in its folder. */
  readonly files?: Readonly<Record<string, string>>;
  readonly compute?: Partial<RunState['compute']>;
  readonly split?: CreateHandler;
  readonly reduce?: CreateHandler;
  readonly options?: Partial<LocalRunOptions>;
}

export interface ScriptedResult {
  readonly result: LocalRunResult;
  readonly events: readonly RunEvent[];
  /** Notes that the workers left: `<batch>-<attempt>`, sorted. */
  readonly ran: readonly string[];
  readonly folder: string;
  readonly pids: readonly number[];
}

/** The state that split hands on, for a run in `work`. */
export function stateFor(work: string, id: string, { tolerated = 0, compute: given = {} }: Pick<ScriptedRun, 'tolerated' | 'compute'> = {}): RunState {
  const href = `${work}runs/${id}/`;
  const { bucket, key } = addressOf(href);
  return {
    run: { id, href, bucket, prefix: key },
    pass: 0,
    manifest: addressOf(`${href}manifest.jsonl`),
    limits: { maxConcurrency: 1000, toleratedFailurePercentage: tolerated },
    compute: { ...compute, ...given },
  };
}

export const done: CreateHandler = () => (event) => Promise.resolve({ ...(event as RunState), status: 'DONE' } satisfies ReduceResult);

/** Split, replaced: writes the manifest and hands on the state. */
export function splitInto(work: string, run: ScriptedRun): CreateHandler {
  return () => (event) => {
    const state = stateFor(work, (event as { execution: string }).execution, run);
    mkdirSync(state.run.prefix, { recursive: true });
    const lines = run.lines ?? Array.from({ length: run.batches ?? 1 }, (_, batch) => ({ batch }));
    writeFileSync(state.manifest.key, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return Promise.resolve(state);
  };
}

/** Runs a script to its end in a folder of its own, which `use` may look into before it is removed. */
export async function runScripted(run: ScriptedRun, use: (result: ScriptedResult) => void | Promise<void> = () => undefined): Promise<ScriptedResult> {
  const folder = mkdtempSync(join(tmpdir(), 'tilefan local ü '));
  const notes = join(folder, 'notes');
  mkdirSync(notes);
  for (const [path, text] of Object.entries(run.files ?? {})) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const work = `${pathToFileURL(folder).href}/`;
  const events: RunEvent[] = [];
  try {
    const result = await runLocally({
      input: { name: 'test' },
      runId: 'run-1',
      workers: 4,
      work,
      waitScale: 0,
      workerCommand: [process.execPath, fakeWorker],
      functions: { split: run.split ?? splitInto(work, run), reduce: run.reduce ?? done },
      env: { TILEFAN_TEST_SCRIPT: JSON.stringify(run.script ?? {}), TILEFAN_TEST_NOTES: notes },
      onEvent: (event) => events.push(event),
      ...run.options,
    });
    const names = readdirSync(notes);
    const ran = names.filter((name) => !name.startsWith('child-')).map((name) => name.split('-').slice(0, 2).join('-'));
    const pids = names.map((name) => Number(name.split('-').at(-1)));
    const scripted = { result, events, ran: ran.toSorted(), folder, pids };
    await use(scripted);
    return scripted;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
