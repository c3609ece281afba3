/** Memory that several images share while they are made: those that would take more than is free wait for others. */
interface Waiting {
  readonly bytes: number;
  readonly start: () => void;
}

export class MemoryBudget {
  readonly #bytes: number;
  #taken = 0;
  /** In the order in which they came: a large image isn't kept waiting by small ones for ever. */
  readonly #waiting: Waiting[] = [];

  /** @param bytes that all may take together; what wants more has all of them, and is alone */
  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** Does some work when so many bytes are free, and holds them until it is done. @throws what the work throws */
  async use<Result>(wanted: number, work: () => Promise<Result>): Promise<Result> {
    const bytes = Math.min(wanted, this.#bytes);
    await new Promise<void>((start) => {
      this.#waiting.push({ bytes, start });
      this.#startNext();
    });
    try {
      return await work();
    } finally {
      this.#taken -= bytes;
      this.#startNext();
    }
  }

  #startNext(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#taken + next.bytes <= this.#bytes; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#taken += next.bytes;
      next.start();
    }
  }
}
