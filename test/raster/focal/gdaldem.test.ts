/**
 * Would catch: slopes, aspects and shades that are not gdaldem's. Slope and aspect are compared bit for bit. Shades may differ by 1 in a
 * few pixels of ten thousand: gdaldem on x86-64 takes an approximate square root there, whose last digits are the processor's.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Dtype } from '../../../lib/raster/dtype.ts';
import { base64, type Band, compileText, computeImage, makeBand, random } from './image.ts';

const python = '/usr/bin/python3';
const [columns, rows] = [150, 110];

/** Hills, with flat ground, a cliff, and a lake without data. */
function dem(dtype: Dtype, seed: number, nodata: number | undefined): Band {
  const next = random(seed);
  return makeBand(
    dtype,
    columns * rows,
    (i) => {
      const [x, y] = [i % columns, Math.floor(i / columns)];
      if (nodata !== undefined && ((x - 40) ** 2 + (y - 30) ** 2 < 90 || next() < 0.003)) return nodata;
      if (x > 120 && y < 40) return 812;
      const height = 900 + 300 * Math.sin(x / 17) * Math.cos(y / 11) + 20 * next() + (y > 90 ? 600 : 0);
      return dtype === 'float32' ? height : Math.round(height);
    },
    nodata,
  );
}

const dems = { float32: dem('float32', 1, -9999), int16: dem('int16', 2, -32_768), uint16: dem('uint16', 3, undefined), whole: dem('float32', 4, undefined) };
const cases = [
  { text: 'slope(a)', arguments: ['slope'], dtype: 'float32', nodata: -9999 },
  { text: 'slope(a, 2.5)', arguments: ['slope', '-s', '2.5'], dtype: 'float32', nodata: -9999 },
  { text: 'slope_percent(a)', arguments: ['slope', '-p'], dtype: 'float32', nodata: -9999 },
  { text: 'aspect(a)', arguments: ['aspect'], dtype: 'float32', nodata: -9999 },
  { text: 'hillshade(a)', arguments: ['hillshade'], dtype: 'uint8', nodata: 0 },
  { text: 'hillshade(a, 200, 30, 2.5, 3)', arguments: ['hillshade', '-az', '200', '-alt', '30', '-z', '2.5', '-s', '3'], dtype: 'uint8', nodata: 0 },
] as const;
const sizes = [{ x: 30, y: 30 }, { x: 25, y: 40.5 }];

const rowsOfTest = cases.flatMap((each) => sizes.flatMap((size) => Object.entries(dems).map(([name, band]) => ({ ...each, size, name, band }))));
const hasGdal = spawnSync(python, ['-c', 'import osgeo.gdal']).status === 0 && spawnSync('gdaldem', ['--version']).error === undefined;

void describe('terrain functions', { skip: hasGdal ? false : `gdaldem and ${python} with osgeo are needed and not there` }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'gdaldem-'));
  const asked = rowsOfTest.map(({ arguments: list, size, band }) => ({
    arguments: list,
    ...size,
    dtype: band.dtype,
    shape: [rows, columns],
    data: base64(band.array),
    nodata: band.nodata ?? null,
  }));
  const script = fileURLToPath(new URL('gdaldem.py', import.meta.url));
  const answer = hasGdal ? spawnSync(python, [script, folder], { input: JSON.stringify(asked), encoding: 'utf8', maxBuffer: 2 ** 29 }) : undefined;
  rmSync(folder, { recursive: true });
  const answers = answer?.status === 0 ? (JSON.parse(answer.stdout) as string[]) : [];
  void it('have an oracle', () => assert.equal(answer?.status, 0, answer?.stderr));

  rowsOfTest.forEach(({ text, dtype, nodata, size, name, band }, i) => {
    void it(`${text} of ${name}, ${String(size.x)} x ${String(size.y)}, equals gdaldem's`, () => {
      const wanted = new Float32Array(new Uint8Array(Buffer.from(answers[i] ?? '', 'base64')).buffer);
      const program = compileText(text, { a: band }, { dtype, nodata }, { pixelSize: size });
      assert.equal(program.halo, 1);
      const found = computeImage(program, { columns, rows, bands: { a: band } });
      let [there, near] = [0, 0];
      for (let k = 0; k < columns * rows; k++) {
        const [x, y] = [found[k] ?? 0, wanted[k] ?? 0];
        if (y !== nodata) there++;
        if (x === y) continue;
        if (dtype === 'uint8' && x !== 0 && y !== 0 && Math.abs(x - y) === 1) near++;
        else assert.fail(`column ${String(k % columns)}, row ${String(Math.floor(k / columns))}: gdaldem has ${String(y)}, found ${String(x)}`);
      }
      assert.ok(there > 10_000, `only ${String(there)} pixels to compare`);
      assert.ok(near <= 8, `${String(near)} shades differ by 1`);
    });
  });
});
