import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { JobError, OutputError } from '../../lib/base/errors.ts';
import { readPlan, tilingOf } from '../../lib/job/plan.ts';
import { split } from '../../lib/job/split.ts';
import { tileCount } from '../../lib/job/tiling.ts';
import { allocateSamples } from '../../lib/raster/dtype.ts';
import { withoutGdal } from '../support/gdal.ts';
import { Bench, hrefOfFile, manifestOf, writeInputs } from './pipeline.ts';

function bench(): Bench {
  const made = new Bench();
  writeInputs(made.folder, { a: { dtype: 'uint8', shape: [1, 700, 1000], samples: allocateSamples('uint8', 700_000) } }, [{ name: 'a.tif', array: 'a' }]);
  return made;
}

function jobIn(run: Bench, more: object = {}): Record<string, unknown> {
  return { inputs: { a: run.file('a.tif') }, grid: { tileSize: 128 }, operation: { expression: { out: 'a[1] * k' }, parameters: { k: -0 } }, outputs: { out: { href: run.file('out.tif'), blockSize: 128 } }, compute: { tilesPerTask: 8 }, ...more };
}

function refusedWith(code: string, words: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof JobError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, words);
    return true;
  };
}

void describe('split', { skip: withoutGdal }, () => {
  void it('writes a manifest that has every tile once, and a plan that gives back the state', async () => {
    await using run = bench();
    const state = await run.split(jobIn(run));
    const plan = await readPlan(run.store, state.run.href);
    assert.deepEqual(plan.state, state);
    const lines = manifestOf(state);
    assert.deepEqual(lines.map(({ batch }) => batch), lines.map((_, i) => i));
    const seen = new Set<string>();
    for (const { tiles: [column, row, columns, rows] } of lines) {
      assert.ok(columns * rows <= 8);
      for (let y = row; y < row + rows; y++) for (let x = column; x < column + columns; x++) {
        assert.ok(!seen.has(`${x},${y}`));
        seen.add(`${x},${y}`);
      }
    }
    assert.equal(seen.size, tileCount(tilingOf(plan)));
    assert.equal(readFileSync(state.manifest.key, 'utf8').split('\n')[0], '{"batch":0,"tiles":[0,0,4,2]}');
    assert.deepEqual(readdirSync(state.run.prefix).toSorted(), ['job.json', 'manifest.jsonl', 'plan.json']);
    assert.ok(!existsSync(run.file('out.tif')), 'nothing is written to the output yet');
    assert.deepEqual(readdirSync(run.folder).toSorted(), ['a.tif', 'work'], 'nor is anything left beside it');
  });

  void it('goes on with the plan of a run that exists, whatever the deployment says now', async () => {
    await using run = bench();
    const state = await run.split(jobIn(run));
    const plan = readFileSync(path.join(state.run.prefix, 'plan.json'), 'utf8');
    run.env['TILEFAN_MAX_CONCURRENCY'] = '3';
    assert.deepEqual(await run.split(jobIn(run)), state);
    assert.equal(readFileSync(path.join(state.run.prefix, 'plan.json'), 'utf8'), plan);
  });

  void it('refuses another job under the id of a run that exists, and names what differs', async () => {
    await using run = bench();
    await run.split(jobIn(run));
    await assert.rejects(run.split(jobIn(run, { name: 'other', grid: { tileSize: 256 } })), refusedWith('RUN_EXISTS', /run run-1 has been started with another job \((name, grid|grid, name) differ\)/));
  });

  void it('takes a job from where it lies, with hrefs relative to its folder', async () => {
    await using run = bench();
    mkdirSync(run.file('out'));
    writeFileSync(run.file('job.json'), JSON.stringify({ ...jobIn(run), inputs: { a: 'a.tif' }, outputs: { out: { href: 'out/{run}-{stem}.tif', blockSize: 128 } } }));
    const state = await split({ input: { job: hrefOfFile(run.file('job.json')) }, execution: 'execution-9' }, { store: run.store, env: run.env });
    assert.equal(state.run.id, 'execution-9');
    const plan = await readPlan(run.store, state.run.href);
    assert.equal(plan.outputs[0]?.href, hrefOfFile(run.file('out/execution-9-a.tif')));
    writeFileSync(run.file('job.json'), '{ "inputs": ');
    await assert.rejects(split({ input: { job: run.file('job.json') }, execution: 'x' }, { store: run.store, env: run.env }), refusedWith('JOB_NOT_JSON', /job\.json is not JSON/));
    writeFileSync(run.file('job.json'), '{ "grid": { "maxPixels": 9007199254740993 } }');
    await assert.rejects(split({ input: { job: run.file('job.json') }, execution: 'x' }, { store: run.store, env: run.env }), refusedWith('JOB_INVALID', /grid\.maxPixels: the whole number 9007199254740993 can't be kept/));
  });

  void it('takes the job itself as input of an execution', async () => {
    await using run = bench();
    const state = await split({ input: jobIn(run), execution: 'by-hand' }, { store: run.store, env: run.env });
    assert.equal(state.run.id, 'by-hand');
  });

  void it('refuses an output whose folder is missing or that is a folder, before anything starts', async () => {
    await using run = bench();
    mkdirSync(run.file('taken.tif'));
    const outputs = { out: { href: run.file('no/such/out.tif'), blockSize: 128 }, two: { href: run.file('taken.tif'), blockSize: 128 } };
    await assert.rejects(run.split(jobIn(run, { outputs, operation: { expression: { out: 'a[1]', two: 'a[1]' } } })), (error) => {
      assert.ok(error instanceof OutputError && error.code === 'PLAN_REFUSED');
      assert.match(error.message, /2 problems/);
      assert.match((error as Error).message, /\$\.outputs\.out\.href: .*no\/such/);
      assert.match((error as Error).message, /\$\.outputs\.two\.href: .*taken\.tif/);
      return true;
    });
    assert.ok(!existsSync(run.file('work/runs/run-1/plan.json')), 'a run that is refused has no plan');
  });

  void it('refuses run ids that are no safe names', async () => {
    await using run = bench();
    for (const id of ['', '../x', 'a/b', '.hidden', '-dash', 'ü', 'x'.repeat(81), 'a b', 'run-1--2']) {
      await assert.rejects(run.split(jobIn(run), id), refusedWith('RUN_ID', /wanted letters, digits/), id);
    }
    await run.split(jobIn(run), 'x'.repeat(80));
  });

  void it('reports problems of hrefs and of inputs together', async () => {
    await using run = bench();
    await assert.rejects(run.split(jobIn(run, { inputs: { a: run.file('none.tif') }, outputs: { out: { href: run.file('{rnu}.tif') } } })), (error) => {
      assert.ok(refusedWith('PLAN_REFUSED', /3 problems/)(error));
      assert.match((error as Error).message, /\{run\}/);
      assert.match((error as Error).message, /\$\.grid\.tileSize/);
      assert.match((error as Error).message, /none\.tif/);
      return true;
    });
  });

  void it('refuses an output where a new object starts a run', async () => {
    await using run = bench();
    run.env['TILEFAN_TRIGGERS'] = `${run.folder}/incoming/,${run.folder}/jobs`;
    mkdirSync(run.file('incoming'));
    mkdirSync(run.file('jobs-done'));
    const to = (place: string): object => ({ outputs: { out: { href: run.file(place), blockSize: 128 } } });
    await assert.rejects(run.split(jobIn(run, to('incoming/out.tif'))), refusedWith('PLAN_REFUSED', /\$\.outputs\.out\.href: .*incoming\/out\.tif lies under .*incoming\/, where every new object starts a run/));
    await run.split(jobIn(run, to('jobs-done/out.tif')));
  });

  void describe('for AWS', () => {
    const capacities = (revision: number): string =>
      JSON.stringify({ FARGATE: { provider: 'FARGATE', publicIp: 'ENABLED', taskDefinitions: { ARM64: `arm:${String(revision)}`, X86_64: `x86:${String(revision)}` } } });
    const deployed = (run: Bench, revision: number): Record<string, string> => ({
      TILEFAN_WORK: `${run.folder}/work`,
      TILEFAN_CAPACITIES: capacities(revision),
      TILEFAN_CAPACITY: 'FARGATE',
      TILEFAN_CPU: '2',
      TILEFAN_MEMORY: '8 GiB',
    });

    void it('asks for a task definition with the image of the job, made from that of its architecture', async () => {
      await using run = bench();
      const asked: string[][] = [];
      const taskDefinitions = {
        withImage(...of: [string, string]): Promise<string> {
          asked.push(of);
          return Promise.resolve('arn:mine');
        },
      };
      const wanting = (compute: object) => split({ input: jobIn(run, { compute }), execution: `run-${String(asked.length)}` }, { store: run.store, env: deployed(run, 1), taskDefinitions });
      assert.equal((await wanting({ image: null })).compute.taskDefinition, 'arm:1');
      assert.deepEqual(asked, []);
      await using other = bench();
      const state = await split(
        { input: jobIn(other, { compute: { image: 'mine:7', architecture: 'X86_64' } }), execution: 'run-1' },
        { store: other.store, env: deployed(other, 1), taskDefinitions },
      );
      assert.deepEqual([asked, state.compute.taskDefinition], [[['x86:1', 'mine:7']], 'arn:mine']);
    });

    void it('continues a run on the definitions of today, with the sizes that its plan was made for', async () => {
      await using run = bench();
      const first = await split({ input: jobIn(run), execution: 'run-1' }, { store: run.store, env: deployed(run, 1) });
      const env = { ...deployed(run, 2), TILEFAN_CPU: '4', TILEFAN_MEMORY: '16 GiB' };
      const second = await split({ input: { job: jobIn(run), run: 'run-1' }, execution: 'run-1--2' }, { store: run.store, env });
      assert.deepEqual(second, { ...first, compute: { ...first.compute, taskDefinition: 'arm:2' } });
    });

    void it('refuses to continue a run on capacity that is gone', async () => {
      await using run = bench();
      await split({ input: jobIn(run, { compute: { capacity: 'FARGATE' } }), execution: 'run-1' }, { store: run.store, env: deployed(run, 1) });
      const env = { ...deployed(run, 1), TILEFAN_CAPACITIES: '{}' };
      const again = split({ input: { job: jobIn(run, { compute: { capacity: 'FARGATE' } }), run: 'run-1' }, execution: 'run-1--2' }, { store: run.store, env });
      await assert.rejects(again, refusedWith('PLAN_REFUSED', /\$\.compute\.capacity: this deployment has no FARGATE/));
    });
  });
});
