/**
 * What arrives in the queue of uploads, taken apart: S3 notifications, S3's events by way of EventBridge, and the schedule's messages.
 *
 * Forms: "Event message structure", "EventBridge event message structure" (Amazon S3 User Guide). Fields that aren't needed are not looked at, so
 * that a later version of an event, with more of them, is understood too.
 */
import * as z from 'zod';
import { DataError, messageOf, TilefanError } from '../base/errors.ts';
import { checkSchema, problemsLine } from '../base/schema-problems.ts';
import { parseJobText } from './job-text.ts';

/** An object was created in a bucket. */
export interface Upload {
  readonly kind: 'Upload';
  readonly bucket: string;
  /** As S3 has it: decoded. */
  readonly key: string;
  /** Bytes; undefined where the event doesn't say. */
  readonly size: number | undefined;
  /** Empty in a bucket without versions. */
  readonly version: string;
  /** S3's hexadecimal order of the writes to a key; where an event has none, what tells two writes apart at best: ETag or time. */
  readonly sequencer: string;
  /** The unique id of who wrote it, `AWS:<id>:<session>` for a role. EventBridge's events have only an account: undefined. */
  readonly principal: string | undefined;
}

/** What one message says. A notification of S3 may say several things at once. */
export type Notice =
  | Upload
  /** S3's event on something else than a new object: `ObjectRemoved:Delete`, `LifecycleTransition`, `Object Restore Completed`. */
  | { readonly kind: 'OtherEvent'; readonly event: string; readonly bucket: string; readonly key: string }
  /** S3 sends it when a notification is set up. */
  | { readonly kind: 'TestEvent'; readonly bucket: string }
  | { readonly kind: 'Schedule'; readonly schedule: string; readonly job: string | Readonly<Record<string, unknown>>; readonly scheduledTime: string }
  /** One of several that makes no sense; the others may. */
  | { readonly kind: 'Malformed'; readonly error: DataError };

const notification = z.object({ Records: z.array(z.unknown()).min(1) });

const named = z.object({ eventSource: z.string().regex(/:s3$/, 'wanted aws:s3'), eventName: z.string(), s3: z.object({ bucket: z.object({ name: z.string() }), object: z.object({ key: z.string() }) }) });

const created = z.object({
  eventTime: z.string().optional(),
  userIdentity: z.object({ principalId: z.string().optional() }).optional(),
  s3: z.object({
    object: z.object({ size: z.number().optional(), eTag: z.string().optional(), versionId: z.string().nullish(), sequencer: z.string().optional() }),
  }),
});

const testEvent = z.object({ Service: z.string(), Event: z.literal('s3:TestEvent'), Bucket: z.string() });

const bridgeEvent = z.object({
  'detail-type': z.string(),
  source: z.literal('aws.s3'),
  time: z.string().optional(),
  detail: z.object({
    bucket: z.object({ name: z.string() }),
    object: z.object({ key: z.string(), size: z.number().optional(), etag: z.string().optional(), 'version-id': z.string().nullish(), sequencer: z.string().optional() }),
  }),
});

/** What the stack's schedule sends. `scheduledTime` is the moment it was due, the same each time the message is sent again. */
export const scheduleMessage = z.strictObject({
  schedule: z.string().min(1),
  job: z.union([z.string().min(1), z.record(z.string(), z.unknown())]),
  scheduledTime: z.string().min(1),
});

const forms = "a notification of S3 (Records), S3's test event, an event of S3 by way of EventBridge (detail-type, detail), or a schedule's message (schedule, job, scheduledTime)";

/** @throws DataError MESSAGE_MALFORMED for what is none of the forms; it says what was found, but not the message itself */
export function readMessage(body: string): readonly Notice[] {
  let document: unknown;
  try {
    // A schedule's message may have a job in it.
    document = parseJobText(body);
  } catch (cause) {
    if (cause instanceof TilefanError) throw new DataError('MESSAGE_MALFORMED', `The message has numbers that can't be kept: ${cause.message}`, { cause });
    throw new DataError('MESSAGE_MALFORMED', `The message is not JSON (${messageOf(cause)}); wanted ${forms}`, { cause });
  }
  if (has(document, 'Records')) return parse(notification, document, 'notification').Records.map(readRecord);
  if (has(document, 'Event')) return [{ kind: 'TestEvent', bucket: parse(testEvent, document, 'test event').Bucket }];
  if (has(document, 'detail-type')) return [readBridgeEvent(document)];
  if (has(document, 'schedule')) return [{ kind: 'Schedule', ...parse(scheduleMessage, document, "schedule's message") }];
  const fields = typeof document === 'object' && document !== null ? Object.keys(document).slice(0, 20).join(', ') : typeof document;
  throw new DataError('MESSAGE_MALFORMED', `The message is of no form that is known; wanted ${forms}; found ${fields === '' ? 'an empty object' : fields}`);
}

function has(document: unknown, field: string): boolean {
  return typeof document === 'object' && document !== null && Object.hasOwn(document, field);
}

function parse<Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.output<Schema> {
  const checked = checkSchema(schema, value);
  if (checked.success) return checked.data;
  throw new DataError('MESSAGE_MALFORMED', `The ${what} is not what it should be: ${problemsLine(checked.problems, 'it')}`, { cause: checked.cause });
}

function readRecord(record: unknown): Notice {
  try {
    const { eventName, s3: { bucket, object } } = parse(named, record, 'record of the notification');
    // Servers other than AWS's write s3:ObjectCreated:Put.
    const event = eventName.replace(/^s3:/, '');
    if (!event.startsWith('ObjectCreated:')) return { kind: 'OtherEvent', event, bucket: bucket.name, key: object.key };
    const { s3: { object: { size, versionId, sequencer, eTag } }, eventTime, userIdentity } = parse(created, record, 'record of the notification');
    return {
      kind: 'Upload',
      bucket: bucket.name,
      key: decodeKey(object.key),
      size,
      version: versionId ?? '',
      sequencer: sequencer ?? eTag ?? eventTime ?? '',
      principal: userIdentity?.principalId,
    };
  } catch (error) {
    if (error instanceof DataError) return { kind: 'Malformed', error };
    throw error;
  }
}

/** The key in an EventBridge event is literal, other than in a notification. */
function readBridgeEvent(document: unknown): Notice {
  const { 'detail-type': event, detail: { bucket, object }, time } = parse(bridgeEvent, document, 'event of EventBridge');
  if (event !== 'Object Created') return { kind: 'OtherEvent', event, bucket: bucket.name, key: object.key };
  return {
    kind: 'Upload',
    bucket: bucket.name,
    key: object.key,
    size: object.size,
    version: object['version-id'] ?? '',
    sequencer: object.sequencer ?? object.etag ?? time ?? '',
    principal: undefined,
  };
}

/** S3 encodes keys in notifications as forms do: UTF-8, `+` for a space. @throws DataError KEY_BROKEN */
function decodeKey(encoded: string): string {
  try {
    return decodeURIComponent(encoded.replaceAll('+', ' '));
  } catch (cause) {
    throw new DataError('KEY_BROKEN', `The key ${JSON.stringify(encoded)} is not URL-encoded UTF-8, as S3 writes keys in notifications`, { cause, where: { key: encoded } });
  }
}

/** The other way round, as S3 does it: slashes stay. */
export function encodeKey(key: string): string {
  return encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/').replaceAll(/[!'()]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
