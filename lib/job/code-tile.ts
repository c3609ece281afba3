/**
 * A tile whose operation is user code: the planes that were filled for it go into the shared file, the code is called, and what it made is
 * taken out of the file again, without the margin. The compute thread's half; processes belong to the main thread (code-runners.ts).
 */
import { readSync, writeSync } from 'node:fs';
import { OperationError } from '../base/errors.ts';
import { fromJsonNumber } from '../base/json-number.ts';
import type { CodeCall, CodeReply } from '../code/code-setup.ts';
import { bytesPerSample, type Dtype, type SampleArray } from '../raster/dtype.ts';
import type { ExpressionProgram } from '../raster/expression/program.ts';
import type { Window } from '../raster/window.ts';

/** What a thread has to know of the code. Plain data. */
export interface TileCode {
  /** Descriptor of the shared file, which all threads of the process may use. */
  readonly sharedFd: number;
  /** For each input of the plan its number of bands, and whether validity comes along. */
  readonly inputs: readonly { readonly bands: number; readonly masked: boolean }[];
  /** For each output of the plan its number of bands. */
  readonly outputs: readonly { readonly bands: number }[];
  /** Pixels become nodata where any input has none, whatever the code made of them. */
  readonly masks: boolean;
}

/** Calls the code, wherever it runs. */
export type CallCode = (call: CodeCall) => Promise<CodeReply>;

/** Arrays begin where any type of sample may. */
const alignment = 8;

/** A plane that an operation reads: samples, and where they are valid. */
interface SourcePlane {
  readonly array: SampleArray;
  readonly validity: Uint8Array | undefined;
}

/** Computes tiles by calling code; buffers are allocated once. */
export class CodeTile {
  readonly #code: TileCode;
  readonly #program: ExpressionProgram;
  readonly #halo: number;
  readonly #call: CallCode;
  /** Takes one plane of an output, with its margin; made when there is one. */
  #plane = new Uint8Array(0);
  #calls = 0;

  constructor(code: TileCode, program: ExpressionProgram, halo: number, call: CallCode) {
    this.#code = code;
    this.#program = program;
    this.#halo = halo;
    this.#call = call;
  }

  /**
   * Computes the tile.
   * @param sources planes of (rows + 2 halo, columns + 2 halo)
   * @param targets planes of (rows, columns), filled here
   * @param probe only finds out what the code makes, and leaves the targets alone
   * @throws what the code's process throws: OperationError and JobError of FUNCTION_*
   */
  async compute(tile: { readonly column: number; readonly row: number; readonly window: Window }, sources: readonly SourcePlane[], targets: readonly SampleArray[], probe = false): Promise<CodeReply> {
    const { columns, rows } = tile.window;
    const pixels = (rows + 2 * this.#halo) * (columns + 2 * this.#halo);
    const { call, end } = this.#place(tile, pixels, probe);
    this.#write(call, sources, pixels);
    const reply = await this.#call(call);
    if (!probe) {
      this.#read(call, targets, tile.window, end);
      if (this.#code.masks) this.#mask(sources, targets, tile.window);
    }
    return reply;
  }

  /** Where each array lies in the shared file. */
  #place({ column, row, window }: { readonly column: number; readonly row: number; readonly window: Window }, pixels: number, probe: boolean): { readonly call: CodeCall; readonly end: number } {
    let at = 0;
    const take = (bytes: number): number => {
      const offset = at;
      at += Math.ceil(bytes / alignment) * alignment;
      return offset;
    };
    let source = 0;
    const inputs = this.#code.inputs.map(({ bands, masked }) => {
      const { dtype } = this.#program.sources[source] as { readonly dtype: Dtype };
      source += bands;
      const offset = take(bands * pixels * bytesPerSample(dtype));
      return { offset, validOffset: masked ? take(pixels) : null };
    });
    let target = 0;
    const outputs = this.#code.outputs.map(({ bands }) => {
      const { dtype } = this.#program.targets[target] as { readonly dtype: Dtype };
      target += bands;
      return { offset: take(bands * pixels * bytesPerSample(dtype)) };
    });
    return { call: { id: this.#calls++, column, row, window, inputs, outputs, probe }, end: at };
  }

  #write({ inputs }: CodeCall, sources: readonly SourcePlane[], pixels: number): void {
    let source = 0;
    for (const [i, { bands }] of this.#code.inputs.entries()) {
      const { offset, validOffset } = inputs[i] as CodeCall['inputs'][number];
      for (let band = 0; band < bands; band++) {
        const { array, validity } = sources[source++] as SourcePlane;
        writeAll(this.#code.sharedFd, bytesOf(array, pixels), offset + band * pixels * array.BYTES_PER_ELEMENT);
        // The bands of an input share one mask; in a mosaic each has its own, and a pixel counts where the first has one.
        if (band === 0 && validOffset !== null && validity !== undefined) writeAll(this.#code.sharedFd, validity.subarray(0, pixels), validOffset);
      }
    }
  }

  #read({ outputs }: CodeCall, targets: readonly SampleArray[], { columns, rows }: Window, end: number): void {
    const halo = this.#halo;
    const across = columns + 2 * halo;
    const pixels = across * (rows + 2 * halo);
    let index = 0;
    for (const [i, { bands }] of this.#code.outputs.entries()) {
      const { offset } = outputs[i] as CodeCall['outputs'][number];
      for (let band = 0; band < bands; band++) {
        const target = targets[index++] as SampleArray;
        const position = offset + band * pixels * target.BYTES_PER_ELEMENT;
        if (halo === 0) {
          readAll(this.#code.sharedFd, bytesOf(target, pixels), position, end);
          continue;
        }
        const plane = this.#planeOf(target, pixels);
        readAll(this.#code.sharedFd, bytesOf(plane, pixels), position, end);
        for (let row = 0; row < rows; row++) {
          const from = (row + halo) * across + halo;
          target.set(plane.subarray(from, from + columns), row * columns);
        }
      }
    }
  }

  /** Room for a plane with its margin, of the type of `target`. */
  #planeOf(target: SampleArray, pixels: number): SampleArray {
    const bytes = pixels * target.BYTES_PER_ELEMENT;
    if (this.#plane.length < bytes) this.#plane = new Uint8Array(bytes);
    const Array = target.constructor as new (buffer: ArrayBuffer, offset: number, length: number) => SampleArray;
    return new Array(this.#plane.buffer, 0, pixels);
  }

  /** Where any input has no data, by its nodata value or its mask, the outputs get their nodata values. */
  #mask(sources: readonly SourcePlane[], targets: readonly SampleArray[], { columns, rows }: Window): void {
    const across = columns + 2 * this.#halo;
    const empty = new Uint8Array(columns * rows);
    for (const [i, { array, validity }] of sources.entries()) {
      const { nodata } = this.#program.sources[i] as ExpressionProgram['sources'][number];
      const missing = nodata === undefined ? undefined : fromJsonNumber(nodata);
      if (missing === undefined && validity === undefined) continue;
      for (let row = 0, at = 0; row < rows; row++) {
        let from = (row + this.#halo) * across + this.#halo;
        for (let column = 0; column < columns; column++, at++, from++) {
          const value = array[from] as number;
          if (value === missing || (missing !== missing && value !== value) || validity?.[from] === 0) empty[at] = 1;
        }
      }
    }
    for (const [i, target] of targets.entries()) {
      const { nodata } = this.#program.targets[i] as ExpressionProgram['targets'][number];
      if (nodata === undefined) continue;
      const value = fromJsonNumber(nodata);
      for (let at = 0; at < empty.length; at++) if (empty[at] === 1) target[at] = value;
    }
  }
}

function bytesOf(samples: SampleArray, length: number): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, length * samples.BYTES_PER_ELEMENT);
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}

/** @throws OperationError SHARED_FILE when the file ends before the bytes do: somebody has cut it off */
function readAll(fd: number, bytes: Uint8Array, position: number, end: number): void {
  for (let done = 0; done < bytes.length; ) {
    const read = readSync(fd, bytes, done, bytes.length - done, position + done);
    if (read === 0) throw new OperationError('SHARED_FILE', `the file that arrays are shared in ends at byte ${String(position + done)}; wanted ${String(end)}`);
    done += read;
  }
}
