/** What goes wrong between the host and the user's function: a kind and one sentence. Thrown from within the user's code where that can be, so that its line is known. */
import type { CodeFailure } from '../code-setup.ts';

/** A merge that failed: with what, and on which of its values. */
export class MergeFailure extends Error {
  readonly merged: number;

  constructor(merged: number, cause: unknown) {
    super('a merge failed', { cause });
    this.merged = merged;
  }
}

export class CodeError extends Error {
  readonly kind: CodeFailure['kind'];

  constructor(kind: CodeFailure['kind'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.kind = kind;
  }
}
