/** What the commands print, where, and how they take their arguments. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { plan as planSchema } from '../../lib/job/plan.ts';
import { runRecord } from '../../lib/job/records.ts';
import { projectFolder, runCli, runJob, type CliResult } from '../support/cli.ts';
import { createWorkspace } from '../support/workspace.ts';
import { field, handMadeTiff, simpleImage } from '../tiff/hand-made-tiff.ts';

const space = createWorkspace('cli');
after(() => space.remove());

/** 200 x 100 pixels of uint8; pixel i is i modulo 251, so none is 255. */
function scene(first = 0): Uint8Array {
  const blocks = Uint8Array.from({ length: 20_000 }, (_, i) => (first + i) % 251);
  return handMadeTiff({ directories: [simpleImage(200, 100, [field(339, 1)])], blocks });
}

const document = {
  name: 'test',
  inputs: { a: 'data/scene.tif' },
  grid: { tileSize: 128 },
  operation: { expression: { o: ['a[1] + k', 'a[1] / 2'] }, parameters: { k: 1 } },
  outputs: { o: { href: 'out/{stem}-{name}-{run}.tif', dtype: 'uint16', blockSize: 128, bandNames: ['plus one', 'half'] } },
};

/** As `npm run` calls it, from a folder that is not the project's. */
async function npmRun(args: readonly string[], cwd: string): Promise<CliResult> {
  const { npm_lifecycle_event: _event, INIT_CWD: _folder, NODE_TEST_CONTEXT: _context, ...env } = process.env;
  const child = spawn('npm', ['--prefix', projectFolder, 'run', '--silent', 'tilefan', '--', ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [exitCode, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { exitCode, signal, stdout, stderr };
}

void describe('the command line', { concurrency: 2 }, () => {
  const job = space.path('jobs/job.json');
  before(() => {
    for (const folder of ['jobs', 'jobs/data', 'jobs/out', 'elsewhere']) mkdirSync(space.path(folder));
    writeFileSync(space.path('jobs/data/scene.tif'), scene());
    writeFileSync(space.path('elsewhere/other.tif'), scene(7));
    writeFileSync(job, JSON.stringify(document));
  });

  // Catches: anything but the record on standard output, a record that its own schema refuses, hrefs that don't count from the job file.
  void it('prints one JSON document with --json, and progress elsewhere', async () => {
    const result = await runCli(['run', job, '--json', '--run', 'one', '--work', space.path('work')], { cwd: space.path('elsewhere') });
    assert.equal(result.exitCode, 0, result.stderr);
    assert.equal(result.stdout.trimEnd().split('\n').length, 1);
    const record = runRecord.parse(JSON.parse(result.stdout));
    assert.deepEqual(JSON.parse(result.stdout), JSON.parse(readFileSync(space.path('work/runs/one/run.json'), 'utf8')));
    assert.deepEqual([record.run, record.name, record.state, record.tiles.total], ['one', 'test', 'SUCCEEDED', 2]);
    const [output] = record.outputs;
    assert.equal(output?.href, `file://${space.path('jobs/out/scene-test-one.tif')}`);
    assert.deepEqual(output?.bands.map(({ name }) => name), ['plus one', 'half']);
    assert.deepEqual([output?.bands[0]?.statistics?.count, output?.bands[0]?.statistics?.minimum, output?.bands[0]?.statistics?.maximum], [20_000, 1, 251]);
    assert.ok(existsSync(space.path('jobs/out/scene-test-one.tif')));
    const lines = result.stderr.trimEnd().split('\n').map((line) => JSON.parse(line) as { event: string; run: string; tilesDone: number });
    assert.ok(lines.every(({ event, run }) => event === 'Run:Progress' && run === 'one'));
    assert.equal(lines.at(-1)?.tilesDone, 2);
  });

  void it('names the result for people', async () => {
    const result = await runCli(['run', job, '--run', 'two', '--work', space.path('work')]);
    assert.equal(result.exitCode, 0, result.stderr);
    assert.match(result.stdout, /^run two: 2 of 2 tiles in [\d.]+ s \(2 computed, 0 found committed\)\n/);
    assert.ok(result.stdout.includes(`o: ${space.path('jobs/out/scene-test-two.tif')} (`));
    assert.match(result.stdout, /band 1 plus one: 20000 valid, min 1, max 251, mean 1\d\d/);
    assert.ok(!existsSync(space.path('work/runs/two/segments')), 'segments of a finished run are taken away');
    const kept = await runJob([job, '--run', 'kept', '--keep', '--work', space.path('work')]);
    assert.equal(kept.run, 'kept');
    assert.equal(readdirSync(space.path('work/runs/kept/segments/o')).length, 1);
  });

  // Catches: a run id that two runs share, or that isn't made of the job's name.
  void it('makes up run ids that differ', async () => {
    const [a, b] = await Promise.all([runJob([job, '--work', space.path('work')]), runJob([job, '--work', space.path('work')])]);
    assert.match(a.run, /^test-\d{8}-\d{6}-[0-9a-f]{4}$/);
    assert.notEqual(a.run, b.run);
  });

  // Catches: overrides that count from the job file instead of from where the user is, or that a later one undoes.
  void it('takes inputs and outputs from the command line', async () => {
    const two = { ...document, inputs: { a: 'data/scene.tif', b: { href: 'data/none.tif', bands: [1] } }, operation: { expression: { o: 'b[1] - a[1]', p: 'b[1]' } }, outputs: { o: { href: 'o.tif', dtype: 'int16', blockSize: 128 }, p: { href: 'p.tif', blockSize: 128 } } };
    const path = space.job('two.json', two);
    const args = ['--input', 'a=other.tif', '--input', 'b=other.tif', '--output', 'o=difference.tif', '--output', `p=file://${space.path('p%20p.tif')}`, '--work', '../work'];
    const record = await runJob([path, ...args], { cwd: space.path('elsewhere') });
    assert.deepEqual(record.outputs.map(({ href }) => href), [`file://${space.path('elsewhere/difference.tif')}`, `file://${space.path('p%20p.tif')}`]);
    assert.equal(record.outputs[0]?.bands[0]?.statistics?.maximum, 0);
    assert.ok(existsSync(space.path('p p.tif')));
    assert.equal(record.prefix, `file://${space.path('work/runs/')}${record.run}/`);
  });

  void it('reads the work folder from the environment', async () => {
    const record = await runJob([job], { env: { TILEFAN_WORK: space.path('from-env') }, cwd: space.path('elsewhere') });
    assert.ok(existsSync(join(space.path('from-env/runs'), record.run, 'run.json')));
    const there = await runJob([job], { cwd: space.path('elsewhere') });
    assert.ok(existsSync(join(space.path('elsewhere/.tilefan/runs'), there.run, 'run.json')));
  });

  // Catches: paths that count from the package's folder, to which npm changes, instead of from the user's.
  void it('finds its files from where npm was called', async () => {
    const cwd = space.path('jobs');
    const result = await npmRun(['run', 'job.json', '--json', '--run', 'npm', '--input', 'a=../elsewhere/other.tif', '--work', 'npm work'], cwd);
    assert.equal(result.exitCode, 0, result.stderr);
    assert.equal(runRecord.parse(JSON.parse(result.stdout)).prefix, `file://${encodeURI(space.path('jobs/npm work/runs/npm/'))}`);
    assert.ok(existsSync(space.path('jobs/out/other-test-npm.tif')));
    // A path that another program hands on from elsewhere: without npm's event INIT_CWD means nothing.
    const plain = await runCli(['validate', 'job.json'], { cwd, env: { INIT_CWD: '/nowhere' } });
    assert.equal(plain.exitCode, 0, plain.stderr);
  });

  void it('prints the schema that is published', async () => {
    const { exitCode, stdout } = await runCli(['schema']);
    assert.equal(exitCode, 0);
    assert.deepEqual(JSON.parse(stdout), JSON.parse(readFileSync(join(projectFolder, 'schemas/job.schema.json'), 'utf8')));
  });

  void it('validates without looking at the inputs', async () => {
    const good = await runCli(['validate', job, '--input', 'a=missing.tif']);
    assert.deepEqual([good.exitCode, good.stderr], [0, '']);
    assert.match(good.stdout, /job test is valid \(inputs a; outputs o\)/);
    const bad = await runCli(['validate', space.job('bad.json', { ...document, output: {} })]);
    assert.deepEqual([bad.exitCode, bad.stdout], [64, '']);
    assert.match(bad.stderr, /\$\.output: unknown field; did you mean "outputs"\?/);
  });

  // Catches: a plan that writes, that leaves out what a user decides by, or that differs from what a run does.
  void it('plans without writing', async () => {
    const work = space.path('unused');
    const { exitCode, stdout, stderr } = await runCli(['plan', job, '--work', work, '--workers', '2', '--threads', '1']);
    assert.deepEqual([exitCode, stderr], [0, '']);
    assert.match(stdout, /^grid +200 x 100 px, no EPSG code$/m);
    assert.match(stdout, /^input a +.*jobs\/data\/scene\.tif, on the grid, 1 x uint8, nodata none/m);
    assert.match(stdout, /^tiles +2 of 128 px \(2 x 1\)$/m);
    assert.match(stdout, /^batches +\d of /m);
    assert.match(stdout, /^memory +[\d.]+ MiB for a worker with 1 threads?, of /m);
    assert.match(stdout, /^output o +.*\/jobs\/out\/scene-test-RUN\.tif, 2 x uint16, nodata none, deflate, 1 overviews? \(nearest\)/m);
    assert.ok(!existsSync(work));
    const json = await runCli(['plan', job, '--json', '--work', work]);
    const plan = planSchema.parse(JSON.parse(json.stdout));
    assert.deepEqual([plan.grid.columns, plan.grid.rows, plan.tileSize, plan.outputs[0]?.bands], [200, 100, 128, 2]);
    const refused = await runCli(['plan', job, '--input', 'a=missing.tif']);
    assert.equal(refused.exitCode, 69);
    assert.match(refused.stderr, /\$\.inputs\.a: .*missing\.tif does not exist/);
  });

  void it('explains itself', async () => {
    const help = await runCli(['--help']);
    assert.equal(help.exitCode, 0);
    for (const command of ['run', 'plan', 'validate', 'schema', 'example']) assert.match(help.stdout, new RegExp(`^  ${command} `, 'm'));
    const none = await runCli([]);
    assert.equal(none.exitCode, 64);
    assert.match(none.stderr, /Usage: tilefan/);
  });

  // Catches: a failure that --json reports in words only, on the wrong stream, or with exit code 0.
  void it('prints one JSON document for a failed run too', async () => {
    const broken = space.path('elsewhere/broken.tif');
    writeFileSync(broken, scene().subarray(0, 15_000));
    const cut = await runCli(['run', job, '--json', '--run', 'cut', '--work', space.path('work'), '--input', `a=${broken}`]);
    assert.equal(cut.exitCode, 65);
    assert.deepEqual(Object.keys(JSON.parse(cut.stdout) as object).toSorted(), ['cause', 'error', 'failedBatches', 'prefix', 'run', 'state']);
    rmSync(broken);
  });
});
