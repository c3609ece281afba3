/** Which state machine a command speaks to. */
import { ListStateMachinesCommand, type SFNClient } from '@aws-sdk/client-sfn';
import { InputUnavailableError, JobError } from '../../lib/base/errors.ts';
import { arnParts } from './arn.ts';

export interface PipelineOptions {
  /** Stage of the deployment. */
  readonly stage: string;
  /** ARN of the state machine, in place of looking for the stage's. */
  readonly stateMachine?: string;
}

/** What everything of a stage is called after. */
export function deploymentName(stage: string): string {
  return `tilefan-${stage}`;
}

/**
 * ARN of the stage's state machine.
 * @throws InputUnavailableError PIPELINE_NOT_FOUND that names what there is; JobError STATE_MACHINE_ARN
 */
export async function findPipeline(sfn: SFNClient, { stage, stateMachine }: PipelineOptions): Promise<string> {
  if (stateMachine !== undefined) {
    if (arnParts(stateMachine)?.resource.startsWith('stateMachine:') === true) return stateMachine;
    throw new JobError('STATE_MACHINE_ARN', `--state-machine ${JSON.stringify(stateMachine)} is no ARN of a state machine; wanted arn:aws:states:REGION:ACCOUNT:stateMachine:NAME`);
  }
  const wanted = deploymentName(stage);
  const others: string[] = [];
  let nextToken: string | undefined;
  do {
    const page = await sfn.send(new ListStateMachinesCommand({ maxResults: 1000, ...(nextToken === undefined ? {} : { nextToken }) }));
    for (const { name, stateMachineArn } of page.stateMachines ?? []) {
      if (name === wanted && stateMachineArn !== undefined) return stateMachineArn;
      if (name?.startsWith('tilefan-') === true) others.push(name.slice('tilefan-'.length));
    }
    nextToken = page.nextToken;
  } while (nextToken !== undefined);
  const there = others.length === 0 ? 'none of tilefan is there' : `stages that are there: ${others.toSorted().join(', ')}`;
  throw new InputUnavailableError('PIPELINE_NOT_FOUND', `There is no state machine ${wanted} in ${await sfn.config.region()} (${there}); is the stack deployed, and are --stage, --region and --profile right?`);
}
