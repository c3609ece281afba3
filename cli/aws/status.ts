/** `tilefan status`: how a run goes, or went. */
import type { RunContext } from './context.ts';
import { findRun } from './executions.ts';
import type { PipelineOptions } from './find-pipeline.ts';
import { reportRun, reportText } from './run-report.ts';

export interface StatusOptions extends PipelineOptions {
  readonly json?: boolean;
}

/** @returns 0 for a run that is under way or has succeeded; else what says how it ended */
export async function status(run: string, options: StatusOptions, context: RunContext): Promise<number> {
  const found = await findRun(context.sfn, run, options);
  const { report, exitCode } = await reportRun(context, found);
  context.streams.stdout.write(options.json === true ? `${JSON.stringify(report)}\n` : reportText(report));
  return exitCode;
}
