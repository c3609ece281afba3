/**
 * The next level of a plane: each sample is the average of 2 x 2 cells, or of those that there are at the right and lower edge, without nodata
 * (lib/raster/pyramid.ts says how it is rounded). Most cells have no nodata near them, and are taken four or eight at a time.
 */

// @ts-ignore: decorator
@inline
function average<T extends number>(from: usize, columns: i32, rows: i32, to: usize, hasNodata: bool, nodata: T, replacement: T): void {
  const rowBytes = <usize>columns * sizeof<T>();
  const wide = (columns + 1) >> 1;
  for (let row = 0; row < rows; row += 2, from += 2 * rowBytes, to += <usize>wide * sizeof<T>()) {
    const below = row + 1 < rows;
    let cell = 0;
    if (below && LANES<T>() > 0) {
      for (; 2 * (cell + LANES<T>()) <= columns; cell += LANES<T>()) {
        const at = from + <usize>cell * 2 * sizeof<T>();
        if (together<T>(at, at + rowBytes, to + <usize>cell * sizeof<T>(), hasNodata, nodata)) continue;
        for (let i = cell; i < cell + LANES<T>(); i++) alone<T>(from, rowBytes, columns, i, below, to, hasNodata, nodata, replacement);
      }
    }
    for (; cell < wide; cell++) alone<T>(from, rowBytes, columns, cell, below, to, hasNodata, nodata, replacement);
  }
}

/** How many averages are made together; 0 where that isn't done. */
// @ts-ignore: decorator
@inline
function LANES<T extends number>(): i32 {
  if (isFloat<T>()) return sizeof<T>() === 4 ? 4 : 2;
  return sizeof<T>() === 1 ? 8 : sizeof<T>() === 2 ? 4 : 0;
}

/** Averages of whole cells side by side; false, and nothing is right, where nodata is among cells or averages. */
// @ts-ignore: decorator
@inline
function together<T extends number>(above: usize, below: usize, to: usize, hasNodata: bool, nodata: T): bool {
  if (isFloat<T>()) return sizeof<T>() === 4 ? together32(above, below, to, hasNodata, <f32>nodata) : together64(above, below, to, hasNodata, <f64>nodata);
  const upper = v128.load(above);
  const lower = v128.load(below);
  const none = v128.splat<T>(nodata);
  if (hasNodata && v128.any_true(v128.or(v128.eq<T>(upper, none), v128.eq<T>(lower, none)))) return false;
  let mean: v128;
  if (sizeof<T>() === 1) mean = isSigned<T>() ? quarter<i8, i16>(upper, lower) : quarter<u8, u16>(upper, lower);
  else mean = isSigned<T>() ? quarter<i16, i32>(upper, lower) : quarter<u16, u32>(upper, lower);
  if (hasNodata && v128.any_true(v128.eq<T>(mean, none))) return false;
  v128.store64_lane(to, mean, 0);
  return true;
}

/** Averages of whole cells of integers, to the nearest one, halves away from zero. `S` holds their sums. */
// @ts-ignore: decorator
@inline
function quarter<T extends number, S extends number>(upper: v128, lower: v128): v128 {
  const sum = v128.add<S>(v128.extadd_pairwise<T>(upper), v128.extadd_pairwise<T>(lower));
  // All bits where the sum is negative: of those the amount is rounded.
  const sign = isSigned<S>() ? v128.shr<S>(sum, 8 * sizeof<S>() - 1) : i32x4.splat(0);
  const amount = isSigned<S>() ? v128.abs<S>(sum) : sum;
  const rounded = v128.shr<S>(v128.add<S>(amount, v128.splat<S>(2)), 2);
  const mean = v128.sub<S>(v128.xor(rounded, sign), sign);
  return v128.narrow<S>(mean, mean);
}

// @ts-ignore: decorator
@inline
function together32(above: usize, below: usize, to: usize, hasNodata: bool, nodata: f32): bool {
  const a0 = v128.load(above);
  const a1 = v128.load(above, 16);
  const b0 = v128.load(below);
  const b1 = v128.load(below, 16);
  const isNumber = nodata === nodata;
  const none = f32x4.splat(nodata);
  if (hasNodata && isNumber && v128.any_true(v128.or(v128.or(f32x4.eq(a0, none), f32x4.eq(a1, none)), v128.or(f32x4.eq(b0, none), f32x4.eq(b1, none))))) return false;
  const a = v128.shuffle<f32>(a0, a1, 0, 2, 4, 6);
  const b = v128.shuffle<f32>(a0, a1, 1, 3, 5, 7);
  const c = v128.shuffle<f32>(b0, b1, 0, 2, 4, 6);
  const d = v128.shuffle<f32>(b0, b1, 1, 3, 5, 7);
  const low = sum32(a, b, c, d);
  const high = sum32(upperHalf(a), upperHalf(b), upperHalf(c), upperHalf(d));
  // A sum that is a number means that no cell is NaN.
  if (hasNodata && !isNumber && v128.any_true(v128.or(f64x2.ne(low, low), f64x2.ne(high, high)))) return false;
  const quarter = f64x2.splat(0.25);
  const mean = v128.shuffle<f64>(f32x4.demote_f64x2_zero(f64x2.mul(low, quarter)), f32x4.demote_f64x2_zero(f64x2.mul(high, quarter)), 0, 2);
  // The stored value counts: in float32 an average can round to nodata.
  if (hasNodata && isNumber && v128.any_true(f32x4.eq(mean, none))) return false;
  v128.store(to, mean);
  return true;
}

// @ts-ignore: decorator
@inline
function sum32(a: v128, b: v128, c: v128, d: v128): v128 {
  return f64x2.add(f64x2.add(f64x2.add(f64x2.promote_low_f32x4(a), f64x2.promote_low_f32x4(b)), f64x2.promote_low_f32x4(c)), f64x2.promote_low_f32x4(d));
}

// @ts-ignore: decorator
@inline
function upperHalf(values: v128): v128 {
  return v128.shuffle<f64>(values, values, 1, 1);
}

// @ts-ignore: decorator
@inline
function together64(above: usize, below: usize, to: usize, hasNodata: bool, nodata: f64): bool {
  const a0 = v128.load(above);
  const a1 = v128.load(above, 16);
  const b0 = v128.load(below);
  const b1 = v128.load(below, 16);
  const isNumber = nodata === nodata;
  const none = f64x2.splat(nodata);
  if (hasNodata && isNumber && v128.any_true(v128.or(v128.or(f64x2.eq(a0, none), f64x2.eq(a1, none)), v128.or(f64x2.eq(b0, none), f64x2.eq(b1, none))))) return false;
  const left = f64x2.add(v128.shuffle<f64>(a0, a1, 0, 2), v128.shuffle<f64>(a0, a1, 1, 3));
  const sum = f64x2.add(f64x2.add(left, v128.shuffle<f64>(b0, b1, 0, 2)), v128.shuffle<f64>(b0, b1, 1, 3));
  if (hasNodata && !isNumber && v128.any_true(f64x2.ne(sum, sum))) return false;
  const mean = f64x2.mul(sum, f64x2.splat(0.25));
  if (hasNodata && isNumber && v128.any_true(f64x2.eq(mean, none))) return false;
  v128.store(to, mean);
  return true;
}

/** One average, of the cells that exist. Nodata when none of them counts, and only then. */
function alone<T extends number>(above: usize, rowBytes: usize, columns: i32, cell: i32, hasBelow: bool, to: usize, hasNodata: bool, nodata: T, replacement: T): void {
  const at = above + <usize>cell * 2 * sizeof<T>();
  const hasRight = 2 * cell + 1 < columns;
  let sum: f64 = 0;
  let count: f64 = 0;
  for (let i = 0; i < 4; i++) {
    if (((i & 1) !== 0 && !hasRight) || (i > 1 && !hasBelow)) continue;
    const value = load<T>(at + (i & 1) * sizeof<T>() + (i > 1 ? rowBytes : 0));
    if (hasNodata && (value === nodata || (isFloat<T>() && nodata !== nodata && value !== value))) continue;
    sum = count === 0 ? <f64>value : sum + <f64>value;
    count++;
  }
  let mean: T = nodata;
  if (count > 0) {
    // Where a cell is missing, zero is counted from: there is no negative one then.
    const exact = (count < 4 ? sum + 0 : sum) / count;
    // Integers to the nearest one, halves away from zero.
    if (isFloat<T>()) mean = <T>exact;
    else mean = <T>(exact < 0 ? Math.ceil(exact - 0.5) : Math.floor(exact + 0.5));
    if (hasNodata && mean === nodata) mean = replacement;
  }
  store<T>(to + <usize>cell * sizeof<T>(), mean);
}

export function average_uint8(from: usize, columns: i32, rows: i32, to: usize, hasNodata: bool, nodata: f64, replacement: f64): void { average<u8>(from, columns, rows, to, hasNodata, <u8>nodata, <u8>replacement); }
export function average_int8(from: usize, columns: i32, rows: i32, to: usize, hasNodata: bool, nodata: f64, replacement: f64): void { average<i8>(from, columns, rows, to, hasNodata, <i8>nodata, <i8>replacement); }
export function average_uint16(from: usize, columns: i32, rows: i32, to: usize, hasNodata: bool, nodata: f64, replacement: f64): void { average<u16>(from, columns, rows, to, hasNodata, <u16>nodata, <u16>replacement); }
export function average_int16(from: usize, columns: i32, rows: i32, to: usize, hasNodata: bool, nodata: f64, replacement: f64): void { average<i16>(from, columns, rows, to, hasNodata, <i16>nodata, <i16>replacement); }
export function average_uint32(from: usize, columns: i32, rows: i32, to: usize, hasNodata: bool, nodata: f64, replacement: f64): void { average<u32>(from, columns, rows, to, hasNodata, <u32>nodata, <u32>replacement); }
export function average_int32(from: usize, columns: i32, rows: i32, to: usize, hasNodata: bool, nodata: f64, replacement: f64): void { average<i32>(from, columns, rows, to, hasNodata, <i32>nodata, <i32>replacement); }
export function average_float32(from: usize, columns: i32, rows: i32, to: usize, hasNodata: bool, nodata: f64, replacement: f64): void { average<f32>(from, columns, rows, to, hasNodata, <f32>nodata, <f32>replacement); }
export function average_float64(from: usize, columns: i32, rows: i32, to: usize, hasNodata: bool, nodata: f64, replacement: f64): void { average<f64>(from, columns, rows, to, hasNodata, nodata, replacement); }
