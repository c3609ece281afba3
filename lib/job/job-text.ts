/** A job from its text. Numbers that would become others on the way are refused: nobody would see it. */
import { jsonPath, throwProblems, type Problem } from './problems.ts';

/** The third argument of a reviver: https://tc39.es/proposal-json-parse-with-source/ */
interface ReviverContext {
  /** The text of a primitive value. */
  readonly source?: string;
}

type Reviver = (this: object, key: string, value: unknown, context: ReviverContext) => unknown;

/**
 * The document that JSON text is.
 * @throws SyntaxError for what is no JSON; JobError JOB_INVALID that names each number that is too large, and each whole number that a double can't keep
 */
export function parseJobText(text: string): unknown {
  const changed: { readonly holder: object; readonly key: string; readonly message: string }[] = [];
  const look: Reviver = function (key, value, { source }) {
    if (typeof value === 'number' && source !== undefined) {
      const message = changeOf(value, source);
      if (message !== undefined) changed.push({ holder: this, key, message });
    }
    return value;
  };
  let document: unknown;
  try {
    document = JSON.parse(text, look as (this: unknown, key: string, value: unknown) => unknown);
  } catch (error) {
    // Nested deeper than a reviver is called; no job is, which its schema says better.
    if (error instanceof RangeError) return JSON.parse(text);
    throw error;
  }
  if (changed.length > 0) {
    const paths = pathsOf(document, new Set(changed.map(({ holder }) => holder)));
    throwProblems(
      'JOB_INVALID',
      'the job spec is not valid',
      // What isn't found is the document itself, a number alone; or it was overwritten by a later field of the same name.
      changed.flatMap(({ holder, key, message }): Problem[] => {
        const path = paths.get(holder);
        return path === undefined ? [] : [{ path: jsonPath([...path, Array.isArray(holder) ? Number(key) : key]), message }];
      }),
    );
  }
  return document;
}

function changeOf(value: number, source: string): string | undefined {
  if (!Number.isFinite(value)) return `${shortened(source)} is too large for a number; wanted ${String(Number.MAX_VALUE)} at most`;
  // Digits that a double doesn't have are zeros where another program has written one as short as may be.
  if (!/^-?\d+$/.test(source) || Number.isSafeInteger(value) || String(value) === source || BigInt(source) === BigInt(value)) return undefined;
  return `the whole number ${shortened(source)} can't be kept, it would become ${String(BigInt(value))}; write it as text`;
}

function shortened(source: string): string {
  return source.length > 40 ? `${source.slice(0, 37)}…` : source;
}

/** Where some objects and arrays of a document are. */
function pathsOf(document: unknown, wanted: ReadonlySet<object>): ReadonlyMap<object, readonly PropertyKey[]> {
  const found = new Map<object, readonly PropertyKey[]>();
  const waiting: { readonly value: unknown; readonly path: readonly PropertyKey[] }[] = [{ value: document, path: [] }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { value, path } = next;
    if (typeof value !== 'object' || value === null) continue;
    if (wanted.has(value)) found.set(value, path);
    for (const [key, inner] of Object.entries(value)) waiting.push({ value: inner, path: [...path, Array.isArray(value) ? Number(key) : key] });
  }
  return found;
}
