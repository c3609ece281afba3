/** How much memory a worker will need, so that a plan that can't work is refused before anything starts. */
import { bytesPerSample } from '../raster/dtype.ts';
import { Evaluator } from '../raster/expression/evaluator.ts';
import type { ExpressionProgram } from '../raster/expression/program.ts';
import { encoderBytes } from '../tiff/block-encoding.ts';
import { blockBytes } from '../tiff/layout.ts';
import type { CodeKind } from './operation-kind.ts';
import { encodingOf, type MemoryProjection, type PlanInput, type PlanOutput } from './plan.ts';
import { deepestOverlap, largestTileBytes, sharedBytes, sharesBlocks, type FilePlace, type MeasuredFile } from './read-ahead.ts';
import { stripRows } from './strips.ts';

/** Node with our modules loaded, its own heap and the store's buffers; measured (docs/performance.md). */
const processBytes = 120 * 2 ** 20;
/** A worker thread before its buffers: an estimate. */
const threadBytes = 30 * 2 ** 20;
/** A process with GDAL: itself, its block cache (lib/gdal), and what it opens. */
const gdalProcessBytes = (90 + 64) * 2 ** 20;
/** Processes with user code before they get any array: Python with numpy, Node, onnxruntime with a model of middling size; estimates. */
const codeProcessBytes = { module: 110 * 2 ** 20, model: 400 * 2 ** 20, command: 60 * 2 ** 20 } as const;
/** The arrays of a tile, once in the shared file and as often again in the user's own hands: an estimate. */
const codeCopies = 4;

/** Copies of a window while it is warped: source, target, and both on their way. */
const warpCopies = 4;

/** An input that the program reads. */
export interface MemoryInput {
  readonly input: PlanInput;
  /** The file of an input that has one, read block by block, and where it lies; of mosaics they are not looked at one by one. */
  readonly file: { readonly measured: MeasuredFile; readonly place: FilePlace } | undefined;
}

/** What the projection is made from. */
export interface MemoryFacts {
  readonly threads: number;
  readonly segmentBytes: number;
  readonly program: ExpressionProgram;
  readonly halo: number;
  readonly inputs: readonly MemoryInput[];
  readonly outputs: readonly PlanOutput[];
  /** What user code runs, if any. */
  readonly code: CodeKind | undefined;
  /** Tiles side by side in a batch. */
  readonly batchColumns: number;
  /** Bytes that a task has. */
  readonly limit: number;
}

/** Bytes for one output on one thread: its pixels, the levels above them, the encoder's buffers, and the encoded tile (twice: one is made while the last one waits for its segment). */
export function outputBytes(output: PlanOutput, pixels: number): number {
  const samples = pixels * output.bands * bytesPerSample(output.dtype);
  const levels = output.overviews === 'none' ? 0 : samples * (1 / 4 + 1 / 16);
  const encoded = 2 * samples * (output.overviews === 'none' ? 1 : 4 / 3);
  return samples + levels + encoded + encoderBytes(encodingOf(output));
}

/** The projection for one size of tiles. */
export function projectMemory(facts: MemoryFacts, tileSize: number): MemoryProjection {
  const { threads, program, inputs, outputs, segmentBytes, limit, halo } = facts;
  // Buffers are made for whole tiles, also where the grid is smaller.
  const rows = stripRowsOf(facts, tileSize);
  const planePixels = (tileSize + 2 * halo) * (rows + 2 * halo);
  const overlaps = inputs.map(({ input: { scenes } }) => deepestOverlap(scenes.map(({ window }) => window), tileSize, halo));
  const sources = program.sources.reduce((sum, { dtype, masked }) => sum + planePixels * (bytesPerSample(dtype) + (masked ? 1 : 0)), 0);
  const mosaics = inputs.reduce((sum, { input }, i) => sum + mosaicBytes(input, sourcesOf(program, input), planePixels, overlaps[i] ?? 1), 0);
  const targets = outputs.reduce((sum, output) => sum + outputBytes(output, tileSize ** 2), 0);
  const decoding = inputs.reduce((sum, { file }) => sum + (file === undefined ? 0 : 2 * blockBytes(file.measured.tiff.main.layout)), 0);
  const readAhead = inputs.reduce((sum, input, i) => sum + tileBytes(input, sourcesOf(program, input.input), tileSize, halo) * (input.file === undefined ? (overlaps[i] ?? 1) : 1), 0);
  const overviews = outputs.reduce((sum, { blockSize, bands, dtype }) => sum + 16 * blockSize ** 2 * bands * bytesPerSample(dtype), 0);
  const parts = {
    process: processBytes,
    threads: threads * (threadBytes + sources + mosaics + targets + decoding + Evaluator.bytes(program, { columns: tileSize, margin: halo })),
    // While each thread computes a tile, the next one for it is read.
    readAhead: 2 * threads * readAhead,
    shared: projectShared(facts, tileSize),
    gdal: gdalBytes(facts, tileSize),
    // One segment is gathered while another is written.
    segments: 2 * segmentBytes * outputs.length,
    overviews,
    code: codeBytes(facts, tileSize),
  };
  const total = Object.values(parts).reduce((sum, bytes) => sum + bytes, 0);
  return { ...parts, total, limit };
}

/** What decoded blocks take that tiles share. */
export function projectShared(facts: Pick<MemoryFacts, 'inputs' | 'program' | 'halo' | 'batchColumns'>, tileSize: number): number {
  return facts.inputs.reduce((sum, input) => sum + sharedOf(input, sourcesOf(facts.program, input.input), tileSize, facts), 0);
}

function stripRowsOf({ halo, inputs, code }: MemoryFacts, tileSize: number): number {
  if (code !== undefined || halo > 0 || inputs.some(({ input }) => input.rule !== null)) return tileSize;
  return stripRows(
    tileSize,
    inputs.flatMap(({ file }) => {
      if (file === undefined) return [];
      const { main } = file.measured.tiff;
      const begin = file.place.row;
      return [main, ...(main.mask === null ? [] : [main.mask])].map(({ layout }) => ({ height: layout.blockHeight, begin }));
    }),
  );
}

function sourcesOf(program: ExpressionProgram, { name }: PlanInput): number {
  return program.sources.filter(({ input }) => input === name).length;
}

/** Scratch of a mosaic: a scene's planes, their validity, which of their pixels have data, and what a rule keeps of every scene. */
function mosaicBytes({ rule, scenes, masked }: PlanInput, sources: number, pixels: number, overlap: number): number {
  if (rule === null) return 0;
  const widest = Math.max(...scenes.map(({ dtype }) => bytesPerSample(dtype)));
  const kept = { first: 0, last: 0, min: 0, max: 0, count: 4, mean: 12, median: overlap * (widest + 1) }[rule];
  return pixels * sources * (widest + 2 + kept + (masked ? 1 : 0)) + pixels;
}

/** Bytes that a tile needs of an input: those of a file, or, of one scene of a mosaic or a window, about as many. */
function tileBytes({ input, file }: MemoryInput, sources: number, tileSize: number, halo: number): number {
  if (file !== undefined) return largestTileBytes(file.measured, file.place, tileSize, halo);
  const pixels = (tileSize + 2 * halo) ** 2;
  return Math.max(
    ...input.scenes.map(({ reading, dtype, bytes, window }) => {
      const decoded = pixels * sources * (bytesPerSample(dtype) + 1);
      if (reading.by !== 'blocks') return decoded;
      // Compressed pixels are about as dense everywhere; files have parts that are not wanted, too.
      return Math.min(bytes, Math.max(decoded / 4, 2 * bytes * Math.min(1, pixels / Math.max(1, window.columns * window.rows))));
    }),
  );
}

function sharedOf({ input, file }: MemoryInput, sources: number, tileSize: number, { halo, batchColumns }: Pick<MemoryFacts, 'halo' | 'batchColumns'>): number {
  if (file !== undefined) {
    const { layout } = file.measured.tiff.main;
    return sharesBlocks(layout, file.place, tileSize, halo) ? sharedBytes(layout, sources, tileSize, halo, batchColumns) : 0;
  }
  const blocks = input.scenes.find(({ reading }) => reading.by === 'blocks');
  // Scenes of a mosaic begin anywhere: all blocks under a row of tiles.
  return blocks === undefined ? 0 : (batchColumns * tileSize + 2 * halo) * (tileSize + 2 * halo) * sources * bytesPerSample(blocks.dtype);
}

function gdalBytes({ inputs, threads, program, halo }: MemoryFacts, tileSize: number): number {
  const windows = inputs.filter(({ input }) => input.scenes.some(({ reading }) => reading.by !== 'blocks'));
  if (windows.length === 0) return 0;
  const pixels = (tileSize + 2 * halo) ** 2;
  const largest = Math.max(...windows.map(({ input }) => sourcesOf(program, input) * Math.max(...input.scenes.map(({ dtype }) => bytesPerSample(dtype)))));
  return threads * (gdalProcessBytes + warpCopies * pixels * largest);
}

/** Bytes of the arrays of a tile as code sees them: all bands of all inputs and outputs, with the margin, and the validity of inputs. */
export function codeArrayBytes({ sources, targets }: ExpressionProgram, tileSize: number, halo: number): number {
  const perPixel = [...sources.map(({ dtype, masked }) => bytesPerSample(dtype) + (masked ? 1 : 0)), ...targets.map(({ dtype }) => bytesPerSample(dtype))].reduce((a, b) => a + b, 0);
  return (tileSize + 2 * halo) ** 2 * perPixel;
}

function codeBytes({ code, threads, program, halo }: MemoryFacts, tileSize: number): number {
  return code === undefined ? 0 : threads * (codeProcessBytes[code] + codeCopies * codeArrayBytes(program, tileSize, halo));
}

/** Whether any block can lie under more than one tile of a batch. */
export function tilesShareBlocks({ inputs, halo }: Pick<MemoryFacts, 'inputs' | 'halo'>, tileSize: number): boolean {
  return inputs.some(({ input, file }) =>
    file === undefined ? input.scenes.some(({ reading }) => reading.by === 'blocks') : sharesBlocks(file.measured.tiff.main.layout, file.place, tileSize, halo),
  );
}

/** The smallest that a job can ask for. */
const leastTileSize = 128;

/** The largest tile that fits, a power of two times the largest block size and smaller than the one asked for; undefined when none does. */
export function fittingTileSize(facts: MemoryFacts, tileSize: number): number | undefined {
  const smallest = Math.max(leastTileSize, ...facts.outputs.map(({ blockSize }) => blockSize));
  for (let size = tileSize / 2; size >= smallest; size /= 2) {
    if (projectMemory(facts, size).total <= facts.limit) return size;
  }
  return undefined;
}
