/** TIFF's predictors, the writing direction. Predictor 2: TIFF 6.0 section 14. Predictor 3: Adobe Photoshop TIFF Technical Note 3. */

/** Replaces each sample by its difference from the one `distance` before it in its row, in place. */
// @ts-ignore: decorator
@inline
function difference<T extends number>(at: usize, columns: i32, rows: i32, distance: i32): void {
  const rowBytes = <usize>columns * sizeof<T>();
  const apart = <usize>distance * sizeof<T>();
  for (let row = 0; row < rows; row++, at += rowBytes) {
    const first = at + apart;
    // From the end, so that what lies before is still as it was.
    let end = at + rowBytes;
    for (; end >= first + 16; end -= 16) v128.store(end - 16, v128.sub<T>(v128.load(end - 16), v128.load(end - 16 - apart)));
    for (; end > first; end -= sizeof<T>()) store<T>(end - sizeof<T>(), <T>(load<T>(end - sizeof<T>()) - load<T>(end - sizeof<T>() - apart)));
  }
}

export function difference_8(at: usize, columns: i32, rows: i32, distance: i32): void { difference<u8>(at, columns, rows, distance); }
export function difference_16(at: usize, columns: i32, rows: i32, distance: i32): void { difference<u16>(at, columns, rows, distance); }
export function difference_32(at: usize, columns: i32, rows: i32, distance: i32): void { difference<u32>(at, columns, rows, distance); }

/**
 * Sorts the bytes of each row's samples by significance, most significant first, and differences them byte by byte.
 * @param stride samples from one row to the next; rows of the target lie close together
 * @param samples of a row
 * @param bands samples of a pixel: the distance in bytes
 */
export function predict_float32(from: usize, stride: i32, samples: i32, rows: i32, bands: i32, to: usize): void {
  const plane = <usize>samples;
  for (let row = 0; row < rows; row++, from += 4 * <usize>stride, to += 4 * plane) {
    let i: usize = 0;
    for (; i + 16 <= plane; i += 16) {
      const at = from + 4 * i;
      const a = v128.load(at);
      const b = v128.load(at, 16);
      const c = v128.load(at, 32);
      const d = v128.load(at, 48);
      const lowAb = i8x16.shuffle(a, b, 0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
      const highAb = i8x16.shuffle(a, b, 2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31);
      const lowCd = i8x16.shuffle(c, d, 0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
      const highCd = i8x16.shuffle(c, d, 2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31);
      v128.store(to + i, v128.shuffle<u64>(highAb, highCd, 1, 3));
      v128.store(to + plane + i, v128.shuffle<u64>(highAb, highCd, 0, 2));
      v128.store(to + 2 * plane + i, v128.shuffle<u64>(lowAb, lowCd, 1, 3));
      v128.store(to + 3 * plane + i, v128.shuffle<u64>(lowAb, lowCd, 0, 2));
    }
    for (; i < plane; i++) {
      for (let byte: usize = 0; byte < 4; byte++) store<u8>(to + byte * plane + i, load<u8>(from + 4 * i + 3 - byte));
    }
    difference<u8>(to, 4 * samples, 1, bands);
  }
}

/** The same for samples of eight bytes. */
export function predict_float64(from: usize, stride: i32, samples: i32, rows: i32, bands: i32, to: usize): void {
  const plane = <usize>samples;
  for (let row = 0; row < rows; row++, from += 8 * <usize>stride, to += 8 * plane) {
    for (let byte: usize = 0; byte < 8; byte++) {
      for (let i: usize = 0; i < plane; i++) store<u8>(to + byte * plane + i, load<u8>(from + 8 * i + 7 - byte));
    }
    difference<u8>(to, 8 * samples, 1, bands);
  }
}
