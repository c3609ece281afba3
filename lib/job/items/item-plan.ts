/** The plan of an object job: everything that split has decided, as one JSON document under the run prefix. Which items a task has, its line of the manifest says. */
import * as z from 'zod';
import { DataError } from '../../base/errors.ts';
import { displayHref } from '../../store/href.ts';
import type { ObjectReader } from '../../store/store.ts';
import { runState } from '../events.ts';
import { planCode, runFiles } from '../plan.ts';
import { itemJobSpec } from './item-spec.ts';

const itemMemory = z.object({
  /** Bytes, by what needs them. */
  process: z.number(),
  /** Objects that are worked on: images decoded, files that functions write. */
  items: z.number(),
  /** Processes that run functions or models. */
  code: z.number(),
  total: z.number(),
  /** What a task has. */
  limit: z.number(),
});
export type ItemMemory = z.infer<typeof itemMemory>;

export const itemPlan = z.object({
  version: z.literal(1),
  kind: z.literal('items'),
  /** What the state machine is given. */
  state: runState,
  createdAt: z.string(),
  job: itemJobSpec,
  items: z.object({
    count: z.int().positive(),
    /** Bytes of all objects whose size is known. */
    bytes: z.number().nonnegative(),
    /** Rows of the source that said again what another had said, and are no items. */
    repeated: z.int().nonnegative(),
    /** What `items.jsonl` was when it was written. */
    version: z.string(),
  }),
  batches: z.int().positive(),
  /** null for images. */
  code: planCode.nullable().default(null),
  threads: z.int().positive(),
  memory: itemMemory,
});
export type ItemPlan = z.infer<typeof itemPlan>;

/** @throws DataError PLAN_BROKEN; whatever the store throws when there is none */
export async function readItemPlan(reader: ObjectReader, runHref: string): Promise<ItemPlan> {
  const href = `${runHref}${runFiles.plan}`;
  const bytes = await reader.readAll(href);
  try {
    return itemPlan.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw new DataError('PLAN_BROKEN', `${displayHref(href)} is not a plan of an object job of this version of tilefan`, { cause, where: { href } });
  }
}
