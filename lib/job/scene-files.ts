/** The TIFF files of a run, each opened once, when the first tile touches it. */
import { DataError } from '../base/errors.ts';
import { displayHref } from '../store/href.ts';
import type { ObjectReader } from '../store/store.ts';
import type { BlockLayout, BlockRange } from '../tiff/layout.ts';
import { openTiff, type Tiff, type TiffImage } from '../tiff/open.ts';
import { wideNodata } from '../tiff/wide-integers.ts';
import { nodataOf, type PlanScene } from './plan.ts';
import type { TileImage } from './tile-scene.ts';

/** A file that is open, and its images as threads know them. */
export interface OpenFile {
  readonly tiff: Tiff;
  readonly main: TileImage;
  readonly mask: TileImage | null;
}

type ScenePlace = Pick<PlanScene, 'href' | 'convertedFrom' | 'version' | 'nodata'>;

/** Scenes of the same key are read as the same samples. A nodata value beyond 2^53 may decide which integers of 64 bits are read at all. */
export function sceneFileKey({ href, nodata }: Pick<PlanScene, 'href' | 'nodata'>): string {
  return typeof nodata === 'number' && Math.abs(nodata) > 2 ** 53 ? `${href}\0${String(nodata)}` : href;
}

export class SceneFiles {
  readonly #reader: ObjectReader;
  readonly #files = new Map<string, Promise<OpenFile>>();
  readonly #images = new Map<TileImage, TiffImage>();

  constructor(reader: ObjectReader) {
    this.#reader = reader;
  }

  /** @throws DataError INPUT_CHANGED when the file is not what it was when the run was planned */
  open(scene: ScenePlace): Promise<OpenFile> {
    const key = sceneFileKey(scene);
    const known = this.#files.get(key);
    if (known !== undefined) return known;
    const opening = this.#openFile(scene);
    this.#files.set(key, opening);
    // A failed request may succeed when it is made again.
    opening.catch(() => this.#files.delete(key));
    return opening;
  }

  async #openFile(scene: ScenePlace): Promise<OpenFile> {
    const { href, convertedFrom, version } = scene;
    const tiff = await openTiff(this.#reader, href);
    checkVersion({ href, version }, tiff.version);
    const { main } = tiff;
    // Errors of blocks name the file that the job names.
    const named = { href: convertedFrom ?? href };
    return { tiff, main: this.#image(main, { ...named, wideNodata: wideNodata(main.layout, tiff.nodataText, nodataOf(scene)) }), mask: main.mask === null ? null : this.#image(main.mask, named) };
  }

  #image(image: TiffImage, change: Partial<BlockLayout>): TileImage {
    const tile = { id: this.#images.size, layout: { ...image.layout, ...change } };
    this.#images.set(tile, image);
    return tile;
  }

  /** Where blocks of an image lie; offset and length 0 for those that were never written. */
  async locate({ tiff }: OpenFile, image: TileImage, indices: readonly number[]): Promise<BlockRange[]> {
    const of = this.#images.get(image);
    if (of === undefined) throw new Error(`not an image of an open file: ${image.layout.href}`);
    return await tiff.blockRanges(of, indices);
  }

  read({ tiff }: OpenFile, { offset }: BlockRange, into: Uint8Array): Promise<void> {
    return this.#reader.readInto(tiff.href, offset, into, tiff.version);
  }
}

/** @throws DataError INPUT_CHANGED when a file is not what it was when the run was planned */
export function checkVersion({ href, version }: Pick<PlanScene, 'href' | 'version'>, found: string): void {
  if (found === version) return;
  throw new DataError('INPUT_CHANGED', `${displayHref(href)} has changed since the run was planned (wanted version ${version}, found ${found}); start a run with a new id`, { where: { href } });
}
