/** Numbers in JSON documents, where NaN, the infinities and negative zero have no notation of their own. */

/** The words for what JSON can't write as a number. */
export const jsonNumberWords = ['nan', 'inf', '-inf', '-0'] as const;

export type JsonNumber = number | (typeof jsonNumberWords)[number];

export function toJsonNumber(value: number): JsonNumber {
  if (Number.isNaN(value)) return 'nan';
  if (Object.is(value, -0)) return '-0';
  if (Number.isFinite(value)) return value;
  return value > 0 ? 'inf' : '-inf';
}

export function fromJsonNumber(value: JsonNumber): number {
  if (typeof value === 'number') return value;
  return { nan: NaN, inf: Infinity, '-inf': -Infinity, '-0': -0 }[value];
}
