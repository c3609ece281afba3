/** Count, sum, sum of squares, minimum and maximum of samples, four at a time. Sums are those of differences from a shift, in float64. */
import { firstTwo, fourLanes, lastTwo } from './lanes';

/** Where they are kept between calls, each a float64. */
const COUNT: usize = 0;
const SUM: usize = 8;
const SQUARES: usize = 16;
const MINIMUM: usize = 24;
const MAXIMUM: usize = 32;
/** And room for three vectors. */
const LANES: usize = 48;

/**
 * Adds samples to what is kept.
 * @param empty does not count, nor does NaN; it is NaN where there is nothing that does not
 */
// @ts-ignore: decorator
@inline
function statistics<T extends number>(at: usize, length: i32, empty: f64, shift: f64, state: usize): void {
  const from = f64x2.splat(shift);
  const none = same<T>(<T>empty);
  const hasNone = i32x4.splat(<f64><T>empty === empty ? -1 : 0);
  let count = i32x4.splat(0);
  let sum0 = f64x2.splat(0);
  let sum1 = f64x2.splat(0);
  let squares0 = f64x2.splat(0);
  let squares1 = f64x2.splat(0);
  let minimum = isFloat<T>() ? f32x4.splat(Infinity) : i32x4.splat(isSigned<T>() || sizeof<T>() < 4 ? i32.MAX_VALUE : -1);
  let maximum = isFloat<T>() ? f32x4.splat(-Infinity) : i32x4.splat(isSigned<T>() || sizeof<T>() < 4 ? i32.MIN_VALUE : 0);
  for (let left = length; left > 0; left -= 4, at += 4 * sizeof<T>()) {
    // Beyond the last one there is memory, too.
    const value = fourLanes<T>(at);
    let counts = left >= 4 ? i32x4.splat(-1) : i32x4(-1, left > 1 ? -1 : 0, left > 2 ? -1 : 0, 0);
    if (isFloat<T>()) counts = v128.and(v128.andnot(counts, v128.and(f32x4.eq(value, none), hasNone)), f32x4.eq(value, value));
    else counts = v128.andnot(counts, v128.and(i32x4.eq(value, none), hasNone));
    count = i32x4.sub(count, counts);
    const low = v128.bitselect(value, minimum, counts);
    const high = v128.bitselect(value, maximum, counts);
    if (isFloat<T>()) {
      minimum = f32x4.pmin(minimum, low);
      maximum = f32x4.pmax(maximum, high);
    } else if (isSigned<T>() || sizeof<T>() < 4) {
      minimum = i32x4.min_s(minimum, low);
      maximum = i32x4.max_s(maximum, high);
    } else {
      minimum = i32x4.min_u(minimum, low);
      maximum = i32x4.max_u(maximum, high);
    }
    const difference0 = v128.and(f64x2.sub(firstTwo<T>(value), from), i64x2.extend_low_i32x4_s(counts));
    const difference1 = v128.and(f64x2.sub(firstTwo<T>(lastTwo(value)), from), i64x2.extend_high_i32x4_s(counts));
    sum0 = f64x2.add(sum0, difference0);
    sum1 = f64x2.add(sum1, difference1);
    squares0 = f64x2.add(squares0, f64x2.mul(difference0, difference0));
    squares1 = f64x2.add(squares1, f64x2.mul(difference1, difference1));
  }
  v128.store(state, count, LANES);
  v128.store(state, minimum, LANES + 16);
  v128.store(state, maximum, LANES + 32);
  for (let lane: usize = LANES; lane < LANES + 16; lane += 4) {
    const counted = load<i32>(state + lane);
    if (counted === 0) continue;
    store<f64>(state, load<f64>(state, COUNT) + <f64>counted, COUNT);
    store<f64>(state, Math.min(load<f64>(state, MINIMUM), lane32<T>(state + lane + 16)), MINIMUM);
    store<f64>(state, Math.max(load<f64>(state, MAXIMUM), lane32<T>(state + lane + 32)), MAXIMUM);
  }
  addSums(state, f64x2.add(sum0, sum1), f64x2.add(squares0, squares1));
}

/** The same for float64, two at a time. */
export function statistics_float64(at: usize, length: i32, empty: f64, shift: f64, state: usize): void {
  const from = f64x2.splat(shift);
  const none = f64x2.splat(empty);
  let sum = f64x2.splat(0);
  let squares = f64x2.splat(0);
  let count = i64x2.splat(0);
  let minimum = f64x2.splat(Infinity);
  let maximum = f64x2.splat(-Infinity);
  for (let left = length; left > 0; left -= 2, at += 16) {
    const value = left > 1 ? v128.load(at) : f64x2(load<f64>(at), NaN);
    const counts = v128.andnot(f64x2.eq(value, value), f64x2.eq(value, none));
    const difference = v128.and(f64x2.sub(value, from), counts);
    sum = f64x2.add(sum, difference);
    squares = f64x2.add(squares, f64x2.mul(difference, difference));
    count = i64x2.sub(count, counts);
    minimum = f64x2.pmin(minimum, v128.bitselect(value, minimum, counts));
    maximum = f64x2.pmax(maximum, v128.bitselect(value, maximum, counts));
  }
  store<f64>(state, load<f64>(state, COUNT) + <f64>(i64x2.extract_lane(count, 0) + i64x2.extract_lane(count, 1)), COUNT);
  store<f64>(state, Math.min(load<f64>(state, MINIMUM), Math.min(f64x2.extract_lane(minimum, 0), f64x2.extract_lane(minimum, 1))), MINIMUM);
  store<f64>(state, Math.max(load<f64>(state, MAXIMUM), Math.max(f64x2.extract_lane(maximum, 0), f64x2.extract_lane(maximum, 1))), MAXIMUM);
  addSums(state, sum, squares);
}

/** One number in four lanes of 32 bits. */
// @ts-ignore: decorator
@inline
function same<T extends number>(value: T): v128 {
  return isFloat<T>() ? f32x4.splat(<f32>value) : i32x4.splat(<i32>value);
}

// @ts-ignore: decorator
@inline
function lane32<T extends number>(at: usize): f64 {
  if (isFloat<T>()) return <f64>load<f32>(at);
  return isSigned<T>() || sizeof<T>() < 4 ? <f64>load<i32>(at) : <f64>load<u32>(at);
}

// @ts-ignore: decorator
@inline
function addSums(state: usize, sum: v128, squares: v128): void {
  store<f64>(state, load<f64>(state, SUM) + f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1), SUM);
  store<f64>(state, load<f64>(state, SQUARES) + f64x2.extract_lane(squares, 0) + f64x2.extract_lane(squares, 1), SQUARES);
}

export function statistics_uint8(at: usize, length: i32, empty: f64, shift: f64, state: usize): void { statistics<u8>(at, length, empty, shift, state); }
export function statistics_int8(at: usize, length: i32, empty: f64, shift: f64, state: usize): void { statistics<i8>(at, length, empty, shift, state); }
export function statistics_uint16(at: usize, length: i32, empty: f64, shift: f64, state: usize): void { statistics<u16>(at, length, empty, shift, state); }
export function statistics_int16(at: usize, length: i32, empty: f64, shift: f64, state: usize): void { statistics<i16>(at, length, empty, shift, state); }
export function statistics_uint32(at: usize, length: i32, empty: f64, shift: f64, state: usize): void { statistics<u32>(at, length, empty, shift, state); }
export function statistics_int32(at: usize, length: i32, empty: f64, shift: f64, state: usize): void { statistics<i32>(at, length, empty, shift, state); }
export function statistics_float32(at: usize, length: i32, empty: f64, shift: f64, state: usize): void { statistics<f32>(at, length, empty, shift, state); }
