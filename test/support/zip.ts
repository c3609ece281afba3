/** Reads the files of a small zip archive (PKZIP APPNOTE 4.3: end record, central directory, local headers). */
import { inflateRawSync } from 'node:zlib';

export function readZip(zip: Buffer): ReadonlyMap<string, Buffer> {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  const files = new Map<string, Buffer>();
  let entry = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => zip.readUInt16LE(entry + offset)) as [number, number, number];
    const header = zip.readUInt32LE(entry + 42);
    const start = header + 30 + zip.readUInt16LE(header + 26) + zip.readUInt16LE(header + 28);
    const bytes = zip.subarray(start, start + zip.readUInt32LE(entry + 20));
    const name = zip.toString('utf8', entry + 46, entry + 46 + nameLength);
    files.set(name, zip.readUInt16LE(entry + 10) === 0 ? bytes : inflateRawSync(bytes));
    entry += 46 + nameLength + extraLength + commentLength;
  }
  return files;
}
