/** Progress on standard error: one line that is drawn over on a terminal, JSON lines otherwise. */
import type { RunEvent } from '../local/run-events.ts';
import { secondsText } from './text.ts';

/** Progress lines of a run that nobody watches, at most so often. */
const jsonIntervalMs = 1000;
const drawIntervalMs = 100;
const barWidth = 30;

export class Progress {
  readonly #run: string;
  readonly #terminal = process.stderr.isTTY;
  readonly #started = performance.now();
  #total = 0;
  #done = 0;
  #reused = 0;
  #state = 'Split';
  #last = -Infinity;

  constructor(run: string) {
    this.#run = run;
  }

  /** Tiles of the whole run, once they are known. */
  setTotal(tiles: number): void {
    this.#total = tiles;
  }

  onEvent(event: RunEvent): void {
    switch (event.type) {
      case 'StateEntered':
        this.#state = event.state;
        this.#show(true);
        break;
      case 'WorkerEvent':
        if (event.event !== 'Tile:Done') return;
        this.#done++;
        if (event.fields['reused'] === true) this.#reused++;
        this.#show(this.#done === this.#total);
        break;
      case 'AttemptFailed':
        this.#say({ event: 'Attempt:Failed', batch: event.batch, attempt: event.attempt, exitCode: event.exitCode, reason: firstLine(event.reason), log: event.log });
        break;
      case 'BatchRetried':
        // A tile that the failed attempt had committed is reported once more as reused.
        this.#say({ event: 'Batch:Retried', batch: event.batch, attempt: event.attempt, reason: event.reason });
        break;
      case 'BatchesStarted':
      case 'BatchStarted':
      case 'BatchSucceeded':
      case 'BatchFailed':
        break;
    }
  }

  /** Leaves the line on the terminal and goes on below it. */
  end(): void {
    if (this.#terminal && this.#last !== -Infinity) process.stderr.write('\n');
  }

  #say(fields: Readonly<Record<string, unknown>>): void {
    if (!this.#terminal) {
      process.stderr.write(`${JSON.stringify({ ...fields, run: this.#run })}\n`);
      return;
    }
    const { event, ...rest } = fields;
    const text = Object.entries(rest).map(([name, value]) => `${name} ${String(value)}`).join(', ');
    process.stderr.write(`\r\u001B[K${String(event)}: ${text}\n`);
  }

  #show(always: boolean): void {
    const now = performance.now();
    if (!always && now - this.#last < (this.#terminal ? drawIntervalMs : jsonIntervalMs)) return;
    this.#last = now;
    const done = this.#total === 0 ? this.#done : Math.min(this.#done, this.#total);
    const elapsed = (now - this.#started) / 1000;
    if (!this.#terminal) {
      this.#say({ event: 'Run:Progress', state: this.#state, tilesDone: done, tilesReused: this.#reused, tiles: this.#total, seconds: Math.round(elapsed * 10) / 10 });
      return;
    }
    const share = this.#total === 0 ? 0 : done / this.#total;
    const filled = Math.round(share * barWidth);
    const bar = `${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}`;
    process.stderr.write(`\r\u001B[K${this.#state.padEnd(14)} [${bar}] ${String(done)}/${this.#total === 0 ? '?' : String(this.#total)} tiles, ${secondsText(elapsed)}`);
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
