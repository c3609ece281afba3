/**
 * Where chips lie. They lie on a lattice that begins at the grid's first pixel, whatever the tiles are, so that a pixel comes from the
 * same chips in any tiling. Both axes are alike; each is one lattice.
 *
 * The step of the lattice is chip - overlap. The first chip begins half of the overlap before the grid, so that the centres of the chips
 * (what remains without half of the overlap on each side) lie side by side from the grid's first pixel on, and pixels at the grid's edges
 * are as far from a chip's edge as others. There are as many chips as it takes for the centres to cover the grid.
 */
import type { ModelFacts } from './model-facts.ts';
import { modelShape } from './model-shape.ts';
import { blendOf, type ModelBlend, type ModelSetup } from './model-setup.ts';

/** The chips along one axis of the grid, in pixels. */
export interface ChipAxis {
  /** Length of the grid. */
  readonly length: number;
  readonly chip: number;
  /** Less than the chip. */
  readonly overlap: number;
  readonly blend: ModelBlend;
}

/** A chip along one axis, and what it gives to a tile. Pixels of the grid. */
export interface ChipSpan {
  /** The chip's first pixel; may lie before the grid. */
  readonly from: number;
  /** The first pixel that it gives, and the one after the last. */
  readonly first: number;
  readonly end: number;
  /** For each of these, its share in the pixel; undefined where that is all of it. */
  readonly weights: Float64Array | undefined;
}

/** The chips that contribute to the pixels from `first` to `end`, in the order of the lattice. */
export function chipSpans(axis: ChipAxis, first: number, end: number): ChipSpan[] {
  const step = axis.chip - axis.overlap;
  const lead = Math.floor(axis.overlap / 2);
  if (axis.blend !== 'linear') {
    const spans: ChipSpan[] = [];
    for (let k = Math.floor(first / step); k * step < end; k++) {
      spans.push({ from: k * step - lead, first: Math.max(first, k * step), end: Math.min(end, (k + 1) * step), weights: undefined });
    }
    return spans;
  }
  const spans: ChipSpan[] = [];
  const [from, to] = coveringChips(axis, first, end);
  for (let k = from; k < to; k++) {
    const start = k * step - lead;
    const span = { from: start, first: Math.max(first, start), end: Math.min(end, start + axis.chip) };
    spans.push({ ...span, weights: Float64Array.from({ length: span.end - span.first }, (_, i) => share(axis, k, span.first + i)) });
  }
  return spans;
}

/** The chips, first and one after the last, that cover any of the pixels from `first` to `end`. */
function coveringChips({ length, chip, overlap }: ChipAxis, first: number, end: number): [number, number] {
  const step = chip - overlap;
  const lead = Math.floor(overlap / 2);
  return [Math.max(0, Math.floor((first + lead - chip) / step) + 1), Math.min(Math.ceil(length / step), Math.floor((end - 1 + lead) / step) + 1)];
}

/** The weight of a chip in a pixel: how far the pixel's centre is from the chip's nearer edge, over the sum of this for all chips that have it. */
function share(axis: ChipAxis, k: number, pixel: number): number {
  const step = axis.chip - axis.overlap;
  const lead = Math.floor(axis.overlap / 2);
  const distance = (k: number) => {
    const at = pixel - (k * step - lead) + 0.5;
    return Math.min(at, axis.chip - at);
  };
  const [from, to] = coveringChips(axis, pixel, pixel + 1);
  let sum = 0;
  for (let other = from; other < to; other++) sum += distance(other);
  return distance(k) / sum;
}

/**
 * The margin in px that tiles need so that all chips that contribute to their pixels can be cut out of them: 0 for chips that lie side
 * by side and end where tiles do. Without a size of chips (the model takes any, and the job says none) 0: the job's own halo counts.
 * @param tileSize side of a tile; tiles begin at multiples of it
 * @throws JobError MODEL_SHAPE, MODEL_CHIP as modelShape does
 */
export function modelHalo(setup: ModelSetup, facts: ModelFacts, tileSize: number): number {
  const { chip } = modelShape(setup, facts);
  if (chip === undefined) return 0;
  return Math.max(axisHalo(setup, chip.columns, tileSize), axisHalo(setup, chip.rows, tileSize));
}

function axisHalo(setup: ModelSetup, chip: number, tileSize: number): number {
  const step = chip - setup.overlap;
  // Tiles begin at the same place of the lattice again after so many: a long enough axis has all cases, and its ends need no less than its middle.
  const period = step / greatestCommonDivisor(step, tileSize);
  const margin = Math.ceil((2 * chip) / tileSize);
  const axis: ChipAxis = { length: (period + 2 * margin + 1) * tileSize, chip, overlap: setup.overlap, blend: blendOf(setup) };
  let halo = 0;
  for (let tile = margin; tile < margin + period; tile++) {
    const first = tile * tileSize;
    const end = first + tileSize;
    const [from, last] = outermost(axis, first, end);
    halo = Math.max(halo, first - from, last + chip - end);
  }
  return halo;
}

/** Where the first and the last chip begin that contribute to the pixels from `first` to `end`. */
function outermost(axis: ChipAxis, first: number, end: number): [number, number] {
  const step = axis.chip - axis.overlap;
  const lead = Math.floor(axis.overlap / 2);
  if (axis.blend !== 'linear') return [Math.floor(first / step) * step - lead, Math.floor((end - 1) / step) * step - lead];
  const [from, to] = coveringChips(axis, first, end);
  return [from * step - lead, (to - 1) * step - lead];
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
