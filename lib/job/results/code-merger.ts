/** The user's own function that merges results, in a process for user code like the one that its functions over tiles run in. */
import { join } from 'node:path';
import { OperationError } from '../../base/errors.ts';
import { CodeProcess } from '../../code/code-process.ts';
import { makeCodeFolder, removeScratchFolder } from '../../code/scratch-folder.ts';
import { makeSharedFile, type SharedFile } from '../../code/shared-file.ts';
import type { ObjectReader } from '../../store/store.ts';
import { localCopy } from '../code-runners.ts';
import { codeHref } from '../operation-kind.ts';
import { codeSetupOf } from '../plan-code-setup.ts';
import type { Plan } from '../plan.ts';
import { parseDuration } from '../quantities.ts';
import type { ValueMerger } from './merge-task.ts';

export interface CodeMerger extends ValueMerger {
  /** Starts the process and loads the function, before there are values. @throws the errors of a code process */
  load(): Promise<void>;
}

/**
 * Makes ready; the process starts with the first values.
 * @throws DataError CODE_CHANGED; OperationError RESULTS_MERGE for a job that has no such function; OutputError SCRATCH_UNUSABLE
 */
export async function openCodeMerger(reader: ObjectReader, plan: Plan, env: NodeJS.ProcessEnv = process.env): Promise<CodeMerger> {
  const { code, job } = plan;
  const merge = job.results?.merge;
  if (code === null || code.runtime === null || typeof merge !== 'object') throw new OperationError('RESULTS_MERGE', 'the job has no function of its own that merges results');
  const root = await makeCodeFolder();
  let path: string;
  let shared: SharedFile;
  try {
    path = await localCopy(reader, code, codeHref(job.operation), join(root, 'code'));
    // No pixels go through it, but a process expects one.
    shared = makeSharedFile(1);
  } catch (error) {
    await removeScratchFolder(root);
    throw error;
  }
  const runner = new CodeProcess({
    setup: { ...codeSetupOf(plan, path, 1, env), function: merge.function, merges: true, serial: false, model: null },
    runtime: code.runtime,
    sharedFd: shared.fd,
    scratch: join(root, 'scratch'),
    credentials: job.operation.credentials,
    timeoutSeconds: parseDuration(job.operation.tileTimeout),
    env,
  });
  let id = 0;
  return {
    load: async () => await runner.load(),
    merge: async (values) => await runner.merge({ id: id++, values }),
    async close() {
      await runner.close();
      shared.close();
      await removeScratchFolder(root);
    },
  };
}
