/**
 * Slope, aspect and hillshade by Horn's formula (Hill shading and the reflectance map, 1981), computed as gdaldem 3.6 does: heights
 * and their differences in float32, the rest in float64, the result in float32. Any missing neighbour leaves no result, so that the
 * image's outermost pixels have none.
 *
 * One difference stays: gdaldem on x86-64 divides hillshade by an approximate square root, an instruction whose last digits depend on
 * the processor. Here it is the exact one, as gdaldem has it on other processors; shades differ by less than 0.0002 of 255.
 */
import type { FocalKernel, Inside } from './kernel.ts';
import type { FocalSize, PlacedFocalOperation } from './operation.ts';
import type { SlidingRows } from './rows.ts';

type TerrainOperation = Exclude<PlacedFocalOperation, FocalSize>;

/** Fills a row of the result from the differences of heights, for columns `from` to before `to`; `at` is the place of column 0. */
type TerrainRow = (out: SlidingRows, at: number, x: Float64Array, y: Float64Array, from: number, to: number) => void;

const { fround } = Math;
const degrees = 180 / Math.PI;
const radians = Math.PI / 180;

export class Terrain implements FocalKernel {
  private readonly row: TerrainRow;
  private readonly differ: typeof differences;
  /** West less east and south less north of each column, not yet divided by the distance. */
  private readonly x: Float64Array;
  private readonly y: Float64Array;
  private inside: Inside = { left: 0, right: 0, top: 0, bottom: 0 };

  constructor(operation: TerrainOperation, stride: number) {
    this.row = terrainRow(operation);
    this.differ = isSquareShade(operation) ? differencesFirst : differences;
    this.x = new Float64Array(stride);
    this.y = new Float64Array(stride);
  }

  static bytes(stride: number): number {
    return 16 * stride;
  }

  restart(inside: Inside): void {
    this.inside = inside;
  }

  compute(row: number, operand: SlidingRows, out: SlidingRows): void {
    const { left, right, top, bottom } = this.inside;
    const at = out.offset(row);
    out.validity.fill(0, at, at + out.stride);
    out.full[row - out.first] = 0;
    if (row - 1 < top || row + 1 >= bottom || right - left < 3) return;
    const [above, here, below] = [operand.offset(row - 1), operand.offset(row), operand.offset(row + 1)];
    if (operand.areFull(row - 1, row + 2)) out.validity.fill(1, at + left + 1, at + right - 1);
    else keepWhole(out.validity, at, operand.validity, above, here, below, left + 1, right - 1);
    this.differ(this.x, this.y, operand.values, above, here, below, left + 1, right - 1);
    this.row(out, at, this.x, this.y, left + 1, right - 1);
  }
}

/** Where pixels are square, gdaldem takes differences before it adds them, which rounds in other places. */
function isSquareShade(operation: TerrainOperation): boolean {
  return operation.name === 'hillshade' && operation.pixelSize.x === operation.pixelSize.y;
}

function terrainRow(operation: TerrainOperation): TerrainRow {
  switch (operation.name) {
    case 'slope':
    case 'slopePercent': {
      const { pixelSize, scale } = operation;
      const run = operation.name === 'slope' ? slopeRow : slopePercentRow;
      return (out, at, x, y, from, to) => {
        run(out.values, at, x, y, from, to, pixelSize.x, -pixelSize.y, 8 * scale);
      };
    }
    case 'aspect':
      return (out, at, x, y, from, to) => {
        aspectRow(out.values, out.validity, at, x, y, from, to);
      };
    case 'hillshade': {
      const { pixelSize, azimuth, altitude, z, scale } = operation;
      const factor = z / (8 * scale);
      const lit = Math.cos(altitude * radians) * factor;
      const [inverseX, inverseY] = [1 / pixelSize.x, 1 / -pixelSize.y];
      const sky = 254 * Math.sin(altitude * radians);
      const [cosine, sine] = [254 * (Math.cos(azimuth * radians) * lit), 254 * (Math.sin(azimuth * radians) * lit)];
      const square = factor * factor;
      if (isSquareShade(operation)) {
        const [inverse, sun, north] = [square * inverseX * inverseX, sine * inverseX, cosine * -inverseX];
        return (out, at, x, y, from, to) => {
          squareShadeRow(out.values, at, x, y, from, to, sky, sun, north, inverse);
        };
      }
      return (out, at, x, y, from, to) => {
        shadeRow(out.values, at, x, y, from, to, inverseX, inverseY, sky, sine, cosine, square);
      };
    }
  }
}

/** Valid where all nine pixels are. */
function keepWhole(out: Uint8Array, at: number, validity: Uint8Array, above: number, here: number, below: number, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const left = (validity[above + i - 1] as number) & (validity[here + i - 1] as number) & (validity[below + i - 1] as number);
    const middle = (validity[above + i] as number) & (validity[here + i] as number) & (validity[below + i] as number);
    const right = (validity[above + i + 1] as number) & (validity[here + i + 1] as number) & (validity[below + i + 1] as number);
    out[at + i] = left & middle & right;
  }
}

/** a + b + b + c in float32, from the left. */
function weighted(a: number, b: number, c: number): number {
  return fround(fround(fround(a + b) + b) + c);
}

/** x: west less east, y: south less north, each pixel beside the middle counted twice. Heights and columns are read once and carried along. */
function differences(
  x: Float64Array,
  y: Float64Array,
  values: Float64Array,
  above: number,
  here: number,
  below: number,
  from: number,
  to: number,
): void {
  let [a0, a1] = [fround(values[above + from - 1] as number), fround(values[above + from] as number)];
  let [c0, c1] = [fround(values[below + from - 1] as number), fround(values[below + from] as number)];
  let west = weighted(a0, fround(values[here + from - 1] as number), c0);
  let middle = weighted(a1, fround(values[here + from] as number), c1);
  for (let i = from; i < to; i++) {
    const a2 = fround(values[above + i + 1] as number);
    const c2 = fround(values[below + i + 1] as number);
    const east = weighted(a2, fround(values[here + i + 1] as number), c2);
    x[i] = fround(west - east);
    y[i] = fround(weighted(c0, c1, c2) - weighted(a0, a1, a2));
    west = middle;
    middle = east;
    a0 = a1;
    a1 = a2;
    c0 = c1;
    c1 = c2;
  }
}

/** The same, but y is north less south, and opposite pixels are taken from each other first. */
function differencesFirst(
  x: Float64Array,
  y: Float64Array,
  values: Float64Array,
  above: number,
  here: number,
  below: number,
  from: number,
  to: number,
): void {
  let [a0, a1] = [fround(values[above + from - 1] as number), fround(values[above + from] as number)];
  let [b0, b1] = [fround(values[here + from - 1] as number), fround(values[here + from] as number)];
  let [c0, c1] = [fround(values[below + from - 1] as number), fround(values[below + from] as number)];
  for (let i = from; i < to; i++) {
    const a2 = fround(values[above + i + 1] as number);
    const b2 = fround(values[here + i + 1] as number);
    const c2 = fround(values[below + i + 1] as number);
    const falling = fround(a0 - c2);
    const rising = fround(c0 - a2);
    const across = fround(b0 - b2);
    const down = fround(a1 - c1);
    x[i] = fround(fround(fround(falling + across) + across) + rising);
    y[i] = fround(fround(fround(falling + down) + down) - rising);
    a0 = a1;
    a1 = a2;
    b0 = b1;
    b1 = b2;
    c0 = c1;
    c1 = c2;
  }
}

function slopeRow(out: Float64Array, at: number, x: Float64Array, y: Float64Array, from: number, to: number, sizeX: number, sizeY: number, divisor: number): void {
  for (let i = from; i < to; i++) {
    const dx = (x[i] as number) / sizeX;
    const dy = (y[i] as number) / sizeY;
    out[at + i] = fround(Math.atan(Math.sqrt(dx * dx + dy * dy) / divisor) * degrees);
  }
}

function slopePercentRow(out: Float64Array, at: number, x: Float64Array, y: Float64Array, from: number, to: number, sizeX: number, sizeY: number, divisor: number): void {
  for (let i = from; i < to; i++) {
    const dx = (x[i] as number) / sizeX;
    const dy = (y[i] as number) / sizeY;
    out[at + i] = fround(100 * (Math.sqrt(dx * dx + dy * dy) / divisor));
  }
}

/** Degrees clockwise from north, the direction that the ground falls to. Flat ground has none. */
function aspectRow(out: Float64Array, validity: Uint8Array, at: number, x: Float64Array, y: Float64Array, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const angle = fround(Math.atan2(y[i] as number, x[i] as number) / radians);
    const azimuth = fround(angle > 90 ? 450 - angle : 90 - angle);
    out[at + i] = azimuth === 360 ? 0 : azimuth;
    if (x[i] === 0 && y[i] === 0) validity[at + i] = 0;
  }
}

function shadeRow(
  out: Float64Array,
  at: number,
  x: Float64Array,
  y: Float64Array,
  from: number,
  to: number,
  inverseX: number,
  inverseY: number,
  sky: number,
  sine: number,
  cosine: number,
  square: number,
): void {
  for (let i = from; i < to; i++) {
    const dx = (x[i] as number) * inverseX;
    const dy = (y[i] as number) * inverseY;
    const shade = (sky - (dy * cosine - dx * sine)) / Math.sqrt(1 + square * (dx * dx + dy * dy));
    out[at + i] = fround(shade <= 0 ? 1 : 1 + shade);
  }
}

function squareShadeRow(
  out: Float64Array,
  at: number,
  x: Float64Array,
  y: Float64Array,
  from: number,
  to: number,
  sky: number,
  sun: number,
  north: number,
  inverse: number,
): void {
  for (let i = from; i < to; i++) {
    const dx = x[i] as number;
    const dy = y[i] as number;
    const shade = (sky + (dx * sun + dy * north)) / Math.sqrt(1 + inverse * (dx * dx + dy * dy));
    out[at + i] = fround(shade <= 0 ? 1 : 1 + shade);
  }
}
