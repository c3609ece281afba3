/** What a tile needs of the input files: which blocks, where they lie, and their bytes, by as few range requests as make sense. */
import { DataError } from '../base/errors.ts';
import type { ExpressionProgram } from '../raster/expression/program.ts';
import type { Window } from '../raster/window.ts';
import { displayHref } from '../store/href.ts';
import { planRanges } from '../store/range-plan.ts';
import type { ObjectReader } from '../store/store.ts';
import { blockIndex, type BlockLayout } from '../tiff/layout.ts';
import { openTiff, type Tiff, type TiffImage } from '../tiff/open.ts';
import { nodataOf, type Plan, type PlanInput } from './plan.ts';
import type { TileBlock, TileImage, TileTask } from './tile.ts';

/** An image of a file, as compute threads know it, and the file for finding its blocks. */
interface OpenImage {
  readonly file: Tiff;
  readonly image: TiffImage;
  readonly tile: TileImage;
}

/** A range to read, and the block that it is. */
interface WantedBlock {
  readonly image: number;
  readonly index: number;
}

/** Tiles differ a little in what they take; a buffer with some room serves the next one too. */
const spare = 1.1;

/** The inputs of a run, opened for reading tiles. */
export class TileInputs {
  readonly #reader: ObjectReader;
  readonly #images: readonly OpenImage[];
  /** Buffers of tiles that are done. Without them every tile would leave megabytes for the garbage collector, which is in no hurry. */
  readonly #free: SharedArrayBuffer[] = [];

  private constructor(reader: ObjectReader, images: readonly OpenImage[]) {
    this.#reader = reader;
    this.#images = images;
  }

  /** @throws DataError INPUT_CHANGED when a file is not what it was when the run was planned */
  static async open(reader: ObjectReader, plan: Plan, program: ExpressionProgram): Promise<TileInputs> {
    const used = plan.inputs.filter(({ name }) => program.sources.some(({ input }) => input === name));
    const images = await Promise.all(used.map((input) => openInput(reader, input, program)));
    return new TileInputs(reader, images.flat());
  }

  get images(): readonly TileImage[] {
    return this.#images.map(({ tile }) => tile);
  }

  /** Reads everything that the tile at `window` needs. The bytes lie in shared memory, so that handing them to a thread costs nothing. */
  async read(column: number, row: number, window: Window): Promise<TileTask> {
    const wanted = this.#images.flatMap(({ tile }, image) => blocksUnder(tile, window).map((index): WantedBlock => ({ image, index })));
    const byFile = Map.groupBy(wanted, ({ image }) => (this.#images[image] as OpenImage).file);
    const located = await Promise.all(
      [...byFile].map(async ([file, blocks]) => ({ file, blocks, ranges: await this.#locate(file, blocks) })),
    );
    const requests = located.map(({ file, blocks, ranges }) => ({ file, blocks, requests: planRanges(ranges) }));
    const total = requests.flatMap((each) => each.requests).reduce((sum, { length }) => sum + length, 0);
    const bytes = this.#allocate(total);
    const found = new Map<WantedBlock, { offset: number; length: number }>();
    const reads: Promise<void>[] = [];
    let start = 0;
    for (const { file, blocks, requests: ofFile } of requests) {
      for (const { offset, length, ranges } of ofFile) {
        reads.push(this.#reader.readInto(file.href, offset, bytes.subarray(start, start + length), file.version));
        for (const { index, at, length: blockLength } of ranges) {
          found.set(blocks[index] as WantedBlock, { offset: start + at, length: blockLength });
        }
        start += length;
      }
    }
    await Promise.all(reads);
    const blocks = wanted.map((block): TileBlock => ({ ...block, ...(found.get(block) ?? { offset: 0, length: 0 }) }));
    return { column, row, window, blocks, bytes };
  }

  /** Takes back the bytes of a task that nobody reads any more. */
  release({ bytes }: TileTask): void {
    this.#free.push(bytes.buffer as SharedArrayBuffer);
  }

  #allocate(length: number): Uint8Array {
    const fitting = this.#free.findIndex(({ byteLength }) => byteLength >= length);
    // None fits: the first is given up for a larger one, so that there are never more than tiles under way.
    const [buffer] = this.#free.splice(Math.max(fitting, 0), 1);
    const large = buffer !== undefined && buffer.byteLength >= length ? buffer : new SharedArrayBuffer(Math.ceil(length * spare));
    return new Uint8Array(large, 0, length);
  }

  /** Where blocks of one file (of its image and its mask) lie. */
  async #locate(file: Tiff, blocks: readonly WantedBlock[]): Promise<{ offset: number; length: number }[]> {
    const byImage = Map.groupBy(blocks, ({ image }) => image);
    const places = new Map<WantedBlock, { offset: number; length: number }>();
    for (const [image, ofImage] of byImage) {
      const ranges = await file.blockRanges((this.#images[image] as OpenImage).image, ofImage.map(({ index }) => index));
      for (const [i, block] of ofImage.entries()) places.set(block, ranges[i] ?? { offset: 0, length: 0 });
    }
    return blocks.map((block) => places.get(block) ?? { offset: 0, length: 0 });
  }
}

async function openInput(reader: ObjectReader, input: PlanInput, program: ExpressionProgram): Promise<OpenImage[]> {
  const file = await openTiff(reader, input.href);
  if (file.version !== input.version) {
    throw new DataError('INPUT_CHANGED', `${displayHref(input.href)} has changed since the run was planned (wanted version ${input.version}, found ${file.version}); start a run with a new id`, {
      where: { input: input.name, href: input.href },
    });
  }
  const sources = program.sources.flatMap(({ input: name, band }, source) =>
    name === input.name ? [{ source, band: input.bands[band - 1] as number }] : [],
  );
  const fill = nodataOf(input) ?? 0;
  const images: OpenImage[] = [{ file, image: file.main, tile: { layout: file.main.layout, fill, sources, masks: [] } }];
  const { mask } = file.main;
  if (mask !== null && input.masked) {
    const masks = sources.map(({ source }) => source);
    // A mask block that was never written masks everything under it, as in GDAL.
    images.push({ file, image: mask, tile: { layout: mask.layout, fill: 0, sources: [], masks } });
  }
  return images;
}

/** Indices of the blocks that a window touches; where each band has blocks of its own, of the wanted bands only. */
function blocksUnder({ layout, sources }: TileImage, window: Window): number[] {
  const { blockWidth, blockHeight, interleave } = layout satisfies BlockLayout;
  const bands = interleave === 'band' && sources.length > 0 ? [...new Set(sources.map(({ band }) => band))] : [0];
  const indices: number[] = [];
  for (const band of bands) {
    for (let row = Math.floor(window.row / blockHeight); row * blockHeight < window.row + window.rows; row++) {
      for (let column = Math.floor(window.column / blockWidth); column * blockWidth < window.column + window.columns; column++) {
        indices.push(blockIndex(layout, column, row, band));
      }
    }
  }
  return indices;
}
