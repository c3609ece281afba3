/** A proxy on the loopback interface, in front of an S3 server, that writes down what is asked and how it is answered. */
import { createServer, request as send } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** One request to S3, with the bucket in the path. */
export interface S3Request {
  readonly method: string;
  readonly bucket: string;
  /** Decoded; empty for requests to the bucket itself. */
  readonly key: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  /** The request's body where it says which objects are meant, as DeleteObjects does; else empty. */
  readonly body: string;
  /** Of the answer. */
  readonly status: number;
}

export interface RecordingProxy {
  /** For AWS_ENDPOINT_URL_S3. */
  readonly endpoint: string;
  readonly requests: readonly S3Request[];
  stop(): Promise<void>;
}

/**
 * Bytes pass unchanged, the Host header too, so that signatures stay valid. The caller stops it.
 * @param mayList whether a missing object is called missing; without s3:ListBucket on its bucket, S3 calls it denied
 * @param delayMs for which each answer waits, as the one of a server that is far away
 */
export async function startRecordingProxy(target: string, mayList: boolean, delayMs = 0): Promise<RecordingProxy> {
  const { hostname, port } = new URL(target);
  const requests: S3Request[] = [];
  const forward = (from: IncomingMessage, to: ServerResponse): void => {
    let body = '';
    if (from.method === 'POST') from.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')));
    const onward = send({ hostname, port, method: from.method, path: from.url, headers: from.headers }, (answer) => {
      const request = describe(from, body, answer.statusCode ?? 0);
      if (!mayList && answer.statusCode === 404 && request.key !== '' && (request.method === 'GET' || request.method === 'HEAD')) {
        requests.push({ ...request, status: 403 });
        answer.resume();
        to.writeHead(403, { 'content-type': 'application/xml' });
        to.end(request.method === 'HEAD' ? undefined : '<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>');
        return;
      }
      requests.push(request);
      const pass = (): void => {
        to.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(to);
      };
      if (delayMs === 0) pass();
      else void sleep(delayMs).then(pass);
    });
    onward.on('error', () => to.destroy());
    from.on('error', () => onward.destroy());
    from.pipe(onward);
  };
  const server = createServer(forward);
  // The SDK asks whether it may send a body (Expect: 100-continue); the answer is the same.
  server.on('checkContinue', (from: IncomingMessage, to: ServerResponse) => {
    to.writeContinue();
    delete from.headers.expect;
    forward(from, to);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    requests,
    stop: async () => {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

function describe({ method = '', url = '/', headers }: IncomingMessage, body: string, status: number): S3Request {
  const { pathname, searchParams } = new URL(url, 'http://s3');
  const [, bucket = '', ...key] = pathname.split('/').map(decodeURIComponent);
  return {
    method,
    bucket,
    key: key.join('/'),
    query: Object.fromEntries(searchParams),
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
    body,
    status,
  };
}
