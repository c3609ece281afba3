/**
 * LERC in TIFF (compression 34887; libtiff's tif_lerc.c is its definition): each block is one LERC2 blob, perhaps inside deflate or zstd.
 *
 * A blob holds the bands of a pixel side by side ("depth"); or, since liblerc 3, floating point bands one after the other with a mask each;
 * or, with uint8 and alpha, one band less, with alpha in the mask. Masked floating point samples are NaN.
 */

import type { LercData } from 'lerc';
import { type SampleArray, viewSamples } from '../raster/dtype.ts';
import { blockError, checkLength, type DecodedSize, guarded, unpackStream } from './codec-bytes.ts';
import { type DecodeMemory } from './decode-memory.ts';
import { decodedRows, type BlockLayout, samplesPerBlockPixel } from './layout.ts';

type Lerc = typeof import('lerc');

const pixelTypes = { int8: 'S8', uint8: 'U8', int16: 'S16', uint16: 'U16', int32: 'S32', uint32: 'U32', float32: 'F32', float64: 'F64' } as const;

/** The decoder is WebAssembly, which must be started once; from then on it decodes without a promise. */
export class LercDecoder {
  #lerc: Lerc | undefined;

  decode(layout: BlockLayout, index: number, bytes: Uint8Array, size: DecodedSize, memory: DecodeMemory): Uint8Array | Promise<Uint8Array> {
    const lerc = this.#lerc;
    return lerc === undefined ? this.#start().then((started) => decodeBlob(started, layout, index, bytes, size, memory)) : decodeBlob(lerc, layout, index, bytes, size, memory);
  }

  async #start(): Promise<Lerc> {
    const lerc = await import('lerc');
    await lerc.load();
    this.#lerc = lerc;
    return lerc;
  }
}

function decodeBlob(lerc: Lerc, layout: BlockLayout, index: number, bytes: Uint8Array, size: DecodedSize, memory: DecodeMemory): Uint8Array {
  const blob = unwrap(layout, index, bytes, size, memory);
  checkBlob(layout, index, blob);
  const decoded = guarded(layout, index, size, () => lerc.decode(blob, { returnInterleaved: true }));
  if (decoded.pixelType !== pixelTypes[layout.dtype]) {
    throw blockError(layout, index, `holds samples of type ${decoded.pixelType}; wanted ${pixelTypes[layout.dtype]}`);
  }
  return checkLength(layout, index, interleaved(layout, index, decoded), size);
}

/** Undoes the compression around the blob; libtiff gives it a third more room than the samples and 64 KiB besides. */
function unwrap(layout: BlockLayout, index: number, bytes: Uint8Array, size: DecodedSize, memory: DecodeMemory): Uint8Array {
  const room = { wanted: 0, most: size.most + Math.ceil(size.most / 3) + 65_536 };
  const { lercInner: inner } = layout;
  if (inner === 'deflate' || inner === 'zstd') return unpackStream(layout, index, bytes, room, memory.stream(inner), memory.room(room.most + 1));
  // The decoder copies the blob into its own memory, but reads the header through a view that must not be shared.
  return new Uint8Array(bytes);
}

/**
 * Checks size and depth before the decoder allocates anything for them. LERC2 header: "Lerc2 ", version, checksum (from version 3), rows,
 * columns, depth (from version 4), all int32 in little-endian order (Lerc2.h, HeaderInfo).
 */
function checkBlob(layout: BlockLayout, index: number, blob: Uint8Array): void {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  const magic = Buffer.from(blob.subarray(0, 6)).toString('latin1');
  if (magic !== 'Lerc2 ' || blob.length < 42) {
    throw blockError(layout, index, `is no LERC2 blob: ${blob.length} bytes that begin with ${JSON.stringify(magic)}`);
  }
  const version = view.getInt32(6, true);
  const at = version >= 3 ? 14 : 10;
  const rows = view.getInt32(at, true);
  const columns = view.getInt32(at + 4, true);
  const depth = version >= 4 ? view.getInt32(at + 8, true) : 1;
  const wantedRows = decodedRows(layout, index);
  const samples = samplesPerBlockPixel(layout);
  const depthFits = depth === samples || depth === 1 || (depth === samples - 1 && layout.dtype === 'uint8');
  if (version < 1 || version > 6 || rows !== wantedRows || columns !== layout.blockWidth || !depthFits) {
    throw blockError(layout, index, `holds a LERC blob of version ${version}, ${columns} x ${rows} pixels, depth ${depth}; wanted version 1 to 6, ${layout.blockWidth} x ${wantedRows} pixels, depth ${samples}`);
  }
}

/** The samples by pixel, as other codecs leave them. */
function interleaved(layout: BlockLayout, index: number, decoded: LercData): Uint8Array {
  const samples = samplesPerBlockPixel(layout);
  const { pixels, depthCount, mask, bandMasks } = decoded;
  const [first] = pixels;
  if (first !== undefined && pixels.length === 1 && depthCount === samples) {
    const band = typedView(layout, first);
    if (mask !== null && layout.sampleFormat === 'float') maskWithNaN(band, samples, 0, samples, mask);
    return bytesOf(band);
  }
  const count = decoded.width * decoded.height;
  const all = typedView(layout, new Uint8Array(count * samples * (layout.bitsPerSample / 8)));
  if (first !== undefined && pixels.length === 1 && depthCount === samples - 1 && layout.dtype === 'uint8') {
    for (let i = 0; i < count; i++) {
      for (let depth = 0; depth < depthCount; depth++) all[i * samples + depth] = first[i * depthCount + depth] ?? 0;
      all[i * samples + depthCount] = mask === null || mask[i] !== 0 ? 255 : 0;
    }
    return bytesOf(all);
  }
  if (pixels.length !== samples || depthCount !== 1) {
    throw blockError(layout, index, `holds ${pixels.length} bands of depth ${depthCount}; wanted ${samples} samples a pixel`);
  }
  for (const [band, plane] of pixels.entries()) {
    for (let i = 0; i < count; i++) all[i * samples + band] = plane[i] ?? 0;
    const own = bandMasks?.[band] ?? mask;
    if (own !== null && layout.sampleFormat === 'float') maskWithNaN(all, samples, band, band + 1, own);
  }
  return bytesOf(all);
}

function maskWithNaN(target: SampleArray, step: number, from: number, to: number, mask: Uint8Array): void {
  for (let i = 0; i * step < target.length; i++) {
    if (mask[i] === 0) target.fill(Number.NaN, i * step + from, i * step + to);
  }
}

function typedView(layout: BlockLayout, array: LercData['pixels'][number]): SampleArray {
  return viewSamples(layout.dtype, array.buffer, array.byteOffset, array.byteLength / (layout.bitsPerSample / 8));
}

function bytesOf(samples: SampleArray): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
}
