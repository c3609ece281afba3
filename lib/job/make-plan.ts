/** From a job to its plan: headers are read, the grid is fixed, everything is checked that can be checked before work begins. */
import { TilefanError } from '../base/errors.ts';
import { toJsonNumber } from '../base/json-number.ts';
import { displayHref } from '../store/href.ts';
import type { ObjectReader, Store } from '../store/store.ts';
import { openTiff, type Tiff } from '../tiff/open.ts';
import { chooseBatch, maxSegments } from './batch-size.ts';
import { addressOf, type RunState } from './events.ts';
import { gridDifferences } from './grid.ts';
import { fittingTileSize, outputBytes, projectMemory } from './memory.ts';
import { measureFile, type MeasuredFile } from './read-ahead.ts';
import { checkOperationAndOutputs, checkWritable } from './check-outputs.ts';
import { compileOperation, type OperationInput } from './operation.ts';
import { nodataOf, runFiles, type Plan, type PlanInput } from './plan.ts';
import { checkBlockCounts, checkNodata, largestOutputBytes, planOutput } from './plan-output.ts';
import { jsonPath, problemOf, throwProblems, type Problem } from './problems.ts';
import { inputHrefs } from './resolve.ts';
import type { Settings } from './settings.ts';
import type { JobSpec } from './spec.ts';

/** A segment is at least so large: above S3's smallest part of 5 MiB, and little enough to lose with a machine. */
const smallestSegmentBytes = 8 * 2 ** 20;

/** An input whose header could be read. */
interface OpenInput extends MeasuredFile {
  readonly name: string;
  readonly input: PlanInput;
}

/**
 * Makes the plan of a resolved job.
 * @param problems what is known to be wrong already; it is reported together with what is found here
 * @throws JobError PLAN_REFUSED that lists every problem
 */
export async function makePlan(
  store: Store,
  job: JobSpec,
  runId: string,
  settings: Settings,
  problems: Problem[] = [],
): Promise<Plan> {
  const opened = await openInputs(store, job, problems);
  const reference = referenceInput(job, opened);
  checkGrids(opened, reference, problems);
  const expressions = checkOperationAndOutputs(job, Object.fromEntries(opened.map(({ name, input }) => [name, input.bands.length])), problems);
  await checkWritable(store, job, opened.map(({ input }) => input), problems);
  throwProblems('PLAN_REFUSED', "the job can't run", problems);
  if (reference === undefined) throw new Error('a job without inputs has passed the schema');

  const { width: columns, height: rows } = reference.tiff.main.layout;
  const operationInputs = opened.map(({ input }): OperationInput => ({ ...input, nodata: nodataOf(input) }));
  const outputs = Object.entries(job.outputs).map(([name, output]) => planOutput(name, output, expressions.get(name) ?? [], operationInputs));
  const program = compileOperation(expressions, operationInputs, outputs.map((output) => ({ ...output, nodata: nodataOf(output) })));
  checkNodata(outputs, program.targets, problems);
  checkBlockCounts(outputs, columns, rows, problems);

  const { tileSize } = job.grid;
  const files = opened.filter(({ name }) => program.sources.some(({ input }) => input === name));
  const segmentBytes = Math.max(smallestSegmentBytes, ...outputs.map((output) => largestOutputBytes(output, columns, rows) / (maxSegments / 2)));
  const facts = { threads: settings.threads, segmentBytes, program, files, outputs, limit: settings.size.memoryMiB * 2 ** 20 };
  const memory = projectMemory(facts, tileSize);
  if (memory.total > memory.limit) problems.push(memoryProblem(facts, tileSize, memory.total));
  throwProblems('PLAN_REFUSED', "the job can't run", problems);

  const batch = chooseBatch(
    { columns, rows, tileSize },
    {
      tilesPerTask: job.compute.tilesPerTask,
      maxConcurrency: settings.maxConcurrency,
      threads: settings.threads,
      startupSeconds: settings.startupSeconds,
      bands: program.sources.length + program.targets.length,
    },
  );
  return {
    version: 1,
    state: firstState(runId, settings, job),
    createdAt: new Date().toISOString(),
    job,
    grid: { columns, rows, geo: reference.tiff.geo.tags, geotransform: reference.tiff.geo.geotransform, epsg: reference.tiff.geo.epsg },
    tileSize,
    ...batch,
    inputs: opened.map(({ input }) => input),
    outputs,
    threads: settings.threads,
    segmentBytes,
    memory,
  };
}

/** Opens every input; what can't be opened is a problem, and the others go on. */
async function openInputs(reader: ObjectReader, job: JobSpec, problems: Problem[]): Promise<OpenInput[]> {
  const known = new Set(problems.map(({ path }) => path));
  const results = await Promise.all(
    Object.entries(job.inputs).map(async ([name, spec]): Promise<OpenInput | undefined> => {
      const href = inputHrefs(name, spec)[0]?.href ?? '';
      const path = jsonPath(typeof spec === 'string' ? ['inputs', name] : ['inputs', name, 'href']);
      // An href that is wrong in itself has been reported.
      if (known.has(path)) return undefined;
      try {
        const tiff = await openTiff(reader, href);
        // Looking up where every block lies shows a file that is cut off, too.
        return { name, ...(await measureFile(tiff)), input: planInput(name, spec, tiff, problems) };
      } catch (error) {
        if (!(error instanceof TilefanError) || error.retryable) throw error;
        problems.push(problemOf(path, error));
        return undefined;
      }
    }),
  );
  return results.filter((result) => result !== undefined);
}

function planInput(name: string, spec: JobSpec['inputs'][string], tiff: Tiff, problems: Problem[]): PlanInput {
  const { layout, mask } = tiff.main;
  const chosen = typeof spec === 'string' ? undefined : spec.bands;
  for (const [i, band] of (chosen ?? []).entries()) {
    if (band > layout.bands) {
      problems.push({
        path: jsonPath(['inputs', name, 'bands', i]),
        message: `wanted a band from 1 to ${String(layout.bands)} of ${displayHref(tiff.href)}, found ${String(band)}`,
      });
    }
  }
  const own = typeof spec === 'string' ? undefined : spec.nodata;
  const nodata = own ?? (tiff.nodata === null ? null : toJsonNumber(tiff.nodata));
  return {
    name,
    href: tiff.href,
    version: tiff.version,
    bytes: tiff.size,
    dtype: layout.dtype,
    bands: (chosen ?? Array.from({ length: layout.bands }, (_, i) => i + 1)).map((band) => band - 1),
    nodata,
    // Where a file has a mask and a nodata value, a pixel is valid when both say so.
    masked: mask !== null,
  };
}

function referenceInput(job: JobSpec, opened: readonly OpenInput[]): OpenInput | undefined {
  const name = job.grid.like ?? Object.keys(job.inputs)[0];
  return opened.find((input) => input.name === name);
}

function checkGrids(opened: readonly OpenInput[], reference: OpenInput | undefined, problems: Problem[]): void {
  if (reference === undefined) return;
  for (const { name, tiff } of opened) {
    for (const difference of gridDifferences(reference.tiff, tiff)) {
      problems.push({
        path: jsonPath(['inputs', name]),
        message: `is on another pixel grid than ${reference.name} (${displayHref(reference.tiff.href)}): ${difference}; inputs must share one grid`,
        code: 'GRID_MISMATCH',
      });
    }
  }
}

function memoryProblem(facts: Parameters<typeof projectMemory>[0], tileSize: number, total: number): Problem {
  const worst = facts.outputs.toSorted((a, b) => outputBytes(b, tileSize ** 2) - outputBytes(a, tileSize ** 2))[0];
  const mib = (bytes: number): string => `${String(Math.ceil(bytes / 2 ** 20))} MiB`;
  const fitting = fittingTileSize(facts, tileSize);
  const share = worst === undefined ? '' : `; most of it for output ${worst.name} (${mib(facts.threads * outputBytes(worst, tileSize ** 2))})`;
  const advice = fitting === undefined ? 'no smaller tile size fits either: give the task more memory' : `a tile size of ${String(fitting)} would fit`;
  return {
    path: '$.grid.tileSize',
    message: `a worker with ${String(facts.threads)} threads on tiles of ${String(tileSize)} px needs ${mib(total)}, and a task has ${mib(facts.limit)}${share}; ${advice}`,
    code: 'PLAN_MEMORY',
  };
}

/** The state that the machine goes on with. */
function firstState(runId: string, settings: Settings, job: JobSpec): RunState {
  const href = `${settings.work}runs/${runId}/`;
  const { bucket, key: prefix } = addressOf(href);
  return {
    run: { id: runId, href, bucket, prefix },
    pass: 0,
    manifest: addressOf(`${href}${runFiles.manifest(0)}`),
    limits: { maxConcurrency: settings.maxConcurrency, toleratedFailurePercentage: job.tolerateFailures.percentage },
    compute: settings.compute,
  };
}
