/**
 * The one tree of errors. Every error that a user can meet is one of these classes.
 *
 * The class name is what Lambda reports as `errorType`, so the names in the Retry and Catch rules of
 * statemachines/tile-pipeline.asl.json come from here. The exit code is what a worker ends with (sysexits.h), so that the
 * state machine can tell a bad job from a lost machine without reading words.
 */

/** What an error carries beside its message. */
export interface ErrorDetails {
  /** What lies underneath: the library's or the system's own error. */
  readonly cause?: unknown;
  /** Where it happened, as data: file, tile, JSON path, tag. Never secrets. */
  readonly where?: Readonly<Record<string, unknown>>;
}

/** Base of all errors of tilefan. `code` is stable and made for programs; `message` is made for people. */
export abstract class TilefanError extends Error {
  /** Exit code of a process that ends with this error (sysexits.h). */
  abstract readonly exitCode: number;
  /** Whether doing the same again, later or elsewhere, can help. */
  abstract readonly retryable: boolean;
  /** Upper snake case, for example `TIFF_NOT_A_TIFF`. */
  readonly code: string;
  readonly where: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    this.where = details.where ?? {};
  }
}

/** The job itself is wrong: bad field, bad expression, a plan that does not fit. Nothing but another job helps. */
export class JobError extends TilefanError {
  override readonly exitCode = 64;
  override readonly retryable = false;
}

/** The data is wrong: not a TIFF, truncated, a codec that can't be read. */
export class DataError extends TilefanError {
  override readonly exitCode = 65;
  override readonly retryable = false;
}

/** An input can't be reached: missing, no permission, a directory. */
export class InputUnavailableError extends TilefanError {
  override readonly exitCode = 69;
  override readonly retryable = false;
}

/** The operation itself failed on a tile, or a defect of tilefan showed. */
export class OperationError extends TilefanError {
  override readonly exitCode = 70;
  override readonly retryable = false;
}

/** Something can't be written: missing folder, no permission, disk full. */
export class OutputError extends TilefanError {
  override readonly exitCode = 73;
  override readonly retryable = false;
}

/** A passing fault (throttling, a reset connection, SIGTERM): the same work may well succeed next time. */
export class TryAgainError extends TilefanError {
  override readonly exitCode = 75;
  override readonly retryable = true;
}

/** User code has used up its memory. A task of the next larger size may well do it, so the exit code is that of a process that the kernel has killed for want of memory. */
export class OutOfMemoryError extends TilefanError {
  override readonly exitCode = 137;
  override readonly retryable = true;
}

/** A plain description of any thrown value, for records and logs. */
export interface ErrorRecord {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly exitCode: number;
  readonly retryable: boolean;
  readonly where: Readonly<Record<string, unknown>>;
  readonly stack: string | undefined;
}

/** The code of what is none of our errors. */
export const unexpectedCode = 'UNEXPECTED';

/** Turns anything thrown into a record; what is not ours counts as a failed operation (exit code 70). */
export function describeError(error: unknown): ErrorRecord {
  if (error instanceof TilefanError) {
    const { name, code, message, exitCode, retryable, where, stack } = error;
    return { name, code, message, exitCode, retryable, where, stack };
  }
  const known = error instanceof Error ? error : new Error(String(error));
  return {
    name: known.name,
    code: unexpectedCode,
    message: known.message,
    exitCode: 70,
    retryable: false,
    where: {},
    stack: known.stack,
  };
}

/** The message of anything thrown, for putting into another message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const classes = { JobError, DataError, InputUnavailableError, OperationError, OutputError, OutOfMemoryError, TryAgainError } as const;

/** Names of the classes, which decide exit code and retries. */
export type ErrorClass = keyof typeof classes;

/** An error of the class with this name; of OperationError for a name that is none of ours. */
export function createError(name: string, code: string, message: string, details: ErrorDetails = {}): TilefanError {
  const Class = Object.entries(classes).find(([known]) => known === name)?.[1] ?? OperationError;
  return new Class(code, message, details);
}

/** The same error with more behind its message, and more of where it happened. */
export function withWords(error: TilefanError, more: string, where: ErrorDetails['where'] = {}): TilefanError {
  const longer = createError(error.name, error.code, `${error.message}${more}`, { where: { ...error.where, ...where }, ...(error.cause === undefined ? {} : { cause: error.cause }) });
  if (error.stack !== undefined) longer.stack = error.stack;
  return longer;
}

/** Rebuilds an error that crossed a thread or process border as a record, so that its class decides the exit code again. */
export function restoreError(record: ErrorRecord): TilefanError {
  const error = createError(record.name, record.code, record.message, { where: record.where });
  if (record.stack !== undefined) error.stack = record.stack;
  return error;
}
