/** What happens to a run that doesn't go straight: cut off, continued, called twice, incomplete. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { DataError, OperationError, TryAgainError } from '../../lib/base/errors.ts';
import { runBatch } from '../../lib/job/batch.ts';
import type { RunState } from '../../lib/job/events.ts';
import { encodeDocument, runRecord, type AttemptRecord, type BatchRecord } from '../../lib/job/records.ts';
import { finishedRecord } from '../../lib/job/merge-state.ts';
import { readPlan, runFiles } from '../../lib/job/plan.ts';
import { reduce } from '../../lib/job/reduce.ts';
import { allocateSamples } from '../../lib/raster/dtype.ts';
import type { Part, Store } from '../../lib/store/store.ts';
import { seededRandom, type NumpyArray } from '../support/arrays.ts';
import { withoutGdal } from '../support/gdal.ts';
import { Bench, manifestOf, openRun, problemsOf, runBatches, writeInputs } from './pipeline.ts';

const rows = 600;
const columns = 700;

function noise(): NumpyArray {
  const random = seededRandom(99);
  const samples = allocateSamples('int16', rows * columns);
  for (let i = 0; i < samples.length; i++) samples[i] = Math.floor(random() * 1000);
  return { dtype: 'int16', shape: [1, rows, columns], samples };
}

const arrays = { a: noise() };
const want = "want = arrays['a'] + np.int16(1)";

function jobIn(bench: Bench, more: object = {}): object {
  return {
    inputs: { a: bench.file('a.tif') },
    grid: { tileSize: 128 },
    operation: { expression: { out: 'a[1] + 1' } },
    outputs: { out: { href: bench.file('out.tif'), dtype: 'int16', nodata: -1, blockSize: 128, overviews: 'average' } },
    compute: { tilesPerTask: 4 },
    ...more,
  };
}

/** 6 x 5 tiles in 3 x 3 batches of 2 x 2. */
const batches = 9;
const tiles = 30;

function bench(): Bench {
  const made = new Bench();
  writeInputs(made.folder, arrays, [{ name: 'a.tif', array: 'a', options: ['TILED=YES'] }]);
  return made;
}

function assertOutput(file: string, expected = want): void {
  assert.deepEqual(problemsOf(arrays, [{ file, want: expected, nodata: -1, overviews: 'average', levels: 4 }]), []);
}

function segmentFiles(state: RunState): string[] {
  const folder = path.join(state.run.prefix, 'segments', 'out');
  return readdirSync(folder).toSorted().map((name) => path.join(folder, name));
}

/** Writes the records of batches as workers do. @param states of the attempts, one after another */
async function recordBatches(store: Store, state: RunState, ...states: AttemptRecord['state'][]): Promise<void> {
  const attempts = states.map((each, i): AttemptRecord => ({
    attempt: i + 1, state: each, startedAt: '2026-01-01T00:00:00.000Z', endedAt: null, tilesComputed: 0, tilesReused: 0, error: null, task: null, log: null,
  }));
  for (let batch = 0; batch < batches; batch++) {
    const record: BatchRecord = { batch, state: states.at(-1) ?? 'RUNNING', attempt: attempts.length, tiles: 4, error: null, attempts };
    await store.put(`${state.run.href}${runFiles.result(batch)}`, encodeDocument(record), { createFolders: true });
  }
}

/** The same store, which counts the parts that are put and tells of each. */
function counting(store: Store): { store: Store; puts: number[]; objects: string[] } {
  const puts: number[] = [];
  const objects: string[] = [];
  const counted: Store = {
    stat: (href) => store.stat(href),
    readInto: (href, offset, target, version) => store.readInto(href, offset, target, version),
    readAll: (href, most) => store.readAll(href, most),
    list: (prefix) => store.list(prefix),
    put: async (href, body, options) => {
      objects.push(href);
      return await store.put(href, body, options);
    },
    removePrefix: (prefix) => store.removePrefix(prefix),
    assemble: async (href, options) => {
      const assembly = await store.assemble(href, options);
      return {
        token: assembly.token,
        parallelParts: 1,
        stored: () => assembly.stored(),
        put: async (part) => {
          puts.push(part.number);
          await assembly.put(part);
        },
        complete: (parts) => assembly.complete(parts),
        abort: () => assembly.abort(),
      };
    },
  };
  return { store: counted, puts, objects };
}

void describe('reduce', { skip: withoutGdal }, () => {
  void it('called again finds what is done, and copies nothing', async () => {
    await using run = bench();
    const state = await run.split(jobIn(run));
    await runBatches(run.store, state);
    const first = counting(run.store);
    assert.equal((await reduce(state, first)).status, 'DONE');
    assert.ok(first.puts.length > 0);
    const before = statSync(run.file('out.tif'), { bigint: true });
    const second = counting(run.store);
    assert.deepEqual(await reduce(state, second), { ...state, status: 'DONE' });
    assert.deepEqual(second.puts, []);
    assert.equal(statSync(run.file('out.tif'), { bigint: true }).mtimeNs, before.mtimeNs);
    assertOutput(run.file('out.tif'));
    // When somebody has removed the file, it is made once more.
    rmSync(run.file('out.tif'));
    assert.equal((await reduce(state, { store: run.store })).status, 'DONE');
    assertOutput(run.file('out.tif'));
    assert.deepEqual(readdirSync(run.folder).toSorted(), ['a.tif', 'out.tif', 'work'], 'no unfinished files stay behind');
  });

  void it('writes a run record that says what was done', async () => {
    await using run = bench();
    const state = await run.split(jobIn(run));
    await runBatches(run.store, state);
    await reduce(state, { store: run.store });
    const record = runRecord.parse(JSON.parse(readFileSync(path.join(state.run.prefix, 'run.json'), 'utf8')));
    assert.equal(record.state, 'SUCCEEDED');
    assert.deepEqual([record.tiles.total, record.tiles.done, record.batches.total], [tiles, tiles, batches]);
    assert.deepEqual(record.grid, { columns, rows, epsg: 32_618 });
    const [output] = record.outputs;
    assert.equal(output?.bytes, statSync(run.file('out.tif')).size);
    assert.equal(output.overviews, 3);
    assert.equal(output.bands[0]?.statistics?.count, rows * columns);
    assert.equal(output.bands[0].statistics.minimum, 1);
    assert.equal(output.bands[0].statistics.maximum, 1000);
  });

  void it('stops before its time runs out, goes on where it stopped, and copies no part twice', async () => {
    await using run = bench();
    // Four batches of 8 MiB: parts that have to be copied each by itself.
    const large = { outputs: { out: { href: run.file('out.tif'), dtype: 'float64', blockSize: 128, compression: 'none', overviews: 'none' } } };
    const wide = allocateSamples('int16', 2048 * 2048);
    for (let i = 0; i < wide.length; i++) wide[i] = i % 991;
    const image: NumpyArray = { dtype: 'int16', shape: [1, 2048, 2048], samples: wide };
    writeInputs(run.folder, { a: image }, [{ name: 'a.tif', array: 'a', options: ['TILED=YES'] }]);
    const state = await run.split(jobIn(run, { ...large, grid: { tileSize: 1024 }, compute: { tilesPerTask: 1 } }));
    await runBatches(run.store, state);
    const puts: number[] = [];
    let calls = 0;
    let status: string | undefined;
    // Enough time for one part in each call.
    while (status !== 'DONE') {
      assert.ok(calls++ < 20, 'it gets on');
      const counted = counting(run.store);
      let asked = 0;
      ({ status } = await reduce(state, { store: counted.store, deadline: () => (asked++ === 0 ? 600_000 : 1000) }));
      puts.push(...counted.puts);
      if (status !== 'DONE') assert.throws(() => statSync(run.file('out.tif')), 'nothing is visible before it is whole');
    }
    assert.ok(calls >= 4, `${calls} calls`);
    assert.equal(new Set(puts).size, puts.length, `parts ${puts.join(' ')}`);
    assert.deepEqual(problemsOf({ a: image }, [{ file: run.file('out.tif'), want: "want = arrays['a'] + 1.0", nodata: 'nan', overviews: 'none' }]), []);
  });

  // Catches: a merge that makes the levels above the batches again in every call, and so may never get to the copying.
  void it('makes the levels above the batches once, however often it is called', async () => {
    await using run = bench();
    const state = await run.split(jobIn(run));
    await runBatches(run.store, state);
    const first = counting(run.store);
    assert.equal((await reduce(state, { store: first.store, deadline: () => 0 })).status, 'MERGING');
    assert.ok(first.objects.some((href) => href.includes('/pyramids/out/')));
    const second = counting(run.store);
    assert.equal((await reduce(state, second)).status, 'DONE');
    assert.deepEqual(second.objects.filter((href) => href.includes('/pyramids/')), []);
    assertOutput(run.file('out.tif'));
  });

  // Catches: the unfinished file of a call that another one has overtaken, which nobody would ever go on with, or take away.
  void it('leaves no unfinished file behind when another call ends first and the segments are taken away', async () => {
    await using run = bench();
    const state = await run.split(jobIn(run));
    await runBatches(run.store, state);
    const [bothBegan, slowIsThere, fastEnded] = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    // Neither knows of the other's file when it begins its own.
    const fast: Store = {
      ...counting(run.store).store,
      assemble: async (href, options) => {
        bothBegan.resolve();
        await slowIsThere.promise;
        return await run.store.assemble(href, options);
      },
    };
    const slow: Store = {
      ...counting(run.store).store,
      assemble: async (href, options) => {
        const assembly = await run.store.assemble(href, options);
        const put = async (part: Part): Promise<void> => {
          slowIsThere.resolve();
          await fastEnded.promise;
          await assembly.put(part);
        };
        return { token: assembly.token, parallelParts: 1, stored: () => assembly.stored(), put, complete: (parts) => assembly.complete(parts), abort: () => assembly.abort() };
      },
    };
    const first = reduce(state, { store: fast });
    await bothBegan.promise;
    const second = reduce(state, { store: slow });
    assert.equal((await first).status, 'DONE');
    await run.store.removePrefix(`${state.run.href}segments/`);
    fastEnded.resolve();
    await assert.rejects(second, { code: 'STORE_NOT_FOUND' });
    assert.deepEqual(readdirSync(run.folder).toSorted(), ['a.tif', 'out.tif', 'work']);
    assertOutput(run.file('out.tif'));
  });

  // Catches: levels that one call has made, and copies, taken away by another that begins to make them.
  void it('leaves another call its levels', async () => {
    await using run = bench();
    const state = await run.split(jobIn(run));
    await runBatches(run.store, state);
    const [began, copying, making, copied] = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    // It begins when nothing is known of the other call, and is at its levels while the other one copies.
    const late: Store = {
      ...counting(run.store).store,
      readAll: async (href, most) => {
        const found = run.store.readAll(href, most);
        if (!href.includes('/merge/')) return await found;
        await found.catch(() => undefined);
        began.resolve();
        await copying.promise;
        return await found;
      },
      put: async (href, body, options) => {
        if (href.includes('/pyramids/')) {
          making.resolve();
          await copied.promise;
        }
        return await run.store.put(href, body, options);
      },
    };
    const second = reduce(state, { store: late });
    await began.promise;
    const early: Store = {
      ...counting(run.store).store,
      assemble: async (href, options) => {
        copying.resolve();
        await making.promise;
        return await run.store.assemble(href, options);
      },
    };
    assert.equal((await reduce(state, { store: early })).status, 'DONE');
    copied.resolve();
    assert.equal((await second).status, 'DONE');
    assertOutput(run.file('out.tif'));
    assert.deepEqual(readdirSync(run.folder).toSorted(), ['a.tif', 'out.tif', 'work']);
  });

  // Catches: a call that says of a finished run that it is under way, so that whoever fails after that can't find it finished.
  void it('finds a run finished that an overtaken call has written its state into', async () => {
    await using run = bench();
    const state = await run.split(jobIn(run));
    await runBatches(run.store, state);
    await recordBatches(run.store, state, 'SUCCEEDED', 'RUNNING');
    const merging = Promise.withResolvers<void>();
    const first = Promise.withResolvers<void>();
    const slow: Store = {
      ...counting(run.store).store,
      assemble: async (href, options) => {
        merging.resolve();
        await first.promise;
        return await run.store.assemble(href, options);
      },
    };
    const second = reduce(state, { store: slow });
    await merging.promise;
    assert.equal((await reduce(state, { store: run.store })).status, 'DONE');
    for (const folder of ['segments/', 'pyramids/']) await run.store.removePrefix(`${state.run.href}${folder}`);
    first.resolve();
    await assert.rejects(second, { code: 'STORE_NOT_FOUND' });
    assert.deepEqual(readdirSync(run.folder).toSorted(), ['a.tif', 'out.tif', 'work']);
    const plan = await readPlan(run.store, state.run.href);
    assert.equal((await finishedRecord(run.store, plan))?.tiles.done, tiles, 'also while the other execution is at a batch that is done');
    // Its levels are gone like the segments; they are made again when the file is.
    rmSync(run.file('out.tif'));
    await runBatches(run.store, state);
    assert.equal((await reduce(state, { store: run.store })).status, 'DONE');
    assertOutput(run.file('out.tif'));
    assert.deepEqual(readdirSync(run.folder).toSorted(), ['a.tif', 'out.tif', 'work']);
  });

  // Catches: a good file replaced by one with holes, where failures are tolerated.
  void it('makes nothing of segments that are being taken away', async () => {
    await using run = bench();
    const state = await run.split(jobIn(run, { tolerateFailures: { percentage: 50 } }));
    await runBatches(run.store, state);
    await recordBatches(run.store, state, 'SUCCEEDED');
    const [listing, goesOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const slow: Store = {
      ...counting(run.store).store,
      list: async function* (prefix) {
        listing.resolve();
        await goesOn.promise;
        yield* run.store.list(prefix);
      },
    };
    const second = reduce(state, { store: slow });
    await listing.promise;
    assert.equal((await reduce(state, { store: run.store })).status, 'DONE');
    for (const file of segmentFiles(state).slice(3)) rmSync(file);
    goesOn.resolve();
    assert.equal((await second).status, 'DONE');
    assertOutput(run.file('out.tif'));
  });

  void it('begins anew when the unfinished file of an earlier call is gone', async () => {
    await using run = bench();
    const state = await run.split(jobIn(run));
    await runBatches(run.store, state);
    assert.equal((await reduce(state, { store: run.store, deadline: () => 0 })).status, 'MERGING');
    for (const name of readdirSync(run.folder).filter((each) => each.startsWith('.'))) rmSync(run.file(name));
    assert.equal((await reduce(state, { store: run.store })).status, 'DONE');
    assertOutput(run.file('out.tif'));
  });

  void it('names missing tiles, and makes the file when they have come', async () => {
    await using run = bench();
    const state = await run.split(jobIn(run));
    await runBatches(run.store, state, { only: ({ batch }) => batch !== 4 });
    await assert.rejects(reduce(state, { store: run.store }), (error) => {
      assert.ok(error instanceof OperationError);
      assert.equal(error.code, 'RUN_INCOMPLETE');
      assert.match(error.message, /output out .*out\.tif\): 4 of 30 tiles are not there, the first are 2,2 3,2 2,3 3,3;.*same run id/);
      return true;
    });
    assert.throws(() => statSync(run.file('out.tif')));
    assert.deepEqual(await runBatches(run.store, state), { computed: 4, reused: 26 });
    await reduce(state, { store: run.store });
    assertOutput(run.file('out.tif'));
  });

  void it('leaves tolerated missing tiles nodata in every level, and takes them in when they are computed later', async () => {
    await using run = bench();
    const state = await run.split(jobIn(run, { tolerateFailures: { percentage: 50 } }));
    await runBatches(run.store, state, { only: ({ batch }) => batch !== 4 && batch !== 8 });
    assert.equal((await reduce(state, { store: run.store })).status, 'DONE');
    assertOutput(run.file('out.tif'), `${want}; want[:, 256:512, 256:512] = -1; want[:, 512:, 512:] = -1`);
    const record = runRecord.parse(JSON.parse(readFileSync(path.join(state.run.prefix, 'run.json'), 'utf8')));
    assert.deepEqual([record.tiles.done, record.tiles.total], [24, 30]);
    // The same run, continued: the file must not stay as it is, also when a merge was under way in between.
    await runBatches(run.store, state, { only: ({ batch }) => batch === 4 });
    assert.equal((await reduce(state, { store: run.store, deadline: () => 0 })).status, 'MERGING');
    const again = counting(run.store);
    assert.equal((await reduce(state, { ...again, deadline: () => 0 })).status, 'MERGING');
    assert.deepEqual(again.objects.filter((href) => href.includes('/pyramids/')), [], 'what is under way is gone on with, though an older file is there');
    await runBatches(run.store, state);
    assert.equal((await reduce(state, { store: run.store })).status, 'DONE');
    assertOutput(run.file('out.tif'));
    assert.deepEqual(readdirSync(run.folder).toSorted(), ['a.tif', 'out.tif', 'work'], 'no unfinished files stay behind');
  });

  void it('makes the overviews of a tolerated batch that got half-way from the tiles it left', async () => {
    await using run = bench();
    const state = await run.split(jobIn(run, { tolerateFailures: { percentage: 50 } }));
    await runBatches(run.store, state, { only: ({ batch }) => batch !== 4 });
    const stop = new AbortController();
    const seen: string[] = [];
    const stopped = runBatches(run.store, state, {
      only: ({ batch }) => batch === 4,
      signal: stop.signal,
      onTile: ({ column, row }) => {
        seen.push(`${column},${row}`);
        stop.abort();
      },
    });
    await assert.rejects(stopped, (error) => error instanceof TryAgainError && error.code === 'WORKER_STOPPED');
    assert.ok(seen.length >= 1 && seen.length < 4, seen.join(' '));
    await reduce(state, { store: run.store });
    const missing = ['2,2', '3,2', '2,3', '3,3'].filter((tile) => !seen.includes(tile)).map((tile) => tile.split(',').map(Number));
    const holes = missing.map(([x = 0, y = 0]) => `want[:, ${y * 128}:${y * 128 + 128}, ${x * 128}:${x * 128 + 128}] = -1`);
    assertOutput(run.file('out.tif'), [want, ...holes].join('; '));
  });

  void it('refuses a broken segment by name', async () => {
    await using run = bench();
    const state = await run.split(jobIn(run));
    await runBatches(run.store, state);
    const [, segment = ''] = segmentFiles(state);
    writeFileSync(segment, readFileSync(segment).subarray(0, 500));
    await assert.rejects(reduce(state, { store: run.store }), (error) => error instanceof DataError && error.code === 'SEGMENT_BROKEN' && error.message.includes(path.basename(segment)));
  });
});

void describe('batches', { skip: withoutGdal }, () => {
  void it('done again compute nothing, and write nothing', async () => {
    await using run = bench();
    const state = await run.split(jobIn(run));
    assert.deepEqual(await runBatches(run.store, state), { computed: tiles, reused: 0 });
    const before = segmentFiles(state);
    assert.deepEqual(await runBatches(run.store, state), { computed: 0, reused: tiles });
    assert.deepEqual(segmentFiles(state), before);
  });

  void it('stopped half-way keep what is finished; the next attempt computes only the rest, and the file is the same', async () => {
    await using run = bench();
    const state = await run.split(jobIn(run, { compute: { tilesPerTask: 64 } }));
    assert.equal(manifestOf(state).length, 1);
    let computed = 0;
    for (let stop = 5; computed < tiles; ) {
      const controller = new AbortController();
      let now = 0;
      try {
        const summary = await runBatches(run.store, state, { signal: controller.signal, onTile: ({ reused }) => { if (!reused && ++now === stop) controller.abort(); } });
        assert.equal(summary.reused, computed, 'what was committed is not computed again');
        computed += summary.computed;
      } catch (error) {
        assert.ok(error instanceof TryAgainError && error.code === 'WORKER_STOPPED');
        computed += now;
      }
    }
    assert.equal(computed, tiles, 'each tile exactly once');
    await reduce(state, { store: run.store });
    assertOutput(run.file('out.tif'));
  });

  void it('keep what is finished when a tile fails, and name the tile', async () => {
    await using run = bench();
    const state = await run.split(jobIn(run));
    const { plan, inputs, runner } = await openRun(run.store, state);
    const [line] = manifestOf(state);
    assert.ok(line);
    const failing = {
      inFlight: 1,
      threads: 1,
      decode: (task: Parameters<typeof runner.decode>[0]) => runner.decode(task),
      makeBlock: (task: Parameters<typeof runner.makeBlock>[0]) => runner.makeBlock(task),
      run: (task: Parameters<typeof runner.run>[0]) => (task.column === 1 && task.row === 1 ? Promise.reject(new OperationError('OPERATION_FAILED', 'tile 1,1: no')) : runner.run(task)),
    };
    const environment = { plan, store: run.store, inputs, signal: new AbortController().signal, onTile: () => undefined };
    await assert.rejects(runBatch(line, { ...environment, runner: failing }), { code: 'OPERATION_FAILED', message: /tile 1,1/ });
    assert.deepEqual(await runBatch(line, { ...environment, runner }), { computed: 1, reused: 3 });
  });

  void it('worked on twice at the same moment do no harm', async () => {
    await using run = bench();
    const state = await run.split(jobIn(run));
    await Promise.all([runBatches(run.store, state), runBatches(run.store, state)]);
    await reduce(state, { store: run.store });
    assertOutput(run.file('out.tif'));
  });

  void it('refuse an input that has changed since it was planned', async () => {
    await using run = bench();
    const state = await run.split(jobIn(run));
    writeInputs(run.folder, arrays, [{ name: 'a.tif', array: 'a', options: ['TILED=YES', 'COMPRESS=LZW'] }]);
    await assert.rejects(runBatches(run.store, state), (error) => error instanceof DataError && error.code === 'INPUT_CHANGED' && error.message.includes(run.file('a.tif')));
  });

  void it('name tile and file of a damaged block', async () => {
    await using run = bench();
    writeInputs(run.folder, arrays, [{ name: 'a.tif', array: 'a', options: ['TILED=YES', 'COMPRESS=DEFLATE'] }]);
    const bytes = readFileSync(run.file('a.tif'));
    bytes.fill(0xff, Math.floor(bytes.length / 2), Math.floor(bytes.length / 2) + 20_000);
    writeFileSync(run.file('a.tif'), bytes);
    const state = await run.split(jobIn(run));
    await assert.rejects(runBatches(run.store, state), (error) => {
      assert.ok(error instanceof DataError);
      assert.match(error.message, /^tile \d,\d \(columns \d+ to \d+, rows \d+ to \d+\): .*a\.tif/);
      assert.deepEqual(Object.keys(error.where).filter((key) => ['tile', 'window'].includes(key)), ['tile', 'window']);
      return true;
    });
  });
});
