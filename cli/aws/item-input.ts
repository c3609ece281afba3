/** An object job on its way to AWS: checked, and what lies on this machine (functions, models, long lists of parameters) put where the run finds it. */
import type { ItemJobSpec } from '../../lib/job/items/item-spec.ts';
import { encodeDocument } from '../../lib/job/records.ts';
import { jsonPath, throwProblems } from '../../lib/job/problems.ts';
import { checkCompute } from '../../lib/job/settings.ts';
import { readItemJob } from '../item-run.ts';
import { newRunId } from '../run-id.ts';
import type { RunContext } from './context.ts';
import { maxInputBytes } from './start-execution.ts';
import { hrefProblems } from './hrefs-on-aws.ts';
import { sendCode, sendingFolder } from './send-code.ts';
import type { NamedInput, SubmitOptions } from './submit.ts';

/** @throws JobError JOB_INVALID that lists every problem; PLAN_REFUSED for code that can't be sent; InputUnavailableError FOLDER_UNKNOWN; what the store throws */
export async function readItemInput(document: unknown, href: string, options: SubmitOptions, { store }: RunContext): Promise<NamedInput> {
  const { job, runId } = readItemJob(document, href, options, (name) => options.run ?? newRunId(name));
  const problems = hrefProblems(hrefsOf(job));
  checkCompute({ ...job.compute, tilesPerTask: 'auto' }, problems);
  throwProblems('JOB_INVALID', "the job can't be run on AWS", problems);
  const { object } = options;
  const folder = sendingFolder(options, runId);
  const inputOf = (sent: unknown): NamedInput['input'] => (object === undefined ? { job: sent } : { job: sent, object });
  const sent = { ...job, operation: await sendCode(job.operation, store, folder) };
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
