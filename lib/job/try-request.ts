/** What passes between split, the task that tries a tile, and whoever wants to know how that went: documents under the run prefix. */
import * as z from 'zod';
import type { ObjectReader, Store } from '../store/store.ts';
import { taskCompute } from './events.ts';
import { runFiles } from './plan.ts';
import { encodeDocument, readDocument } from './records.ts';
import type { Settings } from './settings.ts';
import { jobSpec } from './spec.ts';
import { tileReport, type TileReport } from './tile-report.ts';

const settings: z.ZodType<Settings> = z.object({
  work: z.string(),
  startupSeconds: z.number(),
  maxConcurrency: z.int(),
  size: z.object({ cpu: z.number(), memoryMiB: z.number() }),
  threads: z.int(),
  compute: taskCompute,
  triggers: z.array(z.string()),
});

/** What split writes down for the task: it knows the deployment's settings, and a task doesn't. */
const trialRequest = z.object({ job: jobSpec, run: z.string(), settings });
type TrialRequest = z.infer<typeof trialRequest>;

function requestHref(run: string): string {
  return `${run}${runFiles.code}try-request.json`;
}

function reportHref(run: string): string {
  return `${run}${runFiles.code}try.json`;
}

/** @param run the run prefix, here and below */
export async function writeTrialRequest(store: Store, run: string, request: TrialRequest): Promise<void> {
  await store.put(requestHref(run), encodeDocument(request), { contentType: 'application/json', createFolders: true });
}

/** @throws DataError RECORD_BROKEN */
export async function readTrialRequest(reader: ObjectReader, run: string): Promise<TrialRequest> {
  const request = await readDocument(reader, requestHref(run), trialRequest);
  if (request === undefined) throw new Error(`${requestHref(run)} is not there`);
  return request;
}

export async function writeTileReport(store: Store, run: string, report: TileReport): Promise<void> {
  await store.put(reportHref(run), encodeDocument(report), { contentType: 'application/json', createFolders: true });
}

/** @returns undefined where no task has come to one. @throws DataError RECORD_BROKEN */
export async function readTileReport(store: Store, run: string): Promise<TileReport | undefined> {
  return await readDocument(store, reportHref(run), tileReport);
}
