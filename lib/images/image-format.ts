/** Which image format bytes are of, by what they begin with: the name of a file says nothing, and nothing that isn't on this list gets to a decoder. */
import { DataError } from '../base/errors.ts';

/** Formats that are read; all but SVG are written, too. */
export const imageFormats = ['jpeg', 'png', 'webp', 'avif', 'tiff', 'gif', 'svg'] as const;
export type ImageFormat = (typeof imageFormats)[number];
export type WrittenFormat = Exclude<ImageFormat, 'svg'>;

/** How files of a format are called, and what Content-Type they are served with (IANA media types). */
export const formatFacts: Readonly<Record<WrittenFormat, { readonly extension: string; readonly contentType: string; readonly alpha: boolean; readonly animated: boolean; readonly maxSidePx: number }>> = {
  jpeg: { extension: 'jpg', contentType: 'image/jpeg', alpha: false, animated: false, maxSidePx: 65_535 },
  png: { extension: 'png', contentType: 'image/png', alpha: true, animated: false, maxSidePx: 1_000_000 },
  webp: { extension: 'webp', contentType: 'image/webp', alpha: true, animated: true, maxSidePx: 16_383 },
  avif: { extension: 'avif', contentType: 'image/avif', alpha: true, animated: false, maxSidePx: 16_384 },
  tiff: { extension: 'tif', contentType: 'image/tiff', alpha: true, animated: false, maxSidePx: 1_000_000 },
  gif: { extension: 'gif', contentType: 'image/gif', alpha: true, animated: true, maxSidePx: 65_535 },
};

/** First bytes as Latin-1, at an offset. */
type Signature = readonly [offset: number, text: string];

const readable: readonly (readonly [ImageFormat, Signature])[] = [
  ['jpeg', [0, '\xFF\xD8\xFF']],
  ['png', [0, '\x89PNG\r\n\x1A\n']],
  ['gif', [0, 'GIF87a']],
  ['gif', [0, 'GIF89a']],
  ['webp', [8, 'WEBP']],
  ['tiff', [0, 'II*\0']],
  ['tiff', [0, 'MM\0*']],
  ['tiff', [0, 'II+\0']],
  ['tiff', [0, 'MM\0+']],
];

/** What people upload beside images, so that they are told what it was. */
const foreign: readonly (readonly [string, Signature])[] = [
  ['a ZIP archive (or an Office document)', [0, 'PK']],
  ['a gzip file', [0, '\x1F\x8B']],
  ['a PDF', [0, '%PDF']],
  ['a BMP', [0, 'BM']],
  ['an icon (ICO)', [0, '\0\0\x01\0']],
  ['a Photoshop file', [0, '8BPS']],
  ['a JPEG 2000 file', [4, 'jP  ']],
  ['a JPEG XL file', [0, '\xFF\x0A']],
  ['a JPEG XL file', [4, 'JXL ']],
  ['a video or sound (RIFF)', [0, 'RIFF']],
];

const wanted = 'wanted a JPEG, PNG, WebP, AVIF, TIFF, GIF or SVG';
/** How far into a file libvips looks for the element `svg`, after comments and a document type (vips_foreign_load_svg_is_a). */
const svgStartBytes = 1000;

/** @throws DataError IMAGE_EMPTY, IMAGE_FORMAT with what was found instead */
export function findImageFormat(bytes: Uint8Array): ImageFormat {
  if (bytes.length === 0) throw new DataError('IMAGE_EMPTY', `${wanted}, found an empty file`);
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, svgStartBytes));
  const has = ([offset, text]: Signature): boolean => start.toString('latin1', offset, offset + text.length) === text;
  const format = readable.find(([, signature]) => has(signature))?.[0] ?? (has([4, 'ftyp']) ? formatOfBoxes(start) : undefined) ?? (isSvg(start) ? 'svg' : undefined);
  if (format !== undefined) return format;
  const other = foreign.find(([, signature]) => has(signature))?.[0] ?? (isText(start) ? textKind(start) : 'bytes of an unknown format');
  throw notAnImage(`${other}, ${String(bytes.length)} bytes, beginning with ${excerpt(start)}`);
}

function notAnImage(found: string): DataError {
  return new DataError('IMAGE_FORMAT', `${wanted}, found ${found}`);
}

/** ISO base media files say what they are in the brands of their first box (ISO/IEC 14496-12, 4.3). */
function formatOfBoxes(start: Buffer): ImageFormat {
  const boxBytes = Math.min(start.readUInt32BE(0), start.length);
  const brands = [start.toString('latin1', 8, 12)];
  for (let at = 16; at + 4 <= boxBytes; at += 4) brands.push(start.toString('latin1', at, at + 4));
  if (brands.includes('avif') || brands.includes('avis')) return 'avif';
  if (brands.some((brand) => /^(?:he[ivx][cmsx]|mif1|msf1)$/.test(brand))) throw notAnImage('a HEIC photo, whose codec (HEVC) is patented and not built in; cameras can be set to JPEG ("most compatible")');
  throw notAnImage(`a video or sound of the brand ${JSON.stringify(brands[0])}`);
}

function textOf(start: Buffer): string {
  const little = start[0] === 0xff && start[1] === 0xfe;
  return start.toString(little ? 'utf16le' : 'utf8').replace(/^\uFEFF/, '');
}

function isSvg(start: Buffer): boolean {
  const text = textOf(start);
  return /^\s*</.test(text) && /<(?:[A-Za-z_][\w.-]{0,30}:)?svg[\s/>]/.test(text);
}

function isText(start: Buffer): boolean {
  // Not UTF-8 is \uFFFD; only the last character may be cut through.
  return !/[\0-\x08\x0E-\x1A]|\uFFFD[^\uFFFD]|^\uFFFD/.test(textOf(start));
}

function textKind(start: Buffer): string {
  return /^\s*<(?:\?xml|!DOCTYPE svg)/.test(textOf(start)) ? `XML without an element svg in its first ${String(svgStartBytes)} bytes` : 'text';
}

function excerpt(start: Buffer): string {
  return isText(start) ? JSON.stringify(textOf(start).slice(0, 24)) : `the bytes ${start.toString('hex', 0, 8)}`;
}
