/**
 * Integers of 64 bits, which are read as float64.
 *
 * Up to 2^53 float64 holds every integer, and beyond it only some: such a sample is an error, never rounded. Nodata alone may lie beyond, as it mostly does (the
 * least int64, the largest uint64). It is compared as an integer, and since no other sample gets through there, nothing else becomes its float64.
 */
import { type BlockLayout } from './layout.ts';

type StoredType = Pick<BlockLayout, 'sampleFormat' | 'bitsPerSample'>;

/** What is said in errors. */
export const largestExact = '9007199254740992 (2^53)';

/** 2^53, as the upper word of an integer of 64 bits has it. */
const upperLimit = 2 ** 21;

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export function isWideInteger({ sampleFormat, bitsPerSample }: StoredType): boolean {
  return bitsPerSample === 64 && sampleFormat !== 'float';
}

/**
 * The one sample beyond 2^53 that is nodata, in decimal digits.
 * @param text what the file says of nodata
 * @param value nodata as float64 has it: that of the file, or another one of the job
 * @returns null where nodata isn't beyond 2^53, or is no value of the type
 */
export function wideNodata(stored: StoredType, text: string | null, value: number | undefined): string | null {
  if (!isWideInteger(stored) || value === undefined || !Number.isFinite(value) || Math.abs(value) <= 2 ** 53) return null;
  const [least, most] = stored.sampleFormat === 'int' ? [-(2n ** 63n), 2n ** 63n - 1n] : [0n, 2n ** 64n - 1n];
  const own = text !== null && /^[+-]?\d{1,30}$/.test(text) ? BigInt(text) : undefined;
  const wanted = own !== undefined && Number(own) === value ? own : BigInt(value);
  if (wanted >= least && wanted <= most) return String(wanted);
  // The float64 of the largest integer is one more than it.
  return Number(most) === value ? String(most) : null;
}

/**
 * Turns integers of 64 bits, which lie where the floats shall be, into these.
 * @param nodata the integer beyond 2^53 that is turned, too
 * @returns the index of the first sample that isn't held exactly, and is left; -1 where there is none
 */
export function widenToFloats(samples: Float64Array, from: number, count: number, signed: boolean, nodata: bigint | null): number {
  const words = new Uint32Array(samples.buffer, samples.byteOffset + 8 * from, 2 * count);
  const [low, high] = littleEndian ? [0, 1] : [1, 0];
  // No word is negative.
  const nodataLow = nodata === null ? -1 : Number(BigInt.asUintN(32, nodata));
  const nodataHigh = nodata === null ? -1 : Number(BigInt.asUintN(32, nodata >> 32n));
  for (let i = 0; i < count; i++) {
    const lower = words[2 * i + low] ?? 0;
    const word = words[2 * i + high] ?? 0;
    const upper = signed ? word | 0 : word;
    const exact = upper >= -upperLimit && (upper < upperLimit || (upper === upperLimit && lower === 0));
    if (!exact && (lower !== nodataLow || word !== nodataHigh)) return from + i;
    samples[from + i] = upper * 2 ** 32 + lower;
  }
  return -1;
}

/** A sample that `widenToFloats` has left. */
export function integerAt(samples: Float64Array, index: number, signed: boolean): bigint {
  const at = samples.byteOffset + 8 * index;
  return (signed ? new BigInt64Array(samples.buffer, at, 1) : new BigUint64Array(samples.buffer, at, 1))[0] ?? 0n;
}
