/** Progress on standard error: one line that is drawn over on a terminal, JSON lines otherwise. */
import { firstConversion, taskName } from '../lib/job/task-numbers.ts';
import { workDone, type RunEvent } from '../local/run-events.ts';
import { ProgressLine } from './progress-line.ts';

/** Progress lines of a run that nobody watches, at most so often. */
const jsonIntervalMs = 1000;
const drawIntervalMs = 100;

/** What a run has to do. */
export interface Work {
  readonly count: number;
  readonly noun: 'tiles' | 'items';
}

export class Progress {
  readonly #line: ProgressLine;
  readonly #started = performance.now();
  #total = 0;
  #noun: Work['noun'] = 'tiles';
  #done = 0;
  #reused = 0;
  #state = 'Split';
  #last = -Infinity;
  #later: NodeJS.Timeout | undefined;

  constructor(run: string) {
    this.#line = new ProgressLine(run, process.stderr);
  }

  /** Tiles, or items, of the whole run, once they are known. */
  setTotal({ count, noun }: Work): void {
    this.#total = count;
    this.#noun = noun;
  }

  onEvent(event: RunEvent): void {
    switch (event.type) {
      case 'StateEntered':
        this.#state = event.state;
        this.#show(true);
        break;
      case 'TrialStarted': {
        const { code, tile: { column, row } } = event;
        this.#line.note(`trying ${code} on tile ${String(column)},${String(row)}`, { event: 'Trial:Started', code, tile: [column, row] });
        break;
      }
      case 'WorkerEvent': {
        const work = workDone(event);
        if (work === undefined) return;
        this.#done += work.done;
        this.#reused += work.reused;
        this.#show(this.#done === this.#total);
        break;
      }
      case 'AttemptFailed':
        this.#line.say({ event: 'Attempt:Failed', batch: event.batch, ...taskOf(event.batch), attempt: event.attempt, exitCode: event.exitCode, reason: firstLine(event.reason), log: event.log });
        break;
      case 'BatchRetried':
        // A tile that the failed attempt had committed is reported once more as reused.
        this.#line.say({ event: 'Batch:Retried', batch: event.batch, ...taskOf(event.batch), attempt: event.attempt, reason: event.reason });
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
    clearTimeout(this.#later);
    this.#line.end();
  }

  #show(always: boolean): void {
    const now = performance.now();
    const wait = this.#last + (this.#line.terminal ? drawIntervalMs : jsonIntervalMs) - now;
    if (!always && wait > 0) {
      // Said later if nothing else is until then: the next tile may take hours.
      this.#later ??= setTimeout(() => { this.#show(true); }, wait).unref();
      return;
    }
    clearTimeout(this.#later);
    this.#later = undefined;
    this.#last = now;
    const done = this.#total === 0 ? this.#done : Math.min(this.#done, this.#total);
    const elapsed = (now - this.#started) / 1000;
    if (!this.#line.terminal) {
      const noun = this.#noun;
      // Whether there will be tiles or items isn't known either until they are counted.
      const counts = this.#total === 0 ? {} : { [`${noun}Done`]: done, [`${noun}Reused`]: this.#reused, [noun]: this.#total };
      this.#line.say({ event: 'Run:Progress', state: this.#state, ...counts, seconds: Math.round(elapsed * 10) / 10 });
      return;
    }
    this.#line.draw({ state: this.#state, done, total: this.#total, noun: this.#noun, seconds: elapsed });
  }
}

/** What a task is for that has no tiles of its own; its number says it to nobody. */
function taskOf(batch: number): { readonly task?: string } {
  return batch < firstConversion ? {} : { task: taskName(batch) };
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
