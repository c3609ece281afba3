/** From a job to its plan: headers are read, the grid is fixed, everything is checked that can be checked before work begins. */
import type { Store } from '../store/store.ts';
import { TilefanError } from '../base/errors.ts';
import { dtypeFacts, isFloat } from '../raster/dtype.ts';
import type { ExpressionProgram } from '../raster/expression/program.ts';
import { chooseBatch, maxSegments, wholeBatch } from './batch-size.ts';
import { checkCode } from './check-code.ts';
import { checkLateTypes, checkOperationAndOutputs, checkWritable } from './check-outputs.ts';
import type { Conversions } from './conversions.ts';
import { addressOf, type RunState } from './events.ts';
import type { FindExtents } from './gdal-extents.ts';
import { fittingTileSize, outputBytes, projectMemory, projectShared, tilesShareBlocks, type MemoryFacts, type MemoryInput } from './memory.ts';
import { openInputs, type OpenInput } from './open-inputs.ts';
import { codeKind, nodataRule } from './operation-kind.ts';
import { codeProgram, compileOperation, readExpressions, type AddedAlphas, type Expressions, type OperationInput } from './operation.ts';
import { outputGrid } from './output-grid.ts';
import { nodataOf, runFiles, type Plan, type PlanInput, type PlanOutput } from './plan.ts';
import { bandCounts, planInputs } from './plan-inputs.ts';
import { checkBlockCounts, checkNodata, expressed, largestOutputBytes, planOutput, type CopiedInput, type MadeOutput } from './plan-output.ts';
import { untriedCode, type PreparedCode } from './prepared-code.ts';
import { jsonPath, problemOf, throwProblems, type Problem } from './problems.ts';
import { measureFile } from './read-ahead.ts';
import type { Settings } from './settings.ts';
import type { JobSpec } from './spec.ts';
import { ownWkt } from '../tiff/crs.ts';
import type { Tiff } from '../tiff/open.ts';

/** A segment is at least so large: above S3's smallest part of 5 MiB, and little enough to lose with a machine. */
const smallestSegmentBytes = 8 * 2 ** 20;
/** What decoded blocks that tiles share may take of a task's memory; batches get narrower until they fit. */
const sharedShare = 1 / 4;

/** What has been found out of a job's files before it is planned. */
export interface KnownFiles {
  /** What inputs were converted to that can't be read as they are. */
  readonly conversions?: Conversions;
  /** Inputs that are open already, by href. */
  readonly tiffs?: ReadonlyMap<string, Tiff>;
  /** Finds extents that only GDAL knows; without it, a grid that needs one is refused. */
  readonly findExtents?: FindExtents | undefined;
  /** What the trial of the code has shown; without it, outputs that don't say so have one band of float32. */
  readonly prepared?: PreparedCode | undefined;
  /** That the outputs can be written has been seen, or doesn't matter. */
  readonly writable?: boolean;
}

/**
 * Makes the plan of a resolved job.
 * @param problems what is known to be wrong already; it is reported together with what is found here
 * @throws JobError PLAN_REFUSED that lists every problem; what `findExtents` throws
 */
export async function makePlan(
  store: Store,
  job: JobSpec,
  runId: string,
  settings: Settings,
  problems: Problem[] = [],
  { conversions = new Map(), tiffs = new Map(), findExtents, prepared, writable = false }: KnownFiles = {},
): Promise<Plan> {
  const kind = codeKind(job.operation);
  const opened = await openInputs(store, job, conversions, problems, tiffs);
  const bands = bandCounts(opened, problems);
  const written = checkOperationAndOutputs(job, bands, problems);
  checkCode(job, problems);
  if (!writable) await checkWritable(store, job, inputHrefsAndVersions(opened), problems);
  const rasters = opened.filter((input) => input.kind === 'raster');
  // Where an input couldn't be opened, the grid of the others would only confuse.
  const complete = opened.length === Object.keys(job.inputs).length;
  const grid = complete ? await outputGrid(job.grid, rasters, problems, findExtents) : undefined;
  const inputs = grid === undefined ? [] : await planInputs(opened, grid, job, problems);
  throwProblems('PLAN_REFUSED', "the job can't run", problems);
  if (grid === undefined) throw new Error('a grid that could not be fixed has been reported');

  const operationInputs = inputs.map((input): OperationInput => ({ ...input, nodata: nodataOf(input) }));
  const alphas = addedAlphas(job, inputs, problems);
  const expressions = alphas.size === 0 ? written : readExpressions(job.operation, Object.keys(job.inputs), bands, [], alphas);
  const outputs = Object.entries(job.outputs).map(([name, output]) => {
    const made = kind === undefined ? expressed(expressions.get(name) ?? [], operationInputs) : madeByCode(job, name, operationInputs, prepared);
    const planned = planOutput(name, output, made, copiedInput(job, name, opened, inputs, alphas));
    return { ...planned, addedAlpha: alphas.get(name) ?? null };
  });
  const program =
    kind === undefined
      ? compile(job, expressions, operationInputs, outputs, grid.geotransform, problems)
      : codeProgram(job.operation, operationInputs, outputs.map((output) => ({ ...output, nodata: nodataOf(output) })), Math.max(job.grid.halo, prepared?.halo ?? 0));
  checkTerrain(program, grid.geotransform, problems);
  // What code makes is a guess before its trial.
  if (kind === undefined || prepared !== undefined) checkLateTypes(job, outputs, problems);
  checkNodata(outputs, program.targets, problems);
  const { columns, rows } = grid;
  checkBlockCounts(outputs, columns, rows, problems);

  const { tileSize } = job.grid;
  const halo = Math.max(job.grid.halo, program.halo);
  const memoryInputs = await measureInputs(inputs.filter(({ name }) => program.sources.some(({ input }) => input === name)), opened, problems);
  throwProblems('PLAN_REFUSED', "the job can't run", problems);
  const { serial } = job.operation;
  const order = serial || tilesShareBlocks({ inputs: memoryInputs, halo }, tileSize) ? 'rows' : 'z';
  const threads = serial ? 1 : settings.threads;
  const segmentBytes = Math.max(smallestSegmentBytes, ...outputs.map((output) => largestOutputBytes(output, columns, rows) / (maxSegments / 2)));
  const base = { threads, segmentBytes, program, halo, inputs: memoryInputs, outputs, code: kind, limit: settings.size.memoryMiB * 2 ** 20 };
  const batch = serial
    ? wholeBatch({ columns, rows, tileSize })
    : chooseBatch(
        { columns, rows, tileSize },
        {
          tilesPerTask: job.compute.tilesPerTask,
          maxConcurrency: settings.maxConcurrency,
          threads,
          startupSeconds: settings.startupSeconds,
          bands: program.sources.length + program.targets.length,
          maxColumns: widestBatch(base, tileSize),
          codeSeconds: prepared?.seconds ?? 0,
        },
      );
  const facts = { ...base, batchColumns: Math.min(batch.batchColumns, Math.ceil(columns / tileSize)) };
  const memory = projectMemory(facts, tileSize);
  if (memory.total > memory.limit) problems.push(memoryProblem(facts, tileSize, memory.total));
  throwProblems('PLAN_REFUSED', "the job can't run", problems);
  const wkt = ownWkt(grid.crs);
  return {
    version: 1,
    state: firstState(runId, settings, job),
    createdAt: new Date().toISOString(),
    job,
    grid: { columns, rows, geo: grid.tags, geotransform: grid.geotransform, epsg: grid.crs.epsg, ...(wkt === undefined ? {} : { wkt }) },
    tileSize,
    ...batch,
    order,
    halo,
    inputs,
    outputs,
    code: kind === undefined ? null : (prepared?.code ?? untriedCode(job)),
    threads,
    segmentBytes,
    memory,
  };
}

/** What an output of code is: as the job says, or as the trial has shown. Where the code sees to nodata itself, no input's value means anything in the outputs. */
function madeByCode(job: JobSpec, name: string, inputs: readonly OperationInput[], prepared: PreparedCode | undefined): MadeOutput {
  const shown = prepared?.outputs[name];
  return { bands: job.outputs[name]?.bands ?? shown?.bands ?? 1, dtype: shown?.dtype, inputs: nodataRule(job.operation) === 'mask' ? inputs : [] };
}

function inputHrefsAndVersions(opened: readonly OpenInput[]): { readonly name: string; readonly href: string; readonly version: string }[] {
  return opened.flatMap((input) =>
    input.kind === 'vector'
      ? [{ name: input.name, href: input.source.href, version: input.version }]
      : input.scenes.map(({ href, facts: { version } }) => ({ name: input.name, href, version })),
  );
}

function compile(
  job: JobSpec,
  expressions: Expressions,
  inputs: readonly OperationInput[],
  outputs: readonly PlanOutput[],
  geotransform: readonly number[] | null,
  problems: Problem[],
): ExpressionProgram {
  try {
    return compileOperation(job.operation, expressions, inputs, outputs.map((output) => ({ ...output, nodata: nodataOf(output) })), geotransform);
  } catch (error) {
    if (!(error instanceof TilefanError)) throw error;
    problems.push(problemOf('$.operation', error));
    throwProblems('PLAN_REFUSED', "the job can't run", problems);
    throw error;
  }
}

/** Terrain functions take rows to run north to south and columns west to east: on any other grid they would point somewhere else. */
function checkTerrain({ stages }: ExpressionProgram, geotransform: readonly number[] | null, problems: Problem[]): void {
  if (geotransform === null || !stages.some((stage) => stage.do === 'focal' && terrainNames.has(stage.operation.name))) return;
  const [, xc = 0, xr = 0, , yc = 0, yr = 0] = geotransform;
  if (xc > 0 && xr === 0 && yc === 0 && yr < 0) return;
  problems.push({
    path: '$.grid',
    message: `slope, aspect and hillshade want a grid with north at the top, found geotransform [${geotransform.join(', ')}]; wanted crs and resolution in grid, which make such a one`,
    code: 'GRID_NOT_NORTH_UP',
  });
}

const terrainNames: ReadonlySet<string> = new Set(['slope', 'slopePercent', 'aspect', 'hillshade']);

/** Reads how long the blocks are of inputs that have one file; what the blocks of a mosaic come to is estimated. */
async function measureInputs(inputs: readonly PlanInput[], opened: readonly OpenInput[], problems: Problem[]): Promise<MemoryInput[]> {
  return await Promise.all(
    inputs.map(async (input): Promise<MemoryInput> => {
      const open = opened.find(({ name }) => name === input.name);
      const tiff = open?.kind === 'raster' ? open.scenes[0]?.tiff : undefined;
      const [scene] = input.scenes;
      if (input.rule !== null || tiff === undefined || scene?.reading.by !== 'blocks') return { input, file: undefined };
      try {
        // Looking up where every block lies shows a file that is cut off, too.
        return { input, file: { measured: await measureFile(tiff), place: { ...scene.reading, window: scene.window } } };
      } catch (error) {
        if (!(error instanceof TilefanError) || error.retryable) throw error;
        problems.push(problemOf(jsonPath(open?.kind === 'raster' ? (open.scenes[0]?.source.path ?? []) : []), error));
        return { input, file: undefined };
      }
    }),
  );
}

/** Tiles side by side, at most, so that the blocks they share leave room for everything else; 1 when even that is too much. */
function widestBatch(facts: Omit<MemoryFacts, 'batchColumns'>, tileSize: number): number {
  for (let batchColumns = 1; batchColumns < 2 ** 20; batchColumns *= 2) {
    const shared = projectShared({ ...facts, batchColumns: 2 * batchColumns }, tileSize);
    if (shared > facts.limit * sharedShare) return batchColumns;
    if (shared === 0) return Infinity;
  }
  return Infinity;
}

/**
 * Copies of masked inputs whose type has no nodata value to spare: the mask becomes an alpha band. A value of nodata that the job gives, or another type,
 * makes that unnecessary.
 */
function addedAlphas(job: JobSpec, inputs: readonly PlanInput[], problems: Problem[]): AddedAlphas {
  const alphas = new Map<string, number>();
  for (const [name, of] of Object.entries(job.operation.copy ?? {})) {
    const input = inputs.find((each) => each.name === of);
    const output = job.outputs[name];
    if (input === undefined || output === undefined || !input.masked || input.nodata !== null || output.nodata !== undefined) continue;
    const dtype = output.dtype ?? input.dtype;
    if (output.compression === 'jpeg') {
      problems.push({ path: jsonPath(['outputs', name, 'compression']), message: `input ${input.name} has a mask, which becomes an alpha band, and jpeg has no place for one; wanted webp, or another compression` });
      throwProblems('PLAN_REFUSED', "the job can't run", problems);
    }
    if (dtype === input.dtype && (dtype === 'uint8' || dtype === 'uint16')) alphas.set(name, dtypeFacts(dtype).max);
  }
  return alphas;
}

/** What an output takes over from the input that it copies. */
function copiedInput(job: JobSpec, output: string, opened: readonly OpenInput[], inputs: readonly PlanInput[], alphas: AddedAlphas): CopiedInput | undefined {
  const copied = bareCopiedInput(job, output, opened, inputs);
  if (copied === undefined || !alphas.has(output)) return copied;
  const { bandNames, scales, offsets } = copied;
  return { ...copied, alpha: true, bandNames: [...bandNames, null], scales: [...scales, null], offsets: [...offsets, null] };
}

function bareCopiedInput(job: JobSpec, output: string, opened: readonly OpenInput[], inputs: readonly PlanInput[]): CopiedInput | undefined {
  const name = job.operation.copy?.[output];
  const input = inputs.find((each) => each.name === name);
  const open = opened.find((each) => each.name === name);
  if (input === undefined || open === undefined) return undefined;
  // Floats have a value of their own for what a mask hides.
  const nodata = nodataOf(input) ?? (input.masked && isFloat(input.dtype) ? NaN : undefined);
  const plain = { dtype: input.dtype, nodata, photometric: 'gray', alpha: false, colorTable: null } as const;
  const [scene] = open.kind === 'raster' ? open.scenes : [];
  const [planned] = input.scenes;
  const none = Array.from({ length: input.bands }, () => null);
  if (scene === undefined || planned === undefined || input.rule === 'count') return { ...plain, bandNames: none, scales: none, offsets: none };
  const { bandDescriptions, scales, offsets, colorTable, colorInterpretations } = scene.facts;
  const pick = <T>(list: readonly T[]): T[] => planned.bands.map((band) => list[band] as T);
  const colors = pick(colorInterpretations);
  return {
    ...plain,
    bandNames: pick(bandDescriptions),
    scales: pick(scales),
    offsets: pick(offsets),
    colorTable: planned.bands.length === 1 && planned.bands[0] === 0 ? colorTable : null,
    photometric: colors[0] === 'Red' && colors[1] === 'Green' && colors[2] === 'Blue' ? 'rgb' : 'gray',
    alpha: colors.at(-1) === 'Alpha' && planned.bands.at(-1) === colorInterpretations.lastIndexOf('Alpha'),
  };
}

function memoryProblem(facts: Parameters<typeof projectMemory>[0], tileSize: number, total: number): Problem {
  const worst = facts.outputs.toSorted((a, b) => outputBytes(b, tileSize ** 2) - outputBytes(a, tileSize ** 2))[0];
  const mib = (bytes: number): string => `${String(Math.ceil(bytes / 2 ** 20))} MiB`;
  const fitting = fittingTileSize(facts, tileSize);
  const { halo } = facts;
  const read = tileSize + 2 * halo;
  // With a wide margin the outputs are the least of it.
  const wide = read ** 2 > 2 * tileSize ** 2;
  const margin = `; a tile is read with a margin of ${String(halo)} px, ${read.toLocaleString('en')} x ${read.toLocaleString('en')} px`;
  const share = wide ? margin : worst === undefined ? '' : `; most of it for output ${worst.name} (${mib(facts.threads * outputBytes(worst, tileSize ** 2))})`;
  const advice = fitting === undefined ? `no smaller tile size fits either: give the task more memory${wide ? ', or a narrower halo' : ''}` : `a tile size of ${String(fitting)} would fit`;
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
