/** Numbers as whole ones of an integer type, in the one way in which all operations store what they compute (docs/expressions.md, "Storing"). */

/** A number that leaves no bits for a fraction when it is added to a value below 2 ** 51, either sign: what remains is rounded half to even. */
export const fractionRemover = 6_755_399_441_055_744;

/** Inside of a loop a constant of its own module is faster than one that is imported. */
const remover = fractionRemover;

interface Numbers {
  [index: number]: number;
}

/**
 * out[to + i] = values[from + i] for i below n: rounded half to even, saturated to `min` and `max`; NaN becomes `nodata`. The two may be one array.
 * @param n how many
 */
export function quantize(out: Numbers, to: number, values: Readonly<Numbers>, from: number, n: number, min: number, max: number, nodata: number): void {
  for (let i = 0; i < n; i++) {
    const x = values[from + i] as number;
    if (x >= min && x <= max) out[to + i] = x + remover - remover;
    else if (x < min) out[to + i] = min;
    else if (x > max) out[to + i] = max;
    else out[to + i] = nodata;
  }
}
