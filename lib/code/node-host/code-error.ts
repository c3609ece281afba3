/** What goes wrong between the host and the user's function: a kind and one sentence. Thrown from within the user's code where that can be, so that its line is known. */
import type { CodeFailure } from '../code-setup.ts';

export class CodeError extends Error {
  readonly kind: CodeFailure['kind'];

  constructor(kind: CodeFailure['kind'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.kind = kind;
  }
}
