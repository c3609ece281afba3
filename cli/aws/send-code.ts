/** Code that lies on this machine, put where a run on AWS can read it. TypeScript and JavaScript go with all that they import, other files alone. */
import { InputUnavailableError } from '../../lib/base/errors.ts';
import { runtimeOf } from '../../lib/job/operation-kind.ts';
import { storeBytes } from '../../lib/job/store-code.ts';
import { folderHref } from '../../lib/store/href.ts';
import type { Store } from '../../lib/store/store.ts';
import { cloudFormationClient } from './clients.ts';
import { deploymentName, type PipelineOptions } from './find-pipeline.ts';
import { findStack, outputOf } from './find-stack.ts';
import { isS3 } from './hrefs-on-aws.ts';

/** The part of an operation that names files with code. */
interface CodePlaces {
  readonly module?: string | undefined;
  readonly model?: string | { readonly href: string; readonly labels?: string | readonly string[] | undefined } | undefined;
}

/**
 * @param folder where it goes; asked for when there is something to send
 * @throws JobError PLAN_REFUSED for code that can't be bundled or read; InputUnavailableError FOLDER_UNKNOWN; what the store throws
 */
export async function sendCode<Operation extends CodePlaces>(operation: Operation, store: Store, folder: () => Promise<string>): Promise<Operation> {
  const { module, model } = operation;
  const send = async (href: string, path: string, bundles: boolean): Promise<string> => (isS3(href) ? href : (await storeBytes(store, await folder(), href, { bundles, path })).href);
  if (module !== undefined) return isS3(module) ? operation : { ...operation, module: await send(module, '$.operation.module', runtimeOf(module) === 'node') };
  if (typeof model === 'string') return isS3(model) ? operation : { ...operation, model: await send(model, '$.operation.model', false) };
  if (model === undefined || (isS3(model.href) && (typeof model.labels !== 'string' || isS3(model.labels)))) return operation;
  const labels = typeof model.labels === 'string' ? { labels: await send(model.labels, '$.operation.model.labels', false) } : {};
  return { ...operation, model: { ...model, href: await send(model.href, '$.operation.model.href', false), ...labels } };
}

/** Where the code of a run goes: the folder that the user names, or the stack's own place for runs. */
export function sendingFolder(options: PipelineOptions & { readonly folder?: string | undefined }, runId: string): () => Promise<string> {
  return async () => (options.folder === undefined ? `${await workPrefix(options)}runs/${runId}/` : `${folderHref(options.folder)}${runId}/`);
}

async function workPrefix({ stage }: PipelineOptions): Promise<string> {
  const client = await cloudFormationClient();
  const stack = await findStack(client, deploymentName(stage));
  const bucket = stack === undefined ? undefined : outputOf(stack, 'WorkBucket');
  if (bucket === undefined) {
    throw new InputUnavailableError('FOLDER_UNKNOWN', `The job's code lies on this machine, and the stack ${deploymentName(stage)}, whose work bucket it would be put into, can't be found: name a folder, as "folder" in tilefan.config.json or TILEFAN_FOLDER, s3://bucket/folder`);
  }
  return `s3://${bucket}/`;
}
