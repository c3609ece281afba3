/** The S3 client: the standard environment and profiles, bounded sockets, the SDK's retries. */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';

import { S3Client } from '@aws-sdk/client-s3';

export interface S3ClientOptions {
  /** Sockets open at once, at most (default 32 a store). */
  readonly maxSockets?: number;
  /** Attempts for each request, the first included (default 5). */
  readonly maxAttempts?: number;
  /** Another server than AWS's; default: AWS_ENDPOINT_URL_S3, then AWS_ENDPOINT_URL. With one, buckets are addressed by path. */
  readonly endpoint?: string;
  /** Default: AWS_REGION or the profile; us-east-1 with an endpoint of one's own, where most servers don't care. */
  readonly region?: string;
}

const defaultMaxSockets = 32;
export const defaultMaxAttempts = 5;

/** To find out that nobody listens. */
const connectionTimeoutMs = 5_000;
/** A connection on which nothing moves for so long is dead. Long, because copying a large part is silent until it is done. */
const socketTimeoutMs = 60_000;

/** Without one the SDK writes to the console, for one when a stream can't be repeated, which this driver sees to. Errors are thrown anyway. */
const silent = { trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore };

function ignore(): void {
  // Nothing to say.
}

export function createS3Client(options: S3ClientOptions = {}, environment: NodeJS.ProcessEnv = process.env): S3Client {
  const endpoint = options.endpoint ?? nonEmpty(environment['AWS_ENDPOINT_URL_S3']) ?? nonEmpty(environment['AWS_ENDPOINT_URL']);
  const region = options.region ?? nonEmpty(environment['AWS_REGION']) ?? (endpoint === undefined ? undefined : 'us-east-1');
  // Agents of our own: for a large PUT the SDK would otherwise make an agent each time, without keep-alive and without bound.
  const agentOptions = { keepAlive: true, maxSockets: options.maxSockets ?? defaultMaxSockets };
  return new S3Client({
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(region === undefined ? {} : { region }),
    maxAttempts: options.maxAttempts ?? defaultMaxAttempts,
    retryMode: 'standard',
    followRegionRedirects: true,
    // The SDK's default adds CRC32 to every UploadPart and none to UploadPartCopy; S3 refuses an upload whose parts differ in that.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    logger: silent,
    requestHandler: {
      httpAgent: new HttpAgent(agentOptions),
      httpsAgent: new HttpsAgent(agentOptions),
      connectionTimeout: connectionTimeoutMs,
      socketTimeout: socketTimeoutMs,
      // Waiting for a socket is the bound at work, not a mistake to warn of.
      socketAcquisitionWarningTimeout: 2 ** 31 - 1,
    },
  });
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
