/**
 * Many scenes become one plane. Scenes come one after another, in the order of the job; a rule says what becomes of pixels that several of
 * them have. Only pixels with data count: nodata and masked ones are as if the scene weren't there. NaN that isn't nodata is a number like
 * another: smallest, largest, mean and median are NaN where one is, as numpy's.
 */
import { allocateSamples, type Dtype, type SampleArray } from './dtype.ts';
import type { Window } from './window.ts';

export type MosaicRule = 'first' | 'last' | 'min' | 'max' | 'mean' | 'median' | 'count';

/** The type of what a rule makes of scenes of a type: means and medians of integers aren't integers. */
export function mosaicDtype(rule: MosaicRule, dtype: Dtype): Dtype {
  if (rule === 'count') return 'uint16';
  if (rule !== 'mean' && rule !== 'median') return dtype;
  return dtype === 'int32' || dtype === 'uint32' || dtype === 'float64' ? 'float64' : 'float32';
}

/** One band of one scene, over a part of the region. */
export interface ScenePlane {
  /** (rows, columns) of the whole region, row by row; only `window` of it is the scene's. */
  readonly samples: SampleArray;
  readonly nodata: number | undefined;
  /** 0 where the scene's mask says that there is no data; of the whole region, too. */
  readonly validity: Uint8Array | undefined;
  /** From the region's upper left corner. */
  readonly window: Window;
}

/** Counts are uint16. */
const mostScenes = 65_535;

/** Gathers the scenes of one band over one region. */
export class MosaicBand {
  readonly #rule: MosaicRule;
  readonly #stride: number;
  readonly #target: SampleArray;
  readonly #validity: Uint8Array;
  /** Whether any pixel has data yet. */
  #begun = false;
  /** Sums, of means only. */
  readonly #sums: Float64Array | undefined;
  /** How many scenes have a pixel: means and counts only. */
  readonly #counts: Uint32Array | undefined;
  /** Which pixels of a scene have data; the next one overwrites it. */
  #data: Uint8Array | undefined;
  /** Copies of the scenes: medians only. */
  readonly #layers: Layer[] = [];

  /**
   * @param target what is made, (rows, columns) of the region
   * @param validity gets 1 where any scene has data
   * @param columns of the region
   */
  constructor(rule: MosaicRule, target: SampleArray, validity: Uint8Array, columns: number, rows: number) {
    this.#rule = rule;
    this.#stride = columns;
    this.#target = target;
    this.#validity = validity;
    const pixels = columns * rows;
    this.#sums = rule === 'mean' ? new Float64Array(pixels) : undefined;
    this.#counts = rule === 'mean' || rule === 'count' ? new Uint32Array(pixels) : undefined;
    validity.fill(0, 0, pixels);
  }

  /** Takes the next scene. */
  add(scene: ScenePlane): void {
    const { window } = scene;
    if (window.columns === 0 || window.rows === 0) return;
    const stride = this.#stride;
    const target = this.#target;
    const validity = this.#validity;
    const valid = this.#dataOf(scene);
    switch (this.#rule) {
      // What nobody had before can be taken by rows; and so can what hides everything before it.
      case 'last':
        if (valid === undefined) takeRows(scene, stride, target, validity);
        else takeLast(scene, valid, stride, target, validity);
        break;
      case 'first':
        if (valid === undefined && !this.#begun) takeRows(scene, stride, target, validity);
        else takeFirst(scene, valid, stride, target, validity);
        break;
      case 'min':
        if (valid === undefined && !this.#begun) takeRows(scene, stride, target, validity);
        else takeSmallest(scene, valid, stride, target, validity);
        break;
      case 'max':
        if (valid === undefined && !this.#begun) takeRows(scene, stride, target, validity);
        else takeLargest(scene, valid, stride, target, validity);
        break;
      case 'mean':
        addUp(scene, valid, stride, this.#counts as Uint32Array, this.#sums);
        break;
      case 'count':
        addUp(scene, valid, stride, this.#counts as Uint32Array, undefined);
        break;
      case 'median':
        this.#layers.push(layerOf(scene, valid, stride));
        break;
    }
    this.#begun = true;
  }

  /** Which pixels of the scene's window have data, as a plane of the region; undefined when all have. */
  #dataOf({ samples, nodata, validity, window }: ScenePlane): Uint8Array | undefined {
    if (nodata === undefined) return validity;
    const data = (this.#data ??= new Uint8Array(this.#validity.length));
    const isNan = nodata !== nodata;
    for (let row = window.row; row < window.row + window.rows; row++) {
      const start = row * this.#stride + window.column;
      for (let at = start; at < start + window.columns; at++) {
        const value = samples[at] as number;
        const missing = isNan ? value !== value : value === nodata;
        data[at] = missing || (validity !== undefined && validity[at] === 0) ? 0 : 1;
      }
    }
    return data;
  }

  /** Finishes the target where a rule needs all scenes first. Pixels without data are left as they are, and their validity is 0. */
  finish(): void {
    if (this.#rule === 'median') this.#finishMedian();
    const counts = this.#counts;
    if (counts === undefined) return;
    const target = this.#target;
    const validity = this.#validity;
    const sums = this.#sums;
    for (let at = 0; at < counts.length; at++) {
      const count = counts[at] as number;
      if (sums === undefined) {
        target[at] = count > mostScenes ? mostScenes : count;
        validity[at] = 1;
      } else if (count > 0) {
        target[at] = (sums[at] as number) / count;
        validity[at] = 1;
      }
    }
  }

  /** The middle value; of an even number of values the mean of the two in the middle, as numpy's. */
  #finishMedian(): void {
    const layers = this.#layers;
    const target = this.#target;
    const values = new Float64Array(layers.length);
    const stride = this.#stride;
    const rows = Math.floor(this.#validity.length / stride);
    for (let row = 0; row < rows; row++) {
      const across = layers.filter(({ window }) => row >= window.row && row < window.row + window.rows);
      if (across.length === 0) continue;
      for (let column = 0; column < stride; column++) {
        let count = 0;
        for (const { samples, valid, window } of across) {
          const x = column - window.column;
          if (x < 0 || x >= window.columns) continue;
          const from = (row - window.row) * window.columns + x;
          if (valid === undefined || valid[from] !== 0) values[count++] = samples[from] as number;
        }
        if (count === 0) continue;
        const at = row * stride + column;
        target[at] = middleOf(values, count);
        this.#validity[at] = 1;
      }
    }
  }
}

/** What a median keeps of a scene: its window only. */
interface Layer {
  readonly window: Window;
  readonly samples: SampleArray;
  /** 0 where there is no data; undefined when there is data everywhere. */
  readonly valid: Uint8Array | undefined;
}

function layerOf({ samples, window }: ScenePlane, valid: Uint8Array | undefined, stride: number): Layer {
  const { columns, rows } = window;
  const kept = samples.slice(0, columns * rows);
  const keptValid = valid === undefined ? undefined : new Uint8Array(columns * rows);
  for (let row = 0; row < rows; row++) {
    const start = (window.row + row) * stride + window.column;
    kept.set(samples.subarray(start, start + columns), row * columns);
    if (valid !== undefined) keptValid?.set(valid.subarray(start, start + columns), row * columns);
  }
  return { window, samples: kept, valid: keptValid };
}

/** Sorts the first values, few as they are, by insertion. */
function middleOf(values: Float64Array, count: number): number {
  for (let i = 0; i < count; i++) {
    const value = values[i] as number;
    if (value !== value) return Number.NaN;
    let place = i;
    while (place > 0 && (values[place - 1] as number) > value) {
      values[place] = values[place - 1] as number;
      place--;
    }
    values[place] = value;
  }
  const half = count >> 1;
  const upper = values[half] as number;
  return count % 2 === 1 ? upper : ((values[half - 1] as number) + upper) / 2;
}

// Each rule has a loop of its own: a call for every pixel would cost several times as much.

function takeRows({ samples, window }: ScenePlane, stride: number, target: SampleArray, taken: Uint8Array): void {
  for (let row = window.row; row < window.row + window.rows; row++) {
    const start = row * stride + window.column;
    const end = start + window.columns;
    target.set(samples.subarray(start, end), start);
    taken.fill(1, start, end);
  }
}

function takeLast({ samples, window }: ScenePlane, valid: Uint8Array | undefined, stride: number, target: SampleArray, taken: Uint8Array): void {
  for (let row = window.row; row < window.row + window.rows; row++) {
    const start = row * stride + window.column;
    for (let at = start; at < start + window.columns; at++) {
      if (valid !== undefined && valid[at] === 0) continue;
      const value = samples[at] as number;
      target[at] = value;
      taken[at] = 1;
    }
  }
}

function takeFirst({ samples, window }: ScenePlane, valid: Uint8Array | undefined, stride: number, target: SampleArray, taken: Uint8Array): void {
  for (let row = window.row; row < window.row + window.rows; row++) {
    const start = row * stride + window.column;
    for (let at = start; at < start + window.columns; at++) {
      if (taken[at] !== 0) continue;
      if (valid !== undefined && valid[at] === 0) continue;
      const value = samples[at] as number;
      target[at] = value;
      taken[at] = 1;
    }
  }
}

function takeSmallest({ samples, window }: ScenePlane, valid: Uint8Array | undefined, stride: number, target: SampleArray, taken: Uint8Array): void {
  for (let row = window.row; row < window.row + window.rows; row++) {
    const start = row * stride + window.column;
    for (let at = start; at < start + window.columns; at++) {
      if (valid !== undefined && valid[at] === 0) continue;
      const value = samples[at] as number;
      if (taken[at] === 0 || value < (target[at] as number) || value !== value) target[at] = value;
      taken[at] = 1;
    }
  }
}

function takeLargest({ samples, window }: ScenePlane, valid: Uint8Array | undefined, stride: number, target: SampleArray, taken: Uint8Array): void {
  for (let row = window.row; row < window.row + window.rows; row++) {
    const start = row * stride + window.column;
    for (let at = start; at < start + window.columns; at++) {
      if (valid !== undefined && valid[at] === 0) continue;
      const value = samples[at] as number;
      if (taken[at] === 0 || value > (target[at] as number) || value !== value) target[at] = value;
      taken[at] = 1;
    }
  }
}

/** Counts scenes that have data, and adds up their values if there are sums. */
function addUp({ samples, window }: ScenePlane, valid: Uint8Array | undefined, stride: number, counts: Uint32Array, sums: Float64Array | undefined): void {
  for (let row = window.row; row < window.row + window.rows; row++) {
    const start = row * stride + window.column;
    for (let at = start; at < start + window.columns; at++) {
      if (valid !== undefined && valid[at] === 0) continue;
      const value = samples[at] as number;
      counts[at] = (counts[at] as number) + 1;
      if (sums !== undefined) sums[at] = (sums[at] as number) + value;
    }
  }
}

/** Scratch planes of a region, for scenes on their way into a mosaic; they grow as they are needed. */
export class ScratchPlanes {
  readonly #planes = new Map<string, SampleArray>();

  /** A plane of at least `length` samples, whatever it holds. */
  plane(name: string, dtype: Dtype, length: number): SampleArray {
    const key = `${name}/${dtype}`;
    const known = this.#planes.get(key);
    if (known !== undefined && known.length >= length) return known;
    const made = allocateSamples(dtype, length);
    this.#planes.set(key, made);
    return made;
  }
}
