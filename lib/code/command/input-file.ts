/** Writes an input's tile, as it lies in the shared file, as a GeoTIFF for a program. */
import { read as readCallback } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';

import { fromJsonNumber } from '../../base/json-number.ts';
import { bytesPerSample, fitsDtype, viewSamples, type Dtype, type SampleArray } from '../../raster/dtype.ts';
import type { GeoTags } from '../../tiff/geo.ts';
import { plainGeoTiff } from '../../tiff/plain-geotiff.ts';
import type { CodeInput } from '../code-setup.ts';

const readAt = promisify(readCallback);

/** Bytes that are copied at once; a multiple of every sample. */
const chunkBytes = 1024 * 1024;

/** One input of one tile. */
export interface TileInput {
  readonly input: CodeInput;
  /** In the shared file. */
  readonly offset: number;
  readonly validOffset: number | null;
  /** With the margin. */
  readonly columns: number;
  readonly rows: number;
  /** Of the tile with its margin. */
  readonly geo: GeoTags;
}

/**
 * Writes the file. Pixels without data hold the input's nodata value where it has one; where it has none, the file gets a mask: few programs look at
 * both, and more know nodata values than masks.
 */
export async function writeInputFile(path: string, sharedFd: number, tile: TileInput): Promise<void> {
  const { input, offset, validOffset, columns, rows, geo } = tile;
  const nodata = nodataOf(input);
  const masked = input.masked && validOffset !== null;
  const { header, bandOffsets, maskOffset } = plainGeoTiff({ dtype: input.dtype, columns, rows, bands: input.bands, nodata, mask: masked && nodata === undefined, geo });
  const pixels = columns * rows;
  const sampleBytes = bytesPerSample(input.dtype);
  await using file = await open(path, 'w');
  await file.write(header, 0, header.length, 0);
  const room = Buffer.from(new ArrayBuffer(chunkBytes));
  const validity = masked ? Buffer.alloc(Math.min(pixels, chunkBytes / sampleBytes)) : undefined;
  for (const [band, to] of bandOffsets.entries()) {
    const from = offset + band * pixels * sampleBytes;
    // One after another through the same memory.
    for (let done = 0; done < pixels; done += chunkBytes / sampleBytes) {
      const count = Math.min(chunkBytes / sampleBytes, pixels - done);
      const chunk = room.subarray(0, count * sampleBytes);
      // oxlint-disable no-await-in-loop
      await readFully(sharedFd, chunk, from + done * sampleBytes);
      if (nodata !== undefined && validity !== undefined && validOffset !== null) {
        await readFully(sharedFd, validity.subarray(0, count), validOffset + done);
        burnInvalid(samplesOf(input.dtype, chunk, count), validity, nodata);
      }
      await writeFully(file, chunk, to + done * sampleBytes);
      // oxlint-enable no-await-in-loop
    }
  }
  if (maskOffset === undefined || validOffset === null) return;
  for (let done = 0; done < pixels; done += chunkBytes) {
    const chunk = room.subarray(0, Math.min(chunkBytes, pixels - done));
    // oxlint-disable-next-line no-await-in-loop
    await readFully(sharedFd, chunk, validOffset + done);
    for (let i = 0; i < chunk.length; i++) chunk[i] = chunk[i] === 0 ? 0 : 255;
    // oxlint-disable-next-line no-await-in-loop
    await writeFully(file, chunk, maskOffset + done);
  }
}

/** The input's nodata value as a sample has it; undefined without one, or where no sample can hold it. */
function nodataOf({ dtype, nodata }: CodeInput): number | undefined {
  if (nodata === null) return undefined;
  const value = dtype === 'float32' ? Math.fround(fromJsonNumber(nodata)) : fromJsonNumber(nodata);
  return fitsDtype(value, dtype) ? value : undefined;
}

function samplesOf(dtype: Dtype, bytes: Buffer, count: number): SampleArray {
  return viewSamples(dtype, bytes.buffer, bytes.byteOffset, count);
}

function burnInvalid(samples: SampleArray, validity: Uint8Array, nodata: number): void {
  for (let i = 0; i < samples.length; i++) if (validity[i] === 0) samples[i] = nodata;
}

/** Fills `target` from the place on; the shared file is as long as its planes. */
async function readFully(fd: number, target: Buffer, position: number): Promise<void> {
  for (let at = 0; at < target.length; ) {
    // oxlint-disable-next-line no-await-in-loop
    const { bytesRead } = await readAt(fd, target, at, target.length - at, position + at);
    if (bytesRead === 0) throw new RangeError(`the shared file ends at ${String(position + at)}; wanted ${String(target.length - at)} bytes more`);
    at += bytesRead;
  }
}

/** A write to a file that isn't on a full disk takes everything, but nothing says so. */
async function writeFully(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    // oxlint-disable-next-line no-await-in-loop
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}
