/** Starts an execution, and answers for one of that name that is there already. */
import { ExecutionAlreadyExists, StartExecutionCommand, type SFNClient } from '@aws-sdk/client-sfn';
import { JobError } from '../../lib/base/errors.ts';
import { executionArnOf } from './arn.ts';
import { describeExecution, type Execution } from './executions.ts';

/** Step Functions' limit on an execution's input, in bytes of UTF-8. */
export const maxInputBytes = 262_144;
/** Step Functions' limit on an execution's name, in characters. */
const maxNameLength = 80;

export type Started = { readonly kind: 'started'; readonly executionArn: string } | { readonly kind: 'exists'; readonly execution: Execution };

/** @throws JobError JOB_TOO_LARGE, RUN_ID before anything is started */
export async function startExecution(sfn: SFNClient, pipeline: string, name: string, input: Readonly<Record<string, unknown>>): Promise<Started> {
  const text = JSON.stringify(input);
  const bytes = Buffer.byteLength(text);
  if (bytes > maxInputBytes) {
    throw new JobError('JOB_TOO_LARGE', `The job has ${String(bytes)} bytes, and an execution's input ends at ${String(maxInputBytes)}: upload the job to S3, and submit its s3:// href`);
  }
  if (name.length > maxNameLength) {
    throw new JobError('RUN_ID', `${name} can't be the name of an execution: it has ${String(name.length)} characters, ${String(maxNameLength)} at most`);
  }
  try {
    const { executionArn } = await sfn.send(new StartExecutionCommand({ stateMachineArn: pipeline, name, input: text }));
    return { kind: 'started', executionArn: executionArn ?? executionArnOf(pipeline, name) };
  } catch (error) {
    if (!(error instanceof ExecutionAlreadyExists)) throw error;
    const execution = await describeExecution(sfn, executionArnOf(pipeline, name));
    if (execution === undefined) throw error;
    return { kind: 'exists', execution };
  }
}
