/** Turns what AWS and its SDK say into the error tree: one sentence each. */
import { InputUnavailableError, TilefanError, TryAgainError } from '../../lib/base/errors.ts';
import { isPassing, s3FaultOf } from '../../lib/store/s3-errors.ts';

const credentials = new Set([
  'CredentialsProviderError',
  'TokenProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidClientTokenId',
  'UnrecognizedClientException',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'InvalidAccessKeyId',
  'IncompleteSignature',
  'MissingAuthenticationToken',
  'RequestExpired',
]);
const denied = new Set(['AccessDeniedException', 'AccessDenied', 'UnauthorizedOperation', 'KmsAccessDeniedException', 'NotAuthorized']);
const unreachable = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'ECONNRESET', 'TimeoutError']);

/** Whether an error came from AWS or on the way to it; anything else is a defect of ours. */
function isAws(error: unknown, name: string): error is Error {
  return error instanceof Error && ('$metadata' in error || credentials.has(name) || unreachable.has(name));
}

/** Whether the same request may well succeed soon: throttling, a fault of the service, a broken connection. */
export function isPassingAws(error: unknown): boolean {
  return isPassing(s3FaultOf(error));
}

/**
 * What a user is told of a request that failed after all retries. Errors of the tree, and what isn't AWS's, pass through unchanged.
 * @param what for example `Cannot submit`
 */
export function awsError(error: unknown, what: string): unknown {
  if (error instanceof TilefanError) return error;
  const fault = s3FaultOf(error);
  const { name, status, message } = fault;
  if (!isAws(error, name)) return error;
  const details = { cause: error, where: { error: name, status } };
  if (credentials.has(name)) {
    const profile = process.env['AWS_PROFILE'];
    const of = profile === undefined || profile === '' ? '' : ` in profile ${JSON.stringify(profile)}`;
    return new InputUnavailableError('AWS_CREDENTIALS', `${what}: no valid AWS credentials${of} (${name}: ${message}); set AWS_PROFILE or --profile, or log in again`, details);
  }
  // AWS names who asked, the action and the resource in its message.
  if (denied.has(name) || status === 401 || status === 403) {
    return new InputUnavailableError('AWS_DENIED', `${what}: AWS refuses permission (${name}): ${message}`, details);
  }
  if (unreachable.has(name)) return new TryAgainError('AWS_UNREACHABLE', `${what} just now: AWS can't be reached (${name}: ${message}); is the region right, and the network there?`, details);
  if (isPassing(fault)) return new TryAgainError('AWS_BUSY', `${what} just now: AWS is busy (${name}: ${message})`, details);
  return new InputUnavailableError('AWS_REFUSED', `${what}: AWS says ${name}: ${message}`, details);
}
