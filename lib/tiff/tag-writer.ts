/** Writes one image file directory (TIFF 6.0 section 2, BigTIFF) with the values that don't fit into its entries right behind it. */

export type IfdFormat = 'classic' | 'big';

/** Field types of TIFF 6.0, and 16 (LONG8) of BigTIFF. */
const fieldType = { ascii: 2, short: 3, long: 4, rational: 5, double: 12, long8: 16 } as const;

interface Entry {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  readonly bytes: number;
  readonly write: (view: DataView, offset: number) => void;
}

/** The entries of a directory, added in ascending order of their tags, little-endian. */
export class TagBlock {
  readonly #format: IfdFormat;
  readonly #entries: Entry[] = [];

  constructor(format: IfdFormat) {
    this.#format = format;
  }

  short(tag: number, values: readonly number[]): void {
    this.#add(tag, fieldType.short, 2, values.length, (view, offset) => {
      for (const [i, value] of values.entries()) view.setUint16(offset + 2 * i, value, true);
    });
  }

  long(tag: number, values: readonly number[]): void {
    this.#add(tag, fieldType.long, 4, values.length, (view, offset) => {
      for (const [i, value] of values.entries()) view.setUint32(offset + 4 * i, value, true);
    });
  }

  /** Whole numbers as fractions. */
  rational(tag: number, values: readonly number[]): void {
    this.#add(tag, fieldType.rational, 8, values.length, (view, offset) => {
      for (const [i, value] of values.entries()) {
        view.setUint32(offset + 8 * i, value, true);
        view.setUint32(offset + 8 * i + 4, 1, true);
      }
    });
  }

  double(tag: number, values: readonly number[]): void {
    this.#add(tag, fieldType.double, 8, values.length, (view, offset) => {
      for (const [i, value] of values.entries()) view.setFloat64(offset + 8 * i, value, true);
    });
  }

  /** Text in UTF-8, as GDAL writes it, ended by a NUL. */
  ascii(tag: number, text: string): void {
    const bytes = new TextEncoder().encode(`${text}\0`);
    this.#add(tag, fieldType.ascii, 1, bytes.length, (view, offset) => {
      new Uint8Array(view.buffer, view.byteOffset + offset).set(bytes);
    });
  }

  /** Offsets of blocks, or just their number while only the directory's length is wanted. */
  offsets(tag: number, values: Float64Array | number): void {
    const count = typeof values === 'number' ? values : values.length;
    const big = this.#format === 'big';
    this.#add(tag, big ? fieldType.long8 : fieldType.long, big ? 8 : 4, count, (view, offset) => {
      if (typeof values === 'number') return;
      for (let i = 0; i < count; i++) {
        const value = values[i] as number;
        if (!big) {
          view.setUint32(offset + 4 * i, value, true);
          continue;
        }
        view.setUint32(offset + 8 * i, value % 2 ** 32, true);
        view.setUint32(offset + 8 * i + 4, Math.floor(value / 2 ** 32), true);
      }
    });
  }

  /** Byte counts of blocks, or just their number. */
  lengths(tag: number, values: Uint32Array | number): void {
    const count = typeof values === 'number' ? values : values.length;
    this.#add(tag, fieldType.long, 4, count, (view, offset) => {
      if (typeof values === 'number') return;
      for (let i = 0; i < count; i++) view.setUint32(offset + 4 * i, values[i] as number, true);
    });
  }

  #add(tag: number, type: number, size: number, count: number, write: Entry['write']): void {
    this.#entries.push({ tag, type, count, bytes: size * count, write });
  }

  get #sizes(): { count: number; entry: number; pointer: number } {
    return this.#format === 'big' ? { count: 8, entry: 20, pointer: 8 } : { count: 2, entry: 12, pointer: 4 };
  }

  /** Bytes of the directory with its values. */
  get bytes(): number {
    const { count, entry, pointer } = this.#sizes;
    let bytes = align(count + entry * this.#entries.length + pointer);
    for (const { bytes: length } of this.#entries) if (length > pointer) bytes += align(length);
    return bytes;
  }

  /** Writes the directory at `offset`; `next` is the place of the one after it, or 0. */
  write(target: Uint8Array, offset: number, next: number): void {
    const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
    const { count, entry, pointer } = this.#sizes;
    const big = this.#format === 'big';
    if (big) view.setBigUint64(offset, BigInt(this.#entries.length), true);
    else view.setUint16(offset, this.#entries.length, true);
    const setPointer = (at: number, value: number): void => {
      if (big) view.setBigUint64(at, BigInt(value), true);
      else view.setUint32(at, value, true);
    };
    let at = offset + count;
    let values = offset + align(count + entry * this.#entries.length + pointer);
    for (const { tag, type, count: number, bytes, write } of this.#entries) {
      view.setUint16(at, tag, true);
      view.setUint16(at + 2, type, true);
      setPointer(at + 4, number);
      const place = at + 4 + pointer;
      if (bytes <= pointer) {
        write(view, place);
      } else {
        setPointer(place, values);
        write(view, values);
        values += align(bytes);
      }
      at += entry;
    }
    setPointer(at, next);
  }
}

function align(length: number): number {
  return Math.ceil(length / 8) * 8;
}
