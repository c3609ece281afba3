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

/** Computes a row from the three around it, for columns `from` to before `to`. Offsets are those of column 0 of each row. */
type TerrainRow = (out: SlidingRows, at: number, values: Float64Array, above: number, here: number, below: number, from: number, to: number) => void;

const { fround } = Math;
const degrees = 180 / Math.PI;
const radians = Math.PI / 180;

export class Terrain implements FocalKernel {
  private readonly row: TerrainRow;
  private inside: Inside = { left: 0, right: 0, top: 0, bottom: 0 };

  constructor(operation: TerrainOperation) {
    this.row = terrainRow(operation);
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
    this.row(out, at, operand.values, above, here, below, left + 1, right - 1);
  }
}

function terrainRow(operation: TerrainOperation): TerrainRow {
  switch (operation.name) {
    case 'slope':
    case 'slopePercent': {
      const { pixelSize, scale } = operation;
      const run = operation.name === 'slope' ? slopeRow : slopePercentRow;
      return (out, at, values, above, here, below, from, to) => {
        run(out.values, at, values, above, here, below, from, to, pixelSize.x, -pixelSize.y, 8 * scale);
      };
    }
    case 'aspect':
      return (out, at, values, above, here, below, from, to) => {
        aspectRow(out.values, out.validity, at, values, above, here, below, from, to);
      };
    case 'hillshade': {
      const { pixelSize, azimuth, altitude, z, scale } = operation;
      const factor = z / (8 * scale);
      const lit = Math.cos(altitude * radians) * factor;
      const [inverseX, inverseY] = [1 / pixelSize.x, 1 / -pixelSize.y];
      const sky = 254 * Math.sin(altitude * radians);
      const [cosine, sine] = [254 * (Math.cos(azimuth * radians) * lit), 254 * (Math.sin(azimuth * radians) * lit)];
      const square = factor * factor;
      if (pixelSize.x === pixelSize.y) {
        // gdaldem's way for square pixels, which takes the differences first.
        const [inverse, sun, north] = [square * inverseX * inverseX, sine * inverseX, cosine * -inverseX];
        return (out, at, values, above, here, below, from, to) => {
          squareShadeRow(out.values, at, values, above, here, below, from, to, sky, sun, north, inverse);
        };
      }
      return (out, at, values, above, here, below, from, to) => {
        shadeRow(out.values, at, values, above, here, below, from, to, inverseX, inverseY, sky, sine, cosine, square);
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

function westLessEast(values: Float64Array, above: number, here: number, below: number, i: number): number {
  const west = weighted(fround(values[above + i - 1] as number), fround(values[here + i - 1] as number), fround(values[below + i - 1] as number));
  const east = weighted(fround(values[above + i + 1] as number), fround(values[here + i + 1] as number), fround(values[below + i + 1] as number));
  return fround(west - east);
}

function southLessNorth(values: Float64Array, above: number, below: number, i: number): number {
  const south = weighted(fround(values[below + i - 1] as number), fround(values[below + i] as number), fround(values[below + i + 1] as number));
  const north = weighted(fround(values[above + i - 1] as number), fround(values[above + i] as number), fround(values[above + i + 1] as number));
  return fround(south - north);
}

function slopeRow(
  out: Float64Array,
  at: number,
  values: Float64Array,
  above: number,
  here: number,
  below: number,
  from: number,
  to: number,
  sizeX: number,
  sizeY: number,
  divisor: number,
): void {
  for (let i = from; i < to; i++) {
    const x = westLessEast(values, above, here, below, i) / sizeX;
    const y = southLessNorth(values, above, below, i) / sizeY;
    out[at + i] = fround(Math.atan(Math.sqrt(x * x + y * y) / divisor) * degrees);
  }
}

function slopePercentRow(
  out: Float64Array,
  at: number,
  values: Float64Array,
  above: number,
  here: number,
  below: number,
  from: number,
  to: number,
  sizeX: number,
  sizeY: number,
  divisor: number,
): void {
  for (let i = from; i < to; i++) {
    const x = westLessEast(values, above, here, below, i) / sizeX;
    const y = southLessNorth(values, above, below, i) / sizeY;
    out[at + i] = fround(100 * (Math.sqrt(x * x + y * y) / divisor));
  }
}

/** Degrees clockwise from north, the direction that the ground falls to. Flat ground has none. */
function aspectRow(
  out: Float64Array,
  validity: Uint8Array,
  at: number,
  values: Float64Array,
  above: number,
  here: number,
  below: number,
  from: number,
  to: number,
): void {
  for (let i = from; i < to; i++) {
    const x = westLessEast(values, above, here, below, i);
    const y = southLessNorth(values, above, below, i);
    const angle = fround(Math.atan2(y, x) / radians);
    const azimuth = fround(angle > 90 ? 450 - angle : 90 - angle);
    out[at + i] = azimuth === 360 ? 0 : azimuth;
    if (x === 0 && y === 0) validity[at + i] = 0;
  }
}

function shadeRow(
  out: Float64Array,
  at: number,
  values: Float64Array,
  above: number,
  here: number,
  below: number,
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
    const x = westLessEast(values, above, here, below, i) * inverseX;
    const y = southLessNorth(values, above, below, i) * inverseY;
    const shade = (sky - (y * cosine - x * sine)) / Math.sqrt(1 + square * (x * x + y * y));
    out[at + i] = fround(shade <= 0 ? 1 : 1 + shade);
  }
}

function squareShadeRow(
  out: Float64Array,
  at: number,
  values: Float64Array,
  above: number,
  here: number,
  below: number,
  from: number,
  to: number,
  sky: number,
  sun: number,
  north: number,
  inverse: number,
): void {
  for (let i = from; i < to; i++) {
    const falling = fround(fround(values[above + i - 1] as number) - fround(values[below + i + 1] as number));
    const rising = fround(fround(values[below + i - 1] as number) - fround(values[above + i + 1] as number));
    const across = fround(fround(values[here + i - 1] as number) - fround(values[here + i + 1] as number));
    const down = fround(fround(values[above + i] as number) - fround(values[below + i] as number));
    const x = fround(fround(fround(falling + across) + across) + rising);
    const y = fround(fround(fround(falling + down) + down) - rising);
    const shade = (sky + (x * sun + y * north)) / Math.sqrt(1 + inverse * (x * x + y * y));
    out[at + i] = fround(shade <= 0 ? 1 : 1 + shade);
  }
}
