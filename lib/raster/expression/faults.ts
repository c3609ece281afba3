/** Errors of a run that no job can cause: they mean a defect in what made or called the program. */
import { OperationError } from '../../base/errors.ts';

export function badProgram(message: string): OperationError {
  return new OperationError('EXPRESSION_PROGRAM', `the compiled expression is damaged: ${message}`);
}

export function badPlanes(message: string): OperationError {
  return new OperationError('EXPRESSION_PLANES', message);
}

/** @throws OperationError EXPRESSION_PROGRAM when there is no such element */
export function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw badProgram(`no number ${String(index)} among ${String(list.length)}`);
  return found;
}
