import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LzwEncoder } from '../../lib/tiff/lzw-encoder.ts';
import { bitsOf, runWithArrays, seededRandom } from '../support/arrays.ts';
import { withoutGdal } from '../support/gdal.ts';
import { writeCog } from './write-cog.ts';

/** The plainest decoder of TIFF 6.0 section 13 there can be; it shares nothing with the product's. */
function decode(bytes: Uint8Array): { decoded: number[]; ended: boolean } {
  const decoded: number[] = [];
  let table: number[][] = [];
  let width = 9;
  let previous: number[] | undefined;
  let bit = 0;
  const reset = (): void => {
    table = Array.from({ length: 258 }, (_, i) => (i < 256 ? [i] : []));
    width = 9;
    previous = undefined;
  };
  reset();
  while (bit + width <= bytes.length * 8) {
    let code = 0;
    for (let i = 0; i < width; i++, bit++) code = code * 2 + (((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1);
    if (code === 257) return { decoded, ended: true };
    if (code === 256) {
      reset();
      continue;
    }
    const string: number[] = code < table.length ? (table[code] ?? []) : [...(previous ?? []), previous?.[0] ?? -1];
    assert.ok(code <= table.length && !string.includes(-1), `code ${code} of a table of ${table.length}`);
    for (const byte of string) decoded.push(byte);
    if (previous !== undefined) table.push([...previous, string[0] ?? -1]);
    // One code early.
    if (table.length + 1 >= 2 ** width && width < 12) width++;
    assert.ok(table.length < 4096, 'no 13th bit is ever needed');
    previous = string;
  }
  return { decoded, ended: false };
}

const encoder = new LzwEncoder();

function assertRoundTrip(bytes: Uint8Array): void {
  const { decoded, ended } = decode(encoder.encode(bytes));
  assert.ok(ended, 'ends with its end code');
  assert.ok(Buffer.from(decoded).equals(Buffer.from(bytes)), `${bytes.length} bytes`);
}

void describe('LZW encoder', () => {
  void it('gives back any bytes by the letter of the specification', () => {
    const few = fc.uint8Array({ maxLength: 6000, max: 3, size: 'max' });
    const any = fc.uint8Array({ maxLength: 6000, size: 'max' });
    fc.assert(fc.property(fc.oneof(few, any), (bytes) => { assertRoundTrip(bytes); }), { seed: 71, numRuns: 100, endOnFailure: true });
  });

  void it('changes code width and clears its table at the very end too', () => {
    const random = seededRandom(72);
    // In noise nearly each byte is a code: these are the lengths at which widths change and the table is full.
    const noise = Uint8Array.from({ length: 12_000 }, () => Math.floor(random() * 256));
    for (const around of [0, 1, 2, 254, 766, 1790, 3838, 4096, 7700]) {
      for (let length = Math.max(0, around - 24); length < around + 24; length++) assertRoundTrip(noise.subarray(0, length));
    }
    // A run makes ever longer strings.
    for (let length = 0; length < 400; length += 7) assertRoundTrip(new Uint8Array(length * length).fill(200));
  });

  void it('does not remember the block before', () => {
    const random = seededRandom(73);
    const noise = Uint8Array.from({ length: 5000 }, () => Math.floor(random() * 256));
    const first = Buffer.from(encoder.encode(noise));
    encoder.encode(new Uint8Array(100_000).fill(3));
    encoder.encode(new Uint8Array(0));
    assert.ok(first.equals(Buffer.from(encoder.encode(noise))));
    assert.ok(first.equals(Buffer.from(new LzwEncoder().encode(noise))));
  });

  void it('stays within its buffer on what cannot be compressed, and shrinks what can', () => {
    const random = seededRandom(74);
    const noise = Uint8Array.from({ length: 2_000_000 }, () => Math.floor(random() * 256));
    assert.ok(encoder.encode(noise).length < noise.length * 1.5);
    assert.ok(encoder.encode(new Uint8Array(2_000_000)).length < 12_000);
  });

  void it('writes blocks that GDAL reads: constant, noise, smooth, large', { skip: withoutGdal }, async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'tilefan-lzw-'));
    try {
      const random = seededRandom(75);
      const kinds: Record<string, (i: number) => number> = { constant: () => 77, noise: () => Math.floor(random() * 256), smooth: (i) => (i >> 7) & 255, sawtooth: (i) => i & 255 };
      const wanted: Record<string, Uint8Array> = {};
      const files: Record<string, string> = {};
      for (const [kind, value] of Object.entries(kinds)) {
        for (const blockSize of [128, 1024] as const) {
          const samples = Uint8Array.from({ length: blockSize ** 2 }, (_, i) => value(i));
          const planes = [samples, samples, samples].map((each) => ({ samples: each, columns: blockSize, rows: blockSize }));
          const name = `${kind} ${blockSize}`;
          const file = path.join(folder, `${name}.tif`);
          const { bytes } = await writeCog(planes, { dtype: 'uint8', bands: 3, blockSize, codec: { compression: 'lzw' }, predictor: 1, nodata: undefined });
          writeFileSync(file, bytes);
          files[name] = file;
          wanted[name] = samples;
        }
      }
      const read = runWithArrays("from osgeo import gdal\ngdal.UseExceptions()\nfor name, file in facts.items(): out[name] = gdal.Open(file).ReadAsArray()[2]", {}, files);
      for (const [name, samples] of Object.entries(wanted)) assert.ok(bitsOf(read[name]?.samples ?? new Uint8Array()).equals(bitsOf(samples)), name);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
