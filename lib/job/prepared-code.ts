/** What the trial of user code, on one tile and before the fan-out, has found: the code itself, kept under the run prefix, and what it makes. */
import * as z from 'zod';
import { dtypes } from '../raster/dtype.ts';
import type { ObjectReader } from '../store/store.ts';
import { codeHref, codeKind, runtimeOf } from './operation-kind.ts';
import { planCode, runFiles, type PlanCode } from './plan.ts';
import { readDocument } from './records.ts';
import type { JobSpec } from './spec.ts';

export const preparedCode = z.object({
  code: planCode,
  /** What it made of each output. */
  outputs: z.record(z.string(), z.object({ dtype: z.enum(dtypes), bands: z.int().positive() })),
  /** Margin in pixels that a model needs. */
  halo: z.int().nonnegative(),
  /** What it took over the tile. */
  seconds: z.number().nonnegative(),
  /** The tile that it was tried on. */
  tile: z.tuple([z.int(), z.int()]),
});
export type PreparedCode = z.infer<typeof preparedCode>;

export function preparedHref(run: string): string {
  return `${run}${runFiles.code}prepared.json`;
}

/** The plan that a worker tries the code with. */
export function trialPlanHref(run: string): string {
  return `${run}${runFiles.code}trial.json`;
}

/** @returns undefined before the trial. @throws DataError RECORD_BROKEN */
export async function readPrepared(reader: ObjectReader, run: string): Promise<PreparedCode | undefined> {
  return await readDocument(reader, preparedHref(run), preparedCode);
}

/** The code of a job that nobody has looked at: what `plan` shows, and what a trial is planned with. */
export function untriedCode({ operation }: JobSpec): PlanCode {
  const kind = codeKind(operation);
  if (kind === undefined) throw new Error('the operation is not code');
  const { module } = operation;
  const runtime = kind === 'command' ? null : module === undefined ? 'node' : (runtimeOf(module) ?? 'node');
  return { kind, runtime, href: codeHref(operation) ?? null, sha256: null };
}
