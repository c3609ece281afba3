/** Which scenes of a job have to be converted before it can be planned, and which of them have been. */
import pLimit from 'p-limit';
import * as z from 'zod';
import { DataError, TilefanError } from '../base/errors.ts';
import { displayHref } from '../store/href.ts';
import type { ObjectReader } from '../store/store.ts';
import { openTiff, type Tiff } from '../tiff/open.ts';
import { tags } from '../tiff/tags.ts';
import { conversionKey, type Conversions } from './conversions.ts';
import { statIfThere } from './finished-object.ts';
import { firstConversion, type ConvertLine } from './manifest.ts';
import { inputSpec } from './open-inputs.ts';
import { jsonPath, problemOf, type Problem } from './problems.ts';
import { rasterFormat } from './raster-format.ts';
import { readDocument } from './records.ts';
import { inputHrefs } from './resolve.ts';
import type { JobSpec } from './spec.ts';
import { stacScenes } from './stac.ts';

/** Files looked at at a time. */
const concurrency = 32;

export const conversionManifest = 'manifest-convert.jsonl';
const folder = 'converted/';

/** The converted scene, and what is known of how it was made. */
export function convertedFiles(run: string, { input, scene }: ConvertLine['convert']): { readonly tiff: string; readonly record: string } {
  const name = `${run}${folder}${encodeURIComponent(input)}-${String(scene)}`;
  return { tiff: `${name}.tif`, record: `${name}.json` };
}

export const conversionRecord = z.object({
  source: z.string(),
  subdataset: z.string().nullable(),
  /** Of the source when it was converted, and of what came of it. */
  sourceVersion: z.string(),
  version: z.string(),
});
export type ConversionRecord = z.infer<typeof conversionRecord>;

export interface FoundConversions {
  readonly lines: readonly ConvertLine[];
  /** TIFFs that were opened to see whether our own reader reads them, by href. */
  readonly tiffs: ReadonlyMap<string, Tiff>;
}

/**
 * The scenes that neither our own reader nor GDAL by windows reads: other formats, and TIFFs of kinds that our reader doesn't know. Vectors are never converted; what can't be opened
 * is left to the planner, unless there is something to convert: then it is a problem at once, since nothing should be converted for a job that can't run.
 */
export async function findConversions(reader: ObjectReader, job: JobSpec, problems: Problem[]): Promise<FoundConversions> {
  const limit = pLimit(concurrency);
  const unreadable: Problem[] = [];
  const tiffs = new Map<string, Tiff>();
  const guard = async <T>(path: string, open: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof TilefanError) || error.retryable) throw error;
      unreadable.push(problemOf(path, error));
      return undefined;
    }
  };
  const found = await Promise.all(
    Object.entries(job.inputs).map(async ([input, value]): Promise<ConvertLine['convert'][]> => {
      const spec = inputSpec(value);
      if (spec.vector !== undefined) return [];
      const places = spec.stac === undefined ? inputHrefs(input, value) : await guard(jsonPath(['inputs', input, 'stac', 'href']), () => stacScenes(reader, input, spec));
      const subdataset = spec.subdataset ?? null;
      const scenes = await Promise.all(
        (places ?? []).map(({ href, path }, scene) =>
          limit(() =>
            guard(jsonPath(path), async () => {
              if (subdataset === null) {
                const format = await rasterFormat(reader, href);
                if (format === 'vrt') return undefined;
                const tiff = format === 'tiff' ? await openIfOurs(reader, href) : undefined;
                if (tiff !== undefined) {
                  tiffs.set(href, tiff);
                  return undefined;
                }
              }
              return { input, scene, href, subdataset, version: (await reader.stat(href)).version };
            }),
          ),
        ),
      );
      return scenes.filter((scene) => scene !== undefined);
    }),
  );
  // Two inputs may be the same scene.
  const scenes = new Map(found.flat().map((convert) => [conversionKey(convert.href, convert.subdataset), convert]));
  const lines = [...scenes.values()].map((convert, i) => ({ batch: firstConversion + i, convert }));
  if (lines.length > 0) problems.push(...unreadable);
  return { lines, tiffs };
}

/** @returns undefined for a TIFF that only GDAL reads. @throws what openTiff throws for those that nobody reads, and for samples that outputs can't have */
async function openIfOurs(reader: ObjectReader, href: string): Promise<Tiff | undefined> {
  try {
    return await openTiff(reader, href);
  } catch (error) {
    if (error instanceof DataError && error.code === 'TIFF_UNSUPPORTED' && !hasStrangeSamples(error)) return undefined;
    throw error;
  }
}

/** Whether samples are complex, or of widths above 32 bits that our reader does not know: there is no type that they could be converted to. */
function hasStrangeSamples({ where: { tag, value } }: DataError): boolean {
  return (tag === tags.SampleFormat && (value === 5 || value === 6)) || (tag === tags.BitsPerSample && Number(value) > 32);
}

/** What has been converted already, from the sources as they are now, and what hasn't. */
export async function readConversions(reader: ObjectReader, run: string, lines: readonly ConvertLine[]): Promise<{ readonly conversions: Conversions; readonly missing: readonly ConvertLine[] }> {
  const limit = pLimit(concurrency);
  const states = await Promise.all(lines.map((line) => limit(async () => ({ line, converted: await findConverted(reader, run, line) }))));
  const conversions = new Map(
    states.flatMap(({ line: { convert }, converted }) => (converted === undefined ? [] : [[conversionKey(convert.href, convert.subdataset), converted] as const])),
  );
  return { conversions, missing: states.filter(({ converted }) => converted === undefined).map(({ line }) => line) };
}

/** The converted scene of a line, if it was made from the source as it is now. */
export async function findConverted(reader: ObjectReader, run: string, { convert }: ConvertLine): Promise<{ readonly href: string; readonly version: string } | undefined> {
  const { tiff, record } = convertedFiles(run, convert);
  const known = await readDocument(reader, record, conversionRecord);
  if (known?.source !== convert.href || known.subdataset !== convert.subdataset || known.sourceVersion !== convert.version) return undefined;
  const stat = await statIfThere(reader, tiff);
  return stat?.version === known.version ? { href: tiff, version: known.version } : undefined;
}

/**
 * Of a run that is continued: workers read the converted scenes, so it is here that a changed source is noticed.
 * @throws DataError INPUT_CHANGED
 */
export async function checkConvertedSources(reader: ObjectReader, run: string): Promise<void> {
  for await (const { href } of reader.list(`${run}${folder}`)) {
    if (!href.endsWith('.json')) continue;
    const known = await readDocument(reader, href, conversionRecord);
    const now = known === undefined ? undefined : await statIfThere(reader, known.source);
    if (known === undefined || now === undefined || now.version === known.sourceVersion) continue;
    throw new DataError(
      'INPUT_CHANGED',
      `${displayHref(known.source)} has changed since it was converted for this run (wanted version ${known.sourceVersion}, found ${now.version}); start a run with a new id`,
      { where: { href: known.source } },
    );
  }
}
