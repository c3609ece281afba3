/** The lines of manifests: what one task is to do. Each kind of pass has a kind of line. */
import * as z from 'zod';
import { batchLine, type BatchLine } from './batch.ts';
import { itemBatchLine, type ItemBatchLine } from './items/item.ts';

export { extentsNumber, firstConversion, mergeBatch, passNumbers, trialNumber } from './task-numbers.ts';

const index = z.int().nonnegative();

/** The levels above some blocks of an output. */
export const pyramidLine = z.strictObject({
  batch: index,
  pyramid: z.strictObject({
    output: z.string(),
    /** The level that is there. */
    level: index,
    /** A window of its grid of blocks: column, row, columns, rows. */
    blocks: z.tuple([index, index, z.int().positive(), z.int().positive()]),
    /** The highest level to make. */
    last: z.int().positive(),
    /** Which choice of segments it is made from, and where its blocks are listed (pyramid-sources.ts). */
    generation: z.string(),
    pass: z.int().positive(),
    sources: z.strictObject({ first: index, count: z.int().positive() }),
  }),
});
export type PyramidLine = z.infer<typeof pyramidLine>;

/** A scene that has to become a GeoTIFF before the run can be planned. */
export const convertLine = z.strictObject({
  batch: index,
  convert: z.strictObject({
    input: z.string(),
    scene: index,
    href: z.string(),
    subdataset: z.string().nullable(),
    /** What the object was when it was found. */
    version: z.string(),
  }),
});
export type ConvertLine = z.infer<typeof convertLine>;

/** User code is stored, and tried on one tile, before the run is planned (prepare-code.ts). */
export const prepareLine = z.strictObject({ batch: index, prepare: z.literal(true) });
export type PrepareLine = z.infer<typeof prepareLine>;

/** Extents of inputs that only GDAL knows are found, before the run is planned (gdal-extents.ts). */
export const extentsLine = z.strictObject({ batch: index, extents: z.literal(true) });
export type ExtentsLine = z.infer<typeof extentsLine>;

/** One tile is computed and reported, and nothing else is done (try-tile.ts): its column and row. */
export const tryLine = z.strictObject({ batch: index, try: z.tuple([index, index]) });
export type TryLine = z.infer<typeof tryLine>;

/** The results of all tiles, which become one by the user's own function. */
export const mergeLine = z.strictObject({ batch: index, merge: z.literal(true) });
export type MergeLine = z.infer<typeof mergeLine>;

export const manifestLine = z.union([batchLine, itemBatchLine, pyramidLine, convertLine, extentsLine, prepareLine, tryLine, mergeLine]);
export type ManifestLine = BatchLine | ItemBatchLine | PyramidLine | ConvertLine | ExtentsLine | PrepareLine | TryLine | MergeLine;

/** What a task is, in words, for its record; undefined for a batch of tiles. */
export function describeTask(line: ManifestLine): string | undefined {
  if ('pyramid' in line) {
    const { output, level, last, blocks: [column, row, columns, rows] } = line.pyramid;
    return `levels ${String(level + 1)} to ${String(last)} of ${output}, above blocks ${String(column)},${String(row)} to ${String(column + columns - 1)},${String(row + rows - 1)}`;
  }
  if ('extents' in line) return 'extents of inputs';
  if ('prepare' in line) return 'trial of the code';
  if ('try' in line) return `trial of tile ${line.try.join(',')}`;
  if ('convert' in line) return `conversion of ${line.convert.input}`;
  if ('merge' in line) return 'merge of results';
  return undefined;
}

/** Lines as the bytes of a manifest. */
export function encodeManifest(lines: readonly ManifestLine[]): Uint8Array {
  return new TextEncoder().encode(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}
