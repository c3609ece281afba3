/** Who made an image and who has the rights in it: the two EXIF fields that may be kept where all others go. */

/** Tags of IFD0 (EXIF 2.32, 4.6.4). */
const tags = new Map([
  [0x013b, 'Artist'],
  [0x8298, 'Copyright'],
]);
const asciiType = 2;
const utf8Type = 129;
const entryBytes = 12;

/**
 * The fields Artist and Copyright, where there are any. EXIF that is broken has none: it is not worth failing an image for.
 *
 * @param exif a whole EXIF block, with or without its leading `Exif\0\0`
 */
export function copyrightOf(exif: Uint8Array | undefined): Record<string, string> {
  const found: Record<string, string> = {};
  if (exif === undefined) return found;
  const whole = Buffer.from(exif.buffer, exif.byteOffset, exif.byteLength);
  const tiff = whole.toString('latin1', 0, 6) === 'Exif\0\0' ? whole.subarray(6) : whole;
  const little = tiff.toString('latin1', 0, 2) === 'II';
  const short = (at: number): number => (at + 2 > tiff.length ? 0 : little ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  const long = (at: number): number => (at + 4 > tiff.length ? 0 : little ? tiff.readUInt32LE(at) : tiff.readUInt32BE(at));
  const directory = long(4);
  for (let index = 0; index < short(directory); index++) {
    const entry = directory + 2 + index * entryBytes;
    const name = tags.get(short(entry));
    if (name === undefined || ![asciiType, utf8Type].includes(short(entry + 2))) continue;
    const length = long(entry + 4);
    const start = length <= 4 ? entry + 8 : long(entry + 8);
    // Copyright may hold the photographer's and the editor's, each with a NUL at its end.
    const text = tiff.toString('utf8', start, start + length).split('\0').map((part) => part.trim()).filter((part) => part !== '').join('; ');
    if (text !== '') found[name] = text;
  }
  return found;
}
