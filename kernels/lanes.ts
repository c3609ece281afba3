/** Samples in vectors. */

/** Four samples of at most 32 bits, in lanes of 32 bits. */
// @ts-ignore: decorator
@inline
export function fourLanes<T extends number>(at: usize): v128 {
  if (sizeof<T>() === 4) return v128.load(at);
  if (sizeof<T>() === 2) return v128.load_ext<T>(at);
  const bytes = v128.load32_zero(at);
  return isSigned<T>() ? i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(bytes)) : i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes));
}

/** The first two of four lanes as float64. */
// @ts-ignore: decorator
@inline
export function firstTwo<T extends number>(lanes: v128): v128 {
  if (isFloat<T>()) return f64x2.promote_low_f32x4(lanes);
  return isSigned<T>() || sizeof<T>() < 4 ? f64x2.convert_low_i32x4_s(lanes) : f64x2.convert_low_i32x4_u(lanes);
}

/** The last two of four lanes, in the place of the first. */
// @ts-ignore: decorator
@inline
export function lastTwo(lanes: v128): v128 {
  return i8x16.shuffle(lanes, lanes, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
}
