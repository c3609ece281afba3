/** `tilefan try --aws`: a job on one tile, by one task of the deployment: with the image, the roles and the network that a run would have. Its outputs are not written. */
import { DataError, JobError } from '../../lib/base/errors.ts';
import { isItemJob } from '../../lib/job/items/item-documents.ts';
import { readTileReport } from '../../lib/job/try-request.ts';
import { displayHref } from '../../lib/store/href.ts';
import { readJobDocument, type JobOverrides } from '../job-file.ts';
import { printReport } from '../tile-report.ts';
import { consoleUrl } from './arn.ts';
import type { RunContext } from './context.ts';
import type { PipelineOptions } from './find-pipeline.ts';
import { runPrefixOf } from './history.ts';
import { interruptedExitCode } from './run-end.ts';
import { reportRun, reportText } from './run-report.ts';
import { startOnAws } from './submit.ts';
import { waitForEnd } from './wait.ts';

export interface TryOnAwsOptions extends PipelineOptions, JobOverrides {
  readonly tile: { readonly column: number; readonly row: number };
  readonly json?: boolean;
}

/** @returns the exit code: 0, or that of what the tile or the task failed with */
export async function tryOnAws(file: string, options: TryOnAwsOptions, context: RunContext): Promise<number> {
  const { sfn, store, streams } = context;
  const { document, href } = await readJobDocument(store, file);
  if (isItemJob(document)) throw new JobError('JOB_OVER_ITEMS', `${displayHref(href)} is a job over items, which has no tiles: run it on a few items`);
  const { run, pipeline, executionArn } = await startOnAws(document, href, { ...options, file }, context);
  streams.stderr.write(`trying tile ${String(options.tile.column)},${String(options.tile.row)} in a task of its own, as run ${run}\n  execution  ${executionArn}\n  console    ${consoleUrl(executionArn)}\n`);
  const latest = await waitForEnd(context, { run, executionArn });
  if (latest === undefined) {
    streams.stderr.write(`tilefan: stopped waiting; the trial goes on\n  end it: tilefan cancel ${run}\n`);
    return interruptedExitCode;
  }
  if (latest.status !== 'SUCCEEDED') {
    const { report, exitCode } = await reportRun(context, { id: run, pipeline, first: latest, latest, count: 1 });
    streams.stdout.write(options.json === true ? `${JSON.stringify(report)}\n` : reportText(report));
    return exitCode;
  }
  const prefix = await runPrefixOf(sfn, latest);
  const report = prefix === undefined ? undefined : await readTileReport(store, prefix);
  if (report === undefined) {
    throw new DataError('TRIAL_LOST', `the trial has ended well, but ${prefix === undefined ? `where it is kept can't be found in the history of ${executionArn}` : `its report is not under ${displayHref(prefix)} (any more)`}; a deployment of an older version runs the whole job instead`);
  }
  return printReport(report, options.json === true, streams);
}
