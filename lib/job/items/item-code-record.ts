/** What a run over items keeps of its code once that has been looked at. Apart from the looking, so that split's package has nothing of it. */
import type { ObjectReader } from '../../store/store.ts';
import { planCode, runFiles, type PlanCode } from '../plan.ts';
import { readDocument } from '../records.ts';

export function codeRecordHref(run: string): string {
  return `${run}${runFiles.code}items.json`;
}

/** @returns undefined before the code has been looked at (prepare-items.ts) */
export async function readItemCode(reader: ObjectReader, run: string): Promise<PlanCode | undefined> {
  return await readDocument(reader, codeRecordHref(run), planCode);
}
