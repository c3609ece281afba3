/** Turns what S3 and its SDK say into the error tree, naming bucket and key. */
import { InputUnavailableError, OutputError, TilefanError, TryAgainError } from '../base/errors.ts';
import { errnoOf } from './file-errors.ts';
import { s3LocationOf } from './href.ts';

/** What can be told apart in an error of the SDK. */
export interface S3Fault {
  /** S3's error code (`NoSuchKey`), the SDK's class name, or a system error code (`ECONNRESET`). */
  readonly name: string;
  /** HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;
  readonly message: string;
}

export function s3FaultOf(error: unknown): S3Fault {
  if (!(error instanceof Error)) return { name: 'unknown', status: undefined, message: String(error) };
  const metadata: unknown = '$metadata' in error ? error.$metadata : undefined;
  const status = typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata ? metadata.httpStatusCode : undefined;
  return {
    name: error.name === 'Error' ? (errnoOf(error) ?? 'Error') : error.name,
    status: typeof status === 'number' ? status : undefined,
    message: error.message,
  };
}

/** S3's codes for a key that isn't there; HEAD has no body, and so only a status. */
export function isNoSuchKey(fault: S3Fault): boolean {
  return fault.name === 'NoSuchKey' || fault.name === 'NotFound' || (fault.status === 404 && fault.name !== 'NoSuchBucket' && fault.name !== 'NoSuchUpload');
}

const network = new Set(['ECONNRESET', 'ECONNREFUSED', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ERR_STREAM_PREMATURE_CLOSE', 'TimeoutError', 'AbortError']);
const throttling = new Set(['SlowDown', 'Throttling', 'ThrottlingException', 'RequestLimitExceeded', 'RequestThrottled', 'TooManyRequestsException', 'RequestTimeout', 'OperationAborted', 'ConditionalRequestConflict', 'ServiceUnavailable', 'InternalError']);
const credentials = new Set(['CredentialsProviderError', 'InvalidAccessKeyId', 'SignatureDoesNotMatch', 'ExpiredToken', 'ExpiredTokenException', 'InvalidToken', 'TokenRefreshRequired', 'RequestTimeTooSkewed', 'TokenProviderError']);
/** Of a key that can't be written, while others can: S3's, and those of servers that keep objects as files (MinIO). */
const badKey = new Set(['KeyTooLongError', 'XMinioInvalidObjectName', 'XMinioParentIsObject', 'XMinioObjectExistsAsDirectory']);
const region = new Set(['PermanentRedirect', 'TemporaryRedirect', 'AuthorizationHeaderMalformed', 'IllegalLocationConstraintException']);

/** Whether the same request may well succeed soon. */
export function isPassing(fault: S3Fault): boolean {
  return network.has(fault.name) || throttling.has(fault.name) || fault.status === 429 || (fault.status !== undefined && fault.status >= 500);
}

/** The error for a request on `href` that failed after all retries. Errors of the tree pass through unchanged. */
export function s3Error(error: unknown, href: string, doing: 'read' | 'write'): TilefanError {
  if (error instanceof TilefanError) return error;
  const { bucket, key } = s3LocationOf(href);
  const fault = s3FaultOf(error);
  const { name, status, message } = fault;
  const details = { cause: error, where: { href, bucket, key, error: name, status } };
  const Class = doing === 'read' ? InputUnavailableError : OutputError;
  const what = `Cannot ${doing} ${href}`;

  if (credentials.has(name)) {
    return new Class('STORE_NO_CREDENTIALS', `${what}: no valid AWS credentials (${name}: ${message}); set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in again`, details);
  }
  if (name === 'NoSuchBucket') {
    return new Class(doing === 'read' ? 'STORE_NOT_FOUND' : 'STORE_NO_FOLDER', `${what}: the bucket ${bucket} does not exist`, details);
  }
  if (isNoSuchKey(fault)) return new Class('STORE_NOT_FOUND', `${what}: the bucket ${bucket} has no object of the key ${JSON.stringify(key)}`, details);
  if (region.has(name) || status === 301 || status === 307) {
    return new Class('STORE_WRONG_REGION', `${what}: the bucket ${bucket} lies in another region than this client asks (${name}); set AWS_REGION to the bucket's`, details);
  }
  if (status === 401 || status === 403) {
    // InvalidObjectState is a 403 too, and has nothing to do with permissions.
    if (name === 'InvalidObjectState') return new Class('STORE_UNREADABLE', `${what}: the object is archived (Glacier); restore it first`, details);
    const hint = doing === 'read' ? '; S3 says the same of a missing object to callers without s3:ListBucket' : '';
    return new Class('STORE_DENIED', `${what}: permission denied (${name} ${status}, bucket ${bucket})${hint}`, details);
  }
  if (network.has(name)) return new TryAgainError('STORE_BUSY', `${what} just now: S3 can't be reached, or the connection broke (${name}: ${message})`, details);
  if (isPassing(fault)) return new TryAgainError('STORE_BUSY', `${what} just now: S3 is busy (${name}${status === undefined ? '' : ` ${status}`})`, details);
  return new Class(doing === 'read' ? 'STORE_UNREADABLE' : badKey.has(name) ? 'STORE_BAD_NAME' : 'STORE_UNWRITABLE', `${what}: S3 says ${name}${status === undefined ? '' : ` ${status}`}: ${message}`, details);
}
