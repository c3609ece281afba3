/** What a function returned, as JSON. */
import { fromJsonNumber, jsonNumberWords, toJsonNumber, type JsonNumber } from '../../base/json-number.ts';
import { CodeError } from './code-error.ts';

/** Longer results belong into a file. */
const longestCharacters = 64 * 1024 * 1024;

/** JSON text, or undefined when nothing was returned. @throws CodeError for what JSON can't hold */
export function resultText(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  let text: string | undefined;
  try {
    text = JSON.stringify(value, (_, part: unknown) => plain(part)) as string | undefined;
  } catch (cause) {
    throw new CodeError('output', `returned something that JSON cannot hold: ${cause instanceof Error ? (cause.message.split('\n', 1)[0] ?? '') : String(cause)}`, { cause });
  }
  if (text === undefined) throw new CodeError('output', `returned a ${typeof value}, which JSON cannot hold`);
  if (text.length > longestCharacters) throw new CodeError('output', `returned ${String(text.length)} characters of JSON; wanted at most ${String(longestCharacters)} for one tile`);
  return text;
}

/** NaN and the infinities, which JSON has no notation for, become words. */
function plain(part: unknown): unknown {
  if (typeof part === 'number') return Number.isFinite(part) ? part : toJsonNumber(part);
  if (typeof part === 'bigint') {
    if (BigInt(Number(part)) === part) return Number(part);
    throw new TypeError(`the whole number ${String(part)} has more digits than a JSON number keeps`);
  }
  if (ArrayBuffer.isView(part) && !(part instanceof DataView)) return Array.from(part as unknown as ArrayLike<number>, (value) => (typeof value === 'bigint' ? plain(value) : value));
  if (part instanceof Map) return Object.fromEntries(part as Map<string, unknown>);
  if (part instanceof Set) return [...(part as Set<unknown>)];
  return part;
}

const words: ReadonlySet<unknown> = new Set(jsonNumberWords);

/** A result with the words that stand for numbers as numbers again. Arrays and objects are changed in place. */
export function numbersOf(value: unknown): unknown {
  if (words.has(value)) return fromJsonNumber(value as JsonNumber);
  if (typeof value !== 'object' || value === null) return value;
  const parts = value as Record<string, unknown>;
  for (const [key, part] of Object.entries(parts)) {
    const number = numbersOf(part);
    if (number !== part) parts[key] = number;
  }
  return value;
}
