/** What went wrong with user code, as errors of the tree: one sentence each, with everything else in `where`. */
import { basename } from 'node:path';

import { JobError, OperationError, OutOfMemoryError, type TilefanError } from '../base/errors.ts';
import { lastLine } from './captured-output.ts';
import type { CodeFailure, CodePrinted, CodeSetup } from './code-setup.ts';
import { defaultExport } from './source-names.ts';

/** Codes of the failures that are the job's fault, whatever tile it is; the others belong to their tile. */
const codes = {
  function: 'FUNCTION_FAILED',
  shape: 'FUNCTION_SHAPE',
  output: 'FUNCTION_NO_OUTPUT',
  memory: 'FUNCTION_MEMORY',
  load: 'FUNCTION_LOAD',
  missing: 'FUNCTION_MISSING',
  signature: 'FUNCTION_SIGNATURE',
  requirement: 'REQUIREMENT_MISSING',
  python: 'PYTHON_MISSING',
  numpy: 'NUMPY_MISSING',
} as const satisfies Record<CodeFailure['kind'], string>;

const ofTheJob: ReadonlySet<CodeFailure['kind']> = new Set(['load', 'missing', 'signature', 'requirement', 'python', 'numpy']);

function memoryAdvice({ items }: CodeSetup): string {
  return `${items === undefined ? 'make tiles smaller, ' : ''}let fewer threads work, or give the task more memory`;
}

/** How the user's code is called in a sentence. */
export function codeName(setup: CodeSetup, name: string | null | undefined = setup.function): string {
  if (setup.model !== null || (setup.items?.model ?? null) !== null) return 'the model';
  if (name === defaultExport) return name;
  return typeof name === 'string' && name !== '' ? `function ${name}` : 'the function';
}

/** What the code process itself reported. */
export function failureError(setup: CodeSetup, failure: CodeFailure, printed: CodePrinted): TilefanError {
  const { kind, file, line, traceback } = failure;
  const where = { function: failure.function ?? setup.function, file, line, type: failure.type, traceback, merged: failure.merged, ...tails(printed) };
  const place = file === undefined || failure.message.includes(`${file}:${String(line ?? '')}`) ? '' : ` at ${file}${line === undefined ? '' : `:${String(line)}`}`;
  const subject = `${codeName(setup, failure.function)}${place}`;
  const advice = kind === 'memory' ? `; ${memoryAdvice(setup)}` : '';
  // Errors with a code of their own come from our code, and say what they are about.
  const message = failure.code === undefined ? `${subject}: ${withType(failure)}${advice}` : failure.message;
  const code = failure.code ?? codes[kind] ?? 'FUNCTION_FAILED';
  if (kind === 'memory') return new OutOfMemoryError(code, message, { where });
  return ofTheJob.has(kind) ? new JobError(code, message, { where }) : new OperationError(code, message, { where });
}

/** The class of an exception says more than its words do; our own sentences have none. */
function withType({ kind, type, message }: CodeFailure): string {
  if (kind !== 'function' || type === undefined || type === '' || message.startsWith(type)) return message;
  return message === '' ? type : `${type}: ${message}`;
}

/** The process ended by itself, or something ended it. */
export function deathError(setup: CodeSetup, during: string, exitCode: number | null, signal: NodeJS.Signals | null, printed: CodePrinted): TilefanError {
  const name = codeName(setup);
  const where = { function: setup.function, exitCode, signal, ...tails(printed) };
  if (/JavaScript heap out of memory/.test(printed.stderr)) {
    const limit = setup.memoryBytes === null ? '' : ` of ${String(Math.round(setup.memoryBytes / 1024 ** 2))} MiB`;
    return new OutOfMemoryError('FUNCTION_MEMORY', `${name}: its JavaScript heap${limit} was full ${during}; ${memoryAdvice(setup)}`, { where });
  }
  const how = signal === null ? `ended with exit code ${String(exitCode)}` : `was ended by ${signal}`;
  const why = signal === 'SIGKILL' ? `: most likely the machine had too little memory; ${memoryAdvice(setup)}` : '';
  const message = `${name}: its process ${how} ${during}${why}${lastWords(printed)}`;
  return signal === 'SIGKILL' ? new OutOfMemoryError('FUNCTION_DIED', message, { where }) : new OperationError('FUNCTION_DIED', message, { where });
}

/** It took longer than it may. @param what for example `a tile` */
export function timeoutError(setup: CodeSetup, what: string, seconds: number, printed: CodePrinted): OperationError {
  const message = `${codeName(setup)}: ${what} took longer than the ${String(seconds)} s that it may, so its process was ended${lastWords(printed)}`;
  return new OperationError('FUNCTION_TIMEOUT', message, { where: { function: setup.function, seconds, ...tails(printed) } });
}

/** Loading took longer than it may: no tile's fault, and the next one would meet it, too. */
export function loadTimeoutError(setup: CodeSetup, seconds: number, printed: CodePrinted): JobError {
  const message = `${sourceName(setup.code)} took longer than ${String(seconds)} s to load, so its process was ended${lastWords(printed)}`;
  return new JobError('FUNCTION_TIMEOUT', message, { where: { function: setup.function, seconds, ...tails(printed) } });
}

/** The user's own file: a bundle has another ending behind it. */
function sourceName(path: string): string {
  return basename(path).replace(/(\.[cm]?[jt]s)\.mjs$/, '$1');
}

function lastWords({ stdout, stderr }: CodePrinted): string {
  const last = lastLine(stderr) ?? lastLine(stdout);
  return last === undefined ? '' : `; its last words: ${last}`;
}

function tails({ stdout, stderr, stdoutBytes, stderrBytes }: CodePrinted): Record<string, unknown> {
  return { stdout, stderr, stdoutBytes, stderrBytes };
}
