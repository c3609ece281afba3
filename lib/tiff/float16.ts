/** IEEE 754 binary16, which a TIFF may hold as floating point samples of 16 bits. */

/** Widens the first `count` of `halves` to float32, exactly; a NaN keeps its bits as in GDAL (GDALHalfToFloat). */
export function widenFloat16(halves: Uint16Array, count: number, target: Float32Array, to: number): void {
  const bits = new Uint32Array(target.buffer, target.byteOffset, target.length);
  for (let i = 0; i < count; i++) bits[to + i] = widen(halves[i] ?? 0);
}

function widen(half: number): number {
  const sign = (half & 0x8000) << 16;
  const magnitude = half & 0x7fff;
  if (magnitude >= 0x7c00) return sign | 0x7f80_0000 | ((magnitude & 0x3ff) << 13);
  // The exponent's bias is 15 in binary16 and 127 in binary32.
  if (magnitude >= 0x0400) return sign | ((magnitude << 13) + ((127 - 15) << 23));
  if (magnitude === 0) return sign;
  // Subnormal: magnitude * 2^-24. Shift the leading one into place and count the steps.
  const shift = Math.clz32(magnitude) - 21;
  return sign | ((127 - 15 + 1 - shift) << 23) | (((magnitude << shift) & 0x3ff) << 13);
}
