/** Overviews made by passes of workers: the same pixels at every level, whatever goes wrong on the way. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { OperationError, TryAgainError } from '../../lib/base/errors.ts';
import type { RunState } from '../../lib/job/events.ts';
import { reduce } from '../../lib/job/reduce.ts';
import { allocateSamples } from '../../lib/raster/dtype.ts';
import { bitsOf, runWithArrays, seededRandom, type NumpyArray } from '../support/arrays.ts';
import { withoutGdal } from '../support/gdal.ts';
import { finishRun, linesOf, runTasks } from './passes.ts';
import { Bench, problemsOf, runBatches, writeInputs } from './pipeline.ts';

function noise(columns: number, rows: number): NumpyArray {
  const random = seededRandom(columns);
  const samples = allocateSamples('int16', rows * columns);
  for (let i = 0; i < samples.length; i++) samples[i] = Math.floor(random() * 1000);
  return { dtype: 'int16', shape: [1, rows, columns], samples };
}

/** 9 x 8 blocks, and odd sides on every level. */
const odd = noise(1101, 947);
const want = "want = arrays['a'] + np.int16(1)";

interface Options {
  readonly image?: NumpyArray;
  readonly reduceBlocks?: number;
  readonly tilesPerTask?: number;
  readonly more?: object;
}

/** A run that has been split, in a folder that goes away. */
async function start(run: Bench, { image = odd, reduceBlocks, tilesPerTask = 1, more = {} }: Options): Promise<RunState> {
  writeInputs(run.folder, { a: image }, [{ name: 'a.tif', array: 'a', options: ['TILED=YES'] }]);
  if (reduceBlocks !== undefined) run.env['TILEFAN_REDUCE_BLOCKS'] = String(reduceBlocks);
  return await run.split({
    inputs: { a: run.file('a.tif') },
    grid: { tileSize: 128 },
    operation: { expression: { out: 'a[1] + 1' } },
    outputs: { out: { href: run.file('out.tif'), dtype: 'int16', nodata: -1, blockSize: 128, overviews: 'average' } },
    compute: { tilesPerTask },
    ...more,
  });
}

function assertOutput(run: Bench, expected = want, image = odd): void {
  assert.deepEqual(problemsOf({ a: image }, [{ file: run.file('out.tif'), want: expected, nodata: -1, overviews: 'average' }]), []);
}

function pyramidFiles(state: RunState): string[] {
  const folder = path.join(state.run.prefix, 'pyramids');
  return existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.seg')).toSorted() : [];
}

void describe('overview passes', { skip: withoutGdal }, () => {
  // Catches: levels that depend on who made them, blocks lost between the passes, edges of odd sides.
  void it('give the same pixels at every level, however many there are', async () => {
    for (const { reduceBlocks, passes } of [
      { reduceBlocks: 100, passes: [] },
      // 72 blocks are read by 9 x 8 / 4 x 4 tasks, and 6 are left.
      { reduceBlocks: 8, passes: [6] },
      { reduceBlocks: 4, passes: [20, 6, 2] },
      { reduceBlocks: 1, passes: [20, 6, 2, 1] },
    ]) {
      await using run = new Bench();
      const state = await start(run, { reduceBlocks });
      await runBatches(run.store, state);
      const finished = await finishRun(run.store, state);
      assert.deepEqual(finished.passes.map(({ length }) => length), passes);
      assert.equal(finished.state.pass, passes.length);
      const numbers = finished.passes.flat().map(({ batch }) => batch);
      assert.equal(new Set(numbers).size, numbers.length, 'numbers of tasks are unique in the run');
      assert.ok(numbers.every((batch) => batch >= 1_000_000), 'and are no batches of tiles');
      assertOutput(run);
    }
  });

  // Catches: an average that isn't GDAL's. Both sides are even on every level but the last.
  void it('make what GDAL makes of the same pixels', async () => {
    await using run = new Bench();
    const image = noise(2048, 1024);
    const output = { href: run.file('out.tif'), dtype: 'float32', blockSize: 128, overviews: 'average' };
    const state = await start(run, { image, reduceBlocks: 8, more: { outputs: { out: output } } });
    await runBatches(run.store, state);
    assert.deepEqual((await finishRun(run.store, state)).passes.map(({ length }) => length), [8]);
    const { problems } = runWithArrays(
      `
from osgeo import gdal
gdal.UseExceptions()
problems = []
ours = gdal.Open(facts['file'])
gdal.GetDriverByName('GTiff').CreateCopy(facts['copy'], gdal.GetDriverByName('MEM').CreateCopy('', ours), options=['TILED=YES'])
ds = gdal.Open(facts['copy'], gdal.GA_Update)
ds.BuildOverviews('AVERAGE', [2 ** (i + 1) for i in range(ours.GetRasterBand(1).GetOverviewCount())])
for i in range(ours.GetRasterBand(1).GetOverviewCount()):
    x = ours.GetRasterBand(1).GetOverview(i).ReadAsArray(); y = ds.GetRasterBand(1).GetOverview(i).ReadAsArray()
    if x.shape != y.shape or not np.array_equal(x, y): problems.append('level %d: %r %r' % (i + 1, x.shape, y.shape))
if ours.GetRasterBand(1).GetOverviewCount() != 4: problems.append('levels')
out['problems'] = np.frombuffer(json.dumps(problems).encode(), np.uint8)
`,
      {},
      { file: run.file('out.tif'), copy: run.file('copy.tif') },
    );
    assert.deepEqual(JSON.parse(bitsOf(problems?.samples ?? new Uint8Array()).toString()), []);
  });

  // Catches: tasks of two outputs that take each other's number, record or segments; bands that don't count.
  void it('serve several outputs at once', async () => {
    await using run = new Bench();
    const output = (name: string, more: object): object => ({ href: run.file(`${name}.tif`), dtype: 'int16', nodata: -1, blockSize: 128, overviews: 'average', ...more });
    const state = await start(run, {
      reduceBlocks: 8,
      more: {
        operation: { expression: { out: 'a[1] + 1', two: ['a[1] + 1', 'a[1] + 2'], none: 'a[1]' } },
        outputs: { out: output('out', {}), two: output('two', { overviews: 'nearest' }), none: output('none', { overviews: 'none' }) },
      },
    });
    await runBatches(run.store, state);
    const { passes } = await finishRun(run.store, state);
    assert.deepEqual(passes.map((lines) => Object.fromEntries([...Map.groupBy(lines, ({ pyramid }) => pyramid.output)].map(([name, { length }]) => [name, length]))), [{ out: 6, two: 20 }, { two: 6 }, { two: 2 }]);
    for (const lines of passes) assert.equal(new Set(lines.map(({ batch }) => batch)).size, lines.length);
    assert.deepEqual(
      problemsOf({ a: odd }, [
        { file: run.file('out.tif'), want, nodata: -1, overviews: 'average' },
        { file: run.file('two.tif'), want: "want = np.concatenate([arrays['a'] + np.int16(1), arrays['a'] + np.int16(2)])", nodata: -1, overviews: 'nearest' },
        { file: run.file('none.tif'), want: "want = arrays['a']", nodata: -1, overviews: 'none' },
      ]),
      [],
    );
  });

  // Catches: a task that does its work again, or writes what is there, when it is repeated.
  void it('cost nothing twice when a task is repeated, and keep what a stopped one had made', async () => {
    await using run = new Bench();
    const state = await start(run, { reduceBlocks: 8 });
    await runBatches(run.store, state);
    const { status, ...more } = await reduce(state, { store: run.store });
    assert.equal(status, 'MORE');
    const [first, ...rest] = linesOf(more);
    assert.ok(first);
    // Stopped at its first block: nothing is finished by then, or what is finished is committed.
    const stop = new AbortController();
    stop.abort();
    await assert.rejects(runTasks(run.store, more, [first], stop.signal), (error) => error instanceof TryAgainError && error.code === 'WORKER_STOPPED');
    await runTasks(run.store, more, [first]);
    const before = pyramidFiles(state);
    await runTasks(run.store, more, [first]);
    assert.deepEqual(pyramidFiles(state), before);
    // Two workers on the same task at the same moment.
    await Promise.all([runTasks(run.store, more, rest), runTasks(run.store, more, rest)]);
    assert.deepEqual((await finishRun(run.store, more)).passes, []);
    assertOutput(run);
  });

  // Catches: a continued run that asks for all tasks again, or for none.
  void it('are asked for once more only as far as they are missing when a run is continued', async () => {
    await using run = new Bench();
    const state = await start(run, { reduceBlocks: 8 });
    await runBatches(run.store, state);
    const { status: _status, ...more } = await reduce(state, { store: run.store });
    const [first, second] = linesOf(more);
    assert.ok(first && second);
    await runTasks(run.store, more, [first, second]);
    const continued = await finishRun(run.store, state);
    assert.deepEqual(continued.passes.map((lines) => lines.map(({ batch }) => batch)), [[1_000_002, 1_000_003, 1_000_004, 1_000_005]]);
    assertOutput(run);
  });

  // Catches: a run that goes round without end because tasks that have ended well left nothing.
  void it('are not asked for twice by one execution', async () => {
    await using run = new Bench();
    const state = await start(run, { reduceBlocks: 8 });
    await runBatches(run.store, state);
    const { status: _status, ...more } = await reduce(state, { store: run.store });
    await assert.rejects(reduce(more, { store: run.store }), (error) => {
      assert.ok(error instanceof OperationError && error.code === 'PYRAMID_INCOMPLETE');
      assert.match(error.message, /output out: 6 tasks of overview pass 1 .* first is 1000000; continue the run/);
      return true;
    });
  });

  // Catches: overviews with holes because a job tolerates that tiles are missing.
  void it('may not fail, whatever the job tolerates', async () => {
    await using run = new Bench();
    const state = await start(run, { reduceBlocks: 8, more: { tolerateFailures: { percentage: 50 } } });
    await runBatches(run.store, state);
    const { limits, status } = await reduce(state, { store: run.store });
    assert.deepEqual({ limits, status }, { limits: { ...state.limits, toleratedFailurePercentage: 0 }, status: 'MORE' });
  });

  // Catches: holes or wrong pixels above batches that failed, and levels that a batch had made before it failed made twice or not at all.
  void it('make the levels of failed batches from the tiles that there are, and anew when the others have come', async () => {
    for (const reduceBlocks of [1, 4, 1000]) {
      await using run = new Bench();
      // 5 x 4 batches of 2 x 2 tiles.
      const state = await start(run, { reduceBlocks, tilesPerTask: 4, more: { tolerateFailures: { percentage: 90 } } });
      await runBatches(run.store, state, { only: ({ batch }) => batch !== 6 && batch !== 7 });
      const stop = new AbortController();
      const seen = new Set<string>();
      const half = runBatches(run.store, state, { only: ({ batch }) => batch === 6, signal: stop.signal, onTile: ({ column, row }) => { seen.add(`${column},${row}`); stop.abort(); } });
      await assert.rejects(half, { code: 'WORKER_STOPPED' });
      const holes = [2, 3, 4, 5].flatMap((x) => [2, 3].filter((y) => !seen.has(`${x},${y}`)).map((y) => `want[:, ${y * 128}:${y * 128 + 128}, ${x * 128}:${x * 128 + 128}] = -1`));
      assert.ok(holes.length >= 5 && holes.length < 8, holes.join());
      const first = await finishRun(run.store, state);
      assert.equal(first.passes.length > 0, reduceBlocks < 1000);
      assertOutput(run, [want, ...holes].join('; '));
      await runBatches(run.store, state);
      const second = await finishRun(run.store, state);
      assert.deepEqual(second.passes.map(({ length }) => length), first.passes.map(({ length }) => length));
      assertOutput(run);
    }
  });

  // Catches: a call of reduce that begins the pyramid again each time, and so never ends; blocks that are lost where it stopped.
  void it('are not needed by a reduce with too little time: it goes on where it stopped', async () => {
    await using run = new Bench();
    const state = await start(run, { reduceBlocks: 1000 });
    await runBatches(run.store, state);
    // 72 blocks, of which a call takes in 16 at least.
    const made: number[] = [];
    for (let call = 0; call < 6; call++) {
      assert.equal((await reduce(state, { store: run.store, deadline: () => 0 })).status, 'MERGING');
      made.push(pyramidFiles(state).length);
    }
    assert.deepEqual(made, [1, 2, 3, 4, 5, 5]);
    const written = pyramidFiles(state);
    await finishRun(run.store, state);
    assert.deepEqual(pyramidFiles(state), written, 'nothing is made twice');
    assertOutput(run);
  });
});
