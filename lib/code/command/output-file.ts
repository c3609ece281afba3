/** Reads what a program has written for an output, checks it, and puts it into the shared file. */
import { write as writeCallback } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { promisify } from 'node:util';

import { DataError, InputUnavailableError, messageOf, OperationError } from '../../base/errors.ts';
import { fromJsonNumber } from '../../base/json-number.ts';
import { bytesPerSample, type Dtype, type SampleArray } from '../../raster/dtype.ts';
import { fileHref } from '../../store/href.ts';
import { FileStore } from '../../store/file-store.ts';
import { readImageRows } from '../../tiff/image-rows.ts';
import { openTiff, type Tiff } from '../../tiff/open.ts';
import type { CodeOutput } from '../code-setup.ts';
import { convertSamples } from './convert-samples.ts';

const writeAt = promisify(writeCallback);

/** What a tile wants of an output. */
export interface TileOutput {
  readonly output: CodeOutput;
  /** In the shared file; null to look at the file only, whatever its bands. */
  readonly offset: number | null;
  /** With the margin. */
  readonly columns: number;
  readonly rows: number;
  readonly halo: number;
}

/** @param program for messages @throws OperationError FUNCTION_NO_OUTPUT, FUNCTION_SHAPE */
export async function readOutputFile(path: string, program: string, sharedFd: number, tile: TileOutput): Promise<{ readonly dtype: Dtype; readonly bands: number }> {
  await using store = new DisposableStore();
  const tiff = await openOutput(store, path, program, tile);
  checkShape(tiff, program, tile);
  const { dtype, bands } = tiff.main.layout;
  if (tile.offset === null) return { dtype, bands };
  try {
    await copySamples(store, tiff, sharedFd, { ...tile, offset: tile.offset });
  } catch (error) {
    throw unreadable(error, program, tile.output.name);
  }
  return { dtype, bands };
}

class DisposableStore extends FileStore implements AsyncDisposable {
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

async function openOutput(store: FileStore, path: string, program: string, { output }: TileOutput): Promise<Tiff> {
  const facts = await lstat(path).catch(() => undefined);
  if (facts === undefined) {
    const others = (await readdir(dirname(path)).catch(() => [])).slice(0, 5);
    const found = others.length === 0 ? 'nothing' : others.join(', ');
    throw new OperationError('FUNCTION_NO_OUTPUT', `${program} ended well but did not write the output ${output.name}: wanted a GeoTIFF at {output.${output.name}}, ${basename(path)}; found ${found} there`, {
      where: { output: output.name },
    });
  }
  try {
    return await openTiff(store, fileHref(path));
  } catch (error) {
    throw unreadable(error, program, output.name);
  }
}

/** What the reader has against the file, as a failure of the program. */
function unreadable(error: unknown, program: string, output: string): Error {
  if (!(error instanceof DataError || error instanceof InputUnavailableError)) return error instanceof Error ? error : new Error(messageOf(error));
  return new OperationError('FUNCTION_NO_OUTPUT', `${program} wrote no GeoTIFF that can be read for the output ${output}: ${error.message}`, { cause: error, where: { output, code: error.code } });
}

function checkShape({ main }: Tiff, program: string, { output, offset, columns, rows, halo }: TileOutput): void {
  const { width, height, bands } = main.layout;
  const where = { output: output.name, wanted: { bands: output.bands, rows, columns }, found: { bands, rows: height, columns: width }, halo };
  if (width !== columns || height !== rows) {
    const margin = halo === 0 ? '' : `, the margin (halo) of ${String(halo)} pixels on each side included`;
    throw new OperationError(
      'FUNCTION_SHAPE',
      `${program} wrote the output ${output.name} with ${String(width)} x ${String(height)} pixels: wanted ${String(columns)} x ${String(rows)} as the inputs have (columns x rows${margin})`,
      { where },
    );
  }
  if (offset !== null && bands !== output.bands) {
    throw new OperationError('FUNCTION_SHAPE', `${program} wrote the output ${output.name} with ${countOf(bands)}: wanted ${String(output.bands)} ($.outputs.${output.name}.bands)`, { where });
  }
}

function countOf(bands: number): string {
  return bands === 1 ? '1 band' : `${String(bands)} bands`;
}

async function copySamples(store: FileStore, tiff: Tiff, sharedFd: number, { output, offset, columns, rows }: TileOutput & { readonly offset: number }): Promise<void> {
  const { main } = tiff;
  const { dtype: fileDtype, bands } = main.layout;
  const nodata = output.nodata === null ? null : fromJsonNumber(output.nodata);
  const conversion = { dtype: output.dtype, fileNodata: tiff.nodata, nodata };
  const validity = main.mask === null || nodata === null ? undefined : await readValidity(store, tiff, main.mask, columns, rows);
  const rowBytes = columns * bytesPerSample(output.dtype);
  for await (const part of readImageRows(store, tiff, main, tiff.nodata ?? 0)) {
    const valid = validity?.subarray(part.row * columns, (part.row + part.rows) * columns);
    for (let band = 0; band < bands; band++) {
      const samples = part.samples.subarray(band * part.rows * columns, (band + 1) * part.rows * columns);
      await writeFully(sharedFd, convertSamples(samples, fileDtype, conversion, valid), offset + (band * rows + part.row) * rowBytes);
    }
  }
}

async function readValidity(store: FileStore, tiff: Tiff, mask: NonNullable<Tiff['main']['mask']>, columns: number, rows: number): Promise<Uint8Array> {
  const validity = new Uint8Array(columns * rows);
  for await (const part of readImageRows(store, tiff, mask, 0)) validity.set(part.samples, part.row * columns);
  return validity;
}

async function writeFully(fd: number, samples: SampleArray, position: number): Promise<void> {
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  for (let at = 0; at < bytes.length; ) {
    // oxlint-disable-next-line no-await-in-loop
    const { bytesWritten } = await writeAt(fd, bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}
