/** A tile's outputs: made when the function first reads them, or assigned by it; checked, converted and written into the shared file. */
import { fromJsonNumber } from '../../base/json-number.ts';
import { allocateSamples, dtypes, sampleArrays, type Dtype } from '../../raster/dtype.ts';
import type { CodeCall, CodeOutput, CodeReply, CodeSetup } from '../code-setup.ts';
import type { TileArray } from '../tile-function.ts';
import { CodeError } from './code-error.ts';
import { namedValues } from './named-values.ts';
import { PixelBuffer, writePixels } from './pixel-buffer.ts';
import { storeValues, type NumberArray } from './store-output.ts';
import { tileArray } from './tile-arrays.ts';

type Values = NumberArray | readonly number[];

/** What the function sees as `outputs`; settled by `finish`. */
export interface TileOutputs {
  readonly values: Record<string, unknown>;
  /** @throws CodeError shape, output */
  finish(): CodeReply['outputs'];
}

export class OutputWriter {
  readonly #setup: CodeSetup;
  readonly #fd: number;
  /** Memory of the outputs that the function fills itself, and of those that are converted. */
  readonly #pixels: readonly { readonly made: PixelBuffer; readonly stored: PixelBuffer }[];

  constructor(setup: CodeSetup, fd: number) {
    this.#setup = setup;
    this.#fd = fd;
    this.#pixels = setup.outputs.map(() => ({ made: new PixelBuffer(), stored: new PixelBuffer() }));
  }

  open(call: CodeCall): TileOutputs {
    const { outputs, lists, halo } = this.#setup;
    const rows = call.window.rows + 2 * halo;
    const cols = call.window.columns + 2 * halo;
    const given = new Map<string, Values>();
    const values: Record<string, unknown> = {};
    for (const [i, output] of outputs.entries()) {
      const { name, dtype, bands } = output;
      Object.defineProperty(values, name, {
        enumerable: true,
        get: () => {
          const present = given.get(name);
          if (present !== undefined) return present;
          const samples = this.#pixels[i]?.made.samples(dtype, bands * rows * cols) ?? allocateSamples(dtype, bands * rows * cols);
          samples.fill(fillValue(output));
          const made = tileArray(samples, { bands, rows, cols });
          given.set(name, made);
          return made;
        },
        set: (value: unknown) => {
          given.set(name, checked(output, value, rows, cols, halo, call.probe));
        },
      });
    }
    for (const [list, names] of Object.entries(lists)) {
      if (names.every((name) => Object.hasOwn(values, name)) && names.length > 0) defineList(values, list, names);
    }
    return {
      values: namedValues('output', Object.preventExtensions(values)),
      finish: () => {
        const missing = outputs.filter(({ name }) => !given.has(name)).map(({ name }) => name);
        if (missing.length > 0) throw new CodeError('output', `wrote no output ${missing.join(', ')}; it has to fill or assign outputs.${missing[0] ?? ''}`);
        return outputs.map((output, i) => {
          const made = given.get(output.name) ?? [];
          // An array of numbers may have been shortened since, and a typed array's memory transferred away.
          checked(output, made, rows, cols, halo, call.probe);
          if (!call.probe) this.#write(output, i, made, call.outputs[i]?.offset ?? 0);
          return { dtype: dtypeOf(made), bands: made.length / (rows * cols) };
        });
      },
    };
  }

  #write(output: CodeOutput, index: number, values: Values, offset: number): void {
    if (values instanceof sampleArrays[output.dtype]) {
      writePixels(this.#fd, offset, values);
      return;
    }
    const stored = this.#pixels[index]?.stored.samples(output.dtype, values.length) ?? allocateSamples(output.dtype, values.length);
    storeValues(stored, output.dtype, values, output.nodata === null ? undefined : fromJsonNumber(output.nodata));
    writePixels(this.#fd, offset, stored);
  }
}

/** Under the list's name: its outputs by index, readable and assignable one by one or all at once. */
function defineList(values: Record<string, unknown>, list: string, names: readonly string[]): void {
  const members: TileArray[] = [];
  for (const [i, name] of names.entries()) {
    const set = (value: unknown): void => {
      values[name] = value;
    };
    Object.defineProperty(members, i, { enumerable: true, get: () => values[name], set });
  }
  Object.preventExtensions(members);
  Object.defineProperty(values, list, {
    enumerable: false,
    get: () => members,
    set: (given: unknown) => {
      if (!Array.isArray(given) || given.length !== names.length) {
        throw new CodeError('shape', `output ${list} is a list: wanted ${String(names.length)} arrays, got ${Array.isArray(given) ? String(given.length) : kindOf(given)}`);
      }
      for (const [i, name] of names.entries()) values[name] = given[i];
    },
  });
}

/** @throws CodeError for what is no array of numbers, or has the wrong length, or another value among its numbers */
function checked({ name, bands }: CodeOutput, value: unknown, rows: number, cols: number, halo: number, probe: boolean): Values {
  const margin = halo > 0 ? `, the margin (halo) of ${String(halo)} on each side included` : '';
  if (!isValues(value)) {
    throw new CodeError('shape', `output ${name}: wanted a typed array or an array of numbers with bands * rows * cols values (${String(bands)} * ${String(rows)} * ${String(cols)}${margin}), got ${kindOf(value)}`);
  }
  const plane = rows * cols;
  const wanted = bands * plane;
  const fits = probe ? value.length > 0 && value.length % plane === 0 : value.length === wanted;
  if (fits) {
    const other = Array.isArray(value) ? indexOfOther(value) : -1;
    if (other < 0) return value;
    const plural = value.length === 1 ? 'value' : 'values';
    throw new CodeError('shape', `output ${name}: wanted a number at index ${String(other)} of its ${String(value.length)} ${plural}, found ${shown(value[other])}`);
  }
  throw new CodeError('shape', `output ${name}: wanted ${String(wanted)} values, (bands, rows, cols) = (${String(bands)}, ${String(rows)}, ${String(cols)})${margin}; got ${String(value.length)}${shapeNote(value)}`);
}

function shapeNote(value: Values): string {
  const { bands, rows, cols } = value as Partial<TileArray>;
  return bands === undefined || rows === undefined || cols === undefined ? '' : `, (${String(bands)}, ${String(rows)}, ${String(cols)})`;
}

function isValues(value: unknown): value is Values {
  if (ArrayBuffer.isView(value)) return !(value instanceof DataView);
  return Array.isArray(value) && (value.length === 0 || typeof value[0] !== 'object' || value[0] === null);
}

/** Of the first value that is no number, a hole too; -1 without one. */
function indexOfOther(values: readonly unknown[]): number {
  for (let i = 0; i < values.length; i++) if (typeof values[i] !== 'number') return i;
  return -1;
}

/** What stands in the place of a number. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === 'bigint') return `the bigint ${String(value)}n`;
  return typeof value === 'boolean' ? String(value) : kindOf(value);
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return `an array of ${value.length === 0 ? 'nothing' : kindOf(value[0])}`;
  if (typeof value !== 'object') return `a ${typeof value}`;
  return `a ${(value.constructor as { readonly name?: string } | undefined)?.name ?? 'thing'}`;
}

/** Of the nearest sample type that holds all its values. */
function dtypeOf(values: Values): Dtype {
  if (values instanceof Uint8ClampedArray) return 'uint8';
  if (values instanceof Float16Array) return 'float32';
  return dtypes.find((dtype) => values instanceof sampleArrays[dtype]) ?? 'float64';
}

function fillValue({ nodata }: CodeOutput): number {
  return nodata === null ? 0 : fromJsonNumber(nodata);
}

