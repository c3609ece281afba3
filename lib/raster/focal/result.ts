/** What becomes of the result of a focal operation, so that it has to be exact to so many digits only. */

/** `whole`: it is rounded half to even at once, and numbers of 32 bits hold it; `float32`: it is rounded to that at once. */
export type FocalResult = 'float64' | 'float32' | 'whole';

/** A number that leaves no bits for a fraction when it is added to a value below 2 ** 51, either sign. */
export const fractionRemover = 6_755_399_441_055_744;
