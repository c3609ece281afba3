/** What a scenario is: steps that are measured in turn, checks of their results, and what the figures mean. */
import { median } from './measure.ts';
import type { Setting } from './setting.ts';

/** What one run of a step has given, by name: seconds, megabytes, counts. */
export type Figures = Readonly<Record<string, number>>;

export interface Step {
  readonly name: string;
  /** Runs of it, at most, for what takes long and varies little. */
  readonly runs?: number;
  run(): Promise<Figures>;
}

/** How far a result is from that of another program. */
export interface Differences {
  readonly pixels: number;
  readonly differing: number;
  readonly largest: number;
}

export interface Check {
  readonly name: string;
  /** Largest difference that is allowed; where it is left out, differences are only reported. */
  readonly tolerance?: number;
  run(): Promise<Differences>;
}

export interface Prepared {
  readonly steps: readonly Step[];
  readonly checks: readonly Check[];
  /** Who doesn't take part, and why. */
  readonly absent: readonly string[];
  /** Ends what was started for the steps. */
  close?(): Promise<void>;
}

export interface Verdict {
  readonly what: string;
  /** Undefined where what it is made from was not measured. */
  readonly value: number | undefined;
  readonly bound: '<=' | '>=';
  readonly target: number;
  readonly unit?: string;
}

/** A column of a scenario's table. */
export interface Column {
  readonly title: string;
  readonly figure: string;
  readonly digits: number;
  /** The largest of all runs, instead of their median. */
  readonly largest?: boolean;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly columns: readonly Column[];
  /** Makes its inputs, and says what is to be run. */
  prepare(setting: Setting): Promise<Prepared>;
  judge(results: Results): readonly Verdict[];
  /** Further Markdown, below the table. */
  comment?(results: Results): string;
}

export const processColumns: readonly Column[] = [
  { title: 'wall s', figure: 'wall', digits: 2 },
  { title: 'CPU s', figure: 'cpu', digits: 1 },
  { title: 'peak MB', figure: 'peak', digits: 0, largest: true },
  { title: 'output MB', figure: 'output', digits: 1 },
];

/** The figures of a scenario: of each step, of each run. */
export class Results {
  readonly #runs = new Map<string, Figures[]>();

  add(step: string, figures: Figures): void {
    this.#runs.set(step, [...(this.#runs.get(step) ?? []), figures]);
  }

  get steps(): readonly string[] {
    return [...this.#runs.keys()];
  }

  /** All values of a figure. */
  values(step: string, figure: string): readonly number[] {
    return (this.#runs.get(step) ?? []).flatMap((figures) => figures[figure] ?? []);
  }

  /** Undefined when the step hasn't run, or hasn't this figure. */
  median(step: string, figure = 'wall'): number | undefined {
    const values = this.values(step, figure);
    return values.length === 0 ? undefined : median(values);
  }

  largest(step: string, figure: string): number | undefined {
    const values = this.values(step, figure);
    return values.length === 0 ? undefined : Math.max(...values);
  }

  /** Of two medians. */
  ratio(step: string, other: string, figure = 'wall'): number | undefined {
    return quotient(this.median(step, figure), this.median(other, figure));
  }
}

export function quotient(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a / b;
}
