/** Objects in S3. (In the making.) */
import { OperationError } from '../base/errors.ts';
import type { ClosableStore, ObjectReader } from './store.ts';

export interface S3StoreOptions {
  /** Sockets open at once, at most (default 32 a store). */
  readonly maxSockets?: number;
  /** Attempts for each request, the first included (default 5). */
  readonly maxAttempts?: number;
  /** Another server than AWS's; default: AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL. Path style is used with it. */
  readonly endpoint?: string;
  /** Default: AWS_REGION or the profile. */
  readonly region?: string;
  /** Reads the ranges of an assembly that lie elsewhere; default: this store, which knows only S3. */
  readonly reader?: ObjectReader;
}

export function createS3Store(_options: S3StoreOptions = {}): ClosableStore {
  throw new OperationError('STORE_NO_S3', 'The S3 driver is not there yet');
}
