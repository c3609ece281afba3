/** Lines of a worker's log as people read them. */

const moment = /^\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d(?:\.\d+)?)Z?$/;

/**
 * A JSON line of lib/base/log.ts becomes time, level, event and fields; a stack stands below it. Anything else stays as it is.
 * @param timestamp when CloudWatch got it, in milliseconds; for lines that have no time of their own
 */
export function readableLine(text: string, timestamp?: number): string {
  const trimmed = text.trimEnd();
  let line: unknown;
  try {
    line = JSON.parse(trimmed);
  } catch {
    line = undefined;
  }
  if (typeof line !== 'object' || line === null || Array.isArray(line)) return timestamp === undefined ? trimmed : `${clock(timestamp)}  ${trimmed}`;
  // `_aws` says what CloudWatch is to make of a line of metrics.
  const { time, level, event, msg, message, _aws: _metrics, ...fields } = line as Record<string, unknown>;
  const stacks: string[] = [];
  const rest = Object.entries(fields).map(([name, value]) => fieldText(name, value, stacks));
  const head = [timeText(time, timestamp), shown(level).toUpperCase().padEnd(5), shown(event), shown(message ?? msg), ...rest].filter((part) => part.trim() !== '');
  return [head.join('  '), ...stacks].join('\n');
}

function timeText(time: unknown, timestamp: number | undefined): string {
  const [, clockTime] = typeof time === 'string' ? (moment.exec(time) ?? []) : [];
  if (clockTime !== undefined) return clockTime;
  const known = typeof time === 'number' ? time : timestamp;
  return known === undefined ? '' : clock(known);
}

function clock(timestamp: number): string {
  return new Date(timestamp).toISOString().slice(11, 23);
}

function shown(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function fieldText(name: string, value: unknown, stacks: string[]): string {
  if (typeof value !== 'object' || value === null || !('stack' in value)) return `${name}=${shown(value)}`;
  const { stack, ...fields } = value;
  if (typeof stack === 'string') stacks.push(...stack.split('\n').map((each) => `    ${each}`));
  return `${name}=${JSON.stringify(fields)}`;
}
