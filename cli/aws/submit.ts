/** `tilefan submit`: checks a job here, and starts a run of it on AWS. */
import { isDeepStrictEqual } from 'node:util';
import { JobError } from '../../lib/base/errors.ts';
import { checkOperationAndOutputs } from '../../lib/job/check-outputs.ts';
import { jsonPath, throwProblems } from '../../lib/job/problems.ts';
import { inputHrefs } from '../../lib/job/resolve.ts';
import { checkCompute } from '../../lib/job/settings.ts';
import type { JobSpec } from '../../lib/job/spec.ts';
import { checkRunId } from '../../lib/job/split.ts';
import { isItemJob } from '../../lib/job/items/item-documents.ts';
import { withCompute } from '../config-file.ts';
import { readJobDocument, takeJob, type JobOverrides } from '../job-file.ts';
import { newRunId } from '../run-id.ts';
import { consoleUrl } from './arn.ts';
import type { RunContext } from './context.ts';
import { findPipeline, type PipelineOptions } from './find-pipeline.ts';
import { waitAndReport } from './finish.ts';
import { hrefProblems } from './hrefs-on-aws.ts';
import { sendCode, sendingFolder } from './send-code.ts';
import { startExecution } from './start-execution.ts';

export interface SubmitOptions extends PipelineOptions, JobOverrides {
  readonly wait?: boolean;
  readonly run?: string;
  readonly json?: boolean;
  /** An s3:// folder for what is sent along with a job: functions of this machine. Default: the run's own in the stack's work bucket. */
  readonly folder?: string;
  /** Defaults for the job's `compute`. */
  readonly compute?: Readonly<Record<string, unknown>>;
  /** Only this tile is computed, and reported. */
  readonly tile?: { readonly column: number; readonly row: number };
}

/** A run that is there now, whoever started it. */
export interface SubmittedRun {
  readonly run: string;
  readonly pipeline: string;
  readonly executionArn: string;
  /** Its state where it was there before. */
  readonly earlier: string | undefined;
}

/** @returns 0 when the run has been started; with `wait` how it ended */
export async function submit(file: string, options: SubmitOptions, context: RunContext): Promise<number> {
  const { streams } = context;
  const { document, href } = await readJobDocument(context.store, file);
  const submitted = await startOnAws(document, href, { ...options, file }, context);
  const { run, pipeline, executionArn, earlier } = submitted;
  if (earlier === undefined) streams.stderr.write(`run ${run} has been started\n`);
  else streams.stderr.write(`run ${run} of this job is there already: ${earlier}; "tilefan resume ${run}" goes on with it if it failed\n`);
  if (options.wait === true) {
    streams.stderr.write(`  execution  ${executionArn}\n  console    ${consoleUrl(executionArn)}\n`);
    return await waitAndReport(context, { run, pipeline, executionArn, count: 1 }, options.json === true);
  }
  if (options.json === true) streams.stdout.write(`${JSON.stringify({ run, execution: executionArn, console: consoleUrl(executionArn) })}\n`);
  else streams.stdout.write(`run        ${run}\nexecution  ${executionArn}\nconsole    ${consoleUrl(executionArn)}\n`);
  return 0;
}

/**
 * Checks a job and starts a run of it, or finds the run of this very job that has this id.
 * @param href where the document lies, or would lie: its relative hrefs count from there
 * @throws JobError that lists everything that is wrong with it; JobError RUN_EXISTS for a run id that another job has
 */
export async function startOnAws(document: unknown, href: string, options: SubmitOptions & { /** As the user called it. */ readonly file: string }, context: RunContext): Promise<SubmittedRun> {
  const { sfn } = context;
  if (options.run !== undefined) checkRunId(options.run);
  const { object } = options;
  throwProblems('SUBMIT_OBJECT', 'the object can\'t be reached from AWS', object === undefined ? [] : hrefProblems([['--object', object]]));
  const whole = withCompute(document, options.compute ?? {});
  const { run, input } = isItemJob(document) ? await itemInput(whole, href, options, context) : await readExecutionInput(whole, href, options, document, context);
  const pipeline = await findPipeline(sfn, options);
  const started = await startExecution(sfn, pipeline, run, input);
  if (started.kind === 'started') return { run, pipeline, executionArn: started.executionArn, earlier: undefined };
  const { execution } = started;
  if (!sameInput(execution.input, input)) {
    throw new JobError('RUN_EXISTS', `There is a run ${run} of another job already (${execution.status ?? 'unknown'}): take another run id, or "tilefan resume ${run}" to go on with that one`);
  }
  return { run, pipeline, executionArn: execution.executionArn ?? '', earlier: execution.status ?? 'unknown' };
}

/** Loaded for object jobs only. */
async function itemInput(document: unknown, href: string, options: SubmitOptions, context: RunContext): Promise<NamedInput> {
  const { readItemInput } = await import('./item-input.ts');
  return await readItemInput(document, href, options, context);
}

function sameInput(text: string | undefined, input: unknown): boolean {
  try {
    return isDeepStrictEqual(JSON.parse(text ?? ''), JSON.parse(JSON.stringify(input)));
  } catch {
    return false;
  }
}

export interface NamedInput {
  readonly run: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** Checks a raster job, and sends its code along. @param written the document as it lies in its file @throws JobError that lists everything that is wrong with it */
async function readExecutionInput(document: unknown, href: string, options: SubmitOptions & { readonly file: string }, written: unknown, { store }: RunContext): Promise<NamedInput> {
  const { object, file, tile } = options;
  const { job, runId, problems } = takeJob(document, href, options, (name) => options.run ?? newRunId(name));
  problems.push(...hrefProblems(hrefsOf(job)));
  checkOperationAndOutputs(job, {}, problems);
  checkCompute(job.compute, problems);
  throwProblems('JOB_INVALID', 'the job can\'t be run on AWS', problems);
  const overridden = options.input !== undefined || options.output !== undefined || document !== written;
  // Split reads it from there: an href takes no room in the execution's input. Otherwise the job goes as it stands after overrides.
  const operation = await sendCode(job.operation, store, sendingFolder(options, runId));
  const sent = /^s3:\/\//i.test(file) && !overridden && operation === job.operation ? file : { ...job, operation };
  return { run: runId, input: { job: sent, ...(object === undefined ? {} : { object }), ...(tile === undefined ? {} : { try: [tile.column, tile.row] }) } };
}

function hrefsOf(job: JobSpec): [string, string][] {
  return [
    ...Object.entries(job.inputs).flatMap(([name, input]) => inputHrefs(name, input).map(({ path, href }): [string, string] => [jsonPath(path), href])),
    ...Object.entries(job.outputs).map(([name, { href }]): [string, string] => [jsonPath(['outputs', name, 'href']), href]),
    ...(job.results === undefined ? [] : [['$.results.href', job.results.href] as [string, string]]),
  ];
}
