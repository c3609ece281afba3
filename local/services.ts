/** Stand-ins for the AWS services that the state machine calls, by resource. A failure has the form that the service gives it. */
import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { describeError, TilefanError } from '../lib/base/errors.ts';
import { hrefOf } from '../lib/job/events.ts';
import type { Store } from '../lib/store/store.ts';
import { StatesError } from './engine.ts';
import type { Items, Json, Outcome, TaskHandler } from './engine.ts';

export const lambdaResource = 'arn:aws:states:::lambda:invoke';
export const runTaskResource = 'arn:aws:states:::ecs:runTask.sync';
export const getObjectResource = 'arn:aws:states:::aws-sdk:s3:getObject';

/** Lambda's own limit, so that a function that hands over in time does so here too. */
const lambdaTimeoutMs = 900_000;

/** What a handler is told about its call: the part of Lambda's context that ours read. */
export interface FunctionContext {
  readonly awsRequestId: string;
  getRemainingTimeInMillis(): number;
}

export type LambdaFunction = (event: unknown, context: FunctionContext) => Promise<unknown>;

const invocation = z.object({ FunctionName: z.string(), Payload: z.unknown() });

/** Calls a function in this process, by the placeholder that stands for its ARN. An abort shows as no time left. */
export function lambdaHandler(functions: Readonly<Record<string, LambdaFunction>>): TaskHandler {
  return async ({ arguments: args, signal }) => {
    const { FunctionName, Payload } = invocation.parse(args);
    const call = functions[FunctionName];
    if (call === undefined) throw new StatesError('Lambda.ResourceNotFoundException', `Function not found: ${FunctionName}`);
    const end = performance.now() + lambdaTimeoutMs;
    const context = { awsRequestId: randomUUID(), getRemainingTimeInMillis: () => (signal.aborted ? 0 : Math.max(0, end - performance.now())) };
    try {
      return { Payload: asJson(await call(Payload, context)), StatusCode: 200 };
    } catch (error) {
      throw lambdaError(error);
    }
  };
}

/** What Step Functions makes of an error that a function threw. */
function lambdaError(error: unknown): StatesError {
  const { name, message, stack } = describeError(error);
  const errorType = error instanceof TilefanError || error instanceof Error ? name : 'Error';
  return new StatesError(errorType, JSON.stringify({ errorType, errorMessage: message, trace: (stack ?? '').split('\n').slice(0, 20) }));
}

const thrown = z.object({ errorMessage: z.string() });

/** An error of a function still has Lambda's JSON as its cause: its message is what people need. */
export function withPlainCause(outcome: Outcome): Outcome {
  if (outcome.state !== 'FAILED' || !outcome.cause.startsWith('{')) return outcome;
  try {
    return { ...outcome, cause: thrown.parse(JSON.parse(outcome.cause)).errorMessage };
  } catch {
    return outcome;
  }
}

const objectAddress = z.object({ Bucket: z.string(), Key: z.string() });

/** Reads a small object as text. */
export function getObjectHandler(store: Store): TaskHandler {
  return async ({ arguments: args }) => {
    const { Bucket, Key } = objectAddress.parse(args);
    try {
      return { Body: Buffer.from(await store.readAll(hrefOf({ bucket: Bucket, key: Key }), maxBodyBytes)).toString('utf8') };
    } catch (error) {
      const { code, message } = describeError(error);
      throw new StatesError(code === 'STORE_NOT_FOUND' ? 'S3.NoSuchKeyException' : 'S3.S3Exception', message);
    }
  };
}

/** What passes between states ends at 256 KiB. */
const maxBodyBytes = 256 * 1024;
/** A manifest of ten million batches. */
const maxManifestBytes = 1024 * 1024 * 1024;

/** Reads a manifest: JSON Lines, parsed one by one as they are needed. */
export function manifestReader(store: Store): (parameters: Json) => Promise<Items> {
  return async (parameters) => {
    const { Bucket, Key } = objectAddress.parse(parameters);
    const href = hrefOf({ bucket: Bucket, key: Key });
    let bytes: Uint8Array;
    try {
      bytes = await store.readAll(href, maxManifestBytes);
    } catch (error) {
      throw new StatesError('States.ItemReaderFailed', describeError(error).message);
    }
    let total = 0;
    for (const _ of lines(bytes)) total++;
    return { total, items: parsed(href, bytes) };
  };
}

function* parsed(href: string, bytes: Uint8Array): Generator<Json> {
  let number = 0;
  for (const line of lines(bytes)) {
    number++;
    try {
      yield JSON.parse(Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString('utf8')) as Json;
    } catch (cause) {
      throw new StatesError('States.ItemReaderFailed', `Line ${number} of ${href} is not JSON: ${describeError(cause).message}`);
    }
  }
}

const newline = 10;

function* lines(bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; ) {
    const found = bytes.indexOf(newline, start);
    const end = found < 0 ? bytes.length : found;
    if (end > start) yield bytes.subarray(start, end);
    start = end + 1;
  }
}

/** What JSON makes of a value, as on the way out of a function: undefined fields are gone. */
function asJson(value: unknown): Json {
  return value === undefined ? null : (JSON.parse(JSON.stringify(value)) as Json);
}
