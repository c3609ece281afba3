/**
 * Makes a scene that looks to a program like Sentinel-2: four bands (blue, green, red, near infrared; 10 m; reflectance times 10,000 as uint16),
 * fields with different amounts of vegetation, soil texture, sensor noise, and a swath edge beyond which there is no data (0).
 * Every pixel is a function of its place and the seed, so the scene is the same on every machine and can be of any size.
 *
 *     node examples/make-scene.ts OUT.tif [SIZE [SEED]]
 */
import { closeSync, ftruncateSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Plane } from '../lib/raster/pyramid.ts';
import { BlockEncoder } from '../lib/tiff/block-encoder.ts';
import { blockGrid, cogHeaderBytes, createBlockTable, writeCogHeader, type CogImage } from '../lib/tiff/cog-header.ts';

const blockSize = 512;

/** Reflectance of bare soil, what full vegetation adds, strength of texture and of sensor noise; one row a band. */
const bandModels = [
  { soil: 900, vegetation: -600, texture: 110, noise: 22 },
  { soil: 1250, vegetation: -700, texture: 150, noise: 26 },
  { soil: 1700, vegetation: -1350, texture: 220, noise: 32 },
  { soil: 2300, vegetation: 1600, texture: 380, noise: 60 },
] as const;

/** UTM zone 33N on WGS 84, user-friendly citation, areas as pixels (GeoTIFF 1.1 section 7). */
const geo = {
  modelPixelScale: [10, 10, 0],
  modelTiepoint: [0, 0, 0, 600_000, 5_000_040, 0],
  geoKeyDirectory: [1, 1, 0, 4, 1024, 0, 1, 1, 1025, 0, 1, 1, 1026, 34_737, 22, 0, 3072, 0, 1, 32_633],
  geoAsciiParams: 'WGS 84 / UTM zone 33N|',
};

/** A well-mixed 32-bit hash of a place (the finaliser of MurmurHash3). */
function hash(x: number, y: number, seed: number): number {
  let h = Math.imul(x, 0x9e37_79b1) ^ Math.imul(y, 0x85eb_ca77) ^ Math.imul(seed, 0xc2b2_ae3d);
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A number from 0 to 1 for each place of a lattice. */
function lattice(x: number, y: number, seed: number): number {
  return hash(x, y, seed) / 0xffff_ffff;
}

/** Smooth noise around 0: lattice values `scale` pixels apart, blended between. */
function smoothNoise(x: number, y: number, scale: number, seed: number): number {
  const column = Math.floor(x / scale);
  const row = Math.floor(y / scale);
  const u = x / scale - column;
  const v = y / scale - row;
  const s = u * u * (3 - 2 * u);
  const t = v * v * (3 - 2 * v);
  const above = lattice(column, row, seed) * (1 - s) + lattice(column + 1, row, seed) * s;
  const below = lattice(column, row + 1, seed) * (1 - s) + lattice(column + 1, row + 1, seed) * s;
  return above * (1 - t) + below * t - 0.5;
}

/** Noise that is nearly normal with deviation 1: the sum of four evenly distributed bytes. */
function sensorNoise(x: number, y: number, seed: number): number {
  const h = hash(x, y, seed);
  return ((h & 255) + ((h >>> 8) & 255) + ((h >>> 16) & 255) + (h >>> 24) - 510) / 148;
}

/** Fills one block of every band. */
function fillBlock(planes: readonly Plane[], left: number, top: number, size: number, seed: number): void {
  const { columns, rows } = planes[0] as Plane;
  for (let row = 0; row < rows; row++) {
    const y = top + row;
    // The edge of the swath runs from 16 % of the width at the top down to the left edge.
    const edge = 0.16 * size - 0.37 * y;
    for (let column = 0; column < columns; column++) {
      const x = left + column;
      const at = row * columns + column;
      if (x < edge) {
        for (const { samples } of planes) samples[at] = 0;
        continue;
      }
      const bend = 60 * smoothNoise(x, y, 180, seed + 1);
      const field = hash(Math.floor((x - 0.7 * bend + 0.3 * y) / 59), Math.floor((y + bend) / 37), seed + 2);
      const vegetation = Math.min(1, Math.max(0, 0.25 + (0.6 * (field & 1023)) / 1023 + 0.7 * smoothNoise(x, y, 900, seed + 3)));
      const brightness = 250 * (((field >>> 10) & 255) / 255) * (1 - vegetation);
      const texture = 2 * smoothNoise(x, y, 24, seed + 4) + 1.2 * smoothNoise(x, y, 5, seed + 5);
      for (const [band, model] of bandModels.entries()) {
        const value =
          model.soil + model.vegetation * vegetation + brightness + model.texture * texture + model.noise * sensorNoise(x, y, seed + 10 + band);
        (planes[band] as Plane).samples[at] = Math.max(1, Math.round(value));
      }
    }
  }
}

/** Writes a scene of `size` x `size` pixels to `path`: tiled, deflate, predictor 2, nodata 0. Memory: one block of each band. */
export function makeScene(path: string, size: number, seed = 42): void {
  const image: CogImage = {
    dtype: 'uint16',
    bands: bandModels.length,
    blockSize,
    compression: 'deflate',
    predictor: 2,
    nodata: 0,
    geo,
    metadata: '',
    levels: [{ columns: size, rows: size }],
  };
  const encoder = new BlockEncoder({ dtype: 'uint16', bands: bandModels.length, blockSize, predictor: 2, nodata: 0, codec: { compression: 'deflate', level: undefined } });
  const table = createBlockTable({ columns: size, rows: size }, blockSize);
  const { across, down } = blockGrid({ columns: size, rows: size }, blockSize);
  mkdirSync(dirname(path), { recursive: true });
  const part = `${path}.part`;
  const file = openSync(part, 'w');
  const headerBytes = cogHeaderBytes(image, 'classic');
  let offset = headerBytes;
  for (let row = 0; row < down; row++) {
    for (let column = 0; column < across; column++) {
      const columns = Math.min(blockSize, size - column * blockSize);
      const rows = Math.min(blockSize, size - row * blockSize);
      const planes = bandModels.map((): Plane => ({ samples: new Uint16Array(columns * rows), columns, rows }));
      fillBlock(planes, column * blockSize, row * blockSize, size, seed);
      const bytes = encoder.encode(planes, 0, 0);
      // Undefined for a block of nodata; only JPEG and WebP make promises.
      if (!(bytes instanceof Uint8Array)) continue;
      const index = row * across + column;
      table.offsets[index] = offset;
      table.lengths[index] = bytes.length;
      offset += writeSync(file, bytes, 0, bytes.length, offset);
    }
  }
  writeSync(file, writeCogHeader(image, 'classic', [table]), 0, headerBytes, 0);
  ftruncateSync(file, offset);
  closeSync(file);
  renameSync(part, path);
}

if (import.meta.main) {
  const [path, size = '3000', seed = '42'] = process.argv.slice(2);
  if (path === undefined || !(Number(size) > 0)) {
    process.stderr.write('usage: node examples/make-scene.ts OUT.tif [SIZE [SEED]]\n');
    process.exit(64);
  }
  makeScene(path, Number(size), Number(seed));
}
