/** What the user's code threw, for a reply: one sentence, and the place in the user's own source. Node has put the source map's places into the stack. */
import { TilefanError } from '../../base/errors.ts';
import { codeFailureKinds, type CodeFailure } from '../code-setup.ts';
import { sourcePrefix } from '../source-names.ts';
import { CodeError, MergeFailure } from './code-error.ts';

/** A message of any length is possible; this much of it is kept. */
const longestMessage = 2000;
const longestTraceback = 16_384;

/** How many causes are told: a chain may be a ring. */
const causesTold = 4;

const framePattern = new RegExp(String.raw`^\s+at (?:(?:async )?(.*?) \()?${sourcePrefix}(.+?):(\d+):(\d+)\)?$`);

interface Frame {
  readonly function: string | undefined;
  readonly file: string;
  readonly line: number;
}

/** @param kind what an ordinary exception means here; those of the host itself and of memory say what they are */
export function describeFailure(thrown: unknown, kind: CodeFailure['kind'], functionName: string | undefined): CodeFailure {
  if (thrown instanceof MergeFailure) return { ...describeFailure(thrown.cause, kind, functionName), merged: thrown.merged };
  if (!(thrown instanceof Error)) {
    return { kind, message: `threw ${textOf(thrown)}; an Error would say where`, function: functionName };
  }
  if (thrown instanceof TilefanError) return { kind: kindOf(thrown) ?? kind, code: thrown.code, message: thrown.message, function: functionName };
  const frame = frameOf(stackOf(thrown));
  const message = textOf(thrown.message).trimEnd();
  return {
    kind: thrown instanceof CodeError ? thrown.kind : isAboutMemory(thrown) ? 'memory' : kind,
    type: thrown instanceof CodeError ? undefined : typeOf(thrown),
    message: message.length > longestMessage ? `${message.slice(0, longestMessage)}…` : message,
    traceback: tracebackOf(thrown),
    file: frame?.file,
    line: frame?.line,
    function: functionName,
  };
}

/** An error of ours, of a model for example, says what kind of failure it is. */
function kindOf({ where }: TilefanError): CodeFailure['kind'] | undefined {
  return codeFailureKinds.find((kind) => kind === where['kind']);
}

/** The sentence of process.exit and of others that are told by where they were called. */
export function placeOf(error: Error): Pick<CodeFailure, 'file' | 'line' | 'traceback'> {
  const frame = frameOf(stackOf(error));
  return { file: frame?.file, line: frame?.line, traceback: tracebackOf(error) };
}

/** The innermost frame of the user's own; else that of a package. */
function frameOf(stack: string): Frame | undefined {
  const frames = stack.split('\n').flatMap((line) => {
    const [, name, file, number] = framePattern.exec(line) ?? [];
    return file === undefined ? [] : [{ function: name, file, line: Number(number) }];
  });
  return frames.find(({ file }) => !file.startsWith('node_modules/')) ?? frames[0];
}

/** The stack without the frames of the host and of Node, with those of its causes. */
function tracebackOf(error: Error): string {
  const parts: string[] = [];
  let next: unknown = error;
  for (let told = 0; next instanceof Error && told < causesTold; told++, next = next.cause) {
    const lines = stackOf(next)
      .split('\n')
      .filter((line) => !/^\s+at /.test(line) || line.includes(sourcePrefix));
    parts.push(lines.join('\n').replaceAll(sourcePrefix, ''));
  }
  const text = parts.join('\ncaused by ');
  return text.length > longestTraceback ? `${text.slice(0, longestTraceback)}…` : text;
}

function stackOf(error: Error): string {
  // A stack may have been made something else by the user's code or a library.
  return typeof error.stack === 'string' ? error.stack : textOf(error);
}

function typeOf(error: Error): string {
  return typeof error.name === 'string' && error.name !== '' ? error.name : 'Error';
}

/** V8 says so by words only. */
function isAboutMemory(error: Error): boolean {
  return error instanceof RangeError && /^(?:Array buffer allocation failed|Invalid array buffer length)/.test(error.message);
}

function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return 'something that cannot be shown';
  }
}
