/** Before the items are handed out: the code of a job is stored under the run prefix, and what it needs is looked for where it will run. */
import { tmpdir } from 'node:os';
import { codeEnvironment } from '../../code/code-environment.ts';
import { findPython } from '../../code/find-python.ts';
import type { Store } from '../../store/store.ts';
import type { PlanCode } from '../plan.ts';
import { encodeDocument } from '../records.ts';
import { storeBytes } from '../store-code.ts';
import { codeRecordHref, readItemCode } from './item-code-record.ts';
import type { ItemPlan } from './item-plan.ts';

/**
 * Doing it again gives what came of it the first time.
 * @throws JobError PLAN_REFUSED naming what is wrong with the code's file; REQUIREMENT_MISSING
 */
export async function prepareItems(store: Store, { job, state, code }: ItemPlan, env: NodeJS.ProcessEnv): Promise<PlanCode> {
  const run = state.run.href;
  const earlier = await readItemCode(store, run);
  if (earlier !== undefined) return earlier;
  if (code === null || code.href === null) throw new Error('the job has no code');
  const { requirements, credentials } = job.operation;
  if (requirements.length > 0) {
    const { checkRequirements } = await import('../../code/requirements/check-requirements.ts');
    const python = code.runtime === 'python' ? (await findPython(env)).python : (env['TILEFAN_PYTHON'] ?? 'python3');
    await checkRequirements(requirements, { python, env: codeEnvironment(env, { scratch: tmpdir(), credentials }) });
  }
  const path = code.kind === 'model' ? '$.operation.model' : '$.operation.module';
  const { href, sha256 } = await storeBytes(store, run, code.href, { bundles: code.kind === 'module' && code.runtime === 'node', path });
  const stored: PlanCode = { ...code, href, sha256 };
  await store.put(codeRecordHref(run), encodeDocument(stored), { contentType: 'application/json', createFolders: true });
  return stored;
}
