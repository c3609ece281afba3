/** What becomes of the result of a focal operation, so that it has to be exact to so many digits only. */

/** `whole`: it is rounded half to even at once, and numbers of 32 bits hold it; `float32`: it is rounded to that at once. */
export type FocalResult = 'float64' | 'float32' | 'whole';
