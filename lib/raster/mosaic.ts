/**
 * Many scenes become one plane. Scenes come one after another, in the order of the job; a rule says what becomes of pixels that several of
 * them have. Only pixels with data count: nodata and masked ones are as if the scene weren't there.
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
  /** 0 where the scene's mask says that there is no data. */
  readonly validity: Uint8Array | undefined;
  /** From the region's upper left corner. */
  readonly window: Window;
}

/** Gathers the scenes of one band over one region. */
export class MosaicBand {
  readonly #rule: MosaicRule;
  readonly #stride: number;
  readonly #target: SampleArray;
  readonly #validity: Uint8Array;
  /** Sums, of means only. */
  readonly #sums: Float64Array | undefined;
  /** How many scenes have a pixel: means and counts only. */
  readonly #counts: Uint32Array | undefined;
  /** Copies of the scenes: medians only. */
  readonly #layers: ScenePlane[] = [];

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
    if (this.#rule === 'median') {
      this.#layers.push({ ...scene, samples: scene.samples.slice(), validity: scene.validity?.slice() });
      return;
    }
    const take = this.#taker();
    forEachValid(scene, this.#stride, take);
  }

  #taker(): (at: number, value: number) => void {
    const target = this.#target;
    const validity = this.#validity;
    const sums = this.#sums;
    const counts = this.#counts;
    switch (this.#rule) {
      case 'first':
        return (at, value) => {
          if (validity[at] !== 0) return;
          target[at] = value;
          validity[at] = 1;
        };
      case 'min':
        return (at, value) => {
          if (validity[at] === 0 || value < (target[at] as number)) target[at] = value;
          validity[at] = 1;
        };
      case 'max':
        return (at, value) => {
          if (validity[at] === 0 || value > (target[at] as number)) target[at] = value;
          validity[at] = 1;
        };
      case 'mean':
        return (at, value) => {
          (sums as Float64Array)[at] = (sums?.[at] ?? 0) + value;
          (counts as Uint32Array)[at] = (counts?.[at] ?? 0) + 1;
        };
      case 'count':
        return (at) => {
          (counts as Uint32Array)[at] = (counts?.[at] ?? 0) + 1;
        };
      case 'last':
      case 'median':
        return (at, value) => {
          target[at] = value;
          validity[at] = 1;
        };
    }
  }

  /** Finishes the target where a rule needs all scenes first. Pixels without data are left as they are, and their validity is 0. */
  finish(): void {
    if (this.#rule === 'median') this.#finishMedian();
    const counts = this.#counts;
    if (counts === undefined) return;
    for (let at = 0; at < counts.length; at++) {
      const count = counts[at] as number;
      if (this.#rule === 'count') {
        this.#target[at] = count;
        this.#validity[at] = 1;
      } else if (count > 0) {
        this.#target[at] = (this.#sums?.[at] as number) / count;
        this.#validity[at] = 1;
      }
    }
  }

  /** The middle value; of an even number of values the mean of the two in the middle, as numpy's. */
  #finishMedian(): void {
    const layers = this.#layers;
    const values = new Float64Array(layers.length);
    const pixels = this.#validity.length;
    const rows = Math.floor(pixels / this.#stride);
    for (let row = 0; row < rows; row++) {
      const across = layers.filter(({ window }) => row >= window.row && row < window.row + window.rows);
      if (across.length === 0) continue;
      for (let column = 0; column < this.#stride; column++) {
        const at = row * this.#stride + column;
        let count = 0;
        for (const { samples, nodata, validity, window } of across) {
          if (column < window.column || column >= window.column + window.columns || validity?.[at] === 0) continue;
          const value = samples[at] as number;
          if (nodata !== undefined && (value === nodata || (value !== value && nodata !== nodata))) continue;
          values[count++] = value;
        }
        if (count === 0) continue;
        const sorted = values.subarray(0, count).sort();
        const half = count >> 1;
        const upper = sorted[half] as number;
        this.#target[at] = count % 2 === 1 ? upper : ((sorted[half - 1] as number) + upper) / 2;
        this.#validity[at] = 1;
      }
    }
  }
}

function forEachValid({ samples, nodata, validity, window }: ScenePlane, stride: number, take: (at: number, value: number) => void): void {
  const nanIsNodata = nodata !== undefined && nodata !== nodata;
  for (let row = window.row; row < window.row + window.rows; row++) {
    const start = row * stride + window.column;
    for (let at = start; at < start + window.columns; at++) {
      const value = samples[at] as number;
      if (value === nodata || (nanIsNodata && value !== value)) continue;
      if (validity !== undefined && validity[at] === 0) continue;
      take(at, value);
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
