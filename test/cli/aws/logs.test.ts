/** Which log `logs` finds for a tile, a batch, a run; what it prints where there is none. Plans are made by split, on a raster that is there. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CloudWatchLogsClient, GetLogEventsCommand, ResourceNotFoundException, type OutputLogEvent } from '@aws-sdk/client-cloudwatch-logs';
import { mockClient } from 'aws-sdk-client-mock';
import { readableLine } from '../../../cli/aws/log-line.ts';
import { logs, type LogsOptions } from '../../../cli/aws/logs.ts';
import { describeError, DataError } from '../../../lib/base/errors.ts';
import type { AttemptRecord, BatchRecord } from '../../../lib/job/records.ts';
import { split } from '../../../lib/job/split.ts';
import { FileStore } from '../../../lib/store/file-store.ts';
import { createWorkspace } from '../../support/workspace.ts';
import { field, handMadeTiff, simpleImage } from '../../tiff/hand-made-tiff.ts';
import { ended, fakeContext, fakeStepFunctions, functionFailure, splitHistory, stage, started, type FakeRuns } from './fake-aws.ts';

const space = createWorkspace('logs');
after(() => space.remove());

/** Run prefix of a plan with 8 x 6 tiles in batches, and the manifest's lines. */
let prefix = '';
let manifest: { batch: number; tiles: [number, number, number, number] }[] = [];

before(async () => {
  const blocks = Uint8Array.from({ length: 1000 * 700 }, (_, i) => i % 251);
  writeFileSync(space.path('scene.tif'), handMadeTiff({ directories: [simpleImage(1000, 700, [field(339, 1)])], blocks }));
  const job = { name: 'r', inputs: { a: space.path('scene.tif') }, grid: { tileSize: 128 }, operation: { expression: { o: 'a[1]' } }, outputs: { o: { href: space.path('o.tif'), dtype: 'uint8', blockSize: 128 } }, compute: { tilesPerTask: 4 } };
  const env = { TILEFAN_WORK: `${space.folder}/work/`, TILEFAN_LOCAL_THREADS: '1' };
  const store = new FileStore();
  const state = await split({ input: { job, run: 'r' }, execution: 'r' }, { store, env });
  await store.close();
  prefix = state.run.href;
  manifest = readFileSync(state.manifest.key, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as (typeof manifest)[number]);
  mkdirSync(fileURLToPath(`${prefix}results`));
});

const log = (stream: string): AttemptRecord['log'] => ({ group: '/tilefan/dev/worker', stream: `batch/worker/${stream}`, region: 'eu-west-1' });

function attempt(number: number, more: Partial<AttemptRecord>): AttemptRecord {
  return { attempt: number, state: 'SUCCEEDED', startedAt: started.toISOString(), endedAt: ended.toISOString(), tilesComputed: 4, tilesReused: 0, error: null, task: `arn:aws:ecs:eu-west-1:1:task/tilefan-dev/t${String(number)}`, log: log(`t${String(number)}`), ...more };
}

function record(batch: number, attempts: readonly AttemptRecord[]): void {
  const last = attempts.at(-1);
  const document: BatchRecord = { batch, state: last?.state ?? 'RUNNING', attempt: attempts.length, tiles: 4, error: last?.error ?? null, attempts: [...attempts] };
  writeFileSync(fileURLToPath(`${prefix}results/${String(batch)}.json`), JSON.stringify(document));
}

const broken = { ...describeError(new DataError('TIFF_BROKEN', 'tile 3,4 (columns 384 to 511, rows 512 to 639): block 9 of scene.tif ends too soon')), stack: 'DataError: …' };

/** Streams by name; a page has at most `page` events, the last ones first, as GetLogEvents without startFromHead gives them. */
function cloudWatch(streams: Readonly<Record<string, readonly string[]>>, page = 1000): { client: (region: string) => Promise<CloudWatchLogsClient>; regions: string[]; calls: () => number } {
  const client = new CloudWatchLogsClient({ region: 'eu-west-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' } });
  const mock = mockClient(client);
  mock.on(GetLogEventsCommand).callsFake(({ logGroupName, logStreamName, limit, nextToken, startFromHead }: { logGroupName: string; logStreamName: string; limit: number; nextToken?: string; startFromHead: boolean }) => {
    assert.deepEqual([logGroupName, startFromHead], ['/tilefan/dev/worker', false]);
    const lines = streams[logStreamName.replace('batch/worker/', '')];
    if (lines === undefined) throw new ResourceNotFoundException({ message: 'The specified log stream does not exist.', $metadata: {} });
    const to = nextToken === undefined ? lines.length : Number(nextToken.slice(2));
    const from = Math.max(0, to - Math.min(limit, page));
    const events: OutputLogEvent[] = lines.slice(from, to).map((message, i) => ({ message, timestamp: started.getTime() + from + i, ingestionTime: 0 }));
    // At the beginning the token that was sent comes back.
    return { events, nextForwardToken: `f/${String(to)}`, nextBackwardToken: `b/${String(from)}` };
  });
  const regions: string[] = [];
  return {
    client: (region) => {
      regions.push(region);
      return Promise.resolve(client);
    },
    regions,
    calls: () => mock.commandCalls(GetLogEventsCommand).length,
  };
}

interface Shown {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function show(options: Partial<LogsOptions>, streams: Readonly<Record<string, readonly string[]>>, runs: Partial<FakeRuns> = {}, page?: number): Promise<Shown> {
  const context = fakeContext();
  fakeStepFunctions(context.sfn, { executions: { r: { input: '{}' } }, history: { r: splitHistory(prefix) }, ...runs });
  const code = await logs('r', { ...stage, tail: 50, ...options }, { ...context, logs: cloudWatch(streams, page).client });
  return { code, out: context.streams.stdout.text, err: context.streams.stderr.text };
}

void describe('logs', () => {
  // The manifest says which tiles a batch has; the command goes the other way, by arithmetic on the plan.
  void it('finds the batch of every tile', async () => {
    assert.ok(manifest.length > 3 && manifest.every(({ tiles }) => tiles[2] * tiles[3] <= 4));
    for (const { batch, tiles: [column, row, columns, rows] } of manifest) {
      record(batch, [attempt(1, { log: log(`batch-${String(batch)}`) })]);
      for (const tile of [{ column, row }, { column: column + columns - 1, row: row + rows - 1 }]) {
        const { code, out } = await show({ tile }, { [`batch-${String(batch)}`]: [`the log of ${String(batch)}`] });
        assert.equal(code, 0);
        assert.ok(out.startsWith(`tile ${String(tile.column)},${String(tile.row)} is in batch ${String(batch)}\nbatch ${String(batch)}: SUCCEEDED, 4 tiles from ${String(column)},${String(row)} to ${String(column + columns - 1)},${String(row + rows - 1)}\n`), out);
        assert.ok(out.includes(`the log of ${String(batch)}\n`));
      }
    }
    await assert.rejects(show({ tile: { column: 8, row: 0 } }, {}), { code: 'TILE_OUTSIDE', exitCode: 64, message: '--tile 8,0 lies outside of the grid: wanted a column from 0 to 7 and a row from 0 to 5' });
    await assert.rejects(show({ tile: { column: 0, row: 6 } }, {}), { code: 'TILE_OUTSIDE' });
    await assert.rejects(show({ batch: 999 }, {}), { code: 'BATCH_OUTSIDE', exitCode: 64 });
  });

  // Catches: the head of a log in place of its tail, lines out of order, a paging that never ends or ends with the first page.
  void it('prints the tail of each attempt, the killed one too', async () => {
    const lines = Array.from({ length: 30 }, (_, i) => JSON.stringify({ level: 'info', time: `2026-11-22T10:00:${String(i).padStart(2, '0')}.123Z`, run: 's3://w/runs/r/', batch: 2, event: 'Tile:Done', tile: [i, 0] }));
    record(2, [attempt(1, { state: 'RUNNING', endedAt: null, log: log('gone') }), attempt(2, { state: 'FAILED', error: broken, log: log('t2') })]);
    const { out } = await show({ batch: 2, tail: 12 }, { t2: lines }, {}, 5);
    assert.match(out, /attempt 1: RUNNING \(killed\), begun 2026-11-22 10:00:00Z\n {4}log \/tilefan\/dev\/worker batch\/worker\/gone \(eu-west-1\) is not there \(any more\)\n/);
    assert.match(out, /attempt 2: FAILED, .*\n {4}\[DataError TIFF_BROKEN\] tile 3,4 \(columns 384/);
    const tail = out.trimEnd().split('\n').filter((line) => line.includes('Tile:Done'));
    assert.deepEqual(tail.map((line) => /tile=\[(\d+),0\]/.exec(line)?.[1]), Array.from({ length: 12 }, (_, i) => String(i + 18)));
    assert.match(tail[0] ?? '', /^ {4}10:00:18\.123 {2}INFO {3}Tile:Done {2}/);
    const raw = await show({ batch: 2, tail: 2, json: true }, { t2: lines });
    assert.deepEqual(raw.out.trimEnd().split('\n').slice(-2), lines.slice(-2));
    for (const line of raw.out.trimEnd().split('\n')) JSON.parse(line);
    // More than there is: all of it, once.
    const all = await show({ batch: 2, tail: 1000 }, { t2: lines }, {}, 7);
    assert.equal(all.out.match(/Tile:Done/g)?.length, 30);
  });

  void it('asks in the region of the log', async () => {
    record(1, [attempt(1, { log: { group: '/tilefan/dev/worker', stream: 'batch/worker/x', region: 'us-west-2' } })]);
    const context = fakeContext();
    fakeStepFunctions(context.sfn, { executions: { r: {} }, history: { r: splitHistory(prefix) } });
    const watch = cloudWatch({ x: [] });
    assert.equal(await logs('r', { ...stage, tail: 5, batch: 1 }, { ...context, logs: watch.client }), 0);
    assert.deepEqual(watch.regions, ['us-west-2']);
    record(1, [attempt(1, { log: null })]);
    assert.match((await show({ batch: 1 }, {})).out, /no word of where its log is/);
  });

  // Catches: an image that can't be pulled, which leaves no record and no log, shown as nothing.
  void it('shows the cause of a batch whose task never began', async () => {
    const batch = 900;
    const runs: Partial<FakeRuns> = {
      mapRuns: { r: [{ id: 'm', status: 'FAILED', startDate: started, counts: { total: 9, failed: 2 } }] },
      failed: { m: [{ batch: 1, error: 'DataError', cause: 'not this one', stopDate: ended }, { batch, error: 'Batch.GaveUp', cause: 'Batch 900 gave up: CannotPullContainerError', stopDate: ended }] },
      page: 1,
    };
    const { code, out } = await show({ batch }, {}, runs);
    assert.equal(code, 0);
    assert.match(out, /batch 900 failed without a record of its tasks \[Batch\.GaveUp\]\n {2}Batch 900 gave up: CannotPullContainerError\n$/);
    assert.ok(!out.includes('not this one'));
  });

  void it('says that a batch has not begun', async () => {
    const batch = manifest.at(-1)?.batch ?? 0;
    rmSync(fileURLToPath(`${prefix}results/${String(batch)}.json`));
    const { code, err } = await show({ batch }, {});
    assert.equal(code, 69);
    assert.match(err, /has no record yet: no task of it has begun/);
  });

  void it('shows the batches that failed, when none is named', async () => {
    const failing = [0, 1, 2, 3];
    for (const batch of failing) record(batch, [attempt(1, { state: 'FAILED', error: broken, log: log(`f${String(batch)}`) })]);
    const runs: Partial<FakeRuns> = {
      executions: { r: { status: 'FAILED', error: 'States.ExceedToleratedFailureThreshold', stopDate: ended } },
      mapRuns: { r: [{ id: 'm', status: 'FAILED', startDate: started, counts: { total: 9, failed: 4 } }] },
      failed: { m: failing.map((batch) => ({ batch, error: 'DataError', cause: 'c', stopDate: new Date(1000 + batch) })) },
    };
    const { code, out, err } = await show({}, { f0: ['zero'], f1: ['one'], f2: ['two'], f3: ['three'] }, runs);
    assert.equal(code, 0);
    assert.deepEqual([...out.matchAll(/^batch (\d)/gm)].map(([, n]) => n), ['0', '1', '2']);
    assert.match(out, /zero[^]*one[^]*two/);
    assert.match(err, /the first of 4 failed batches; --batch N shows another/);
  });

  // Catches: a run that failed in a function, for which there is no batch to show.
  void it("shows the function's error, and where its log is", async () => {
    const history = { r: functionFailure('Split', 'JobError', 'the job spec is not valid: 1 problem\n  $.x: unknown field') };
    const runs: Partial<FakeRuns> = { executions: { r: { status: 'FAILED', error: 'JobError', cause: 'x', stopDate: ended } }, history };
    const { code, out } = await show({}, {}, runs);
    assert.equal(code, 0);
    assert.equal(out, 'Split failed at 2026-11-22 10:20:00Z [JobError]\n  the job spec is not valid: 1 problem\n    $.x: unknown field\n  its log group: /aws/lambda/tilefan-dev-split\n');
    await assert.rejects(show({ batch: 1 }, {}, runs), { code: 'RUN_NO_PLAN', exitCode: 69 });
    const fine = await show({}, {});
    assert.deepEqual([fine.code, fine.out], [0, '']);
    assert.match(fine.err, /none of its batches has failed; --tile X,Y or --batch N/);
  });
});

void describe('a log line', () => {
  void it('is made readable if it is JSON, and left if not', () => {
    const error = { name: 'DataError', message: 'm', stack: 'DataError: m\n    at f (x.ts:1:2)' };
    assert.equal(
      readableLine(JSON.stringify({ level: 'error', time: '2026-11-22T10:00:01.5Z', event: 'Batch:Failed', computed: 3, error })),
      '10:00:01.5  ERROR  Batch:Failed  computed=3  error={"name":"DataError","message":"m"}\n    DataError: m\n        at f (x.ts:1:2)',
    );
    assert.equal(readableLine('FATAL ERROR: heap out of memory\n', Date.UTC(2026, 0, 1, 2, 3, 4, 5)), '02:03:04.005  FATAL ERROR: heap out of memory');
    assert.equal(readableLine('{"event":"Tile:Done","batch":1}', 0), '00:00:00.000  Tile:Done  batch=1');
    assert.equal(readableLine('{"_aws":{"Timestamp":1},"TilesComputed":4}', 0), '00:00:00.000  TilesComputed=4');
    assert.equal(readableLine('42'), '42');
    assert.equal(readableLine('{"cut'), '{"cut');
  });
});
