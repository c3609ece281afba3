/** TIFF files put together tag by tag, for what GDAL does not write: broken, hostile and rare files. */

export interface Field {
  readonly tag: number;
  /** Field type: 1 BYTE, 2 ASCII, 3 SHORT, 4 LONG, 12 DOUBLE, 16 LONG8. */
  readonly type: 1 | 2 | 3 | 4 | 12 | 16;
  readonly values: readonly number[];
  /** Says a count that is not the number of values. */
  readonly count?: number;
  /** Says an offset that is not where the values are. */
  readonly offset?: number;
}

export interface HandMade {
  readonly bigTiff?: boolean;
  readonly byteOrder?: 'little' | 'big';
  /** One list of fields a directory. */
  readonly directories: readonly (readonly Field[])[];
  /** Offset that the last directory gives as the next; `cycle` for its own. */
  readonly next?: number | 'cycle';
  /** Bytes that lie at byte `blockOffset` of the file. */
  readonly blocks?: Uint8Array;
}

/** Where `blocks` lie: right behind the header. */
export const blockOffset = 16;

const sizes = { 1: 1, 2: 1, 3: 2, 4: 4, 12: 8, 16: 8 } as const;

/** A field of SHORT or LONG values. */
export function field(tag: number, ...values: readonly number[]): Field {
  return { tag, type: values.some((value) => value > 65_535) ? 4 : 3, values };
}

/** The tags of a striped image of one uint8 band in one strip, which `extra` overrides tag by tag. */
export function simpleImage(width: number, height: number, extra: readonly Field[] = []): Field[] {
  const fields = [
    field(256, width),
    field(257, height),
    field(258, 8),
    field(259, 1),
    field(262, 1),
    field(273, blockOffset),
    field(277, 1),
    field(278, height),
    field(279, width * height),
  ];
  const others = fields.filter(({ tag }) => !extra.some((other) => other.tag === tag));
  return [...others, ...extra].toSorted((a, b) => a.tag - b.tag);
}

/** The bytes of the file: header, blocks, then each directory with its values behind it. */
export function handMadeTiff(file: HandMade): Uint8Array {
  const { bigTiff = false, byteOrder = 'little', directories, blocks = new Uint8Array(64) } = file;
  const little = byteOrder === 'little';
  const bytes = new Uint8Array(blockOffset + blocks.length + directories.length * 4096 + 65_536);
  const view = new DataView(bytes.buffer);
  const word = (at: number, value: number): void => {
    if (bigTiff) view.setBigUint64(at, BigInt(value), little);
    else view.setUint32(at, value, little);
  };
  bytes.set(little ? [0x49, 0x49] : [0x4d, 0x4d]);
  view.setUint16(2, bigTiff ? 43 : 42, little);
  if (bigTiff) view.setUint16(4, 8, little);
  bytes.set(blocks, blockOffset);

  let at = blockOffset + blocks.length + (blocks.length % 2);
  let pointer = bigTiff ? 8 : 4;
  const wordBytes = bigTiff ? 8 : 4;
  for (const [index, fields] of directories.entries()) {
    const start = at;
    word(pointer, start);
    if (bigTiff) view.setBigUint64(at, BigInt(fields.length), little);
    else view.setUint16(at, fields.length, little);
    at += bigTiff ? 8 : 2;
    let outside = at + fields.length * (bigTiff ? 20 : 12) + wordBytes;
    for (const { tag, type, values, count = values.length, offset } of fields) {
      view.setUint16(at, tag, little);
      view.setUint16(at + 2, type, little);
      word(at + 4, count);
      const inline = values.length * sizes[type] <= wordBytes && offset === undefined;
      const valuesAt = inline ? at + 4 + wordBytes : (offset ?? outside);
      if (!inline) word(at + 4 + wordBytes, valuesAt);
      if (offset === undefined) {
        for (const [i, value] of values.entries()) writeValue(view, valuesAt + i * sizes[type], type, value, little);
      }
      if (!inline && offset === undefined) outside += values.length * sizes[type] + ((values.length * sizes[type]) % 2);
      at += bigTiff ? 20 : 12;
    }
    pointer = at;
    if (index === directories.length - 1 && file.next !== undefined) word(pointer, file.next === 'cycle' ? start : file.next);
    at = outside;
  }
  return bytes.subarray(0, at);
}

function writeValue(view: DataView, at: number, type: Field['type'], value: number, little: boolean): void {
  if (type === 3) view.setUint16(at, value, little);
  else if (type === 4) view.setUint32(at, value, little);
  else if (type === 12) view.setFloat64(at, value, little);
  else if (type === 16) view.setBigUint64(at, BigInt(value), little);
  else view.setUint8(at, value);
}
