/** Uploads on this machine as the messages that S3 and SQS make of them, and messages out of files that were recorded. */
import { createHash } from 'node:crypto';
import { DataError, messageOf } from '../lib/base/errors.ts';
import { encodeKey } from '../lib/job/upload-message.ts';

/** An object that was found in a watched place. */
export interface FoundObject {
  /** Name of the bucket, or the folder that stands for one. */
  readonly bucket: string;
  /** Relative to the bucket or folder, with `/`. */
  readonly key: string;
  readonly size: number;
  /** The same for the same content, as far as that can be seen, also after a restart: what S3 has version and sequencer for. */
  readonly version: string;
}

export interface Message {
  readonly id: string;
  readonly body: string;
}

/** The notification that S3 would send. */
export function uploadMessage({ bucket, key, size, version }: FoundObject): Message {
  const record = {
    eventVersion: '2.1',
    eventSource: 'aws:s3',
    awsRegion: 'local',
    eventTime: new Date().toISOString(),
    eventName: 'ObjectCreated:Put',
    userIdentity: { principalId: 'local' },
    s3: { s3SchemaVersion: '1.0', configurationId: 'tilefan-dev', bucket: { name: bucket }, object: { key: encodeKey(key), size, sequencer: version } },
  };
  return { id: messageId([bucket, key, version]), body: JSON.stringify({ Records: [record] }) };
}

/** The event in which SQS hands a message to a function. */
export function sqsEvent({ id, body }: Message, delivery: number): { readonly Records: readonly object[] } {
  return { Records: [{ messageId: id, body, attributes: { ApproximateReceiveCount: String(delivery) }, eventSource: 'aws:sqs' }] };
}

/**
 * The messages of a recording: an event of SQS (also a dead letter that was kept), what `aws sqs receive-message` prints, an event of S3, EventBridge or
 * the schedule, or several of these as JSON Lines.
 * @throws DataError REPLAY_NOT_JSON
 */
export function recordedMessages(text: string, name: string): Message[] {
  return documentsOf(text, name).flatMap((document) => bodiesOf(document).map((body) => ({ id: messageId([body]), body })));
}

function messageId(identity: readonly string[]): string {
  return createHash('sha256').update(identity.join('\0')).digest('hex').slice(0, 32);
}

function documentsOf(text: string, name: string): unknown[] {
  try {
    return [JSON.parse(text)];
  } catch (whole) {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    if (lines.length < 2) throw notJson(name, whole);
    return lines.map((line, i) => {
      try {
        return JSON.parse(line) as unknown;
      } catch (cause) {
        throw notJson(`line ${String(i + 1)} of ${name}`, cause);
      }
    });
  }
}

function notJson(what: string, cause: unknown): DataError {
  return new DataError('REPLAY_NOT_JSON', `${what} is not JSON (${messageOf(cause)}); wanted a recorded event, or one in each line`, { cause });
}

/** What holds messages: an event of SQS (`Records`, `body`), or what `aws sqs receive-message` prints (`Messages`, `Body`). Anything else is a body itself. */
function bodiesOf(document: unknown): string[] {
  for (const [list, field] of [['Records', 'body'], ['Messages', 'Body']] as const) {
    const entries = fieldOf(document, list);
    const bodies = Array.isArray(entries) ? entries.map((entry: unknown) => fieldOf(entry, field)) : [];
    if (bodies.length > 0 && bodies.every((body) => typeof body === 'string')) return bodies;
  }
  return [JSON.stringify(document)];
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}
