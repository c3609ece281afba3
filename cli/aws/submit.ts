/** `tilefan submit`: checks a job here, and starts a run of it on AWS. */
import { isDeepStrictEqual } from 'node:util';
import { JobError } from '../../lib/base/errors.ts';
import { checkOperationAndOutputs } from '../../lib/job/check-outputs.ts';
import { jsonPath, throwProblems, type Problem } from '../../lib/job/problems.ts';
import { inputHrefs } from '../../lib/job/resolve.ts';
import { checkCompute } from '../../lib/job/settings.ts';
import type { JobSpec } from '../../lib/job/spec.ts';
import { checkRunId } from '../../lib/job/split.ts';
import { displayHref, parseHref } from '../../lib/store/href.ts';
import { readJob, type JobOverrides } from '../job-file.ts';
import { newRunId } from '../run-id.ts';
import { consoleUrl } from './arn.ts';
import type { RunContext } from './context.ts';
import { findPipeline, type PipelineOptions } from './find-pipeline.ts';
import { waitAndReport } from './finish.ts';
import { startExecution } from './start-execution.ts';

export interface SubmitOptions extends PipelineOptions, JobOverrides {
  readonly wait?: boolean;
  readonly run?: string;
  readonly json?: boolean;
}

/** @returns 0 when the run has been started; with `wait` how it ended */
export async function submit(file: string, options: SubmitOptions, context: RunContext): Promise<number> {
  const { sfn, streams } = context;
  const { run, input } = await readExecutionInput(file, options, context);
  const pipeline = await findPipeline(sfn, options);
  const started = await startExecution(sfn, pipeline, run, input);
  let executionArn: string;
  if (started.kind === 'started') {
    ({ executionArn } = started);
    streams.stderr.write(`run ${run} has been started\n`);
  } else {
    const { execution } = started;
    if (!sameInput(execution.input, input)) {
      throw new JobError('RUN_EXISTS', `There is a run ${run} of another job already (${execution.status ?? 'unknown'}): take another run id, or "tilefan resume ${run}" to go on with that one`);
    }
    executionArn = execution.executionArn ?? '';
    streams.stderr.write(`run ${run} of this job is there already: ${execution.status ?? 'unknown'}; "tilefan resume ${run}" goes on with it if it failed\n`);
  }
  if (options.wait === true) {
    streams.stderr.write(`  execution  ${executionArn}\n  console    ${consoleUrl(executionArn)}\n`);
    return await waitAndReport(context, { run, pipeline, executionArn, count: 1 }, options.json === true);
  }
  if (options.json === true) streams.stdout.write(`${JSON.stringify({ run, execution: executionArn, console: consoleUrl(executionArn) })}\n`);
  else streams.stdout.write(`run        ${run}\nexecution  ${executionArn}\nconsole    ${consoleUrl(executionArn)}\n`);
  return 0;
}

function sameInput(text: string | undefined, input: unknown): boolean {
  try {
    return isDeepStrictEqual(JSON.parse(text ?? ''), JSON.parse(JSON.stringify(input)));
  } catch {
    return false;
  }
}

interface NamedInput {
  readonly run: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** Reads and checks the job. @throws JobError that lists everything that is wrong with it */
async function readExecutionInput(file: string, options: SubmitOptions, { store }: RunContext): Promise<NamedInput> {
  if (options.run !== undefined) checkRunId(options.run);
  const { object } = options;
  const objectProblems = object === undefined ? [] : hrefProblems([['--object', object]]);
  throwProblems('SUBMIT_OBJECT', 'the object can\'t be reached from AWS', objectProblems);
  const { job, runId, problems } = await readJob(store, file, options, (name) => options.run ?? newRunId(name));
  problems.push(...hrefProblems(hrefsOf(job)));
  checkOperationAndOutputs(job, {}, problems);
  checkCompute(job.compute, problems);
  throwProblems('JOB_INVALID', 'the job can\'t be run on AWS', problems);
  const overridden = options.input !== undefined || options.output !== undefined;
  // Split reads it from there: an href takes no room in the execution's input. Otherwise the job goes as it stands after overrides.
  const sent = /^s3:\/\//i.test(file) && !overridden ? file : job;
  return { run: runId, input: object === undefined ? { job: sent } : { job: sent, object } };
}

function hrefsOf(job: JobSpec): [string, string][] {
  return [
    ...Object.entries(job.inputs).flatMap(([name, input]) => inputHrefs(name, input).map(({ path, href }): [string, string] => [jsonPath(path), href])),
    ...Object.entries(job.outputs).map(([name, { href }]): [string, string] => [jsonPath(['outputs', name, 'href']), href]),
  ];
}

/** Functions and tasks on AWS see S3, and nothing of this machine. */
function hrefProblems(hrefs: readonly (readonly [string, string])[]): Problem[] {
  return hrefs.flatMap(([path, href]) => (isS3(href) ? [] : [{ path, message: `found ${displayHref(href)}, which AWS can't reach; wanted s3://bucket/key` }]));
}

function isS3(href: string): boolean {
  try {
    return parseHref(href).scheme === 's3';
  } catch {
    return false;
  }
}
