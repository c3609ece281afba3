/** What a program prints, in little memory: the end of it, and how much it was. */

/** How much of each stream is kept. A traceback and the lines before it fit; a gigabyte of progress dots costs no more. */
export const keptOutputBytes = 16 * 1024;

export class CapturedOutput {
  readonly #limit: number;
  /** The last bytes: at least the limit of them if so many came, and at most one chunk more. */
  #chunks: Buffer[] = [];
  #held = 0;
  #bytes = 0;

  constructor(limit = keptOutputBytes) {
    this.#limit = limit;
  }

  /** Bytes that came since the last reset. */
  get bytes(): number {
    return this.#bytes;
  }

  take(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    // A copy: the chunk may be a small view of a large buffer, which would live as long.
    const part = Buffer.from(chunk.subarray(Math.max(0, chunk.length - this.#limit)));
    this.#chunks.push(part);
    this.#held += part.length;
    // Programs that print letter by letter: many chunks become one now and then, so that each byte is copied a few times at most.
    if (this.#held >= 2 * this.#limit || this.#chunks.length > 256) {
      const kept = Buffer.concat(this.#chunks).subarray(-this.#limit);
      this.#chunks = [Buffer.from(kept)];
      this.#held = kept.length;
    }
  }

  /** The end of what came, as text. A character that was cut in two at the beginning is left out. */
  text(): string {
    const all = Buffer.concat(this.#chunks).subarray(-this.#limit);
    let start = 0;
    if (this.#bytes > all.length) while (start < 3 && start < all.length && ((all[start] ?? 0) & 0xc0) === 0x80) start++;
    return all.toString('utf8', start);
  }

  /** Forgets what came. */
  reset(): void {
    this.#chunks = [];
    this.#held = 0;
    this.#bytes = 0;
  }
}

/** The last line that says anything, cut to a length that fits into a message; undefined when there is none. */
export function lastLine(text: string, longest = 300): string | undefined {
  const line = text
    .split(/[\r\n]+/)
    .map((part) => part.trim())
    .findLast((part) => part !== '');
  if (line === undefined) return undefined;
  return line.length > longest ? `${line.slice(0, longest)}…` : line;
}
