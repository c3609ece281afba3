/** One line of progress that is drawn over on a terminal; JSON lines otherwise. */
import type { TextStream } from './streams.ts';
import { secondsText } from './text.ts';

const barWidth = 30;

export interface Share {
  readonly state: string;
  readonly done: number;
  /** 0 while it isn't known. */
  readonly total: number;
  /** What is counted: `tiles`. */
  readonly noun: string;
  readonly seconds: number;
}

export class ProgressLine {
  readonly #run: string;
  readonly #stream: TextStream;
  #drawn = false;

  constructor(run: string, stream: TextStream) {
    this.#run = run;
    this.#stream = stream;
  }

  get terminal(): boolean {
    return this.#stream.isTTY === true;
  }

  /** Something that happened: a line of its own. `event` is a `Noun:Verb` name. */
  say(fields: Readonly<Record<string, unknown>>): void {
    if (!this.terminal) {
      this.#stream.write(`${JSON.stringify({ ...fields, run: this.#run })}\n`);
      return;
    }
    const { event, ...rest } = fields;
    const text = Object.entries(rest).map(([name, value]) => `${name} ${String(value)}`).join(', ');
    this.#stream.write(`\r\u001B[K${String(event)}: ${text}\n`);
    this.#drawn = false;
  }

  /** What goes on just now, until something else is drawn: in words for a terminal, otherwise as `say` has it. */
  note(text: string, fields: Readonly<Record<string, unknown>>): void {
    if (!this.terminal) {
      this.say(fields);
      return;
    }
    this.#drawn = true;
    this.#stream.write(`\r\u001B[K${text}`);
  }

  /** Draws the bar over the last one. `more` stands behind the counts. */
  draw({ state, done, total, noun, seconds }: Share, more = ''): void {
    const share = total === 0 ? 0 : done / total;
    const filled = Math.round(share * barWidth);
    const bar = `${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}`;
    this.#drawn = true;
    this.#stream.write(`\r\u001B[K${state.padEnd(14)} [${bar}] ${String(done)}/${total === 0 ? '?' : String(total)} ${noun}${more}, ${secondsText(seconds)}`);
  }

  /** Leaves the bar on the terminal and goes on below it. */
  end(): void {
    if (this.#drawn) this.#stream.write('\n');
    this.#drawn = false;
  }
}
