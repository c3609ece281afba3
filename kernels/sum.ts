/** TIFF's predictors, the reading direction: one band's samples of some columns, of rows that lie close together, summed up. */

/**
 * @param from the first sample of the first row
 * @param rowSamples from one row to the next
 * @param band within a pixel, whose samples are `step`
 * @param to where the rows go, `columns` each, close together
 */
// @ts-ignore: decorator
@inline
function sum<T extends number>(from: usize, rowSamples: i32, rows: i32, band: i32, step: i32, column: i32, columns: i32, to: usize): void {
  const apart = <usize>step * sizeof<T>();
  for (let row = 0; row < rows; row++, from += <usize>rowSamples * sizeof<T>()) {
    let total: T = <T>0;
    let at = from + <usize>band * sizeof<T>();
    for (const end = at + <usize>column * apart; at < end; at += apart) total = <T>(total + load<T>(at));
    if (step === 1 && sizeof<T>() < 8) {
      // Each sum is that of ever more samples to the left: one, two, four, and in samples of a byte eight.
      let before = v128.splat<T>(total);
      for (const end = at + ((<usize>columns * sizeof<T>()) & ~15); at < end; at += 16, to += 16) {
        let value = v128.load(at);
        if (sizeof<T>() === 1) value = v128.add<T>(value, i8x16.shuffle(value, i8x16.splat(0), 16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14));
        if (sizeof<T>() <= 2) value = v128.add<T>(value, i8x16.shuffle(value, i8x16.splat(0), 16, 16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13));
        value = v128.add<T>(value, i8x16.shuffle(value, i8x16.splat(0), 16, 16, 16, 16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
        value = v128.add<T>(value, i8x16.shuffle(value, i8x16.splat(0), 16, 16, 16, 16, 16, 16, 16, 16, 0, 1, 2, 3, 4, 5, 6, 7));
        value = v128.add<T>(value, before);
        v128.store(to, value);
        // The last sum is where the next ones begin.
        if (sizeof<T>() === 1) before = i8x16.shuffle(value, value, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15);
        else if (sizeof<T>() === 2) before = i8x16.shuffle(value, value, 14, 15, 14, 15, 14, 15, 14, 15, 14, 15, 14, 15, 14, 15, 14, 15);
        else before = i8x16.shuffle(value, value, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15);
      }
      total = v128.extract_lane<T>(before, 0);
    }
    for (const end = from + <usize>(band + (column + columns) * step) * sizeof<T>(); at < end; at += apart, to += sizeof<T>()) {
      total = <T>(total + load<T>(at));
      store<T>(to, total);
    }
  }
}

export function sum_8(from: usize, rowSamples: i32, rows: i32, band: i32, step: i32, column: i32, columns: i32, to: usize): void { sum<u8>(from, rowSamples, rows, band, step, column, columns, to); }
export function sum_16(from: usize, rowSamples: i32, rows: i32, band: i32, step: i32, column: i32, columns: i32, to: usize): void { sum<u16>(from, rowSamples, rows, band, step, column, columns, to); }
export function sum_32(from: usize, rowSamples: i32, rows: i32, band: i32, step: i32, column: i32, columns: i32, to: usize): void { sum<u32>(from, rowSamples, rows, band, step, column, columns, to); }
export function sum_64(from: usize, rowSamples: i32, rows: i32, band: i32, step: i32, column: i32, columns: i32, to: usize): void { sum<u64>(from, rowSamples, rows, band, step, column, columns, to); }

/**
 * Puts samples together from planes of their bytes, the most significant first, of which each row has as many as a sample has bytes.
 * @param pixels of a plane, of which those from `column` on are taken
 */
export function join_planes(from: usize, pixels: i32, rows: i32, column: i32, columns: i32, sampleBytes: i32, to: usize): void {
  const plane = <usize>pixels;
  for (let row = 0; row < rows; row++, from += plane * <usize>sampleBytes) {
    let i = <usize>column;
    const end = i + <usize>columns;
    if (sampleBytes === 4) {
      for (; i + 16 <= end; i += 16, to += 64) {
        const a = v128.load(from + 3 * plane + i);
        const b = v128.load(from + 2 * plane + i);
        const c = v128.load(from + plane + i);
        const d = v128.load(from + i);
        const low0 = i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        const low1 = i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        const high0 = i8x16.shuffle(c, d, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        const high1 = i8x16.shuffle(c, d, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        v128.store(to, v128.shuffle<u16>(low0, high0, 0, 8, 1, 9, 2, 10, 3, 11));
        v128.store(to, v128.shuffle<u16>(low0, high0, 4, 12, 5, 13, 6, 14, 7, 15), 16);
        v128.store(to, v128.shuffle<u16>(low1, high1, 0, 8, 1, 9, 2, 10, 3, 11), 32);
        v128.store(to, v128.shuffle<u16>(low1, high1, 4, 12, 5, 13, 6, 14, 7, 15), 48);
      }
    }
    for (; i < end; i++) for (let byte = sampleBytes - 1; byte >= 0; byte--, to++) store<u8>(to, load<u8>(from + <usize>byte * plane + i));
  }
}
