/** How a program that failed is reported: what happened, and what it said last. */
import { messageOf, OperationError } from '../../base/errors.ts';
import type { CodePrinted } from '../code-setup.ts';
import type { ProgramEnd } from './run-program.ts';

/** Lines of a program's last words that go into a message; all of what is kept goes into the record. */
const quotedLines = 3;
const quotedCharacters = 600;

/** Of each argument, in the record. */
const recordedCharacters = 1000;

export interface FailedProgram {
  /** As the job names it. */
  readonly program: string;
  readonly args: readonly string[];
  readonly timeoutSeconds: number;
  readonly printed: CodePrinted;
}

/** The error that an end is; undefined for exit code 0. */
export function programError(end: ProgramEnd, { program, args, timeoutSeconds, printed }: FailedProgram): OperationError | undefined {
  const where = { function: program, arguments: args.map(shortened), stdout: printed.stdout, stderr: printed.stderr, stdoutBytes: printed.stdoutBytes, stderrBytes: printed.stderrBytes };
  const said = lastWords(printed);
  switch (end.kind) {
    case 'exit':
      if (end.code === 0) return undefined;
      return new OperationError('FUNCTION_FAILED', `${program} ended with exit code ${String(end.code)}${said}`, { where: { ...where, exitCode: end.code } });
    case 'signal': {
      const why = end.signal === 'SIGKILL' ? ': most likely the machine had too little memory; give the task more of it, make tiles smaller, or let fewer threads work' : '';
      return new OperationError('FUNCTION_DIED', `${program} was ended by ${end.signal}${why}${said}`, { where: { ...where, signal: end.signal } });
    }
    case 'timeout':
      return new OperationError('FUNCTION_TIMEOUT', `${program} took longer than the ${String(timeoutSeconds)} s that it may for one tile ($.operation.tileTimeout), and was ended${said}`, { where: { ...where, timeoutSeconds } });
    case 'unstartable':
      return new OperationError('FUNCTION_FAILED', `${program} cannot be started: ${whyNot(end.cause)}`, { cause: end.cause, where });
  }
}

/** An argument may be a whole document; a record of it may not. */
function shortened(argument: string): string {
  return argument.length > recordedCharacters ? `${argument.slice(0, recordedCharacters)}…` : argument;
}

/** The system's reasons in words; it says ENOENT of a script whose interpreter is missing, too. */
function whyNot(cause: Error): string {
  const code = 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT') return 'the interpreter that its first line (#!) names is not on this machine';
  if (code === 'E2BIG') return 'its arguments are longer than the system takes';
  return messageOf(cause);
}

/** The end of what it printed: to stderr, else to stdout. */
function lastWords({ stdout, stderr }: CodePrinted): string {
  for (const text of [stderr, stdout]) {
    const lines = text
      .split(/[\r\n]+/)
      .map((line) => line.trim())
      .filter((line) => line !== '');
    if (lines.length > 0) return `; its last words: ${lines.slice(-quotedLines).join(' | ').slice(-quotedCharacters)}`;
  }
  return '; it printed nothing';
}
