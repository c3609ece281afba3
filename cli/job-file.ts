/** Reads a job for a command: the file, the overrides from the command line, hrefs made absolute. */
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { JobError, messageOf } from '../lib/base/errors.ts';
import { nearestName } from '../lib/base/nearest.ts';
import { isItemJob } from '../lib/job/items/item-documents.ts';
import { parseJobText } from '../lib/job/job-text.ts';
import type { Problem } from '../lib/job/problems.ts';
import { resolveJob } from '../lib/job/resolve.ts';
import type { JobInput, JobSpec } from '../lib/job/spec.ts';
import { parseJobSpec } from '../lib/job/validate.ts';
import { displayHref, folderHref, joinHref, parentHref, resolveHref } from '../lib/store/href.ts';
import type { ObjectReader } from '../lib/store/store.ts';
import { userFolder } from './user-folder.ts';

export interface JobOverrides {
  readonly input?: Readonly<Record<string, string>>;
  readonly output?: Readonly<Record<string, string>>;
  /** Href of the object that a template is filled with. */
  readonly object?: string;
  /** Of commands that run jobs here: where runs are kept, and outputs beside them that name no place of their own. */
  readonly work?: string;
}

/** What a user wrote on the command line as an href: relative paths count from where the user is. */
export function userHref(text: string): string {
  return resolveHref(text.includes('://') ? text : resolve(userFolder(), text) + (text.endsWith('/') ? '/' : ''));
}

export function userFolderHref(text: string): string {
  return folderHref(userHref(text));
}

/** What `s3://{outputBucket}/` is on this machine: a folder beside the runs, or what TILEFAN_OUTPUT says. Without a place for runs the deployment will know. */
export function outputPlaceOf(work: string | undefined): string | null {
  const { TILEFAN_OUTPUT: place = '' } = process.env;
  if (work === undefined) return null;
  return place === '' ? joinHref(userFolderHref(work), 'output/') : userFolderHref(place);
}

export interface ReadJob {
  /** Hrefs absolute and placeholders filled in, as far as that could be done. */
  readonly job: JobSpec;
  readonly runId: string;
  /** What is wrong with it so far, to be reported with what is found later. */
  readonly problems: Problem[];
}

/**
 * Reads a job over rasters and what the command line says of it.
 * @param nameRun gives the run id for a job of this name
 * @throws JobError JOB_NOT_JSON, JOB_OVER_ITEMS, or JOB_INVALID for a document of the wrong form
 */
export async function readJob(reader: ObjectReader, file: string, overrides: JobOverrides, nameRun: (name: string) => string): Promise<ReadJob> {
  const { document, href } = await readJobDocument(reader, file);
  if (isItemJob(document)) throw new JobError('JOB_OVER_ITEMS', `${displayHref(href)} is a job over items, which has no tiles: run it on a few items ("match", or "hrefs")`, { where: { href } });
  return takeJob(document, href, overrides, nameRun);
}

/**
 * The document of a job, whichever kind it is of.
 * @param file `-`: standard input, whose hrefs count from where the user is
 * @throws JobError JOB_NOT_JSON; JOB_INVALID for numbers that can't be kept
 */
export async function readJobDocument(reader: ObjectReader, file: string): Promise<{ readonly document: unknown; readonly href: string }> {
  const href = userHref(file === '-' ? 'job.json' : file);
  const content = file === '-' ? await text(process.stdin) : new TextDecoder().decode(await reader.readAll(href));
  try {
    return { document: parseJobText(content), href };
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new JobError('JOB_NOT_JSON', `${file === '-' ? 'standard input' : displayHref(href)} is not JSON: ${messageOf(cause)}`, { cause, where: { href } });
  }
}

/** A raster job out of its document. @throws JobError JOB_INVALID for a document of the wrong form */
export function takeJob(document: unknown, href: string, overrides: JobOverrides, nameRun: (name: string) => string): ReadJob {
  const problems: Problem[] = [];
  const written = override(parseJobSpec(document, problems), overrides, problems);
  const runId = nameRun(written.name);
  const object = overrides.object === undefined ? undefined : userHref(overrides.object);
  return { job: resolveJob(written, { base: parentHref(href), file: href, object, runId, outputPlace: outputPlaceOf(overrides.work) }, problems), runId, problems };
}

function override(job: JobSpec, { input = {}, output = {} }: JobOverrides, problems: Problem[]): JobSpec {
  const inputs = { ...job.inputs };
  for (const [name, text] of Object.entries(input)) {
    const spec = inputs[name];
    const href = userHref(text);
    if (spec === undefined) problems.push(unknownName('--input', name, Object.keys(inputs)));
    else inputs[name] = typeof spec === 'string' ? href : single(spec, href);
  }
  const outputs = { ...job.outputs };
  for (const [name, text] of Object.entries(output)) {
    const spec = outputs[name];
    if (spec === undefined) problems.push(unknownName('--output', name, Object.keys(outputs)));
    else outputs[name] = { ...spec, href: userHref(text) };
  }
  return { ...job, inputs, outputs };
}

/** An input read from one file, which replaces a mosaic as well. */
function single({ hrefs: _hrefs, stac: _stac, rule: _rule, ...rest }: JobInput, href: string): JobInput {
  return { ...rest, href };
}

function unknownName(option: string, name: string, known: readonly string[]): Problem {
  const near = nearestName(name, known);
  return {
    path: `${option} ${name}`,
    message: `the job has no such name; ${near === undefined ? `known are ${known.join(', ')}` : `did you mean ${near}?`}`,
  };
}
