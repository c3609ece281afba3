/** How a run of an object job went: its run record. */
import * as z from 'zod';

const failedItem = z.object({ index: z.int(), item: z.string().nullable(), code: z.string(), message: z.string() });

export const itemRunRecord = z.object({
  run: z.string(),
  kind: z.literal('items'),
  name: z.string(),
  state: z.enum(['SUCCEEDED', 'FAILED']),
  prefix: z.string(),
  createdAt: z.string(),
  endedAt: z.string(),
  items: z.object({
    total: z.int(),
    done: z.int(),
    /** Those that failed, and those of batches that ended without them. */
    failed: z.int(),
    /** Sums over all attempts that lived to say so. */
    computed: z.int(),
    reused: z.int(),
  }),
  batches: z.object({ total: z.int(), failed: z.array(z.int()), retried: z.array(z.object({ batch: z.int(), attempts: z.int() })) }),
  /** Files that were made: how many, their bytes, and the list of them; null where there are none. */
  files: z.object({ count: z.int(), bytes: z.number(), href: z.string() }).nullable(),
  results: z.object({ href: z.string(), format: z.string(), rows: z.int(), bytes: z.number() }).nullable(),
  /** The list of items that failed, which is a manifest for doing them again; null where none did. */
  failures: z.object({ count: z.int(), href: z.string().nullable() }).nullable(),
  /** The first of them. */
  errors: z.array(failedItem),
});
export type ItemRunRecord = z.infer<typeof itemRunRecord>;
