/** Lines of JSON Lines, one by one. */
import { DataError, messageOf } from '../../base/errors.ts';
import { displayHref } from '../../store/href.ts';

/** Characters of one line, at most. */
const longestLine = 8 * 1024 * 1024;

export interface JsonRow {
  /** 1-based. */
  readonly line: number;
  readonly value: unknown;
}

export function notUtf8(href: string, where: string): DataError {
  return new DataError('MANIFEST_BROKEN', `${displayHref(href)} is not UTF-8 ${where}; wanted a text file in UTF-8`, { where: { href } });
}

/** Lines without what ends them. @throws DataError MANIFEST_BROKEN for what isn't UTF-8, and for lines without an end */
async function* textLines(pieces: AsyncIterable<Uint8Array>, href: string): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  let line = 1;
  const decode = (bytes?: Uint8Array): string => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
    } catch {
      throw notUtf8(href, `near line ${String(line)}`);
    }
  };
  for await (const bytes of pieces) {
    const lines = (rest + decode(bytes)).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > longestLine) throw new DataError('MANIFEST_BROKEN', `${displayHref(href)}: line ${String(line + lines.length)} has more than ${String(longestLine)} characters; wanted one item a line`, { where: { href } });
    line += lines.length;
    yield* lines;
  }
  yield rest + decode();
}

/**
 * What each line holds; empty lines hold nothing.
 * @throws DataError MANIFEST_BROKEN that names the line
 */
export async function* jsonRows(pieces: AsyncIterable<Uint8Array>, href: string): AsyncGenerator<JsonRow, void, undefined> {
  let line = 0;
  for await (const text of textLines(pieces, href)) {
    line++;
    if (text.trim() === '') continue;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw new DataError('MANIFEST_BROKEN', `${displayHref(href)}: line ${String(line)} is not JSON (${messageOf(cause)}); wanted one object a line`, { cause, where: { href, line } });
    }
    yield { line, value };
  }
}
