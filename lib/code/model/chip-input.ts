/** Cuts chips out of a tile and makes of them what a model is fed with. */
import { fromJsonNumber } from '../../base/json-number.ts';
import { OperationError } from '../../base/errors.ts';
import { dtypeFacts, sampleArrays, type SampleArray } from '../../raster/dtype.ts';
import { quantize } from '../../raster/quantize.ts';
import type { CodeInput } from '../code-setup.ts';
import type { FedType, PlannedBand, PlannedInput } from './model-plan.ts';
import type { ModelOutside } from './model-setup.ts';

/** An array of an input or output with its margin, (bands, rows, cols) in C order. */
export type TileArray = SampleArray & {
  readonly bands: number;
  readonly rows: number;
  readonly cols: number;
  /** Of inputs: (rows, cols), 0 where there is no data. */
  readonly valid?: Uint8Array | undefined;
};

/** What models are fed with, chip after chip. */
export type FedArray = SampleArray | Float16Array;

/** One axis of a tile: where the array lies that holds it and its margin. Pixels of the grid. */
export interface TileAxis {
  /** Length of the grid. */
  readonly length: number;
  /** The array's first pixel; may lie before the grid. */
  readonly from: number;
  /** Length of the array. */
  readonly size: number;
}

/**
 * For each pixel of a chip along one axis its place in the array; -1 for what lies outside of the grid and isn't mirrored into it. Mirrored is
 * within the chip: pixel -1 is pixel 1, and so on to and fro, as numpy.pad(mode='reflect') does with the part of the chip that lies in the grid.
 * @throws OperationError MODEL_HALO when the chip reaches beyond the array
 */
export function chipPlaces({ length, from, size }: TileAxis, first: number, chip: number, outside: ModelOutside): Int32Array {
  const begin = Math.max(0, first);
  const end = Math.min(length, first + chip);
  if (begin < from || end > from + size) {
    throw new OperationError('MODEL_HALO', `a chip needs the pixels from ${begin} to ${end - 1}, and the tile with its margin has ${from} to ${from + size - 1} only`, { where: { kind: 'function' } });
  }
  const period = 2 * (end - begin - 1);
  return Int32Array.from({ length: chip }, (_, i) => {
    const at = first + i;
    if (at >= begin && at < end) return at - from;
    if (outside === 'nodata') return -1;
    if (period === 0) return begin - from;
    const phase = (((at - begin) % period) + period) % period;
    return begin - from + Math.min(phase, period - phase);
  });
}

/** Fills the tensor of one of the model's inputs; its memory is used for all batches. */
export class ChipInput {
  readonly data: FedArray;
  /** The tensor's axes for a whole batch. */
  readonly dims: readonly [number, number, number, number];
  private readonly planned: PlannedInput;
  private readonly inputs: readonly CodeInput[];
  /** What the model sees where there is no data. */
  private readonly missing: number;
  private readonly row: Float64Array;
  private readonly put: (target: FedArray, at: number, step: number, row: Float64Array) => void;

  constructor(planned: PlannedInput, inputs: readonly CodeInput[], missing: number, batch: number, chip: { readonly columns: number; readonly rows: number }) {
    const bands = planned.bands.length;
    this.planned = planned;
    this.inputs = inputs;
    this.missing = missing;
    this.dims = planned.layout === 'nchw' ? [batch, bands, chip.rows, chip.columns] : [batch, chip.rows, chip.columns, bands];
    this.data = allocate(planned.type, batch * bands * chip.rows * chip.columns);
    this.row = new Float64Array(chip.columns);
    this.put = putter(planned.type);
  }

  /** Puts a chip into a place of the batch. */
  fill(place: number, arrays: readonly TileArray[], rows: Int32Array, columns: Int32Array): void {
    const { bands, layout } = this.planned;
    const [height, width, depth] = [rows.length, columns.length, bands.length];
    for (const [i, band] of bands.entries()) {
      const array = arrays[band.input] as TileArray;
      for (const [y, from] of rows.entries()) {
        this.readRow(array, band, from, columns);
        if (layout === 'nchw') this.put(this.data, ((place * depth + i) * height + y) * width, 1, this.row);
        else this.put(this.data, (place * height + y) * width * depth + i, depth, this.row);
      }
    }
  }

  private readRow(array: TileArray, { input, band, scale, offset }: PlannedBand, from: number, columns: Int32Array): void {
    const { row, missing } = this;
    if (from < 0) {
      row.fill(missing);
      return;
    }
    const { valid } = array;
    const start = (band * array.rows + from) * array.cols;
    const validStart = from * array.cols;
    const { nodata } = this.inputs[input] as CodeInput;
    // A plane of validity knows of nodata values already; NaN equals nothing, and is never data.
    const noValue = valid !== undefined || nodata === null ? NaN : fromJsonNumber(nodata);
    for (let x = 0; x < row.length; x++) {
      const at = columns[x] as number;
      const value = array[start + at] as number;
      const isMissing = at < 0 || value === noValue || Number.isNaN(value) || (valid !== undefined && valid[validStart + at] === 0);
      row[x] = isMissing ? missing : value * scale + offset;
    }
  }
}

function allocate(type: FedType, length: number): FedArray {
  return type === 'float16' ? new Float16Array(length) : new sampleArrays[type](length);
}

/** Writes a row with a step between its pixels, in the type of the tensor: whole numbers are rounded half to even and saturated. */
function putter(type: FedType): (target: FedArray, at: number, step: number, row: Float64Array) => void {
  if (type === 'float16' || type === 'float32' || type === 'float64') {
    return (target, at, step, row) => {
      for (let x = 0; x < row.length; x++) target[at + x * step] = row[x] as number;
    };
  }
  const { min, max } = dtypeFacts(type);
  return (target, at, step, row) => {
    quantize(row, 0, row, 0, row.length, min, max, 0);
    for (let x = 0; x < row.length; x++) target[at + x * step] = row[x] as number;
  };
}
