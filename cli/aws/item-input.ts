/** An object job on its way to AWS: checked, and what lies on this machine (functions, models, long lists of parameters) put where the run finds it. */
import { runtimeOf } from '../../lib/job/operation-kind.ts';
import type { ItemJobSpec } from '../../lib/job/items/item-spec.ts';
import { encodeDocument } from '../../lib/job/records.ts';
import { jsonPath, throwProblems } from '../../lib/job/problems.ts';
import { checkCompute } from '../../lib/job/settings.ts';
import { storeBytes } from '../../lib/job/store-code.ts';
import { InputUnavailableError } from '../../lib/base/errors.ts';
import { folderHref } from '../../lib/store/href.ts';
import { readItemJob } from '../item-run.ts';
import { newRunId } from '../run-id.ts';
import { cloudFormationClient } from './clients.ts';
import type { RunContext } from './context.ts';
import { deploymentName } from './find-pipeline.ts';
import { findStack, outputOf } from './find-stack.ts';
import { maxInputBytes } from './start-execution.ts';
import { hrefProblems, isS3, type NamedInput, type SubmitOptions } from './submit.ts';

/** @throws JobError JOB_INVALID that lists every problem; PLAN_REFUSED for code that can't be sent; InputUnavailableError FOLDER_UNKNOWN; what the store throws */
export async function readItemInput(document: unknown, href: string, options: SubmitOptions, { store }: RunContext): Promise<NamedInput> {
  const { job, runId } = readItemJob(document, href, options, (name) => options.run ?? newRunId(name));
  const problems = hrefProblems(hrefsOf(job));
  checkCompute({ ...job.compute, tilesPerTask: 'auto' }, problems);
  throwProblems('JOB_INVALID', "the job can't be run on AWS", problems);
  const { object } = options;
  const folder = async (): Promise<string> => (options.folder === undefined ? `${await workPrefix(options)}runs/${runId}/` : `${folderHref(options.folder)}${runId}/`);
  const inputOf = (sent: unknown): NamedInput['input'] => (object === undefined ? { job: sent } : { job: sent, object });
  const sent = await sendCode(job, store, folder);
  if (Buffer.byteLength(JSON.stringify(inputOf(sent))) <= maxInputBytes) return { run: runId, input: inputOf(sent) };
  // Lists of parameters are soon longer than an execution's input may be.
  const place = `${await folder()}sent-job.json`;
  await store.put(place, encodeDocument(sent), { contentType: 'application/json' });
  return { run: runId, input: inputOf(place) };
}

function hrefsOf({ items, outputs, results }: ItemJobSpec): [string, string][] {
  const { prefix, hrefs = [], manifest, base } = items;
  return [
    ...Object.entries({ prefix, manifest, base }).flatMap(([name, each]): [string, string][] => (each === undefined ? [] : [[jsonPath(['items', name]), each]])),
    ...hrefs.map((each, i): [string, string] => [jsonPath(['items', 'hrefs', i]), each]),
    ...(outputs === undefined ? [] : [['$.outputs.prefix', outputs.prefix] as [string, string]]),
    ...(results === undefined ? [] : [['$.results.href', results.href] as [string, string]]),
  ];
}

/** The job with its code where AWS can read it. TypeScript and JavaScript go with all that they import, other files alone. */
async function sendCode(job: ItemJobSpec, store: RunContext['store'], folder: () => Promise<string>): Promise<ItemJobSpec> {
  const { module, model } = job.operation;
  const send = async (href: string, path: string, bundles: boolean): Promise<string> => (isS3(href) ? href : (await storeBytes(store, await folder(), href, { bundles, path })).href);
  if (module !== undefined) return { ...job, operation: { ...job.operation, module: await send(module, '$.operation.module', runtimeOf(module) === 'node') } };
  if (typeof model === 'string') return { ...job, operation: { ...job.operation, model: await send(model, '$.operation.model', false) } };
  if (model === undefined) return job;
  const labels = typeof model.labels === 'string' ? { labels: await send(model.labels, '$.operation.model.labels', false) } : {};
  return { ...job, operation: { ...job.operation, model: { ...model, href: await send(model.href, '$.operation.model.href', false), ...labels } } };
}

/** Where the stack keeps its runs. */
async function workPrefix({ stage }: SubmitOptions): Promise<string> {
  const client = await cloudFormationClient();
  const stack = await findStack(client, deploymentName(stage));
  const bucket = stack === undefined ? undefined : outputOf(stack, 'WorkBucket');
  if (bucket === undefined) {
    throw new InputUnavailableError('FOLDER_UNKNOWN', `The job's code lies on this machine, and the stack ${deploymentName(stage)}, whose work bucket it would be put into, can't be found: name a folder, as "folder" in tilefan.config.json or TILEFAN_FOLDER, s3://bucket/folder`);
  }
  return `s3://${bucket}/`;
}
