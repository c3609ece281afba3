/** One sample type for several. */
import type { Dtype } from './dtype.ts';

/** For each type the others that hold all of its values. */
const holders: Readonly<Record<Dtype, readonly Dtype[]>> = {
  uint8: ['uint16', 'int16', 'uint32', 'int32', 'float32', 'float64'],
  int8: ['int16', 'int32', 'float32', 'float64'],
  uint16: ['uint32', 'int32', 'float32', 'float64'],
  int16: ['int32', 'float32', 'float64'],
  uint32: ['float64'],
  int32: ['float64'],
  float32: ['float64'],
  float64: [],
};

const smallestFirst: readonly Dtype[] = ['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'float32', 'float64'];

/** The smallest type that holds the values of both. */
export function commonDtype(a: Dtype, b: Dtype): Dtype {
  if (a === b) return a;
  const holds = (wide: Dtype, narrow: Dtype): boolean => holders[narrow].includes(wide) || wide === narrow;
  return smallestFirst.find((dtype) => holds(dtype, a) && holds(dtype, b)) ?? 'float64';
}
