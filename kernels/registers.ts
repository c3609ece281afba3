/**
 * What expressions do most: samples into registers of float64, operations on them, and registers into samples (lib/raster/expression/step-runner.ts).
 * `pixels` is the length of a register, a multiple of four. Validity is a byte a pixel, 0 or 1.
 */
import { firstTwo, fourLanes, lastTwo } from './lanes';

// @ts-ignore: decorator
@inline
function read<T extends number>(from: usize, pixels: i32, out: usize): void {
  for (const end = out + 8 * <usize>pixels; out < end; out += 32, from += 4 * sizeof<T>()) {
    const lanes = fourLanes<T>(from);
    v128.store(out, firstTwo<T>(lanes));
    v128.store(out, firstTwo<T>(lastTwo(lanes)), 16);
  }
}

/** The same, and which of the samples differ from `empty`, which may be NaN. @returns whether all of them do */
// @ts-ignore: decorator
@inline
function readValid<T extends number>(from: usize, pixels: i32, out: usize, empty: f64, valid: usize): bool {
  const isNumber = i32x4.splat(empty === empty ? -1 : 0);
  const possible = i32x4.splat(<f64><T>empty === empty ? -1 : 0);
  const none = isFloat<T>() ? f32x4.splat(<f32>empty) : i32x4.splat(<i32><T>empty);
  let all = i32x4.splat(-1);
  for (const end = valid + <usize>pixels; valid < end; valid += 4, out += 32, from += 4 * sizeof<T>()) {
    const lanes = fourLanes<T>(from);
    v128.store(out, firstTwo<T>(lanes));
    v128.store(out, firstTwo<T>(lastTwo(lanes)), 16);
    let differs: v128;
    if (isFloat<T>()) differs = v128.not(v128.bitselect(v128.and(f32x4.eq(lanes, none), possible), f32x4.ne(lanes, lanes), isNumber));
    else differs = v128.not(v128.and(i32x4.eq(lanes, none), possible));
    all = v128.and(all, differs);
    storeValidity(valid, differs);
  }
  return i32x4.all_true(all);
}

/** Four lanes, all bits or none, as four bytes. */
// @ts-ignore: decorator
@inline
function storeValidity(at: usize, lanes: v128): void {
  const halves = i16x8.narrow_i32x4_s(lanes, lanes);
  store<u32>(at, i32x4.extract_lane(i8x16.narrow_i16x8_s(halves, halves), 0) & 0x01010101);
}

export function read_uint8(from: usize, pixels: i32, out: usize): void { read<u8>(from, pixels, out); }
export function read_int8(from: usize, pixels: i32, out: usize): void { read<i8>(from, pixels, out); }
export function read_uint16(from: usize, pixels: i32, out: usize): void { read<u16>(from, pixels, out); }
export function read_int16(from: usize, pixels: i32, out: usize): void { read<i16>(from, pixels, out); }
export function read_uint32(from: usize, pixels: i32, out: usize): void { read<u32>(from, pixels, out); }
export function read_int32(from: usize, pixels: i32, out: usize): void { read<i32>(from, pixels, out); }
export function read_float32(from: usize, pixels: i32, out: usize): void { read<f32>(from, pixels, out); }
export function readValid_uint8(from: usize, pixels: i32, out: usize, empty: f64, valid: usize): bool { return readValid<u8>(from, pixels, out, empty, valid); }
export function readValid_int8(from: usize, pixels: i32, out: usize, empty: f64, valid: usize): bool { return readValid<i8>(from, pixels, out, empty, valid); }
export function readValid_uint16(from: usize, pixels: i32, out: usize, empty: f64, valid: usize): bool { return readValid<u16>(from, pixels, out, empty, valid); }
export function readValid_int16(from: usize, pixels: i32, out: usize, empty: f64, valid: usize): bool { return readValid<i16>(from, pixels, out, empty, valid); }
export function readValid_uint32(from: usize, pixels: i32, out: usize, empty: f64, valid: usize): bool { return readValid<u32>(from, pixels, out, empty, valid); }
export function readValid_int32(from: usize, pixels: i32, out: usize, empty: f64, valid: usize): bool { return readValid<i32>(from, pixels, out, empty, valid); }
export function readValid_float32(from: usize, pixels: i32, out: usize, empty: f64, valid: usize): bool { return readValid<f32>(from, pixels, out, empty, valid); }

export function read_float64(from: usize, pixels: i32, out: usize): void {
  memory.copy(out, from, 8 * <usize>pixels);
}

export function readValid_float64(from: usize, pixels: i32, out: usize, empty: f64, valid: usize): bool {
  const isNumber = empty === empty;
  let all = true;
  for (const end = out + 8 * <usize>pixels; out < end; out += 8, from += 8, valid++) {
    const value = load<f64>(from);
    store<f64>(out, value);
    const differs = isNumber ? value !== empty : value === value;
    store<u8>(valid, differs ? 1 : 0);
    all = all && differs;
  }
  return all;
}

// Operations of two operands. Where one is compiled, which it is is a constant, and the others are left out.
const ADD: i32 = 0;
const SUBTRACT: i32 = 1;
const MULTIPLY: i32 = 2;
const DIVIDE: i32 = 3;
const NORMALIZED_DIFFERENCE: i32 = 4;
const LESS: i32 = 5;
const LESS_EQUAL: i32 = 6;
const GREATER: i32 = 7;
const GREATER_EQUAL: i32 = 8;
const EQUAL: i32 = 9;
const NOT_EQUAL: i32 = 10;
const AND: i32 = 11;
const OR: i32 = 12;
const MINIMUM: i32 = 13;
const MAXIMUM: i32 = 14;

/** Two results. What is true is 1; NaN in either is the smaller and the larger one, as in numpy. */
// @ts-ignore: decorator
@inline
function result(operation: i32, x: v128, y: v128): v128 {
  if (operation === ADD) return f64x2.add(x, y);
  if (operation === SUBTRACT) return f64x2.sub(x, y);
  if (operation === MULTIPLY) return f64x2.mul(x, y);
  if (operation === DIVIDE) return f64x2.div(x, y);
  if (operation === NORMALIZED_DIFFERENCE) return f64x2.div(f64x2.sub(x, y), f64x2.add(x, y));
  if (operation === LESS) return one(f64x2.lt(x, y));
  if (operation === LESS_EQUAL) return one(f64x2.le(x, y));
  if (operation === GREATER) return one(f64x2.gt(x, y));
  if (operation === GREATER_EQUAL) return one(f64x2.ge(x, y));
  if (operation === EQUAL) return one(f64x2.eq(x, y));
  if (operation === NOT_EQUAL) return one(f64x2.ne(x, y));
  if (operation === AND) return one(v128.and(isTrue(x), isTrue(y)));
  if (operation === OR) return one(v128.or(isTrue(x), isTrue(y)));
  if (operation === MINIMUM) return v128.bitselect(x, y, v128.or(f64x2.lt(x, y), f64x2.ne(x, x)));
  return v128.bitselect(x, y, v128.or(f64x2.gt(x, y), f64x2.ne(x, x)));
}

/** out[i] = operation(a[i], b[i]). `out` may be `a` or `b`. */
// @ts-ignore: decorator
@inline
function binary(operation: i32, out: usize, a: usize, b: usize, pixels: i32): void {
  for (const end = out + 8 * <usize>pixels; out < end; out += 16, a += 16, b += 16) v128.store(out, result(operation, v128.load(a), v128.load(b)));
}

export function binary_add(out: usize, a: usize, b: usize, pixels: i32): void { binary(ADD, out, a, b, pixels); }
export function binary_subtract(out: usize, a: usize, b: usize, pixels: i32): void { binary(SUBTRACT, out, a, b, pixels); }
export function binary_multiply(out: usize, a: usize, b: usize, pixels: i32): void { binary(MULTIPLY, out, a, b, pixels); }
export function binary_divide(out: usize, a: usize, b: usize, pixels: i32): void { binary(DIVIDE, out, a, b, pixels); }
export function binary_normalizedDifference(out: usize, a: usize, b: usize, pixels: i32): void { binary(NORMALIZED_DIFFERENCE, out, a, b, pixels); }
export function binary_less(out: usize, a: usize, b: usize, pixels: i32): void { binary(LESS, out, a, b, pixels); }
export function binary_lessEqual(out: usize, a: usize, b: usize, pixels: i32): void { binary(LESS_EQUAL, out, a, b, pixels); }
export function binary_greater(out: usize, a: usize, b: usize, pixels: i32): void { binary(GREATER, out, a, b, pixels); }
export function binary_greaterEqual(out: usize, a: usize, b: usize, pixels: i32): void { binary(GREATER_EQUAL, out, a, b, pixels); }
export function binary_equal(out: usize, a: usize, b: usize, pixels: i32): void { binary(EQUAL, out, a, b, pixels); }
export function binary_notEqual(out: usize, a: usize, b: usize, pixels: i32): void { binary(NOT_EQUAL, out, a, b, pixels); }
export function binary_and(out: usize, a: usize, b: usize, pixels: i32): void { binary(AND, out, a, b, pixels); }
export function binary_or(out: usize, a: usize, b: usize, pixels: i32): void { binary(OR, out, a, b, pixels); }
export function binary_minimum(out: usize, a: usize, b: usize, pixels: i32): void { binary(MINIMUM, out, a, b, pixels); }
export function binary_maximum(out: usize, a: usize, b: usize, pixels: i32): void { binary(MAXIMUM, out, a, b, pixels); }

/** 1 for all bits, and 0 for none. */
// @ts-ignore: decorator
@inline
function one(lanes: v128): v128 {
  return v128.and(lanes, f64x2.splat(1));
}

/** Anything but 0 is true, NaN too. */
// @ts-ignore: decorator
@inline
function isTrue(values: v128): v128 {
  return f64x2.ne(values, f64x2.splat(0));
}

/** out[i] = c[i] is true ? a[i] : b[i] */
export function where(out: usize, c: usize, a: usize, b: usize, pixels: i32): void {
  for (const end = out + 8 * <usize>pixels; out < end; out += 16, a += 16, b += 16, c += 16) v128.store(out, v128.bitselect(v128.load(a), v128.load(b), isTrue(v128.load(c))));
}

/** out[i] = valid[i] ? a[i] : b[i] */
export function choose(out: usize, valid: usize, a: usize, b: usize, pixels: i32): void {
  for (const end = out + 8 * <usize>pixels; out < end; out += 16, a += 16, b += 16, valid += 2) v128.store(out, v128.bitselect(v128.load(a), v128.load(b), twoValid(valid)));
}

/** out[i] = valid[i] ? a[i] : value */
export function fill(out: usize, valid: usize, a: usize, value: f64, pixels: i32): void {
  const other = f64x2.splat(value);
  for (const end = out + 8 * <usize>pixels; out < end; out += 16, a += 16, valid += 2) v128.store(out, v128.bitselect(v128.load(a), other, twoValid(valid)));
}

// @ts-ignore: decorator
@inline
function twoValid(at: usize): v128 {
  return i64x2(-<i64>load<u8>(at), -<i64>load<u8>(at, 1));
}

/** The values rounded half to even. @returns whether all of them lie from `low` to `high` then */
export function roundWithin(out: usize, a: usize, low: f64, high: f64, pixels: i32): bool {
  const least = f64x2.splat(low);
  const most = f64x2.splat(high);
  let within = i64x2.splat(-1);
  for (const end = out + 8 * <usize>pixels; out < end; out += 16, a += 16) {
    const value = f64x2.nearest(v128.load(a));
    v128.store(out, value);
    within = v128.and(within, v128.and(f64x2.ge(value, least), f64x2.le(value, most)));
  }
  return i64x2.all_true(within);
}

/** Values as samples, which they fit. */
// @ts-ignore: decorator
@inline
function write<T extends number>(from: usize, pixels: i32, to: usize): void {
  for (const end = from + 8 * <usize>pixels; from < end; from += 32, to += 4 * sizeof<T>()) {
    const a = v128.load(from);
    const b = v128.load(from, 16);
    if (isFloat<T>()) {
      v128.store(to, v128.shuffle<f64>(f32x4.demote_f64x2_zero(a), f32x4.demote_f64x2_zero(b), 0, 2));
      continue;
    }
    const whole = isSigned<T>() || sizeof<T>() < 4
      ? v128.shuffle<u64>(i32x4.trunc_sat_f64x2_s_zero(a), i32x4.trunc_sat_f64x2_s_zero(b), 0, 2)
      : v128.shuffle<u64>(i32x4.trunc_sat_f64x2_u_zero(a), i32x4.trunc_sat_f64x2_u_zero(b), 0, 2);
    if (sizeof<T>() === 4) {
      v128.store(to, whole);
    } else if (sizeof<T>() === 2) {
      v128.store64_lane(to, isSigned<T>() ? i16x8.narrow_i32x4_s(whole, whole) : i16x8.narrow_i32x4_u(whole, whole), 0);
    } else {
      const halves = i16x8.narrow_i32x4_s(whole, whole);
      v128.store32_lane(to, isSigned<T>() ? i8x16.narrow_i16x8_s(halves, halves) : i8x16.narrow_i16x8_u(halves, halves), 0);
    }
  }
}

export function write_uint8(from: usize, pixels: i32, to: usize): void { write<u8>(from, pixels, to); }
export function write_int8(from: usize, pixels: i32, to: usize): void { write<i8>(from, pixels, to); }
export function write_uint16(from: usize, pixels: i32, to: usize): void { write<u16>(from, pixels, to); }
export function write_int16(from: usize, pixels: i32, to: usize): void { write<i16>(from, pixels, to); }
export function write_uint32(from: usize, pixels: i32, to: usize): void { write<u32>(from, pixels, to); }
export function write_int32(from: usize, pixels: i32, to: usize): void { write<i32>(from, pixels, to); }
export function write_float32(from: usize, pixels: i32, to: usize): void { write<f32>(from, pixels, to); }
