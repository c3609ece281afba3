/** `tilefan plan`: what a run would do, and whether it could. Nothing remains of it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isItemJob } from '../lib/job/items/item-documents.ts';
import { splitItemJob } from '../lib/job/items/split-item-job.ts';
import { runConversion } from '../lib/job/convert-task.ts';
import { findConversions, readConversions } from '../lib/job/find-conversions.ts';
import { makePlan } from '../lib/job/make-plan.ts';
import type { ConvertLine } from '../lib/job/manifest.ts';
import { largestOutputBytes } from '../lib/job/plan-output.ts';
import { levelsOf, tilingOf, type Plan, type PlanInput, type SceneReading } from '../lib/job/plan.ts';
import { throwProblems, type Problem } from '../lib/job/problems.ts';
import { readSettings } from '../lib/job/settings.ts';
import { requireGdal } from '../lib/job/split.ts';
import { batchCount, tileCount, tileGrid } from '../lib/job/tiling.ts';
import { findGdal } from '../lib/gdal/find-gdal.ts';
import { displayHref, fileHref } from '../lib/store/href.ts';
import { createStore } from '../lib/store/routing-store.ts';
import type { Store } from '../lib/store/store.ts';
import { crsName } from '../lib/tiff/crs.ts';
import { extentsHere } from '../local/extents-here.ts';
import { takeItemJob } from './item-job-file.ts';
import { batchSizes, itemPlanText } from './item-plan-text.ts';
import { readJobDocument, takeJob, userFolderHref, type JobOverrides } from './job-file.ts';
import { localEnvironment, type LocalOptions } from './local-environment.ts';
import { bytesText, countText } from './text.ts';

export type PlanOptions = JobOverrides & LocalOptions & { readonly work: string; readonly json?: boolean };

export async function plan(file: string, options: PlanOptions): Promise<void> {
  const store = createStore();
  const scratch = await mkdtemp(join(tmpdir(), 'tilefan-plan-'));
  try {
    const { document, href } = await readJobDocument(store, file);
    const env = { ...process.env, ...localEnvironment(options), TILEFAN_WORK: userFolderHref(options.work) };
    if (isItemJob(document)) {
      await planItems(store, document, href, fileHref(`${scratch}/`), env, options);
      return;
    }
    const { job, problems } = takeJob(document, href, options, () => 'RUN');
    const settings = readSettings(env, job.compute, problems);
    const { lines } = await findConversions(store, job, problems);
    const run = fileHref(`${scratch}/`);
    if (lines.length > 0) await convertAll(store, lines, run, problems);
    const { conversions } = await readConversions(store, run, lines);
    const made = await makePlan(store, job, 'RUN', settings, problems, { conversions, findExtents: extentsHere() });
    // What has been converted to look at it lies under the run prefix in a run.
    const windows = made.inputs.some(({ scenes }) => scenes.some(({ reading }) => reading.by !== 'blocks'));
    if (windows && (await findGdal()) === undefined) process.stderr.write('this job needs GDAL to run, and it is not on this machine\n');
    const text = options.json === true ? `${JSON.stringify(made, undefined, 2)}\n` : describe(made, lines);
    process.stdout.write(text.replaceAll(run, made.state.run.href).replaceAll(`${scratch}/`, displayHref(made.state.run.href)));
  } finally {
    await store.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

/** @param run a prefix for what a run would keep */
async function planItems(store: Store, document: unknown, href: string, run: string, env: NodeJS.ProcessEnv, options: PlanOptions): Promise<void> {
  const { job, problems } = takeItemJob(document, href, options, () => 'RUN');
  throwProblems('JOB_INVALID', 'the job is not valid', problems);
  const { plan: made, settings } = await splitItemJob(job, { store, env, place: { base: undefined, file: href, runId: 'RUN' }, readCode: () => Promise.resolve(undefined), planOnly: run });
  const sizes = await batchSizes(store, run, made);
  process.stdout.write(options.json === true ? `${JSON.stringify({ ...made, sizes }, undefined, 2)}\n` : itemPlanText(made, sizes, settings));
}

/** A plan needs the converted files' headers, so it takes the conversions to make one. */
async function convertAll(store: Store, lines: readonly ConvertLine[], run: string, problems: Problem[]): Promise<void> {
  throwProblems('PLAN_REFUSED', "the job can't run", problems);
  await requireGdal(lines);
  const { signal } = new AbortController();
  for (const line of lines) await runConversion(line, { run, store, signal });
}

function describe(made: Plan, conversions: readonly ConvertLine[]): string {
  const { grid, tileSize, batchColumns, batchRows, memory, threads, inputs, outputs } = made;
  const tiling = tilingOf(made);
  const { across, down } = tileGrid(tiling);
  const transform = grid.geotransform;
  const lines: [string, string][] = [
    ['grid', `${String(grid.columns)} x ${String(grid.rows)} px, ${grid.epsg === null && grid.wkt === undefined ? 'no EPSG code' : crsName({ epsg: grid.epsg, keys: {}, wkt: grid.wkt ?? null })}`],
    ['geotransform', transform === null ? 'none' : transform.join(', ')],
    ...conversions.map(({ convert: { input, href, subdataset } }): [string, string] => [
      `convert ${input}`,
      `${displayHref(href)}${subdataset === null ? '' : ` (${subdataset})`} to a GeoTIFF, by a worker, before the run is planned`,
    ]),
    ...inputs.map((input): [string, string] => [
      `input ${input.name}`,
      `${scenesText(input)}, ${String(input.bands)} x ${input.dtype}, nodata ${String(input.nodata ?? 'none')}${input.masked ? ', mask' : ''}, ${bytesText(input.scenes.reduce((sum, { bytes }) => sum + bytes, 0))}`,
    ]),
    ['tiles', `${String(tileCount(tiling))} of ${String(tileSize)} px (${String(across)} x ${String(down)})`],
    ['batches', `${String(batchCount(tiling))} of ${String(batchColumns)} x ${String(batchRows)} tiles at most`],
    [
      'memory',
      `${bytesText(memory.total)} for a worker with ${countText(threads, 'thread')}, of ${bytesText(memory.limit)} (threads ${bytesText(memory.threads)}, read ahead ${bytesText(memory.readAhead)}, shared blocks ${bytesText(memory.shared)}, GDAL ${bytesText(memory.gdal)}, segments ${bytesText(memory.segments)}, overviews ${bytesText(memory.overviews)}${memory.code > 0 ? `, code ${bytesText(memory.code)}` : ''})`,
    ],
    ...outputs.map((output): [string, string] => [
      `output ${output.name}`,
      `${displayHref(output.href)}, ${String(output.bands)} x ${output.dtype}, nodata ${String(output.nodata ?? 'none')}, ${output.compression}, ${countText(levelsOf(made, output).length - 1, 'overview')} (${output.overviews}), ${bytesText(largestOutputBytes(output, grid.columns, grid.rows))} at most, before compression`,
    ]),
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, text]) => `${name.padEnd(width)}  ${text}\n`).join('');
}

/** Where an input is read, and how it comes onto the grid. */
function scenesText({ scenes, rule }: PlanInput): string {
  const [first] = scenes;
  const where = scenes.length === 1 ? displayHref(first?.href ?? '') : `${String(scenes.length)} scenes from ${displayHref(first?.href ?? '')} on`;
  const ways = [...new Set(scenes.map(({ reading }) => readingText(reading)))];
  const brought = ways.length === 1 ? ways : [`some ${ways.join(', some ')}`];
  return [where, ...(rule === null ? [] : [rule]), ...brought].join(', ');
}

function readingText(reading: SceneReading): string {
  switch (reading.by) {
    case 'blocks':
      return 'on the grid';
    case 'window':
      return 'on the grid, read by GDAL';
    case 'warp':
      return `warped (${reading.resampling})`;
    case 'burn':
      return 'features burnt';
  }
}
