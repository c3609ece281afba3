/** What can be said of a job's operation and outputs before its inputs are looked at, and whether the outputs can be written. */
import { TilefanError } from '../base/errors.ts';
import { dtypeFacts, fitsDtype, isFloat, type Dtype } from '../raster/dtype.ts';
import { displayHref, parseHref } from '../store/href.ts';
import { realHref } from '../store/real-path.ts';
import type { Store } from '../store/store.ts';
import { defaultPredictor } from '../tiff/block-encoding.ts';
import { codeKind } from './operation-kind.ts';
import { readExpressions, type Expressions } from './operation.ts';
import { isBlurred, otherCodecs, readColor, takesColors } from './plan-output.ts';
import type { PlanOutput } from './plan.ts';
import { jsonPath, problemOf, type Problem } from './problems.ts';
import { blockSizes, type JobOutput, type JobSpec } from './spec.ts';

/**
 * Reads the expressions and checks the fields of every output.
 * @param bands number of bands of the inputs that are known; what is asked of others is believed
 */
export function checkOperationAndOutputs(job: JobSpec, bands: Readonly<Record<string, number>>, problems: Problem[]): Expressions {
  const expressions = readExpressions(job.operation, Object.keys(job.inputs), bands, problems);
  for (const [name, output] of Object.entries(job.outputs)) {
    checkOutput(name, output, job.grid.tileSize, typeComesLater(job, name), bandsOf(job, name, expressions, bands), problems);
  }
  return expressions;
}

/** Bands of an output, where its expressions are there, or the input that it copies is known. */
function bandsOf(job: JobSpec, name: string, expressions: Expressions, bands: Readonly<Record<string, number>>): number | undefined {
  if (codeKind(job.operation) !== undefined) return job.outputs[name]?.bands;
  const input = job.operation.copy?.[name];
  return input === undefined ? expressions.get(name)?.length : bands[input];
}

/** Whether an output that doesn't name its type gets that of an input, or of what the code makes. */
function typeComesLater(job: JobSpec, name: string): boolean {
  return job.operation.copy?.[name] !== undefined || codeKind(job.operation) !== undefined;
}

/**
 * What can be said of an output by itself.
 * @param late whether its type may not be known yet
 * @param bands number of expressions; undefined where they are missing, which has been reported, or not known yet
 */
function checkOutput(name: string, output: JobOutput, tileSize: number, late: boolean, bands: number | undefined, problems: Problem[]): void {
  const { blockSize } = output;
  const tiles = tileSize / blockSize;
  if (!Number.isInteger(Math.log2(tiles)) || tiles < 1) {
    // A smaller block would do, where the tile is a size that blocks may have.
    const fits = blockSizes.findLast((size) => size <= tileSize && Number.isInteger(Math.log2(tileSize / size)));
    const advice = fits === undefined ? '' : `; or set ${jsonPath(['outputs', name, 'blockSize'])} to ${String(fits)}`;
    problems.push({ path: '$.grid.tileSize', message: `wanted the block size of output ${name} (${String(blockSize)}) times a power of two, found ${String(tileSize)}${advice}` });
  }
  checkCodecFields(name, output, problems);
  if (output.dtype !== undefined || !late) checkSamples(name, output, output.dtype ?? 'float32', bands, problems);
}

/** Checks outputs that took over the type of an input, or of what the code makes, when that is known; the others have been checked. */
export function checkLateTypes(job: JobSpec, outputs: readonly PlanOutput[], problems: Problem[]): void {
  for (const { name, dtype, bands } of outputs) {
    const output = job.outputs[name];
    if (output === undefined || output.dtype !== undefined || !typeComesLater(job, name)) continue;
    checkSamples(name, output, dtype, bands, problems);
  }
}

/** The codecs that a field has a meaning for. */
const fieldsOfCodecs: Readonly<Record<'level' | 'quality' | 'maxError', readonly JobOutput['compression'][]>> = {
  level: ['deflate', 'zstd', 'lerc'],
  quality: ['jpeg', 'webp'],
  maxError: ['lerc'],
};

/** Fields that belong to codecs. */
function checkCodecFields(name: string, output: JobOutput, problems: Problem[]): void {
  const at = (field: string): string => jsonPath(['outputs', name, field]);
  const { compression, level, nodata, predictor } = output;
  for (const [field, codecs] of Object.entries(fieldsOfCodecs)) {
    const value = output[field as keyof typeof fieldsOfCodecs];
    if (value === undefined || codecs.includes(compression)) continue;
    const article = field === 'quality' ? 'no quality' : field === 'level' ? 'no levels' : 'no maximum error';
    problems.push({ path: at(field), message: `${compression} has ${article}, found ${String(value)}; wanted it with ${codecs.join(', ')} only` });
  }
  if (compression === 'deflate' && level !== undefined && level > 9) problems.push({ path: at('level'), message: `deflate has levels 1 to 9, found ${String(level)}` });
  if (predictor !== 'auto' && predictor !== 1 && !['deflate', 'zstd', 'lzw'].includes(compression)) {
    const why = compression === 'none' ? 'without compression there is nothing to predict' : `${compression} takes no predictor`;
    problems.push({ path: at('predictor'), message: `${why}; wanted 1, found ${String(predictor)}` });
  }
  if (nodata !== undefined && isBlurred(output)) {
    problems.push({ path: at('nodata'), message: `${compression} keeps no value apart from its neighbours', so none can mean nodata; wanted no nodata, found ${String(nodata)}, or another codec: ${otherCodecs(compression)}` });
  }
}

/** Band counts of the codecs that can't take any. */
const bandsOfCodecs = { jpeg: [1, 3], webp: [3, 4] } as const;

/** What depends on type and number of bands. */
function checkSamples(name: string, output: JobOutput, dtype: Dtype, bands: number | undefined, problems: Problem[]): void {
  const at = (field: string): string => jsonPath(['outputs', name, field]);
  const { compression, bandNames, nodata } = output;
  const predictor = output.predictor === 'auto' ? defaultPredictor(dtype, compression) : output.predictor;
  if (predictor === 2 && isFloat(dtype)) problems.push({ path: at('predictor'), message: `2 is for integers; ${dtype} takes 1 or 3` });
  if (predictor === 3 && !isFloat(dtype)) problems.push({ path: at('predictor'), message: `3 is for floats; ${dtype} takes 1 or 2` });
  if (compression === 'jpeg' || compression === 'webp') {
    if (dtype !== 'uint8') problems.push({ path: at('compression'), message: `${compression} takes uint8 only, found ${dtype}` });
    const wanted: readonly number[] = bandsOfCodecs[compression];
    if (bands !== undefined && !wanted.includes(bands)) {
      problems.push({ path: at('compression'), message: `${compression} takes ${wanted.join(' or ')} bands, found ${String(bands)}` });
    }
  }
  for (const [field, list] of [['bandNames', bandNames], ['scale', output.scale], ['offset', output.offset]] as const) {
    if (!Array.isArray(list) || bands === undefined || list.length === bands) continue;
    problems.push({ path: at(field), message: `wanted ${String(bands)}, one a band; found ${String(list.length)}` });
  }
  if (typeof nodata === 'number' && !fitsDtype(nodata, dtype) && dtype !== 'float32') {
    const { min, max } = dtypeFacts(dtype);
    problems.push({ path: at('nodata'), message: `${dtype} can't hold ${String(nodata)}; wanted a whole number from ${String(min)} to ${String(max)}` });
  }
  if (dtype === 'float32' && typeof nodata === 'number' && !Number.isFinite(Math.fround(nodata))) {
    problems.push({ path: at('nodata'), message: `float32 can't hold ${String(nodata)}; wanted a number up to ${String(dtypeFacts(dtype).max)}, or float64` });
  }
  if (nodata === 'nan' && !isFloat(dtype)) problems.push({ path: at('nodata'), message: `${dtype} has no NaN` });
  checkColors(name, output, dtype, bands, problems);
}

function checkColors(name: string, { colorTable, overviews, nodata, compression }: JobOutput, dtype: Dtype, bands: number | undefined, problems: Problem[]): void {
  if (colorTable === undefined) return;
  const path = ['outputs', name, 'colorTable'];
  if (!takesColors(dtype, bands ?? 1)) {
    problems.push({ path: jsonPath(path), message: `wanted one band of uint8 or uint16, found ${String(bands ?? 'bands')} of ${dtype}` });
    return;
  }
  if (compression === 'jpeg') problems.push({ path: jsonPath(path), message: "jpeg blurs pixel values, which then have other colours; wanted another codec: " + otherCodecs(compression) });
  const { max } = dtypeFacts(dtype);
  for (const [value, color] of Object.entries(colorTable)) {
    if (Number(value) > max) problems.push({ path: jsonPath([...path, value]), message: `wanted a value of ${dtype}, 0 to ${String(max)}, found ${value}` });
    const alpha = readColor(color)[3];
    // GDAL shows nodata as transparent, and everything else as opaque.
    if (alpha === 255 || (alpha === 0 && Number(value) === nodata)) continue;
    problems.push({ path: jsonPath([...path, value]), message: `the colours of a TIFF have no alpha: only the nodata value is transparent; wanted an alpha of 255, found ${String(alpha)}` });
  }
  if (overviews === 'average') problems.push({ path: jsonPath(['outputs', name, 'overviews']), message: 'the mean of two pixel values has the colour of neither; wanted nearest or mode, found average' });
}

/** What a job writes, and where it says so. */
function writtenHrefs({ outputs, results }: JobSpec): { readonly path: string; readonly href: string }[] {
  return [
    ...Object.entries(outputs).map(([name, { href }]) => ({ path: jsonPath(['outputs', name, 'href']), href })),
    ...(results === undefined ? [] : [{ path: '$.results.href', href: results.href }]),
  ];
}

/** Refuses outputs where a new object starts a run: each result would start the next run, for ever. */
export async function checkTriggers(job: JobSpec, triggers: readonly string[], problems: Problem[]): Promise<void> {
  if (triggers.length === 0) return;
  const known = new Set(problems.map(({ path }) => path));
  const folders = await Promise.all(triggers.map(async (folder) => ({ folder, real: await realHref(folder) })));
  for (const { path, href } of writtenHrefs(job)) {
    // An href that is wrong in itself has been reported.
    if (known.has(path)) continue;
    const real = await realHref(href);
    const trigger = folders.find((each) => href.startsWith(each.folder) || real.startsWith(each.real))?.folder;
    if (trigger === undefined) continue;
    problems.push({ path, message: `${displayHref(href)} lies under ${displayHref(trigger)}, where every new object starts a run; wanted another place` });
  }
}

/** A file that an input is read from. */
export interface NamedFile {
  /** Of the input. */
  readonly name: string;
  readonly href: string;
  readonly version: string;
}

/** Begins and gives up an upload to each output, which shows what could not be written in the end. Nothing remains of it. */
export async function checkWritable(store: Store, job: JobSpec, inputs: readonly NamedFile[], problems: Problem[]): Promise<void> {
  const known = new Set(problems.map(({ path }) => path));
  const found = await Promise.all(
    writtenHrefs(job).map(async ({ path, href }): Promise<Problem | undefined> => {
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
async function inputAt(store: Store, inputs: readonly NamedFile[], href: string): Promise<string | undefined> {
  if (parseHref(href).scheme !== 'file') return undefined;
  try {
    const { version } = await store.stat(href);
    return inputs.find((input) => parseHref(input.href).scheme === 'file' && input.version === version)?.name;
  } catch {
    // There is no file yet, or one that can't be read: whether it can be written is seen next.
    return undefined;
  }
}
