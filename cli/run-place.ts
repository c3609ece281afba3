/** Where a run lies that a command is given by its id, or by the href of its prefix. */
import { InputUnavailableError } from '../lib/base/errors.ts';
import { displayHref, folderHref } from '../lib/store/href.ts';
import { userFolderHref, userHref } from './job-file.ts';
import { runPrefix } from './local-run.ts';

/** The prefix of a run. @param run its id under the work prefix, or the href of its run prefix */
export function runPlace(run: string, work: string): string {
  return run.includes('/') ? folderHref(userHref(run)) : runPrefix(userFolderHref(work), run);
}

/** What is to be said of a run that has no plan. */
export function noRun(run: string, work: string): InputUnavailableError {
  const prefix = runPlace(run, work);
  const said = run.includes('/') ? `there is no run under ${displayHref(prefix)}` : `there is no run ${run} under ${displayHref(runPrefix(userFolderHref(work), '').slice(0, -1))} (--work says where runs are)`;
  return new InputUnavailableError('RUN_UNKNOWN', `${said}, or it failed before it was planned`, { where: { prefix } });
}
