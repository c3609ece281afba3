/** Splits an object job for a test, in a folder, and gives what was written. */
import { readFileSync } from 'node:fs';
import { fileHref } from '../../../lib/store/href.ts';
import { createStore } from '../../../lib/store/routing-store.ts';
import { parseItemJob } from '../../../lib/job/items/item-validate.ts';
import { resolveItemJob } from '../../../lib/job/items/item-resolve.ts';
import type { Item } from '../../../lib/job/items/item.ts';
import { splitItems, type SplitItems } from '../../../lib/job/items/split-items.ts';
import type { ItemBatchWishes } from '../../../lib/job/items/item-batches.ts';
import { throwProblems, type Problem } from '../../../lib/job/problems.ts';
import type { Workspace } from '../../support/workspace.ts';

export const wishes: ItemBatchWishes = { itemsPerTask: 'auto', maxConcurrency: 100, threads: 2, startupSeconds: 60, timeoutSeconds: 3600 };

/** An operation that takes anything. */
export const anything = { operation: { module: '/f.ts' } };

export async function splitHere(workspace: Workspace, document: object, own: Partial<ItemBatchWishes> = {}): Promise<SplitItems & { readonly found: readonly Item[]; readonly run: string }> {
  const problems: Problem[] = [];
  const job = resolveItemJob(parseItemJob({ ...anything, ...document }, problems), { base: fileHref(`${workspace.folder}/`), runId: 'r1' }, problems);
  throwProblems('TEST', 'the job of the test is wrong', problems);
  const run = workspace.newFolder('run');
  const store = createStore();
  try {
    const work = fileHref(`${workspace.folder}/work/`);
    const split = await splitItems({ store, job, run: { id: 'r1', href: fileHref(`${run}/`) }, work, wishes: { ...wishes, ...own } });
    const lines = readFileSync(`${run}/items.jsonl`, 'utf8').split('\n');
    return { ...split, found: lines.slice(0, -1).map((line) => JSON.parse(line) as Item), run };
  } finally {
    await store.close();
  }
}
