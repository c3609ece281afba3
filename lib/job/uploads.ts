/** What an upload, or a schedule that is due, starts: which run, under which name, or nothing and why. */
import { createHash } from 'node:crypto';
import { DataError, JobError, messageOf, TilefanError } from '../base/errors.ts';
import { nearestName } from '../base/nearest.ts';
import { displayHref, joinHref, parseHref, resolveHref, stem } from '../store/href.ts';
import type { ObjectReader } from '../store/store.ts';
import { builtInNames, builtInTemplate } from './built-in-templates.ts';
import type { Notice, Upload } from './upload-message.ts';

/** The place that uploads go to, and what is known of those who write there. */
export interface Inbox {
  /** `s3://bucket/`, perhaps with a prefix, or a folder, which then stands for any bucket; ends in `/`. */
  readonly href: string;
  /** Unique ids (`AROA…`) of the roles that write a run's outputs. */
  readonly ownRoles: ReadonlySet<string>;
}

/** Why an event starts nothing, which is in order. */
export const ignoredReasons = {
  TestEvent: "S3's test event",
  OtherEvent: 'not a new object',
  Folder: 'a folder: the key ends in /',
  EmptyObject: 'an empty object',
  Elsewhere: 'neither a job under jobs/ nor a file under incoming/',
  Template: 'a template, which starts nothing by itself',
  Hidden: 'hidden: a part of its name begins with . or _',
  Sidecar: 'a file beside a raster, not a raster',
  OwnOutput: 'written by a run',
} as const;
export type IgnoredReason = keyof typeof ignoredReasons;

/** The input of an execution: what lib/job/events.ts takes. */
export type StartInput =
  | { readonly job: string | Readonly<Record<string, unknown>>; readonly object?: undefined }
  /** A template, and the file that it is filled with. */
  | { readonly job: string; readonly object: string };

export type Decision =
  /** An input with an `object` has a template as its job, which must be there. */
  | { readonly do: 'start'; readonly run: string; readonly input: StartInput }
  | { readonly do: 'ignore'; readonly reason: IgnoredReason; readonly what: string }
  /** Wrong in a way that somebody must hear of. */
  | { readonly do: 'refuse'; readonly error: TilefanError };

/** Files that GDAL keeps beside a raster: metadata, overviews, masks, projections, and world files (the extension's first and last letter, and w). */
const sidecarPattern = /\.(?:aux\.xml|aux|ovr|msk|rrd|prj|wld|tfw|tifw|tiffw|jgw|jpgw|jpegw|pgw|pngw|gfw|gifw|bpw|bmpw|j2w|jp2w)$/i;

export function decide(notice: Notice, inbox: Inbox): Decision {
  switch (notice.kind) {
    case 'TestEvent':
      return { do: 'ignore', reason: 'TestEvent', what: `s3://${notice.bucket}/` };
    case 'OtherEvent':
      return { do: 'ignore', reason: 'OtherEvent', what: `${notice.event} of s3://${notice.bucket}/${notice.key}` };
    case 'Malformed':
      return { do: 'refuse', error: notice.error };
    case 'Schedule':
      return decideSchedule(notice, inbox);
    case 'Upload':
      return decideUpload(notice, inbox);
  }
}

/** Drafts, and what programs leave beside their data. But cameras call photos `_DSC0001.JPG`. */
function isHidden(segment: string): boolean {
  return segment.startsWith('.') ? segment !== '..' : segment.startsWith('_') && !/\.(?:jpe?g|png|webp|avif|gif)$/i.test(segment);
}

function decideUpload(upload: Upload, inbox: Inbox): Decision {
  const place = parseHref(inbox.href);
  const what = place.scheme === 's3' ? `s3://${upload.bucket}/${upload.key}` : `${place.path}${upload.key}`;
  const ignore = (reason: IgnoredReason): Decision => ({ do: 'ignore', reason, what });
  const refuse = (code: string, message: string): Decision => ({ do: 'refuse', error: new JobError(code, message, { where: { bucket: upload.bucket, key: upload.key } }) });
  if (place.scheme === 's3' && upload.bucket !== place.bucket) {
    return refuse('UPLOAD_FOREIGN_BUCKET', `Cannot take ${what}: uploads go to ${inbox.href}; take the notification of the bucket ${upload.bucket} off the queue, or deploy with it as the input bucket`);
  }
  const prefix = place.scheme === 's3' ? place.key : '';
  if (!upload.key.startsWith(prefix)) return ignore('Elsewhere');
  const name = upload.key.slice(prefix.length);
  const [folder = '', ...below] = name.split('/');
  if (folder === 'templates' && below.length > 0) return ignore('Template');
  if ((folder !== 'jobs' && folder !== 'incoming') || below.length === 0) return ignore('Elsewhere');
  if (name.endsWith('/')) return ignore('Folder');
  if (upload.size === 0) return ignore('EmptyObject');
  if (below.some(isHidden)) return ignore('Hidden');
  if (isOwn(upload, inbox)) return ignore('OwnOutput');
  if (folder === 'jobs' && !name.endsWith('.json')) return ignore('Elsewhere');
  if (folder === 'incoming' && sidecarPattern.test(name)) return ignore('Sidecar');
  const [template = ''] = below;
  if (folder === 'incoming' && (below.length < 2 || template === '')) {
    return refuse('UPLOAD_NO_TEMPLATE', `Cannot start a run for ${what}: wanted incoming/<template>/<file>, where templates/<template>.json is the job to fill; found no template in the key`);
  }
  try {
    const object = joinHref(inbox.href, name);
    if (folder === 'jobs') return { do: 'start', run: runIdOf(stem(object), upload), input: { job: object } };
    const job = joinHref(inbox.href, `templates/${template}.json`);
    return { do: 'start', run: runIdOf(template, upload), input: { job, object } };
  } catch (error) {
    return refuse('UPLOAD_BAD_KEY', `Cannot start a run for ${what}: ${messageOf(error)}`);
  }
}

/** Whether one of the stack's own roles wrote it. `principalId` is `AWS:<unique id of the role>:<session>` then. */
function isOwn({ principal = '' }: Upload, { ownRoles }: Inbox): boolean {
  return ownRoles.has(principal.split(':')[1] ?? '');
}

function decideSchedule({ schedule, job, scheduledTime }: Notice & { readonly kind: 'Schedule' }, inbox: Inbox): Decision {
  try {
    return { do: 'start', run: nameRun(schedule, [schedule, scheduledTime]), input: { job: typeof job === 'string' ? resolveHref(job, inbox.href) : job } };
  } catch (error) {
    return { do: 'refuse', error: new JobError('SCHEDULE_BAD_JOB', `Cannot start the run of schedule ${schedule}: ${messageOf(error)}`, { where: { schedule } }) };
  }
}

/** Hexadecimal digits of a run id's hash: 80 bits. */
const hashDigits = 20;
/** Characters of the readable part; together with the hash well below the 80 of an execution's name. */
const longestStem = 48;

/** The run of one version of one object: the same however often its event is delivered. */
function runIdOf(stem: string, { bucket, key, version, sequencer }: Upload): string {
  return nameRun(stem, [bucket, key, version, sequencer]);
}

function nameRun(readable: string, identity: readonly string[]): string {
  const hash = createHash('sha256').update(identity.join('\0')).digest('hex').slice(0, hashDigits);
  return `${slug(readable)}-${hash}`;
}

/** Letters and digits without their accents; everything else becomes a hyphen. */
function slug(text: string): string {
  const plain = text.normalize('NFKD').replaceAll(/\p{M}/gu, '');
  const cleaned = plain.replaceAll(/[^A-Za-z0-9_]+/g, '-').replace(/^[-_]+/, '').slice(0, longestStem).replace(/[-_]+$/, '');
  return cleaned === '' ? 'run' : cleaned;
}

/** Templates that are looked at to find the one that was meant. */
const mostTemplates = 1000;

/**
 * Asks whether a template is there, or one of its name is built in.
 * @throws DataError TEMPLATE_UNKNOWN that names the nearest one there is; what the store throws when it can't be known
 */
export async function requireTemplate(reader: ObjectReader, template: string, object: string, inbox: Inbox): Promise<void> {
  try {
    await reader.stat(template);
  } catch (error) {
    if (!(await isMissing(reader, template, error))) throw error;
    if (builtInTemplate(template) !== undefined) return;
    const own = await templatesIn(reader, joinHref(inbox.href, 'templates/'));
    const known = [...own, ...builtInNames.filter((name) => !own.includes(name))];
    const wanted = stem(template);
    const near = nearestName(wanted, known);
    const there = near === undefined ? `there are ${own.length === 0 ? 'no templates but those built in: ' : ''}${known.slice(0, 20).join(', ')}${known.length > 20 ? ', …' : ''}` : `did you mean ${near}?`;
    throw new DataError('TEMPLATE_UNKNOWN', `Cannot start a run for ${displayHref(object)}: there is no template ${JSON.stringify(wanted)} (wanted ${displayHref(template)}); ${there}`, { cause: error, where: { href: object, template } });
  }
}

/** S3 says 403 of a missing key to callers that it doesn't let list that key; a list that can be had says which of the two it is. */
async function isMissing(reader: ObjectReader, href: string, error: unknown): Promise<boolean> {
  if (!(error instanceof TilefanError)) return false;
  if (error.code === 'STORE_NOT_FOUND' || error.code === 'STORE_IS_DIRECTORY') return true;
  if (error.code !== 'STORE_DENIED') return false;
  try {
    for await (const found of reader.list(href)) return found.href !== href;
    return true;
  } catch {
    return false;
  }
}

async function templatesIn(reader: ObjectReader, folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { href } of reader.list(folder)) {
    if (href.startsWith(folder) && href.endsWith('.json') && !href.slice(folder.length).includes('/')) names.push(stem(href));
    if (names.length >= mostTemplates) break;
  }
  return names;
}
