/**
 * TIFF predictors, the writing direction, in the byte order of this machine (little-endian, checked in block-encoder.ts).
 * Predictor 2: TIFF 6.0 section 14. Predictor 3: Adobe Photoshop TIFF Technical Note 3.
 */

type IntegerSamples = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array;

/**
 * Replaces each sample by its difference from the sample of the same band one pixel to the left, in place.
 * @param samples pixel-interleaved rows: (rows, columns, bands)
 */
export function differenceHorizontally(samples: IntegerSamples, columns: number, rows: number, bands: number): void {
  const rowSamples = columns * bands;
  for (let row = 0; row < rows; row++) differenceRow(samples, row * rowSamples, rowSamples, bands);
}

/** A row is a call, so that V8 compiles the loop as a function (docs/performance.md). */
function differenceRow(samples: IntegerSamples, start: number, rowSamples: number, bands: number): void {
  for (let i = start + rowSamples - 1; i >= start + bands; i--) samples[i] = (samples[i] as number) - (samples[i - bands] as number);
}

/**
 * Predictor 3 for 4-byte floats: each row's bytes are sorted by significance, most significant first, and then differenced byte by byte.
 * @param words the bits of the floats: (rows, columns, bands), of which those from `first` on are taken
 * @param stride words from one row to the next
 * @param target four bytes for each word, rows close together
 */
export function predictFloat32(
  words: Uint32Array,
  first: number,
  stride: number,
  columns: number,
  rows: number,
  bands: number,
  target: Uint8Array,
): void {
  const rowSamples = columns * bands;
  if (bands === 1 && columns % 4 === 0 && target.byteOffset % 4 === 0) {
    predictQuads(words, first, stride, columns, rows, new Uint32Array(target.buffer, target.byteOffset, rows * columns));
    return;
  }
  for (let row = 0; row < rows; row++) {
    const from = first + row * stride;
    const p0 = row * rowSamples * 4;
    const p1 = p0 + rowSamples;
    const p2 = p1 + rowSamples;
    const p3 = p2 + rowSamples;
    // What stands `bands` bytes to the left runs on over the borders of the four planes: the whole row is one byte sequence.
    for (let i = 0; i < Math.min(bands, rowSamples); i++) {
      const word = words[from + i] as number;
      const left = words[from + rowSamples - bands + i] as number;
      target[p0 + i] = word >>> 24;
      target[p1 + i] = (word >>> 16) - (left >>> 24);
      target[p2 + i] = (word >>> 8) - (left >>> 16);
      target[p3 + i] = word - (left >>> 8);
    }
    for (let i = bands; i < rowSamples; i++) {
      const word = words[from + i] as number;
      const left = words[from + i - bands] as number;
      target[p0 + i] = (word >>> 24) - (left >>> 24);
      target[p1 + i] = (word >>> 16) - (left >>> 16);
      target[p2 + i] = (word >>> 8) - (left >>> 8);
      target[p3 + i] = word - left;
    }
  }
}

function predictQuads(words: Uint32Array, first: number, stride: number, columns: number, rows: number, target: Uint32Array): void {
  for (let row = 0; row < rows; row++) predictQuadRow(words, first + row * stride, columns, target, row * columns);
}

/**
 * One row of one band, four floats at a time: the four bytes of each are differenced at once in a word (the highest bit of each byte is kept apart, so that nothing is
 * borrowed from the next), and then the bytes of four words are sorted into four others, one for each plane. Half as fast again as byte by byte.
 */
function predictQuadRow(words: Uint32Array, from: number, columns: number, target: Uint32Array, start: number): void {
  const high = 0x80808080;
  const low = 0x7f7f7f7f;
  const quads = columns >> 2;
  // The planes follow each other: left of a plane's first byte is the last one of the plane before, and left of the first plane is nothing.
  let left = (words[from + columns - 1] as number) >>> 8;
  for (let i = from, to = start; i < from + columns; i += 4, to++) {
    const a = (words[i] as number) | 0;
    const b = (words[i + 1] as number) | 0;
    const c = (words[i + 2] as number) | 0;
    const d = (words[i + 3] as number) | 0;
    const da = ((a | high) - (left & low)) ^ ((a ^ ~left) & high);
    const db = ((b | high) - (a & low)) ^ ((b ^ ~a) & high);
    const dc = ((c | high) - (b & low)) ^ ((c ^ ~b) & high);
    const dd = ((d | high) - (c & low)) ^ ((d ^ ~c) & high);
    left = d;
    target[to] = (da >>> 24) | ((db >>> 16) & 0xff00) | ((dc >>> 8) & 0xff0000) | (dd & 0xff000000);
    target[to + quads] = ((da >>> 16) & 0xff) | ((db >>> 8) & 0xff00) | (dc & 0xff0000) | ((dd << 8) & 0xff000000);
    target[to + 2 * quads] = ((da >>> 8) & 0xff) | (db & 0xff00) | ((dc << 8) & 0xff0000) | ((dd << 16) & 0xff000000);
    target[to + 3 * quads] = (da & 0xff) | ((db << 8) & 0xff00) | ((dc << 16) & 0xff0000) | (dd << 24);
  }
}

/** The same for 8-byte floats; `bytes` are the samples' bytes, little-endian. */
export function predictFloat64(bytes: Uint8Array, columns: number, rows: number, bands: number, target: Uint8Array): void {
  const rowSamples = columns * bands;
  const rowBytes = rowSamples * 8;
  for (let row = 0; row < rows; row++) {
    const start = row * rowBytes;
    for (let plane = 0; plane < 8; plane++) {
      let to = start + plane * rowSamples;
      for (let from = start + 7 - plane, i = 0; i < rowSamples; i++, from += 8) target[to++] = bytes[from] as number;
    }
    for (let i = start + rowBytes - 1; i >= start + bands; i--) target[i] = (target[i] as number) - (target[i - bands] as number);
  }
}
