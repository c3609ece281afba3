/** A tile's inputs: read from the shared file into memory that is used again for the next tile. */
import { fromJsonNumber } from '../../base/json-number.ts';
import type { CodeCall, CodeSetup } from '../code-setup.ts';
import type { TileArray } from '../tile-function.ts';
import { namedValues } from './named-values.ts';
import { PixelBuffer, readPixels } from './pixel-buffer.ts';
import { tileArray } from './tile-arrays.ts';
import { markNodata } from './validity.ts';

export type TileInputs = Readonly<Record<string, TileArray | readonly TileArray[]>>;

export class InputReader {
  readonly #setup: CodeSetup;
  readonly #fd: number;
  readonly #pixels: readonly { readonly samples: PixelBuffer; readonly valid: PixelBuffer }[];

  constructor(setup: CodeSetup, fd: number) {
    this.#setup = setup;
    this.#fd = fd;
    this.#pixels = setup.inputs.map(() => ({ samples: new PixelBuffer(), valid: new PixelBuffer() }));
  }

  read(call: CodeCall): TileInputs {
    const { inputs, lists, halo } = this.#setup;
    const rows = call.window.rows + 2 * halo;
    const cols = call.window.columns + 2 * halo;
    const arrays = new Map<string, TileArray>();
    for (const [i, { name, dtype, bands, nodata }] of inputs.entries()) {
      const place = call.inputs[i];
      const pixels = this.#pixels[i];
      if (place === undefined || pixels === undefined) throw new Error(`the call has no place for input ${name}`);
      const samples = pixels.samples.samples(dtype, bands * rows * cols);
      readPixels(this.#fd, place.offset, samples);
      const validity = (): Uint8Array => {
        const valid = pixels.valid.samples('uint8', rows * cols) as Uint8Array;
        if (place.validOffset === null) valid.fill(1);
        else readPixels(this.#fd, place.validOffset, valid);
        if (nodata !== null) markNodata(valid, samples, dtype, fromJsonNumber(nodata));
        return valid;
      };
      arrays.set(name, tileArray(samples, { bands, rows, cols }, place.validOffset === null && nodata === null ? undefined : validity));
    }
    const values: Record<string, TileArray | readonly TileArray[]> = Object.fromEntries(arrays);
    for (const [list, names] of Object.entries(lists)) {
      const found = names.flatMap((name) => arrays.get(name) ?? []);
      if (names.length === found.length) values[list] = Object.freeze(found);
    }
    return namedValues('input', Object.freeze(values));
  }
}
