/** Waits for a run if that is wanted, and says how it ended: what `submit --wait` and `resume --wait` share. */
import type { RunContext } from './context.ts';
import type { Execution } from './executions.ts';
import { reportRun, reportText } from './run-report.ts';
import { interruptedExitCode } from './run-end.ts';
import { waitForEnd } from './wait.ts';

export interface Waited {
  readonly run: string;
  readonly pipeline: string;
  readonly executionArn: string;
  /** How many executions the run has had. */
  readonly count: number;
  /** How often this one has been redriven. */
  readonly redrives?: number;
}

/** @returns the exit code: how the run ended, or 130 when waiting was broken off */
export async function waitAndReport(context: RunContext, { run, pipeline, executionArn, count, redrives = 0 }: Waited, json: boolean): Promise<number> {
  const { stdout, stderr } = context.streams;
  const latest: Execution | undefined = await waitForEnd(context, { run, executionArn, redrives });
  if (latest === undefined) {
    stderr.write(`tilefan: stopped waiting; the run goes on\n  see how: tilefan status ${run}\n  end it: tilefan cancel ${run}\n`);
    if (json) stdout.write(`${JSON.stringify({ run, state: 'RUNNING', execution: executionArn })}\n`);
    return interruptedExitCode;
  }
  const { report, exitCode } = await reportRun(context, { id: run, pipeline, first: latest, latest, count });
  stdout.write(json ? `${JSON.stringify(report)}\n` : reportText(report));
  return exitCode;
}
