/**
 * JPEG in TIFF (TIFF Technical Note 2): each block is a stream of its own that leaves its tables to tag 347.
 *
 * The note says that PhotometricInterpretation alone tells RGB from YCbCr. A decoder of JPEG files guesses it from markers instead, so the
 * stream gets Adobe's APP14 marker, which says it, and loses all APP markers of its own (JFIF would mean YCbCr, EXIF could turn it).
 */

import { messageOf } from '../base/errors.ts';
import { blockError, type DecodedSize } from './codec-bytes.ts';
import { decodedRows, type BlockLayout, samplesPerBlockPixel } from './layout.ts';

const marker = { soi: 0xd8, eoi: 0xd9, sos: 0xda, app0: 0xe0, app14: 0xee, app15: 0xef, comment: 0xfe } as const;

/** Each scan of a progressive stream is a pass over the whole block, and takes a few bytes only; libtiff draws the line here, too. */
const maxScans = 100;

/** Baseline, extended sequential and progressive Huffman frames. */
const readableFrames = new Set([0xc0, 0xc1, 0xc2]);
/** All start-of-frame markers: C0 to CF but DHT (C4), JPG (C8), DAC (CC). */
const isFrame = (code: number): boolean => code >= 0xc0 && code <= 0xcf && code !== 0xc4 && code !== 0xc8 && code !== 0xcc;

/** @throws DataError TIFF_BAD_BLOCK when the stream is damaged or of another size or kind than the layout says. */
export async function decodeJpeg(layout: BlockLayout, index: number, bytes: Uint8Array, size: DecodedSize): Promise<Uint8Array> {
  const components = samplesPerBlockPixel(layout);
  const stream = Buffer.concat(standaloneStream(layout, index, bytes));
  const { default: sharp } = await import('sharp');
  try {
    const image = sharp(stream, { failOn: 'warning', limitInputPixels: layout.blockWidth * layout.blockHeight });
    const { data, info } = await image
      .toColourspace(components === 1 ? 'b-w' : 'srgb')
      .raw()
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== components) throw new Error(`${info.channels} components; wanted ${components}`);
    if (data.length < size.wanted) throw new Error(`${data.length} bytes; wanted ${size.wanted}`);
    return data;
  } catch (error) {
    throw blockError(layout, index, `can't be decoded: ${messageOf(error)}`, error);
  }
}

function standaloneStream(layout: BlockLayout, index: number, bytes: Uint8Array): Buffer[] {
  const block = Buffer.from(bytes);
  const tables = Buffer.from(layout.jpegTables ?? '', 'base64');
  return [
    Buffer.from([0xff, marker.soi]),
    adobeMarker(layout.photometric === 6 ? 1 : 0),
    ...(tables.length === 0 ? [] : segments(layout, index, tables, 'JPEGTables')),
    ...segments(layout, index, block, 'stream'),
  ];
}

/** The marker segments of a stream without SOI, EOI and APP markers; from SOS on all that follows is one piece. */
function segments(layout: BlockLayout, index: number, stream: Buffer, what: 'JPEGTables' | 'stream'): Buffer[] {
  const broken = (found: string): Error => blockError(layout, index, `can't be decoded: the JPEG ${what} ${found}`);
  if (stream[0] !== 0xff || stream[1] !== marker.soi) throw broken('does not begin with SOI (ffd8)');
  const pieces: Buffer[] = [];
  let frames = 0;
  let at = 2;
  while (at + 4 <= stream.length) {
    if (stream[at] !== 0xff) throw broken(`has no marker at byte ${at}`);
    const code = stream[at + 1] ?? 0;
    if (code === 0xff) {
      at++;
      continue;
    }
    if (code === marker.eoi) break;
    if (code === marker.sos) {
      if (frames !== 1) throw broken(`has ${frames} frames before its scan; wanted 1`);
      if (hasTooManyScans(stream, at)) throw broken(`has more than ${maxScans} scans`);
      pieces.push(stream.subarray(at));
      return pieces;
    }
    const end = at + 2 + stream.readUInt16BE(at + 2);
    if (end > stream.length || end < at + 4) throw broken(`ends within marker ${code.toString(16)} at byte ${at}`);
    if (isFrame(code)) {
      checkFrame(layout, index, code, stream.subarray(at + 4, end));
      frames++;
    }
    const ownKind = (code >= marker.app0 && code <= marker.app15) || code === marker.comment;
    if (!ownKind) pieces.push(stream.subarray(at, end));
    at = end;
  }
  if (what === 'stream') throw broken('has no scan');
  return pieces;
}

/** Counts the SOS markers from `at` on. Coded data can't hold one, because a byte ff is followed by 00 there. */
function hasTooManyScans(stream: Buffer, at: number): boolean {
  const mark = Buffer.from([0xff, marker.sos]);
  let scans = 0;
  for (let next = at; next >= 0 && scans <= maxScans; next = stream.indexOf(mark, next + 2)) scans++;
  return scans > maxScans;
}

function checkFrame(layout: BlockLayout, index: number, code: number, frame: Buffer): void {
  if (frame.length < 6) throw blockError(layout, index, `can't be decoded: the JPEG frame has ${frame.length} bytes`);
  const bits = frame.readUInt8(0);
  const height = frame.readUInt16BE(1);
  const width = frame.readUInt16BE(3);
  const components = frame.readUInt8(5);
  const wanted = samplesPerBlockPixel(layout);
  const rows = decodedRows(layout, index);
  const fits = width === layout.blockWidth && height >= rows && height <= layout.blockHeight;
  if (!fits || components !== wanted || bits !== 8 || !readableFrames.has(code)) {
    throw blockError(layout, index, `holds a JPEG of ${width} x ${height} pixels, ${components} components of ${bits} bits, frame type ${code - 0xc0}; wanted ${layout.blockWidth} x ${rows} pixels, ${wanted} components of 8 bits, frame type 0 to 2`);
  }
}

/** Adobe's APP14 marker (Technical Note 5116): transform 0 is RGB or grey, 1 is YCbCr. */
function adobeMarker(transform: 0 | 1): Buffer {
  const name = Buffer.from('Adobe', 'latin1');
  return Buffer.concat([Buffer.from([0xff, marker.app14, 0, 14]), name, Buffer.from([0, 100, 0, 0, 0, 0, transform])]);
}
