/** Objects that an earlier call has finished: whether they are still there, as they were. */
import type * as z from 'zod';
import { TilefanError } from '../base/errors.ts';
import type { ObjectReader, ObjectStat } from '../store/store.ts';
import { readDocument } from './records.ts';

/** What a document says of an object that an earlier call has finished, as long as the object lies where that call has put it. */
export async function readFinishedObject<Schema extends z.ZodType<{ readonly bytes: number; readonly version: string }>>(
  reader: ObjectReader,
  document: string,
  schema: Schema,
  href: string,
): Promise<z.infer<Schema> | undefined> {
  const finished = await readDocument(reader, document, schema);
  if (finished === undefined) return undefined;
  const stat = await statIfThere(reader, href);
  return stat?.size === finished.bytes && stat.version === finished.version ? finished : undefined;
}

/** Undefined for what isn't there. */
export async function statIfThere(reader: Pick<ObjectReader, 'stat'>, href: string): Promise<ObjectStat | undefined> {
  try {
    return await reader.stat(href);
  } catch (error) {
    if (error instanceof TilefanError && error.code === 'STORE_NOT_FOUND') return undefined;
    throw error;
  }
}
