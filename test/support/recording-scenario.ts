/** Everything that makes the parts ask AWS for something else: the first time and again, cut off and gone on with, with objects that are not there or went away. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { makeScene } from '../../examples/make-scene.ts';
import { makeFiles } from './raster-oracle.ts';
import { linesOf, reduceAll, workAll } from './recording-steps.ts';
import { runCode, runItems } from './recording-items.ts';
import type { RunState } from '../../lib/job/events.ts';
import type { MakeJob, Stage } from './recording-stage.ts';

/** What S3 tells of an upload (userguide/notification-content-structure.html), as far as it is read. */
function uploaded(bucket: string, key: string): object {
  const object = { key: encodeURIComponent(key).replaceAll('%2F', '/'), size: 10, eTag: 'a', versionId: 'v', sequencer: '0A' };
  return { Records: [{ eventVersion: '2.1', eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', userIdentity: { principalId: 'AWS:AIDA' }, s3: { s3SchemaVersion: '1.0', bucket: { name: bucket }, object } }] };
}

export async function playScenario(stage: Stage): Promise<void> {
  const { buckets: { input, output }, at } = stage;
  const scene = 'scenes/a b.tif';
  makeScene(at(input, scene), 1200);
  for (const folder of ['jobs', 'templates']) mkdirSync(at(input, folder), { recursive: true });
  const job = (name: string, more: object = {}): Record<string, unknown> => ({
    name: 'nd',
    inputs: { a: `s3://${input}/${scene}` },
    grid: { tileSize: 256 },
    // Large batches and small ones: segments that S3 can copy, and segments that are gathered.
    compute: { tilesPerTask: 16 },
    operation: { expression: { o: ['(a[4] - a[3]) / (a[4] + a[3])', 'a[1]'] } },
    outputs: { o: { href: `s3://${output}/nd/${name}.tif`, dtype: 'float64', compression: 'none', blockSize: 128 } },
    ...more,
  });
  writeFileSync(at(input, 'jobs/first.json'), JSON.stringify(job('first')));
  writeFileSync(at(input, 'templates/nd.json'), JSON.stringify(job('{stem}', { inputs: { a: 's3://{bucket}/{key}' } })));

  await startRuns(stage);
  const state = await splitRuns(stage, job, scene);
  await workThrough(stage, state);
  await mergeInSteps(stage, state);
  await readElsewhere(stage, job, scene);
  await mergeLateTiles(stage, job, output, 'late');
  await mergeLateTiles(stage, job, stage.buckets.write, 'elsewhere');
  await makePasses(stage, job);
  await convertInputs(stage, job, scene);
  await findExtents(stage, job, scene);
  await runCode(stage, job);
  await runItems(stage);
  await stage.tidy();
}


/** An uploaded job, a file for a template, one for a template that isn't there, which looks for the nearest, and one for a template that is built in. */
async function startRuns({ start, buckets: { input } }: Stage): Promise<void> {
  const { batchItemFailures } = await start([uploaded(input, 'jobs/first.json'), uploaded(input, 'incoming/nd/a b.tif'), uploaded(input, 'incoming/none/a.tif'), uploaded(input, 'incoming/photos/a b.png')]);
  assert.deepEqual(batchItemFailures, [{ itemIdentifier: '2' }], 'only the unknown template fails');
}

/** An uploaded job, and again, as Step Functions may; a template; another job under an id that is taken; jobs and inputs that aren't there; an image of its own. */
async function splitRuns({ split, buckets: { input } }: Stage, job: MakeJob, scene: string): Promise<RunState> {
  const state = await split({ job: `s3://${input}/jobs/first.json` }, 'first');
  await split({ job: `s3://${input}/jobs/first.json` }, 'first');
  await split({ job: `s3://${input}/templates/nd.json`, object: `s3://${input}/${scene}` }, 'template');
  await assert.rejects(split(job('other'), 'first'), { code: 'RUN_EXISTS' });
  await assert.rejects(split({ job: `s3://${input}/jobs/none.json` }, 'none'));
  await assert.rejects(split(job('no-input', { inputs: { a: `s3://${input}/scenes/none.tif` } }), 'no-input'));
  // Registered for the first, found and marked as used for the second.
  for (const name of ['image-1', 'image-2']) await split(job(name, { compute: { tilesPerTask: 16, image: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/mine:1' } }), name);
  return state;
}

/** Every batch once, the first one twice: the second time its tiles are there. */
async function workThrough(stage: Stage, state: RunState): Promise<void> {
  const lines = linesOf(stage, state);
  assert.ok(lines.length >= 4, `wanted several batches, found ${lines.length}`);
  await workAll(stage, state, lines);
  await workAll(stage, state, lines.slice(0, 1));
}

/** Inputs in each place that jobs may read: found, missing when the run is planned, and gone when it is worked on. The result of another run is one. */
async function readElsewhere(stage: Stage, job: MakeJob, scene: string): Promise<void> {
  const { at, split, work, buckets: { input, output, read } } = stage;
  mkdirSync(at(read, 'scenes'), { recursive: true });
  copyFileSync(at(input, scene), at(read, scene));
  for (const [name, bucket, path] of [['input', input, scene], ['read', read, scene], ['output', output, 'nd/first.tif']] as const) {
    const from = (file: string): object => ({ inputs: { a: `s3://${bucket}/${file}` }, operation: { expression: { o: 'a[1]' } } });
    await assert.rejects(split(job(`none-${name}`, from(`${path}.none`)), `none-${name}`));
    const state = await split(job(`from-${name}`, from(path)), `from-${name}`);
    const [line = ''] = linesOf(stage, state);
    assert.equal(await work(state, line), 0);
    renameSync(at(bucket, path), at(bucket, `${path}.away`));
    assert.notEqual(await work(await split(job(`lost-${name}`, from(`${path}.away`)), `lost-${name}`).finally(() => renameSync(at(bucket, `${path}.away`), at(bucket, path))), line), 0);
  }
}

/** Less than reduce keeps for handing over, so that it begins and stops. */
const tooShortMs = 30_000;

/** Cut off before its state was written: the pyramid is made again. Cut off after: the upload is gone on with. An output that was taken away is made again. */
async function mergeInSteps({ at, reduce, buckets: { work, output } }: Stage, state: RunState): Promise<void> {
  assert.equal((await reduce(state, tooShortMs)).status, 'MERGING');
  assert.ok(existsSync(at(work, `${state.run.prefix}pyramids`)), 'there are levels above the batches');
  rmSync(at(work, `${state.run.prefix}merge/o.json`));
  assert.equal((await reduce(state, tooShortMs)).status, 'MERGING');
  for (const goneBefore of [false, false, true]) {
    if (goneBefore) rmSync(at(output, 'nd/first.tif'));
    assert.equal((await reduce(state)).status, 'DONE');
  }
}

/** Tolerated failures, and tiles that come while the merge is under way: it is given up and begun anew. */
async function mergeLateTiles(stage: Stage, job: MakeJob, bucket: string, name: string): Promise<void> {
  const { at, split, work, reduce } = stage;
  const output = { href: `s3://${bucket}/late/o.tif`, dtype: 'float64', compression: 'none', blockSize: 128 };
  const state = await split(job(name, { tolerateFailures: { percentage: 100 }, outputs: { o: output } }), name);
  const [first = '', ...rest] = linesOf(stage, state);
  assert.equal(await work(state, first), 0);
  assert.equal((await reduce(state, tooShortMs)).status, 'MERGING');
  await workAll(stage, state, rest);
  for (const goneBefore of [false, true]) {
    if (goneBefore) rmSync(at(bucket, 'late/o.tif'));
    assert.equal((await reduce(state)).status, 'DONE');
  }
}

/** Overviews by a pass of workers: each task twice, and what is made anew when later tiles have come. */
async function makePasses(stage: Stage, job: MakeJob): Promise<void> {
  const { split, buckets: { output } } = stage;
  const state = await split(job('passes', { tolerateFailures: { percentage: 100 }, outputs: { o: { href: `s3://${output}/nd/passes.tif`, dtype: 'float64', compression: 'none', blockSize: 128 } } }), 'passes', { TILEFAN_REDUCE_BLOCKS: '1' });
  const lines = linesOf(stage, state);
  await workAll(stage, state, lines.slice(1));
  for (const late of [[], lines.slice(0, 1)]) {
    await workAll(stage, state, late);
    await reduceAll(stage, state);
  }
}

/** An input that only GDAL reads, with a file beside it: found, converted, found again, planned, worked on, and looked at when the run is continued. */
async function convertInputs(stage: Stage, job: MakeJob, scene: string): Promise<void> {
  const { at, split, buckets: { input, read } } = stage;
  for (const bucket of [input, read]) {
    mkdirSync(at(bucket, 'other'), { recursive: true });
    makeEnvi(at(input, scene), at(bucket, 'other/image.img'));
    const name = `convert-${bucket}`;
    const converting = job(name, { inputs: { a: `s3://${bucket}/other/image.img` } });
    const first = await split(converting, name);
    await workAll(stage, first, linesOf(stage, first));
    for (const _ of ['planned', 'continued']) {
      const state = await split(converting, name);
      await workAll(stage, state, linesOf(stage, state).slice(0, 1));
    }
  }
}

/** A grid whose extent only GDAL knows: asked for, found, and planned with. */
async function findExtents({ at, split, work, buckets: { input, read } }: Stage, job: MakeJob, scene: string): Promise<void> {
  for (const bucket of [input, read]) {
    mkdirSync(at(bucket, 'other'), { recursive: true });
    copyFileSync(at(input, scene), at(bucket, 'other/scene.tif'));
    const name = `extents-${bucket}`;
    const gaussKrueger = job(name, { inputs: { a: `s3://${bucket}/other/scene.tif` }, grid: { crs: 'EPSG:31468', resolution: 20, tileSize: 256 } });
    const asked = await split(gaussKrueger, name);
    await workAll({ work }, asked, linesOf({ at }, asked));
    const state = await split(gaussKrueger, name);
    await workAll({ work }, state, linesOf({ at }, state).slice(0, 1));
  }
}

/** A raster and its header, which is a file of its own. */
function makeEnvi(from: string, to: string): void {
  makeFiles("gdal.GetDriverByName('ENVI').CreateCopy(sys.argv[2], gdal.Open(sys.argv[1]))", [from, to]);
}
