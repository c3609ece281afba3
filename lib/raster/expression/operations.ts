/** What one operation means for one pixel. Constants are folded with these; the kernels do the same over whole chunks. */

export const unaryOperations = {
  negate: (a) => -a,
  not: (a) => Number(a === 0),
  isnan: (a) => Number(a !== a),
  abs: Math.abs,
  sign: Math.sign,
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
  round: roundHalfToEven,
  sqrt: Math.sqrt,
  exp: Math.exp,
  log: Math.log,
  log2: Math.log2,
  log10: Math.log10,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
} as const satisfies Readonly<Record<string, (a: number) => number>>;

/** Operations of one operand. */
export type UnaryOperation = keyof typeof unaryOperations;

export const binaryOperations = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  remainder: floorRemainder,
  power: ieeePower,
  less: (a, b) => Number(a < b),
  lessEqual: (a, b) => Number(a <= b),
  greater: (a, b) => Number(a > b),
  greaterEqual: (a, b) => Number(a >= b),
  equal: (a, b) => Number(a === b),
  notEqual: (a, b) => Number(a !== b),
  and: (a, b) => Number(a !== 0 && b !== 0),
  or: (a, b) => Number(a !== 0 || b !== 0),
  minimum: (a, b) => (a < b || a !== a ? a : b),
  maximum: (a, b) => (a > b || a !== a ? a : b),
  atan2: Math.atan2,
  normalizedDifference: (a, b) => (a - b) / (a + b),
} as const satisfies Readonly<Record<string, (a: number, b: number) => number>>;

/** Operations of two operands. The normalized difference is what NDVI and its kin are; one loop does its three steps. */
export type BinaryOperation = keyof typeof binaryOperations;

/** From here on every float64 is a whole number (2 ** 52). */
const wholeFrom = 4_503_599_627_370_496;

/** IEEE 754 roundToIntegralTiesToEven, numpy's rint: adding 2 ** 52 leaves no bits for a fraction, and the addition itself rounds so. */
export function roundHalfToEven(a: number): number {
  if (a > 0) return a < wholeFrom ? a + wholeFrom - wholeFrom : a;
  return a < 0 && a > -wholeFrom ? -(wholeFrom - a - wholeFrom) : a;
}

/** numpy's remainder: fmod, moved to the sign of the divisor. */
export function floorRemainder(a: number, b: number): number {
  const remainder = a % b;
  return remainder !== 0 && remainder < 0 !== b < 0 && remainder === remainder ? remainder + b : remainder;
}

/** C's pow, which numpy uses. JavaScript's differs for 1 ** NaN, 1 ** ±Infinity and (-1) ** ±Infinity, which it makes NaN. */
export function ieeePower(a: number, b: number): number {
  return a === 1 || (a === -1 && (b === Infinity || b === -Infinity)) ? 1 : a ** b;
}
