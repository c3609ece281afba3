/** Lines of a stream, one after another, whatever pieces they come in. */
import type { Readable } from 'node:stream';

export class LineReader {
  /** Pieces of a line that has not ended yet. */
  #pieces: Buffer[] = [];
  readonly #lines: string[] = [];
  #waiting: ((line: string) => void) | undefined;

  constructor(stream: Readable) {
    stream.on('data', (chunk: Buffer) => this.#take(chunk));
  }

  /** The next line, without its end; waits for ever when none comes any more. One at a time. */
  async next(): Promise<string> {
    const line = this.#lines.shift();
    if (line !== undefined) return line;
    return await new Promise((resolve) => (this.#waiting = resolve));
  }

  #take(chunk: Buffer): void {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      this.#pieces.push(rest.subarray(0, end));
      const line = Buffer.concat(this.#pieces).toString('utf8');
      this.#pieces = [];
      rest = rest.subarray(end + 1);
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting === undefined) this.#lines.push(line);
      else waiting(line);
    }
    if (rest.length > 0) this.#pieces.push(rest);
  }
}
