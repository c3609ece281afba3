/**
 * A real S3 server for tests: versitygw over a temporary folder, on a free port of the loopback interface.
 *
 * It is looked for in TILEFAN_S3_SERVER, .tools/bin/versitygw, and PATH. Tests that need it are skipped, with a printed reason, where there is none:
 * `go install github.com/versity/versitygw/cmd/versitygw@v1.8.0` makes one.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface S3Server {
  readonly endpoint: string;
  /** The bucket that is there. */
  readonly bucket: string;
  /** Folder of the server; each folder in it is a bucket. */
  readonly root: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** What a child process needs in its environment to use this server. */
  readonly env: Readonly<Record<string, string>>;
  /** Stops the server and removes its folder. */
  stop(): Promise<void>;
}

const startSeconds = 20;

/** Why there is no server here, for a test's skip; undefined when there is one. */
export function whyNoS3Server(): string | undefined {
  return findProgram() === undefined ? 'no S3 server: set TILEFAN_S3_SERVER, or put versitygw into .tools/bin or PATH' : undefined;
}

/** Starts a server with one bucket; `versioning` lets buckets keep versions once they are told to. The caller stops it. */
export async function startS3Server(bucket = 'tilefan-test', { versioning = false }: { readonly versioning?: boolean } = {}): Promise<S3Server> {
  const program = findProgram();
  if (program === undefined) throw new Error(whyNoS3Server());
  const home = await mkdtemp(join(tmpdir(), 'tilefan-s3-'));
  const root = join(home, 'buckets');
  const versions = join(home, 'versions');
  await mkdir(join(root, bucket), { recursive: true });
  await mkdir(versions);
  const credentials = { accessKeyId: 'tilefan', secretAccessKey: 'tilefan-secret' };
  const region = 'us-east-1';
  // Another process may take the port between finding and using it: then the server ends at once, and a second port is tried.
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const env = { PATH: process.env['PATH'] ?? '', ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey };
    const child = spawn(program, ['--port', `127.0.0.1:${port}`, '--region', region, '--quiet', '--keep-alive', '--health', '/health', 'posix', ...(versioning ? ['--versioning-dir', versions] : []), root], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    const ended = watch(child);
    const endpoint = `http://127.0.0.1:${port}`;
    // A test that dies without stopping it must not leave it behind.
    const stopNow = (): boolean => child.kill('SIGKILL');
    process.once('exit', stopNow);
    const stop = async (): Promise<void> => {
      process.off('exit', stopNow);
      child.kill('SIGKILL');
      await ended.done;
      await rm(home, { recursive: true, force: true });
    };
    if (await answers(`${endpoint}/health`, child)) {
      return {
        endpoint,
        bucket,
        root,
        region,
        credentials,
        env: {
          AWS_ENDPOINT_URL_S3: endpoint,
          AWS_REGION: region,
          AWS_ACCESS_KEY_ID: credentials.accessKeyId,
          AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
        },
        stop,
      };
    }
    child.kill('SIGKILL');
    await ended.done;
    if (attempt < 3) continue;
    await rm(home, { recursive: true, force: true });
    throw new Error(`${program} did not start within ${startSeconds} s: ${ended.errors()}`);
  }
}

function findProgram(): string | undefined {
  const named = process.env['TILEFAN_S3_SERVER'];
  const candidates = [
    ...(named === undefined || named === '' ? [] : [named]),
    join(import.meta.dirname, '../../.tools/bin/versitygw'),
    ...(process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'versitygw')),
  ];
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function watch(child: ChildProcess): { readonly done: Promise<void>; readonly errors: () => string } {
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (text = (text + chunk).slice(-2000)));
  const done = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      text += error.message;
      resolve();
    });
    child.once('close', () => resolve());
  });
  return { done, errors: () => text };
}

async function answers(url: string, child: ChildProcess): Promise<boolean> {
  const until = Date.now() + startSeconds * 1000;
  while (Date.now() < until && child.exitCode === null && child.signalCode === null) {
    try {
      const answer = await fetch(url);
      await answer.arrayBuffer();
      if (answer.ok) return true;
    } catch {
      // Not listening yet.
    }
    await sleep(20);
  }
  return false;
}

async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))));
    });
  });
}
