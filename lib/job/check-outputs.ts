/** What can be said of a job's operation and outputs before its inputs are looked at, and whether the outputs can be written. */
import { TilefanError } from '../base/errors.ts';
import { dtypeFacts, fitsDtype, isFloat } from '../raster/dtype.ts';
import { displayHref, parseHref } from '../store/href.ts';
import { realHref } from '../store/real-path.ts';
import type { Store } from '../store/store.ts';
import { defaultPredictor } from '../tiff/block-encoder.ts';
import { readExpressions, type Expressions } from './operation.ts';
import type { PlanInput } from './plan.ts';
import { jsonPath, problemOf, type Problem } from './problems.ts';
import type { JobOutput, JobSpec } from './spec.ts';

/**
 * Reads the expressions and checks the fields of every output.
 * @param bands number of bands of the inputs that are known; what is asked of others is believed
 */
export function checkOperationAndOutputs(job: JobSpec, bands: Readonly<Record<string, number>>, problems: Problem[]): Expressions {
  const expressions = readExpressions(job.operation, Object.keys(job.inputs), bands, problems);
  for (const [name, output] of Object.entries(job.outputs)) {
    checkOutput(name, output, job.grid.tileSize, expressions.get(name)?.length, problems);
  }
  return expressions;
}

/** @param bands number of expressions; undefined where they are missing, which has been reported */
function checkOutput(name: string, output: JobOutput, tileSize: number, bands: number | undefined, problems: Problem[]): void {
  const at = (field: string): string => jsonPath(['outputs', name, field]);
  const { compression, blockSize, bandNames, level, nodata } = output;
  const dtype = output.dtype ?? 'float32';
  const tiles = tileSize / blockSize;
  if (!Number.isInteger(Math.log2(tiles)) || tiles < 1) {
    problems.push({ path: '$.grid.tileSize', message: `wanted the block size of output ${name} (${String(blockSize)}) times a power of two, found ${String(tileSize)}` });
  }
  const predictor = output.predictor === 'auto' ? defaultPredictor(dtype, compression) : output.predictor;
  if (predictor === 2 && isFloat(dtype)) problems.push({ path: at('predictor'), message: `2 is for integers; ${dtype} takes 1 or 3` });
  if (predictor === 3 && !isFloat(dtype)) problems.push({ path: at('predictor'), message: `3 is for floats; ${dtype} takes 1 or 2` });
  if (predictor !== 1 && compression === 'none') problems.push({ path: at('predictor'), message: 'without compression there is nothing to predict; wanted 1' });
  if (level !== undefined && compression === 'deflate' && level > 9) problems.push({ path: at('level'), message: `deflate has levels 1 to 9, found ${String(level)}` });
  if (level !== undefined && (compression === 'lzw' || compression === 'none')) problems.push({ path: at('level'), message: `${compression} has no levels` });
  if (bandNames !== undefined && bands !== undefined && bandNames.length !== bands) {
    problems.push({ path: at('bandNames'), message: `wanted ${String(bands)}, one for each expression; found ${String(bandNames.length)}` });
  }
  if (typeof nodata === 'number' && !fitsDtype(nodata, dtype) && dtype !== 'float32') {
    const { min, max } = dtypeFacts(dtype);
    problems.push({ path: at('nodata'), message: `${dtype} can't hold ${String(nodata)}; wanted a whole number from ${String(min)} to ${String(max)}` });
  }
  if (dtype === 'float32' && typeof nodata === 'number' && !Number.isFinite(Math.fround(nodata))) {
    problems.push({ path: at('nodata'), message: `float32 can't hold ${String(nodata)}; wanted a number up to ${String(dtypeFacts(dtype).max)}, or float64` });
  }
  if (nodata === 'nan' && !isFloat(dtype)) problems.push({ path: at('nodata'), message: `${dtype} has no NaN` });
}

/** Refuses outputs where a new object starts a run: each result would start the next run, for ever. */
export async function checkTriggers(job: JobSpec, triggers: readonly string[], problems: Problem[]): Promise<void> {
  if (triggers.length === 0) return;
  const known = new Set(problems.map(({ path }) => path));
  const folders = await Promise.all(triggers.map(async (folder) => ({ folder, real: await realHref(folder) })));
  for (const [name, { href }] of Object.entries(job.outputs)) {
    // An href that is wrong in itself has been reported.
    if (known.has(jsonPath(['outputs', name, 'href']))) continue;
    const real = await realHref(href);
    const trigger = folders.find((each) => href.startsWith(each.folder) || real.startsWith(each.real))?.folder;
    if (trigger === undefined) continue;
    problems.push({ path: jsonPath(['outputs', name, 'href']), message: `${displayHref(href)} lies under ${displayHref(trigger)}, where every new object starts a run; wanted another place` });
  }
}

/** Begins and gives up an upload to each output, which shows what could not be written in the end. Nothing remains of it. */
export async function checkWritable(store: Store, job: JobSpec, inputs: readonly PlanInput[], problems: Problem[]): Promise<void> {
  const known = new Set(problems.map(({ path }) => path));
  const found = await Promise.all(
    Object.entries(job.outputs).map(async ([name, { href }]): Promise<Problem | undefined> => {
      const path = jsonPath(['outputs', name, 'href']);
      if (known.has(path)) return undefined;
      try {
        const input = await inputAt(store, inputs, href);
        if (input !== undefined) return { path, message: `${displayHref(href)} is the same file as input ${input}, by another path; a run doesn't overwrite what it reads` };
        const assembly = await store.assemble(href);
        await assembly.abort();
        return undefined;
      } catch (error) {
        if (!(error instanceof TilefanError) || error.retryable) throw error;
        return problemOf(path, error);
      }
    }),
  );
  problems.push(...found.filter((problem) => problem !== undefined));
}

/** The input that lies at an output's path: a link can give one file two names. An object of S3 has one, which was compared before. */
async function inputAt(store: Store, inputs: readonly PlanInput[], href: string): Promise<string | undefined> {
  if (parseHref(href).scheme !== 'file') return undefined;
  try {
    const { version } = await store.stat(href);
    return inputs.find((input) => parseHref(input.href).scheme === 'file' && input.version === version)?.name;
  } catch {
    // There is no file yet, or one that can't be read: whether it can be written is seen next.
    return undefined;
  }
}
