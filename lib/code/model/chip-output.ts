/** Makes an output of a tile from what a model gives for chips: activation, blending, classes, and the job's sample type. */
import { fromJsonNumber } from '../../base/json-number.ts';
import { OperationError } from '../../base/errors.ts';
import { dtypeFacts, isFloat } from '../../raster/dtype.ts';
import { quantize } from '../../raster/quantize.ts';
import type { Window } from '../../raster/window.ts';
import type { CodeOutput } from '../code-setup.ts';
import type { TileArray } from './chip-input.ts';
import type { ChipSpan } from './chips.ts';
import type { PlannedOutput } from './model-plan.ts';
import type { ModelLayout } from './model-setup.ts';

/** Numbers as a tensor holds them. */
export type GivenArray = { readonly [index: number]: number | bigint; readonly length: number };

/** Where the pixels of a tensor lie. */
interface Placement {
  readonly bands: number;
  /** Elements from one chip, band, row and column to the next. */
  readonly chip: number;
  readonly band: number;
  readonly row: number;
  readonly column: number;
  /** Pixels of the chip that the model gives nothing for, on each side. */
  readonly marginRows: number;
  readonly marginColumns: number;
}

/** What there has to be, and may be left out on each side. */
export interface ChipExtent {
  readonly columns: number;
  readonly rows: number;
  /** Pixels at a chip's edges that nothing is taken from. */
  readonly spare: number;
}

/**
 * Finds bands, rows and columns in a tensor by their sizes: those of the chip, or less by what a model without padding loses at its edges and
 * the job doesn't take from there.
 * @throws OperationError MODEL_SHAPE
 */
export function placePixels(dims: readonly number[], chips: number, extent: ChipExtent, layout: ModelLayout, name: string): Placement {
  const [first, ...rest] = dims;
  const layouts: ModelLayout[] = layout === 'nchw' ? ['nchw', 'nhwc'] : ['nhwc', 'nchw'];
  const candidates = rest.length === 2 ? [[1, ...rest]] : rest.length === 3 ? layouts.map((known) => (known === 'nchw' ? rest : [rest[2], rest[0], rest[1]])) : [];
  const sized = candidates.map(([bands = 0, rows = 0, columns = 0], i) => ({ bands, rows, columns, known: rest.length === 2 ? 'nchw' : (layouts[i] ?? layout) }));
  const exact = sized.find(({ rows, columns }) => rows === extent.rows && columns === extent.columns);
  const fitting = exact ?? sized.find(({ rows, columns }) => isSpared(extent.rows - rows, extent.spare) && isSpared(extent.columns - columns, extent.spare));
  if (first !== chips || fitting === undefined) {
    const spared = extent.spare > 0 ? `, or up to ${extent.spare} less on each side` : '';
    throw new OperationError('MODEL_SHAPE', `the model's output ${JSON.stringify(name)} is (${dims.join(' x ')}): wanted ${chips} x bands x ${extent.rows} x ${extent.columns}, the size of the chips${spared}`, {
      where: { kind: 'shape', found: [...dims], wanted: [chips, 'bands', extent.rows, extent.columns] },
    });
  }
  const { bands, rows, columns, known } = fitting;
  const margins = { marginRows: (extent.rows - rows) / 2, marginColumns: (extent.columns - columns) / 2 };
  const chip = bands * rows * columns;
  if (known === 'nchw') return { bands, chip, band: rows * columns, row: columns, column: 1, ...margins };
  return { bands, chip, band: 1, row: columns * bands, column: bands, ...margins };
}

function isSpared(lost: number, spare: number): boolean {
  return lost >= 0 && lost % 2 === 0 && lost / 2 <= spare;
}

/** One output of one tile, from chip to chip. */
export class ChipOutput {
  private readonly planned: PlannedOutput;
  private readonly output: CodeOutput;
  private readonly target: TileArray;
  private readonly window: Window;
  private readonly halo: number;
  private readonly linear: boolean;
  /** Weighted sums of all chips so far, (bands, rows, columns) of the tile; undefined while there are none. */
  private sums: Float32Array | undefined;
  private bands = 0;
  /** Values of a row of a chip, (bands, columns). */
  private row = new Float64Array(0);

  constructor(planned: PlannedOutput, output: CodeOutput, target: TileArray, window: Window, halo: number, linear: boolean) {
    this.planned = planned;
    this.output = output;
    this.target = target;
    this.window = window;
    this.halo = halo;
    this.linear = linear;
  }

  /** Bands that come out for a tensor. @throws OperationError MODEL_SHAPE as placePixels does, and for classes that there aren't */
  madeBands(dims: readonly number[], chips: number, extent: ChipExtent): number {
    const { bands } = placePixels(dims, chips, extent, this.planned.layout, this.planned.name);
    if (this.planned.activation !== 'argmax') return bands;
    if (bands > 1) return 1;
    throw new OperationError('MODEL_SHAPE', `the model's output ${JSON.stringify(this.planned.name)} is (${dims.join(' x ')}): wanted two bands or more for argmax, found one`, { where: { kind: 'shape' } });
  }

  /** Takes what a chip gives to the tile. @throws OperationError MODEL_SHAPE */
  add(place: number, dims: readonly number[], data: GivenArray, chips: number, extent: ChipExtent, across: ChipSpan, down: ChipSpan): void {
    const made = this.madeBands(dims, chips, extent);
    if (made !== this.output.bands) {
      throw new OperationError('MODEL_SHAPE', `the model's output ${JSON.stringify(this.planned.name)} makes ${made} ${made === 1 ? 'band' : 'bands'}; output ${this.output.name} has ${this.output.bands}`, {
        where: { kind: 'shape', found: made, wanted: this.output.bands },
      });
    }
    const placement = placePixels(dims, chips, extent, this.planned.layout, this.planned.name);
    this.bands = placement.bands;
    const columns = across.end - across.first;
    if (this.row.length < this.bands * columns) this.row = new Float64Array(this.bands * columns);
    if (this.linear) this.sums ??= new Float32Array(this.bands * this.window.rows * this.window.columns);
    for (let y = down.first; y < down.end; y++) {
      const start = place * placement.chip + (y - down.from - placement.marginRows) * placement.row + (across.first - across.from - placement.marginColumns) * placement.column;
      readRow(this.row, data, start, placement, columns);
      if (this.planned.activation === 'softmax') softmax(this.row, this.bands, columns);
      else if (this.planned.activation === 'sigmoid') sigmoid(this.row, this.bands * columns);
      if (this.sums === undefined) this.store(this.row, columns, across.first, y);
      else this.sum(this.sums, across, y, down.weights?.[y - down.first] ?? 1);
    }
  }

  /** After the last chip. */
  finish(): void {
    if (this.sums === undefined) return;
    const { column, row, columns, rows } = this.window;
    const values = new Float64Array(this.bands * columns);
    for (let y = 0; y < rows; y++) {
      for (let band = 0; band < this.bands; band++) {
        const start = (band * rows + y) * columns;
        values.set(this.sums.subarray(start, start + columns), band * columns);
      }
      this.store(values, columns, column, row + y);
    }
    this.sums = undefined;
  }

  private sum(sums: Float32Array, across: ChipSpan, y: number, weight: number): void {
    const { column, row, columns, rows } = this.window;
    const width = across.end - across.first;
    for (let band = 0; band < this.bands; band++) {
      const start = (band * rows + y - row) * columns + across.first - column;
      for (let x = 0; x < width; x++) {
        const share = weight * (across.weights?.[x] ?? 1);
        sums[start + x] = (sums[start + x] as number) + share * (this.row[band * width + x] as number);
      }
    }
  }

  /** Values of a row, (bands, columns), into the tile, from a pixel of the grid on. */
  private store(values: Float64Array, columns: number, column: number, row: number): void {
    const classes = this.planned.activation === 'argmax';
    if (classes) argmax(values, this.bands, columns);
    const { target } = this;
    for (let band = 0; band < (classes ? 1 : this.bands); band++) {
      const at = (band * target.rows + row - this.window.row + this.halo) * target.cols + column - this.window.column + this.halo;
      storeRow(target, at, values, band * columns, columns, this.output);
    }
  }
}

function readRow(row: Float64Array, data: GivenArray, start: number, { bands, band, column }: Placement, columns: number): void {
  for (let b = 0; b < bands; b++) {
    const from = start + b * band;
    for (let x = 0; x < columns; x++) row[b * columns + x] = Number(data[from + x * column]);
  }
}

/** Over the bands of each pixel, with the largest taken off first, so that nothing overflows. */
function softmax(row: Float64Array, bands: number, columns: number): void {
  for (let x = 0; x < columns; x++) {
    let largest = -Infinity;
    for (let b = 0; b < bands; b++) largest = Math.max(largest, row[b * columns + x] as number);
    let sum = 0;
    for (let b = 0; b < bands; b++) {
      const power = Math.exp((row[b * columns + x] as number) - largest);
      row[b * columns + x] = power;
      sum += power;
    }
    for (let b = 0; b < bands; b++) row[b * columns + x] = (row[b * columns + x] as number) / sum;
  }
}

function sigmoid(row: Float64Array, length: number): void {
  for (let i = 0; i < length; i++) row[i] = 1 / (1 + Math.exp(-(row[i] as number)));
}

/** The first band that is largest, into the first band; NaN where any is. */
function argmax(row: Float64Array, bands: number, columns: number): void {
  for (let x = 0; x < columns; x++) {
    let largest = row[x] as number;
    let best = Number.isNaN(largest) ? NaN : 0;
    for (let b = 1; b < bands; b++) {
      const value = row[b * columns + x] as number;
      if (Number.isNaN(value)) best = NaN;
      else if (value > largest) {
        largest = value;
        if (!Number.isNaN(best)) best = b;
      }
    }
    row[x] = best;
  }
}

/** As expressions are stored: whole numbers rounded half to even and saturated, NaN as the nodata value; floats as they are. */
function storeRow(target: TileArray, at: number, values: Float64Array, from: number, length: number, { dtype, nodata }: CodeOutput): void {
  if (isFloat(dtype)) {
    for (let x = 0; x < length; x++) target[at + x] = values[from + x] as number;
    return;
  }
  const { min, max } = dtypeFacts(dtype);
  quantize(target, at, values, from, length, min, max, nodata === null ? 0 : fromJsonNumber(nodata));
}
