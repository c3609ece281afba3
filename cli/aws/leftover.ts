/** Something that a removed stack has left behind. */
export interface Leftover {
  /** What it is: `bucket`, `log group`. */
  readonly kind: string;
  readonly name: string;
  /** How much there is, where that is cheap to know: `3 objects, 12.0 MiB`. */
  readonly detail: string;
  readonly remove: () => Promise<void>;
}
