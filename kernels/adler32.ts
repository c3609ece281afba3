/** The checksum of zlib streams (RFC 1950 section 8.2). */
export function adler32(at: usize, length: i32): u32 {
  const modulus: u32 = 65521;
  let a: u32 = 1;
  let b: u32 = 0;
  let left = length;
  while (left >= 16) {
    // So many that no sum grows beyond its lanes.
    const some = min(left & ~15, 2048);
    let sums = i32x4.splat(0);
    let weighted = i32x4.splat(0);
    let before = i32x4.splat(0);
    for (const end = at + <usize>some; at < end; at += 16) {
      const bytes = v128.load(at);
      // What has been added up before counts once more for each of these bytes.
      before = i32x4.add(before, sums);
      sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(bytes)));
      weighted = i32x4.add(weighted, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(bytes), i16x8(16, 15, 14, 13, 12, 11, 10, 9)));
      weighted = i32x4.add(weighted, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(bytes), i16x8(8, 7, 6, 5, 4, 3, 2, 1)));
    }
    b = (b + <u32>some * a + 16 * total(before) + total(weighted)) % modulus;
    a = (a + total(sums)) % modulus;
    left -= some;
  }
  for (; left > 0; left--, at++) {
    a = (a + load<u8>(at)) % modulus;
    b = (b + a) % modulus;
  }
  return b * 65536 + a;
}

// @ts-ignore: decorator
@inline
function total(lanes: v128): u32 {
  return i32x4.extract_lane(lanes, 0) + i32x4.extract_lane(lanes, 1) + i32x4.extract_lane(lanes, 2) + i32x4.extract_lane(lanes, 3);
}
