/** Step Functions, as the start function needs it. */
import { SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { OperationError, TryAgainError } from '../../lib/base/errors.ts';
import { isPassing, s3FaultOf } from '../../lib/store/s3-errors.ts';
import type { Executions } from './handle-message.ts';

/** Limits and locks that pass, beside what every service has (throttling, 5xx, a lost connection). */
const passing = new Set(['ExecutionLimitExceeded', 'KmsThrottlingException', 'ConflictException']);

/** Starting is a small request; the function's own time is a minute. */
const timeouts = { connectionTimeout: 3_000, socketTimeout: 10_000 };

/** An execution that had begun so long before it was asked for is another call's: clocks differ by less. */
const earlierMs = 2_000;

/** Starts executions of one state machine, by its ARN. */
export function createExecutions(stateMachineArn: string): Executions {
  const client = new SFNClient({ requestHandler: timeouts });
  return {
    async start(name, input) {
      const called = Date.now();
      try {
        // Under the same name and input a running execution answers as if it had just been started, but with the date of its own start.
        const { startDate } = await client.send(new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify(input) }));
        return startDate !== undefined && startDate.getTime() < called - earlierMs ? 'duplicate' : 'started';
      } catch (error) {
        // Its name stays taken for 90 days after an execution has ended.
        if (error instanceof Error && error.name === 'ExecutionAlreadyExists') return 'duplicate';
        throw explain(error, stateMachineArn, name);
      }
    },
  };
}

function explain(error: unknown, stateMachineArn: string, run: string): TryAgainError | OperationError {
  const fault = s3FaultOf(error);
  const details = { cause: error, where: { run, stateMachineArn, error: fault.name, status: fault.status } };
  const what = `Cannot start run ${run} of ${stateMachineArn}`;
  if (passing.has(fault.name) || isPassing(fault)) return new TryAgainError('START_BUSY', `${what} just now: ${fault.name}: ${fault.message}`, details);
  return new OperationError('START_REFUSED', `${what}: Step Functions says ${fault.name}: ${fault.message}`, details);
}
