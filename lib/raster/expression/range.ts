/**
 * What values an expression can have: interval arithmetic with a mark for NaN.
 *
 * It answers one question before a run starts: can this integer output meet a pixel that has no number (NaN) or a divisor of
 * 0, so that it needs a nodata value? Where it can't tell, it says yes. Float64 rounds monotonically, so the ends of an interval
 * computed in float64 hold for every value inside.
 */
import { type Dtype, dtypeFacts, isFloat } from '../dtype.ts';
import type { FocalOperation } from '../focal/operation.ts';
import { type BinaryOperation, type UnaryOperation, unaryOperations } from './operations.ts';

/** All valid values lie from `lo` to `hi` (infinities included), or are NaN where `nan` is set. */
export interface Range {
  readonly lo: number;
  readonly hi: number;
  readonly nan: boolean;
}

const truth: Range = { lo: 0, hi: 1, nan: false };

export function rangeOfNumber(value: number): Range {
  return value === value ? { lo: value, hi: value, nan: false } : anything(true);
}

export function rangeOfDtype(dtype: Dtype): Range {
  if (isFloat(dtype)) return anything(true);
  const { min, max } = dtypeFacts(dtype);
  return { lo: min, hi: max, nan: false };
}

/** The range of a value that is one of the two. */
export function union(a: Range, b: Range): Range {
  return { lo: Math.min(a.lo, b.lo), hi: Math.max(a.hi, b.hi), nan: a.nan || b.nan };
}

export function containsZero({ lo, hi }: Range): boolean {
  return lo <= 0 && hi >= 0;
}

export function unaryRange(operation: UnaryOperation, a: Range): Range {
  const apply = unaryOperations[operation];
  switch (operation) {
    case 'negate':
      return { lo: -a.hi, hi: -a.lo, nan: a.nan };
    case 'not':
    case 'isnan':
      return truth;
    case 'abs':
      return { lo: containsZero(a) ? 0 : Math.min(Math.abs(a.lo), Math.abs(a.hi)), hi: Math.max(Math.abs(a.lo), Math.abs(a.hi)), nan: a.nan };
    case 'sign':
    case 'floor':
    case 'ceil':
    case 'trunc':
    case 'round':
      return { lo: apply(a.lo), hi: apply(a.hi), nan: a.nan };
    case 'sqrt':
      return { lo: Math.sqrt(Math.max(a.lo, 0)), hi: Math.sqrt(Math.max(a.hi, 0)), nan: a.nan || a.lo < 0 };
    case 'exp':
      return { lo: 0, hi: Infinity, nan: a.nan };
    case 'log':
    case 'log2':
    case 'log10':
      return anything(a.nan || a.lo < 0);
    case 'sin':
    case 'cos':
      return { lo: -1, hi: 1, nan: a.nan || !isFinite(a) };
    case 'tan':
      return anything(a.nan || !isFinite(a));
    case 'asin':
    case 'acos':
      return { lo: -4, hi: 4, nan: a.nan || a.lo < -1 || a.hi > 1 };
    case 'atan':
      return { lo: -2, hi: 2, nan: a.nan };
  }
}

/** `divisorIsZero` says whether pixels with a divisor of 0 keep a value (IEEE) or are nodata, and so out of the question. */
export function binaryRange(operation: BinaryOperation, a: Range, b: Range, divisorIsZero: 'ieee' | 'nodata'): Range {
  const nan = a.nan || b.nan;
  switch (operation) {
    case 'add':
      return sum(a, b);
    case 'subtract':
      return sum(a, { lo: -b.hi, hi: -b.lo, nan: b.nan });
    case 'multiply':
      return ends(a, b, (x, y) => (x === 0 || y === 0 ? 0 : x * y), nan || (containsZero(a) && !isFinite(b)) || (containsZero(b) && !isFinite(a)));
    case 'divide': {
      const bothInfinite = !isFinite(a) && !isFinite(b);
      if (containsZero(b)) return anything(nan || bothInfinite || (divisorIsZero === 'ieee' && containsZero(a)));
      return bothInfinite ? anything(true) : ends(a, b, (x, y) => x / y, nan);
    }
    case 'normalizedDifference':
      return binaryRange('divide', sum(a, { lo: -b.hi, hi: -b.lo, nan: b.nan }), sum(a, b), divisorIsZero);
    case 'remainder':
      return { lo: Math.min(0, b.lo), hi: Math.max(0, b.hi), nan: nan || !isFinite(a) || (divisorIsZero === 'ieee' && containsZero(b)) };
    case 'power':
      if (b.lo === 2 && b.hi === 2) return squareRange(a);
      // -0 lies in [0, …] too, and gives -Infinity for negative exponents.
      if (a.lo > 0 || (a.lo === 0 && b.lo >= 0)) return { lo: 0, hi: Infinity, nan };
      return anything(nan || (a.lo < 0 && !(b.lo === b.hi && Number.isInteger(b.lo))));
    case 'minimum':
      return { lo: Math.min(a.lo, b.lo), hi: Math.min(a.hi, b.hi), nan };
    case 'maximum':
      return { lo: Math.max(a.lo, b.lo), hi: Math.max(a.hi, b.hi), nan };
    case 'atan2':
      return { lo: -4, hi: 4, nan };
    case 'less':
    case 'lessEqual':
    case 'greater':
    case 'greaterEqual':
    case 'equal':
    case 'notEqual':
    case 'and':
    case 'or':
      return truth;
  }
}

/** Of a value times itself, which is never negative. */
export function squareRange(a: Range): Range {
  const { lo, hi } = unaryRange('abs', a);
  return { lo: lo * lo, hi: hi * hi, nan: a.nan };
}

/** Values beyond this may overflow in a sum over a window, or in float32, and infinities of both signs make NaN. */
const overflows = 1e30;

export function focalRange(operation: FocalOperation, a: Range): Range {
  const nan = a.nan || a.lo < -overflows || a.hi > overflows;
  switch (operation.name) {
    case 'mean':
      return { lo: a.lo, hi: a.hi, nan };
    case 'median':
      return { lo: a.lo, hi: a.hi, nan };
    case 'min':
    case 'max':
      return a;
    case 'std':
      return { lo: 0, hi: nan ? Infinity : a.hi - a.lo, nan };
    case 'convolve': {
      if (nan) return anything(true);
      const zero: Range = { lo: 0, hi: 0, nan: false };
      return operation.weights.reduce((total, weight) => sum(total, binaryRange('multiply', rangeOfNumber(weight), a, 'ieee')), zero);
    }
    case 'slope':
      return { lo: 0, hi: 91, nan };
    case 'slopePercent':
      return { lo: 0, hi: Infinity, nan };
    case 'aspect':
      return { lo: 0, hi: 360, nan };
    case 'hillshade':
      return { lo: 1, hi: 256, nan };
  }
}

function anything(nan: boolean): Range {
  return { lo: -Infinity, hi: Infinity, nan };
}

function isFinite({ lo, hi }: Range): boolean {
  return lo > -Infinity && hi < Infinity;
}

function sum(a: Range, b: Range): Range {
  const opposed = (a.hi === Infinity && b.lo === -Infinity) || (a.lo === -Infinity && b.hi === Infinity);
  const lo = a.lo + b.lo;
  const hi = a.hi + b.hi;
  // An infinity less another is NaN, which the mark covers; the interval is then everything.
  return lo === lo && hi === hi ? { lo, hi, nan: a.nan || b.nan || opposed } : anything(true);
}

function ends(a: Range, b: Range, apply: (x: number, y: number) => number, nan: boolean): Range {
  const values = [apply(a.lo, b.lo), apply(a.lo, b.hi), apply(a.hi, b.lo), apply(a.hi, b.hi)];
  return { lo: Math.min(...values), hi: Math.max(...values), nan };
}
