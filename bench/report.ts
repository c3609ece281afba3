/** What a round has found, as Markdown: the targets first, then each scenario with its figures. */
import type { Line, RoundFile } from './round.ts';
import type { Column, Results, Scenario, Verdict } from './scenario.ts';

export function report(file: RoundFile, scenarios: readonly Scenario[]): string {
  const ran = scenarios.map((scenario) => ({ scenario, results: file.resultsOf(scenario), lines: file.lines.filter((line) => 'scenario' in line && line.scenario === scenario.name) }));
  const verdicts = ran.flatMap(({ scenario, results }) => (results.steps.length === 0 ? [] : scenario.judge(results)));
  const rounds = file.lines.filter((line) => line.kind === 'round');
  const last = rounds.at(-1);
  return [
    ...(last === undefined ? [] : [`${last.machine}; Node ${last.node}; ${last.gdal}; scene ${last.scene.replace(/.*\//, '')}; ${[...new Set(rounds.map(({ commit }) => commit))].join(', ')}; ${loadText(file.lines)}.`, '']),
    '| | measured | target | |',
    '|---|---|---|---|',
    ...verdicts.map(verdictRow),
    ...ran.flatMap(({ scenario, results, lines }) => (lines.length === 0 ? [] : ['', `### ${scenario.title}`, '', ...scenarioLines(scenario, results, lines)])),
    '',
  ].join('\n');
}

function verdictRow({ what, value, bound, target, unit = '' }: Verdict): string {
  const sign = bound === '<=' ? '≤' : '≥';
  if (value === undefined || Number.isNaN(value)) return `| ${what} | not measured | ${sign} ${String(target)}${unit} | |`;
  const met = bound === '<=' ? value <= target : value >= target;
  return `| ${what} | ${value.toFixed(value < 10 ? 3 : 1)}${unit} | ${sign} ${String(target)}${unit} | ${met ? 'met' : '**missed**'} |`;
}

function scenarioLines(scenario: Scenario, results: Results, lines: readonly Line[]): string[] {
  const columns = scenario.columns.filter(({ figure }) => results.steps.some((step) => results.median(step, figure) !== undefined));
  const rows = results.steps.map((step) => `| ${[step, ...columns.map((column) => cell(results, step, column)), String(Math.max(0, ...columns.map(({ figure }) => results.values(step, figure).length)))].join(' | ')} |`);
  const table = rows.length === 0 ? [] : [`| ${['', ...columns.map(({ title }) => title), 'runs'].join(' | ')} |`, `|${'---|'.repeat(columns.length + 2)}`, ...rows];
  const checks = lines.flatMap((line) => (line.kind === 'check' ? [`- ${line.check}: ${differencesText(line)}`] : []));
  const absent = [...new Set(lines.flatMap((line) => (line.kind === 'absent' ? [`- Without ${line.reason}.`] : [])))];
  // What has gone well since is told no more.
  const stands = (step: string, at: string): boolean => !lines.some((line) => line.at > at && ((line.kind === 'step' && (line.step === step || step === 'preparation')) || (line.kind === 'check' && line.check === step)));
  const failures = lines.flatMap((line) => (line.kind === 'failure' && stands(line.step, line.at) ? [`- ${line.step} failed: ${line.message.split('\n', 1)[0] ?? ''}`] : []));
  const comment = results.steps.length === 0 ? '' : (scenario.comment?.(results) ?? '');
  return [...table, ...(comment === '' ? [] : ['', comment]), ...(checks.length + absent.length + failures.length === 0 ? [] : ['', ...checks, ...absent, ...failures])];
}

function cell(results: Results, step: string, { figure, digits, largest = false }: Column): string {
  const values = results.values(step, figure).filter((value) => !Number.isNaN(value));
  const value = largest ? results.largest(step, figure) : results.median(step, figure);
  if (value === undefined || values.length === 0) return '';
  const range = !largest && values.length > 1 && figure === 'wall' ? ` (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})` : '';
  return `${value.toFixed(digits)}${range}`;
}

function differencesText({ pixels, differing, largest, tolerance }: Extract<Line, { kind: 'check' }>): string {
  const found = differing === 0 ? `all of ${String(pixels)} samples are the same` : `${String(differing)} of ${String(pixels)} samples differ, by ${String(largest)} at most`;
  if (tolerance === undefined) return found;
  return `${found}${largest <= tolerance ? '' : `; **${String(tolerance)} is allowed**`}`;
}

function loadText(lines: readonly Line[]): string {
  const loads = lines.flatMap((line) => (line.kind === 'step' ? [line.load] : []));
  return loads.length === 0 ? 'nothing run' : `load average from ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}`;
}
