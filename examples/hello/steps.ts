/** The functions of the example; each gets the parameters of its item. */
export function join({ a, b }: { readonly a: string; readonly b: string }): string {
  return [a, b].join(', ');
}

/** What another run has given, and isn't an object, comes as `value`. */
export function excite({ value }: { readonly value: string }): string {
  return `${value}!`;
}
