/** A round: steps of a scenario in turn, each result written down at once, so that a round that was broken off goes on where it ended. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import { arch, cpus, loadavg, totalmem } from 'node:os';
import { messageOf } from '../lib/base/errors.ts';
import { Results, type Differences, type Figures, type Prepared, type Scenario } from './scenario.ts';
import { execute, path, type Setting } from './setting.ts';

/** What the lines of a round's file say. */
export type Line =
  | { readonly kind: 'round'; readonly at: string; readonly commit: string; readonly node: string; readonly gdal: string; readonly machine: string; readonly scene: string }
  | { readonly kind: 'step'; readonly at: string; readonly scenario: string; readonly step: string; readonly run: number; readonly load: number; readonly figures: Figures }
  | ({ readonly kind: 'check'; readonly at: string; readonly scenario: string; readonly check: string; readonly tolerance?: number } & Differences)
  | { readonly kind: 'failure'; readonly at: string; readonly scenario: string; readonly step: string; readonly message: string }
  | { readonly kind: 'absent'; readonly at: string; readonly scenario: string; readonly reason: string };

/** The file of a round. */
export class RoundFile {
  readonly #file: string;
  readonly lines: Line[];

  /** A last line that was cut off is dropped. */
  constructor(file: string) {
    this.#file = file;
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole.length < text.length) truncateSync(file, Buffer.byteLength(whole));
    this.lines = whole.split('\n').filter(Boolean).map((line) => JSON.parse(line) as Line);
  }

  add(line: Line): void {
    this.lines.push(line);
    appendFileSync(this.#file, `${JSON.stringify(line)}\n`);
  }

  /** What this machine and this version are. */
  begin(setting: Setting): void {
    const scene = setting.sceneDeflate ?? `${String(setting.size)} px`;
    const earlier = this.lines.find((line) => line.kind === 'round');
    const commit = spawnSync('git', ['describe', '--always', '--dirty', '--abbrev=12'], { cwd: path('..'), encoding: 'utf8' }).stdout.trim();
    if (earlier !== undefined && earlier.scene !== scene) throw new Error(`${this.#file} is a round with the scene ${earlier.scene}, not ${scene}: name another --out`);
    if (earlier !== undefined && earlier.commit !== commit) process.stderr.write(`this round was begun with ${earlier.commit}, and goes on with ${commit}\n`);
    const gdal = setting.peers.gdal ? execute('gdalwarp', ['--version']).trim() : 'none';
    const machine = `${String(cpus().length)} x ${cpus()[0]?.model ?? arch()}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`;
    this.add({ kind: 'round', at: now(), commit, node: process.version, gdal, machine, scene });
  }

  resultsOf({ name }: Scenario): Results {
    const results = new Results();
    for (const line of this.lines) if (line.kind === 'step' && line.scenario === name) results.add(line.step, line.figures);
    return results;
  }
}

/** Runs what a scenario still lacks. A step that fails is written down and left out from then on; the others go on. */
export async function runScenario(file: RoundFile, scenario: Scenario, setting: Setting): Promise<void> {
  let prepared: Prepared;
  try {
    prepared = await scenario.prepare(setting);
  } catch (error) {
    fail(file, scenario, 'preparation', error);
    return;
  }
  try {
    await runPrepared(file, scenario, setting, prepared);
  } finally {
    await prepared.close?.();
  }
}

async function runPrepared(file: RoundFile, scenario: Scenario, { runs }: Setting, prepared: Prepared): Promise<void> {
  const done = (step: string): number => file.lines.filter((line) => line.kind === 'step' && line.scenario === scenario.name && line.step === step).length;
  for (const reason of prepared.absent) {
    say(scenario, `without ${reason}`);
    file.add({ kind: 'absent', at: now(), scenario: scenario.name, reason });
  }
  const failed = new Set<string>();
  for (let run = 0; run < runs; run++) {
    for (const step of prepared.steps) {
      if (failed.has(step.name) || done(step.name) > run || run >= (step.runs ?? Infinity)) continue;
      // What the last one has left to be written to the disk is not for this one to wait for.
      spawnSync('sync');
      try {
        const figures = await step.run();
        const [load = NaN] = loadavg();
        file.add({ kind: 'step', at: now(), scenario: scenario.name, step: step.name, run, load, figures });
        say(scenario, `${step.name} ${String(run + 1)}: ${describe(figures)} (load ${load.toFixed(1)})`);
      } catch (error) {
        failed.add(step.name);
        fail(file, scenario, step.name, error);
      }
    }
  }
  for (const check of prepared.checks) {
    if (file.lines.some((line) => line.kind === 'check' && line.scenario === scenario.name && line.check === check.name)) continue;
    try {
      const differences = await check.run();
      file.add({ kind: 'check', at: now(), scenario: scenario.name, check: check.name, ...(check.tolerance === undefined ? {} : { tolerance: check.tolerance }), ...differences });
      say(scenario, `${check.name}: ${String(differences.differing)} of ${String(differences.pixels)} differ, by ${String(differences.largest)} at most`);
    } catch (error) {
      fail(file, scenario, check.name, error);
    }
  }
}

function say({ name }: Scenario, text: string): void {
  process.stderr.write(`${name}: ${text}\n`);
}

function fail(file: RoundFile, scenario: Scenario, step: string, error: unknown): void {
  file.add({ kind: 'failure', at: now(), scenario: scenario.name, step, message: messageOf(error) });
  say(scenario, `${step} has failed: ${messageOf(error)}`);
}

function describe(figures: Figures): string {
  return Object.entries(figures)
    .filter(([, value]) => Number.isFinite(value) && value !== 0)
    .map(([name, value]) => `${name} ${value.toPrecision(4)}`)
    .join(', ');
}

function now(): string {
  return new Date().toISOString();
}
