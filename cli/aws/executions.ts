/**
 * The executions of a run. The first has the run's id for its name; each time it is continued by a new execution, that is called
 * `<run id>--2`, `<run id>--3` and so on, which no run id can be. Names make ARNs, so each is asked for by name and nothing has to be searched.
 */
import { DescribeExecutionCommand, ExecutionDoesNotExist, ListExecutionsCommand, type DescribeExecutionOutput, type SFNClient } from '@aws-sdk/client-sfn';
import * as z from 'zod';
import { InputUnavailableError, JobError } from '../../lib/base/errors.ts';
import { continuedName } from '../../lib/job/split.ts';
import { arnParts, executionArnOf, nameInArn, pipelineOfExecution } from './arn.ts';
import { findPipeline, type PipelineOptions } from './find-pipeline.ts';

export type Execution = DescribeExecutionOutput;

export interface Run {
  readonly id: string;
  /** ARN of the state machine. */
  readonly pipeline: string;
  /** What began it; what a continued run's input is made from. */
  readonly first: Execution;
  /** What goes on now, or went on last. */
  readonly latest: Execution;
  /** How many executions it has had. */
  readonly count: number;
}

/** Undefined when there is none of this ARN: there never was, or it ended more than 90 days ago. */
export async function describeExecution(sfn: SFNClient, executionArn: string): Promise<Execution | undefined> {
  try {
    return await sfn.send(new DescribeExecutionCommand({ executionArn }));
  } catch (error) {
    if (error instanceof ExecutionDoesNotExist) return undefined;
    throw error;
  }
}

/** Name of a run's n-th execution. */
export function executionName(run: string, n: number): string {
  return n === 1 ? run : `${run}--${String(n)}`;
}

const continuing = z.looseObject({ run: z.string() });

/** Which run an execution belongs to: the one that its input names, or else its own name. */
export function runIdOf({ executionArn = '', name = nameInArn(executionArn), input }: Execution): string {
  try {
    const parsed = continuing.safeParse(JSON.parse(input ?? ''));
    if (parsed.success) return parsed.data.run;
  } catch {
    // No JSON: then Split has refused it.
  }
  return name;
}

/**
 * Finds a run by its id, by the name of one of its executions, or by an execution's ARN. With an id it is the latest execution that counts.
 * @throws InputUnavailableError RUN_NOT_FOUND that names the latest runs; what findPipeline throws
 */
export async function findRun(sfn: SFNClient, run: string, options: PipelineOptions): Promise<Run> {
  if (run.startsWith('arn:')) return await findByArn(sfn, run);
  // A comma, a slash or a space can't be part of a name, and AWS would say so in words about ARNs.
  if (!/^[\w-]+$/.test(run)) throw new JobError('RUN_ID', `${JSON.stringify(run)} can't be a run: wanted a run id, or the ARN of an execution`);
  const pipeline = await findPipeline(sfn, options);
  const first = await describeExecution(sfn, executionArnOf(pipeline, run));
  if (first === undefined) throw await notFound(sfn, run, pipeline);
  const [, n] = continuedName.exec(run) ?? [];
  if (n !== undefined) return { id: runIdOf(first), pipeline, first, latest: first, count: Number(n) };
  let latest = first;
  let count = 1;
  for (;;) {
    const next = await describeExecution(sfn, executionArnOf(pipeline, executionName(run, count + 1)));
    if (next === undefined) return { id: runIdOf(first), pipeline, first, latest, count };
    latest = next;
    count++;
  }
}

async function findByArn(sfn: SFNClient, arn: string): Promise<Run> {
  const pipeline = pipelineOfExecution(arn);
  if (pipeline === undefined) throw new JobError('RUN_ARN', `${arn} is no ARN of a run's execution; wanted arn:aws:states:REGION:ACCOUNT:execution:STATE_MACHINE:RUN`);
  const first = await describeExecution(sfn, arn);
  if (first === undefined) throw await notFound(sfn, nameInArn(arn), pipeline);
  const [, n = '1'] = continuedName.exec(arn) ?? [];
  return { id: runIdOf(first), pipeline, first, latest: first, count: Number(n) };
}

const shownRuns = 5;

async function notFound(sfn: SFNClient, run: string, pipeline: string): Promise<InputUnavailableError> {
  const { executions = [] } = await sfn.send(new ListExecutionsCommand({ stateMachineArn: pipeline, maxResults: shownRuns }));
  const names = executions.slice(0, shownRuns).map(({ name, status }) => `${name ?? '?'} (${status ?? '?'})`);
  const there = names.length === 0 ? 'it has had no runs' : `the latest are ${names.join(', ')}`;
  return new InputUnavailableError('RUN_NOT_FOUND', `${nameInArn(pipeline)} in ${arnParts(pipeline)?.region ?? 'this region'} has no run ${run}; ${there}`);
}
