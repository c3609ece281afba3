/** Things that are used by one at a time, handed out in the order in which they are asked for. */
export class WaitingLine<Thing> {
  readonly #free: Thing[];
  readonly #waiting: { readonly take: (thing: Thing) => void; readonly refuse: (error: Error) => void }[] = [];
  #closed: Error | undefined;

  constructor(things: readonly Thing[]) {
    this.#free = [...things];
  }

  /** Runs `work` with the next thing that is free. */
  async use<Result>(work: (thing: Thing) => Promise<Result>): Promise<Result> {
    const thing = await this.#take();
    try {
      return await work(thing);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(thing);
      else next.take(thing);
    }
  }

  /** Whoever waits, and comes later, is refused. */
  close(error: Error): void {
    this.#closed = error;
    for (const { refuse } of this.#waiting.splice(0)) refuse(error);
  }

  async #take(): Promise<Thing> {
    if (this.#closed !== undefined) throw this.#closed;
    const thing = this.#free.shift();
    if (thing !== undefined) return thing;
    return await new Promise((take, refuse) => this.#waiting.push({ take, refuse }));
  }
}
