/** One message of the queue: everything it says is decided and done, and what came of it is told. */
import { DataError, describeError, JobError } from '../../lib/base/errors.ts';
import type { Metrics } from '../../lib/base/metrics.ts';
import { readMessage, type Notice } from '../../lib/job/upload-message.ts';
import { decide, ignoredReasons, requireTemplate, type Decision, type Inbox, type StartInput } from '../../lib/job/uploads.ts';
import type { ObjectReader } from '../../lib/store/store.ts';

/** What starts runs. An execution's name is the run id, and there is only one of a name. */
export interface Executions {
  /** @throws TryAgainError START_BUSY when it may work later, OperationError START_REFUSED when it won't */
  start(name: string, input: StartInput): Promise<'started' | 'duplicate'>;
}

/** Takes what happened: `event` is a `Noun:Verb` name. */
export type Report = (level: 'info' | 'warn' | 'error', event: string, fields: Readonly<Record<string, unknown>>) => void;

export interface Surroundings {
  readonly inbox: Inbox;
  readonly store: ObjectReader;
  readonly executions: Executions;
  readonly metrics: Metrics;
  readonly report: Report;
}

/**
 * Does what a message asks for.
 * @returns whether the message is done; if not, it should be delivered again. Runs that it has started are duplicates then.
 */
export async function handleMessage(body: string, around: Surroundings): Promise<boolean> {
  let notices: readonly Notice[];
  try {
    notices = readMessage(body);
  } catch (error) {
    return notDone(error, around);
  }
  let done = true;
  for (const notice of notices) {
    try {
      await act(decide(notice, around.inbox), around);
    } catch (error) {
      done = notDone(error, around);
    }
  }
  return done;
}

async function act(decision: Decision, { inbox, store, executions, metrics, report }: Surroundings): Promise<void> {
  switch (decision.do) {
    case 'ignore':
      metrics.add('UploadsIgnored', 'Count', 1);
      report('info', 'Upload:Ignored', { reason: decision.reason, why: ignoredReasons[decision.reason], what: decision.what });
      return;
    case 'refuse':
      throw decision.error;
    case 'start': {
      const { run, input } = decision;
      if (input.object !== undefined) await requireTemplate(store, input.job, input.object, inbox);
      const outcome = await executions.start(run, input);
      metrics.add(outcome === 'started' ? 'RunsStarted' : 'UploadsDuplicate', 'Count', 1);
      const job = typeof input.job === 'string' ? input.job : undefined;
      report('info', outcome === 'started' ? 'Run:Started' : 'Run:Duplicate', { run, job, object: input.object });
    }
  }
}

/** A mistake of whoever uploads or sends is refused; anything else is a fault, here or at AWS. Either way the queue repeats it, and keeps it in the end. */
function notDone(error: unknown, { metrics, report }: Surroundings): false {
  const { name, code, message, retryable, where, stack } = describeError(error);
  if (error instanceof JobError || error instanceof DataError) {
    metrics.add('UploadsRefused', 'Count', 1);
    report('warn', 'Upload:Refused', { code, message, where });
  } else {
    report('error', 'Run:NotStarted', { error: { name, code, message, retryable, where, stack } });
  }
  return false;
}
