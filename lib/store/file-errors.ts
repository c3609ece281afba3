/** Turns what the operating system says into the error tree, in words that a user understands. */
import { dirname } from 'node:path';

import { DataError, InputUnavailableError, OutputError, TilefanError, TryAgainError } from '../base/errors.ts';
import { displayHref } from './href.ts';

/** The system's error code (`ENOENT`), when `error` is a system error. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Faults that pass by themselves: other work holds what is needed, or a network file system is away for a moment. */
const passing: Readonly<Record<string, string>> = {
  EMFILE: 'this process has too many files open',
  ENFILE: 'the machine has too many files open',
  EAGAIN: 'the system is out of resources for the moment',
  ENOMEM: 'the system is out of memory for the moment',
  EBUSY: 'the file is busy',
  ETIMEDOUT: 'the file system did not answer in time',
  ESTALE: 'the network file system lost the file handle',
};

/** What can be wrong with a path, whether it is read or written. */
const badPath: Readonly<Record<string, string>> = {
  ENAMETOOLONG: 'its name is too long for the file system',
  ELOOP: 'its symbolic links go round in a circle',
  EINVAL: 'the file system does not accept this name',
  EILSEQ: 'the file system does not accept this name',
};

/** Things in a folder that no href can name. @param names their bytes */
export function lostNames(folder: string, names: readonly Uint8Array[]): InputUnavailableError {
  const shown = names.slice(0, 3).map((name) => Array.from(name, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`)).join(''));
  const more = names.length > shown.length ? ` and ${String(names.length - shown.length)} more` : '';
  return new InputUnavailableError('STORE_NAME', `Cannot list ${displayHref(folder)}: it has names that aren't UTF-8, and so can't be said: ${shown.join(', ')}${more}; rename them, or take them away`, { where: { href: folder, names: shown } });
}

/** The error for a read of `href` that failed. Errors of the tree pass through unchanged. */
export function readError(error: unknown, href: string): TilefanError {
  if (error instanceof TilefanError) return error;
  const path = displayHref(href);
  const errno = errnoOf(error) ?? 'unknown';
  const details = { cause: error, where: { href, errno } };
  const waiting = passing[errno];
  if (waiting !== undefined) return new TryAgainError('STORE_BUSY', `Cannot read ${path} just now: ${waiting} (${errno})`, details);
  switch (errno) {
    case 'ENOENT':
      return new InputUnavailableError('STORE_NOT_FOUND', `${path} does not exist: wanted a file`, details);
    case 'ENOTDIR':
      return new InputUnavailableError('STORE_NOT_FOUND', `${path} does not exist: a part of its path is a file, not a folder`, details);
    case 'EISDIR':
      return isDirectory(href, 'read', error);
    case 'EACCES':
    case 'EPERM':
      return new InputUnavailableError('STORE_DENIED', `No permission to read ${path} (${errno})`, details);
    default:
      return new InputUnavailableError('STORE_UNREADABLE', `Cannot read ${path}: ${badPath[errno] ?? systemMessage(error)} (${errno})`, details);
  }
}

/** The error for a write of `href` that failed. Errors of the tree pass through unchanged. */
export function writeError(error: unknown, href: string): TilefanError {
  if (error instanceof TilefanError) return error;
  const path = displayHref(href);
  const errno = errnoOf(error) ?? 'unknown';
  const details = { cause: error, where: { href, errno } };
  const waiting = passing[errno];
  if (waiting !== undefined) return new TryAgainError('STORE_BUSY', `Cannot write ${path} just now: ${waiting} (${errno})`, details);
  switch (errno) {
    case 'ENOENT':
      return new OutputError('STORE_NO_FOLDER', `Cannot write ${path}: the folder ${dirname(path)} does not exist; create it, or correct the path`, details);
    case 'ENOTDIR':
      return new OutputError('STORE_NOT_A_FOLDER', `Cannot write ${path}: a part of its path is a file, where a folder is wanted`, details);
    case 'EISDIR':
      return isDirectory(href, 'write', error);
    case 'EACCES':
    case 'EPERM':
      return new OutputError('STORE_DENIED', `No permission to write ${path} in the folder ${dirname(path)} (${errno})`, details);
    case 'EROFS':
      return new OutputError('STORE_DENIED', `Cannot write ${path}: its file system is mounted read-only (${errno})`, details);
    case 'ENOSPC':
      return new OutputError('STORE_FULL', `Cannot write ${path}: no space left on the device of ${dirname(path)} (${errno})`, details);
    case 'EDQUOT':
      return new OutputError('STORE_FULL', `Cannot write ${path}: the disk quota is used up (${errno})`, details);
    case 'EFBIG':
      return new OutputError('STORE_FULL', `Cannot write ${path}: the file would be larger than the file system or the limit of this process allows (${errno})`, details);
    default:
      return new OutputError(badPath[errno] === undefined ? 'STORE_UNWRITABLE' : 'STORE_BAD_NAME', `Cannot write ${path}: ${badPath[errno] ?? systemMessage(error)} (${errno})`, details);
  }
}

/** The error for a folder where a file is wanted. */
export function isDirectory(href: string, doing: 'read' | 'write', cause?: unknown): TilefanError {
  const details = { cause, where: { href } };
  return doing === 'read'
    ? new InputUnavailableError('STORE_IS_DIRECTORY', `Cannot read ${displayHref(href)}: it is a folder; wanted a file`, details)
    : new OutputError('STORE_IS_DIRECTORY', `Cannot write ${displayHref(href)}: a folder of that name exists; wanted the path of a file`, details);
}

/** The error for a pipe, socket or device where a file is wanted. */
export function notAFile(href: string, doing: 'read' | 'write'): TilefanError {
  const Class = doing === 'read' ? InputUnavailableError : OutputError;
  return new Class('STORE_NOT_A_FILE', `Cannot ${doing} ${displayHref(href)}: it is a pipe, socket or device; wanted a regular file`, { where: { href } });
}

function systemMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The error for a range that a file doesn't have whole. @param found bytes that there were of it */
export function truncated(href: string, offset: number, length: number, found: number): DataError {
  return new DataError('STORE_TRUNCATED', `${displayHref(href)} ends at byte ${String(offset + found)}: wanted ${String(length)} bytes from byte ${String(offset)}`, { where: { href, offset, length } });
}
