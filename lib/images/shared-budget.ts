/** An amount that several share, as memory or turns: those that would take more than is free wait for others. */
interface Waiting {
  readonly amount: number;
  readonly start: () => void;
}

export class SharedBudget {
  readonly #total: number;
  #taken = 0;
  /** In the order in which they came: who wants much isn't kept waiting for ever by those who want little. */
  readonly #waiting: Waiting[] = [];

  /** @param total that all may take together; who wants more has all of it, and is alone */
  constructor(total: number) {
    this.#total = total;
  }

  /** Does some work when so much is free, and holds it until it is done. @throws what the work throws */
  async use<Result>(wanted: number, work: () => Promise<Result>): Promise<Result> {
    const amount = Math.min(wanted, this.#total);
    await new Promise<void>((start) => {
      this.#waiting.push({ amount, start });
      this.#startNext();
    });
    try {
      return await work();
    } finally {
      this.#taken -= amount;
      this.#startNext();
    }
  }

  #startNext(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#taken + next.amount <= this.#total; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#taken += next.amount;
      next.start();
    }
  }
}
