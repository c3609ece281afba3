/** Before the items are handed out: the code of a job is stored under the run prefix, and what it needs is looked for where it will run. */
import type { Store } from '../../store/store.ts';
import { meetRequirements } from '../meet-requirements.ts';
import type { PlanCode } from '../plan.ts';
import { encodeDocument } from '../records.ts';
import { storeBytes } from '../store-code.ts';
import { codeRecordHref, readItemCode } from './item-code-record.ts';
import type { ItemPlan } from './item-plan.ts';

/**
 * Doing it again gives what came of it the first time.
 * @throws JobError PLAN_REFUSED naming what is wrong with the code's file; REQUIREMENT_MISSING; what the code's process says when it is loaded
 */
export async function prepareItems(store: Store, { job, state, code, memory }: ItemPlan, env: NodeJS.ProcessEnv): Promise<PlanCode> {
  const run = state.run.href;
  const earlier = await readItemCode(store, run);
  if (earlier !== undefined) return earlier;
  if (code === null || code.href === null) throw new Error('the job has no code');
  const { requirements, credentials } = job.operation;
  await meetRequirements(requirements, { runtime: code.runtime, items: true, credentials }, env);
  const path = code.kind === 'model' ? '$.operation.model' : '$.operation.module';
  const { href, sha256 } = await storeBytes(store, run, code.href, { bundles: code.kind === 'module' && code.runtime === 'node', path });
  const stored: PlanCode = { ...code, href, sha256 };
  // It is loaded once, so that a mistake costs no fan-out.
  const { checkItemCode } = await import('./function-items.ts');
  await checkItemCode(store, { job, code: stored, memory }, env);
  await store.put(codeRecordHref(run), encodeDocument(stored), { contentType: 'application/json', createFolders: true });
  return stored;
}
