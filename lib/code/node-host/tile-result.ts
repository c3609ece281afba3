/** What a function returned for a tile or an item, as JSON. */
import { fromJsonNumber, jsonNumberWords, toJsonNumber, type JsonNumber } from '../../base/json-number.ts';
import { CodeError } from './code-error.ts';

const mebi = 1024 * 1024;
const longestMebi = 64;

/** Where larger results belong. */
export const largerResults = { tile: 'pixels belong into an output', item: 'what is larger belongs into a file in item.folder' } as const;

/** JSON text, or undefined when nothing was returned. @throws CodeError for what JSON can't hold */
export function resultText(value: unknown, of: keyof typeof largerResults = 'tile'): string | undefined {
  if (value === undefined) return undefined;
  let text: string | undefined;
  try {
    text = JSON.stringify(value, (_, part: unknown) => plain(part)) as string | undefined;
  } catch (cause) {
    throw new CodeError('output', `returned something that JSON cannot hold: ${cause instanceof Error ? (cause.message.split('\n', 1)[0] ?? '') : String(cause)}`, { cause });
  }
  if (text === undefined) throw new CodeError('output', `returned a ${typeof value}, which JSON cannot hold`);
  if (text.length > longestMebi * mebi) {
    throw new CodeError('output', `returned ${(text.length / mebi).toFixed()} MiB of JSON; wanted ${String(longestMebi)} MiB at most for one ${of}: ${largerResults[of]}`);
  }
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
