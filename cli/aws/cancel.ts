/** `tilefan cancel`: ends a run that is under way. What is finished stays. */
import { StopExecutionCommand } from '@aws-sdk/client-sfn';
import type { RunContext } from './context.ts';
import { findRun } from './executions.ts';
import type { PipelineOptions } from './find-pipeline.ts';

export async function cancel(run: string, options: PipelineOptions, { sfn, streams }: Pick<RunContext, 'sfn' | 'streams'>): Promise<number> {
  const { id, latest } = await findRun(sfn, run, options);
  if (latest.status !== 'RUNNING') {
    streams.stdout.write(`run ${id} is ${latest.status ?? 'not running'} already: there is nothing to cancel\n`);
    return 0;
  }
  await sfn.send(new StopExecutionCommand({ executionArn: latest.executionArn, error: 'Cancelled', cause: 'Cancelled with "tilefan cancel"' }));
  streams.stdout.write(
    `run ${id} is cancelled\n` +
      '  no further task starts; those that run get SIGTERM, commit the tiles or items that they have finished, and end within two minutes\n' +
      `  what is finished stays: "tilefan resume ${id}" goes on from there\n`,
  );
  return 0;
}
