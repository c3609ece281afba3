/** What a worker does with code before the fan-out, of whichever kind the job is: its document under the run prefix says so. */
import * as z from 'zod';
import type { Store } from '../store/store.ts';
import { isItemPlan } from './items/item-documents.ts';
import { itemPlan } from './items/item-plan.ts';
import { prepareItems } from './items/prepare-items.ts';
import { plan } from './plan.ts';
import { prepareCode, type PrepareEnvironment } from './prepare-code.ts';
import { trialPlanHref } from './prepared-code.ts';
import { readDocument } from './records.ts';

/** @throws what prepareCode and prepareItems throw */
export async function prepareAny(store: Store, run: string, environment: PrepareEnvironment): Promise<void> {
  const href = trialPlanHref(run);
  const document = await readDocument(store, href, z.unknown());
  if (document === undefined) throw new Error(`${href} is not there`);
  if (isItemPlan(document)) await prepareItems(store, itemPlan.parse(document), environment.env);
  else await prepareCode(store, plan.parse(document), environment);
}
