/** What is wrong with an expression. Problems are gathered, so that one message names them all. */
import { JobError } from '../../base/errors.ts';

export const problemCodes = [
  'EXPRESSION_EMPTY',
  'EXPRESSION_SYNTAX',
  'EXPRESSION_UNSUPPORTED',
  'EXPRESSION_TOO_LARGE',
  'EXPRESSION_UNKNOWN_NAME',
  'EXPRESSION_BAND',
  'EXPRESSION_ARGUMENTS',
  'EXPRESSION_KERNEL',
] as const;

export type ProblemCode = (typeof problemCodes)[number];

export interface ExpressionProblem {
  readonly code: ProblemCode;
  /** What was wanted and what was found, without the column. */
  readonly message: string;
  /** Where in the text, in characters from 1. */
  readonly column: number;
}

/** One error that lists every problem of one expression; its code is that of the first. `problems` must not be empty. */
export function expressionError(text: string, problems: readonly ExpressionProblem[]): JobError {
  const lines = problems.map(({ column, message }) => `  column ${String(column)}: ${message}`);
  const shown = text.length > 120 ? `${text.slice(0, 119)}…` : text;
  return new JobError(problems[0]?.code ?? 'EXPRESSION_SYNTAX', `bad expression ${JSON.stringify(shown)}\n${lines.join('\n')}`, {
    where: { expression: shown, problems },
  });
}
