/** `tilefan dev`: uploads on this machine, with files and with a real S3 server. */
import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { runRecord } from '../../lib/job/records.ts';
import { runCli, startCli, until, workersOf, type CliOptions, type CliResult, type RunningCli } from '../support/cli.ts';
import { startS3Server, whyNoS3Server, type S3Server } from '../support/s3-server.ts';
import { createWorkspace } from '../support/workspace.ts';
import { field, handMadeTiff, simpleImage } from '../tiff/hand-made-tiff.ts';

const space = createWorkspace('dev');
after(() => space.remove());

/** A raster of uint8; pixel i is i modulo 251. */
function scene(width = 200, height = 100): Uint8Array {
  const blocks = Uint8Array.from({ length: width * height }, (_, i) => i % 251);
  return handMadeTiff({ directories: [simpleImage(width, height, [field(339, 1)])], blocks });
}

interface Line {
  readonly event: string;
  readonly run?: string;
  readonly [field: string]: unknown;
}

function linesOf({ stdout }: CliResult): Line[] {
  return stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as Line);
}

function eventsOf(result: CliResult, event: string): Line[] {
  return linesOf(result).filter((line) => line.event === event);
}

/** A place for uploads, with one template and a job that halve the pixels, and what `dev` is told of it. */
class Site {
  readonly folder: string;
  readonly args: readonly string[];

  constructor(name: string) {
    this.folder = space.newFolder(name);
    for (const each of ['in/jobs', 'in/templates', 'in/incoming', 'out', 'store']) mkdirSync(this.path(each), { recursive: true });
    writeFileSync(this.path('store/scene.tif'), scene());
    writeFileSync(this.path('in/templates/half.json'), JSON.stringify(this.job('half', 's3://{bucket}/{key}', '{stem}')));
    this.args = ['dev', this.path('in'), '--work', this.path('work'), '--json'];
  }

  path(name: string): string {
    return `${this.folder}/${name}`;
  }

  job(name: string, input = this.path('store/scene.tif'), output = name): object {
    return {
      name,
      inputs: { a: input },
      grid: { tileSize: 128 },
      operation: { expression: { o: 'a[1] / 2' } },
      outputs: { o: { href: this.path(`out/${output}.tif`), dtype: 'uint8', blockSize: 128 } },
    };
  }

  /** As a program does it that doesn't want to be watched half-way: beside the place, then moved. */
  drop(name: string, content: string | Uint8Array): void {
    mkdirSync(this.path(`in/${name}`).replace(/\/[^/]*$/, ''), { recursive: true });
    writeFileSync(this.path('store/dropped'), content);
    renameSync(this.path('store/dropped'), this.path(`in/${name}`));
  }

  get outputs(): string[] {
    return readdirSync(this.path('out')).toSorted();
  }

  get runs(): string[] {
    return existsSync(this.path('work/runs')) ? readdirSync(this.path('work/runs')).toSorted() : [];
  }

  async once(more: readonly string[] = [], options?: CliOptions): Promise<CliResult> {
    return await runCli([...this.args, '--once', ...more], options);
  }

  async watch(options?: CliOptions): Promise<RunningCli> {
    const cli = startCli(this.args, options);
    await until('the watch', () => cli.stderr().includes('watching '));
    return cli;
  }
}

async function stop(cli: RunningCli): Promise<CliResult & { readonly seconds: number }> {
  const start = performance.now();
  process.kill(cli.pid, 'SIGINT');
  const result = await cli.ended;
  return { ...result, seconds: (performance.now() - start) / 1000 };
}

/** Two seconds are promised, and a busy machine gets as much again. */
const stopSeconds = 4;

void describe('tilefan dev with files', { concurrency: 2 }, () => {
  // Catches: an upload of either kind that starts nothing, another input than on AWS, a template that isn't filled, a watch that doesn't end.
  void it('runs a job and a file for a template, dropped at once', async () => {
    const site = new Site('both');
    const cli = await site.watch();
    site.drop('jobs/my job.json', JSON.stringify(site.job('whole')));
    site.drop('incoming/half/2026/ü 1+1.tif', scene());
    await until('both runs', () => (cli.stderr().match(/^run .*: 2 of 2 tiles/gm) ?? []).length === 2);
    const result = await stop(cli);
    assert.deepEqual([result.exitCode, result.seconds < stopSeconds], [130, true], `${String(result.seconds)} s`);
    assert.deepEqual(site.outputs, ['whole.tif', 'ü 1+1.tif']);
    const records = eventsOf(result, 'Run:Succeeded').map(({ record }) => runRecord.parse(record));
    assert.deepEqual(records.map(({ name }) => name).toSorted(), ['half', 'whole']);
    for (const record of records) {
      assert.match(record.run, /^(half|my-job)-[0-9a-f]{20}$/);
      assert.equal(record.outputs[0]?.bands[0]?.statistics?.maximum, 125);
      assert.deepEqual(readdirSync(site.path(`work/runs/${record.run}`)).filter((name) => name === 'segments'), []);
    }
    const started = eventsOf(result, 'Run:Started').find(({ object }) => object !== undefined);
    assert.deepEqual([started?.['job'], started?.['object']], [`file://${site.path('in/templates/half.json')}`, `file://${encodeURI(site.path('in/incoming/half/2026/ü 1+1.tif'))}`]);
  });

  // Catches: a run for each of several saves of one file in a row, and none for a new version of it.
  void it('starts one run for a file that is saved several times, and another for a later version', async () => {
    const site = new Site('saves');
    const cli = await site.watch();
    for (let i = 0; i < 5; i++) {
      writeFileSync(site.path('in/jobs/a.json'), JSON.stringify(site.job('first')));
      await sleep(50);
    }
    await until('the run', () => /^run .*: 2 of 2 tiles/m.test(cli.stderr()));
    writeFileSync(site.path('in/jobs/a.json'), JSON.stringify(site.job('second')));
    await until('the second run', () => (cli.stderr().match(/^run .*: 2 of 2 tiles/gm) ?? []).length === 2);
    const result = await stop(cli);
    assert.deepEqual([eventsOf(result, 'Run:Started').length, site.outputs, site.runs.length], [2, ['first.tif', 'second.tif'], 2]);
  });

  // Catches: a run on the first half of a file that is still being copied, which fails as truncated, at the start and later.
  for (const when of ['before', 'after'] as const) {
    void it(`waits for a file that is being written ${when} it starts`, async () => {
      const site = new Site(`half-${when}`);
      mkdirSync(site.path('in/incoming/half'));
      const bytes = scene();
      const slow = site.path('in/incoming/half/slow.tif');
      let written = 0;
      const write = (end: number): void => {
        appendFileSync(slow, bytes.subarray(written, end));
        written = end;
      };
      if (when === 'before') write(100);
      // Something is written all the time, also while the watch begins.
      const starting = { done: false };
      const started = site.watch().finally(() => (starting.done = true));
      while (!starting.done) {
        await sleep(100);
        if (when === 'before') write(written + 1);
      }
      const cli = await started;
      for (let i = 0; i < 20; i++) {
        write(written + 500);
        await sleep(150);
      }
      write(bytes.length);
      await until('the run', () => /^run .*: 2 of 2 tiles|failed/m.test(cli.stderr()));
      const result = await stop(cli);
      assert.deepEqual([eventsOf(result, 'Run:Started').length, eventsOf(result, 'Run:Failed'), site.outputs], [1, [], ['slow.tif']]);
    });
  }

  // Catches: a mistake that is said three times, not at all, or lost; or that ends the watch. And a dead letter that can't be handed in again.
  void it('keeps an upload for an unknown template, says so once, and goes on', async () => {
    const site = new Site('unknown');
    const cli = await site.watch();
    site.drop('incoming/hlaf/a.tif', scene());
    site.drop('jobs/good.json', JSON.stringify(site.job('good')));
    await until('the refusal', () => cli.stderr().includes('refused'));
    await until('the run', () => /^run good-.*: 2 of 2 tiles/m.test(cli.stderr()));
    const result = await stop(cli);
    const dead = eventsOf(result, 'Message:Dead');
    assert.deepEqual([dead.length, dead[0]?.['deliveries'], eventsOf(result, 'Upload:Refused').length], [1, 3, 0]);
    assert.equal(result.stderr.match(/there is no template "hlaf"/g)?.length, 1);
    assert.match(result.stderr, /did you mean half\? \[TEMPLATE_UNKNOWN\]\n {2}kept as .*dead-letters\/[0-9a-f]{32}\.json/);
    const [letter = ''] = readdirSync(site.path('work/dead-letters'));
    const again = ['dev', site.path('in'), '--work', site.path('work'), '--json', '--replay', site.path(`work/dead-letters/${letter}`)];
    const refused = await runCli(again);
    assert.deepEqual([refused.exitCode, eventsOf(refused, 'Message:Dead')[0]?.['deliveries']], [65, 1]);
    copyFileSync(site.path('in/templates/half.json'), site.path('in/templates/hlaf.json'));
    const replayed = await runCli(again);
    assert.deepEqual([replayed.exitCode, site.outputs], [0, ['a.tif', 'good.tif']], replayed.stderr);
  });

  // Catches: finished runs that are computed again at each start, names that a restart changes, and runs that failed and are forgotten.
  void it('does nothing again after a restart, but what failed', async () => {
    const site = new Site('restart');
    site.drop('jobs/a.json', JSON.stringify(site.job('a')));
    site.drop('incoming/half/b.tif', scene());
    site.drop('incoming/half/bad.tif', 'no raster');
    const first = await site.once();
    assert.deepEqual([first.exitCode, eventsOf(first, 'Run:Succeeded').length, eventsOf(first, 'Run:Failed').length], [65, 2, 1], first.stderr);
    assert.match(first.stderr, /tilefan: run half-[0-9a-f]{20} failed \[DataError\]\n[^]*bad\.tif: not a TIFF/);
    const { mtimeMs } = statSync(site.path('out/a.tif'));
    const second = await site.once();
    assert.deepEqual([second.exitCode, eventsOf(second, 'Run:Duplicate').length, eventsOf(second, 'Run:Failed').length], [65, 2, 1]);
    assert.equal(statSync(site.path('out/a.tif')).mtimeMs, mtimeMs);
    assert.equal(site.runs.filter((run) => existsSync(site.path(`work/runs/${run}/run.json`))).length, 2);
    rmSync(site.path('in/incoming/half/bad.tif'));
    assert.equal((await site.once()).exitCode, 0);
    // A copy that keeps the time is the same upload; a new time is a new version.
    utimesSync(site.path('in/jobs/a.json'), new Date(), new Date(Date.now() - 60_000));
    const third = await site.once();
    assert.deepEqual(eventsOf(third, 'Run:Started').map(({ job }) => job), [`file://${site.path('in/jobs/a.json')}`]);
  });

  // Catches: Ctrl-C that leaves workers behind or loses what was computed, and a queue that goes on.
  void it('stops within two seconds, and continues the run when it starts again', { skip: process.platform === 'linux' ? false : 'needs /proc to find workers' }, async () => {
    const site = new Site('stop');
    writeFileSync(site.path('store/scene.tif'), scene(4096, 4096));
    const job = { ...site.job('large'), compute: { tilesPerTask: 64 } };
    site.drop('jobs/large.json', JSON.stringify(job));
    const cli = startCli([...site.args, '--workers', '2', '--threads', '1']);
    const run = await until('the run', () => /^run (large-[0-9a-f]{20}) of/m.exec(cli.stderr())?.[1]);
    await until('a segment', () => existsSync(site.path(`work/runs/${run}/segments/o`)));
    const stopped = await stop(cli);
    assert.ok(stopped.seconds < stopSeconds, `it took ${String(stopped.seconds)} s`);
    assert.equal(stopped.exitCode, 130);
    assert.deepEqual([workersOf(site.folder), site.outputs, eventsOf(stopped, 'Run:Aborted').map((line) => line.run)], [[], [], [run]]);
    const again = await site.once(['--workers', '2']);
    assert.equal(again.exitCode, 0, again.stderr);
    const record = runRecord.parse(eventsOf(again, 'Run:Succeeded')[0]?.['record']);
    assert.deepEqual([record.run, record.tiles.done], [run, 1024]);
    assert.ok(record.tiles.reused > 0, 'committed tiles are not computed again');
  });

  // Catches: an output that starts the next run, and so on for ever.
  void it('refuses an output that would be an upload', async () => {
    const site = new Site('loop');
    site.drop('jobs/loop.json', JSON.stringify({ ...site.job('loop'), outputs: { o: { href: site.path('in/incoming/half/o.tif'), dtype: 'uint8', blockSize: 128 } } }));
    const result = await site.once();
    assert.equal(result.exitCode, 64);
    assert.match(result.stderr, /incoming\/half\/o\.tif lies under .*incoming\/, where every new object starts a run/);
  });

  // Catches: events of a real bucket that a folder in its place doesn't understand, and keys that climb out of it.
  void it('replays recorded events against a folder', async () => {
    const site = new Site('replay');
    site.drop('incoming/half/red flower.tif', scene());
    const record = (key: string): object => ({ eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', s3: { bucket: { name: 'some-bucket' }, object: { key, size: 1, versionId: 'v', sequencer: '1' } } });
    const bridge = { 'detail-type': 'Object Created', source: 'aws.s3', detail: { bucket: { name: 'some-bucket' }, object: { key: 'incoming/half/red flower.tif', size: 1, 'version-id': 'v', sequencer: '1' } } };
    const notification = { Records: [record('incoming/half/red+flower.tif')] };
    const events = [{ Records: [{ messageId: 'm', body: JSON.stringify(notification) }] }, { Messages: [{ MessageId: 'm', Body: JSON.stringify(notification) }] }, notification, bridge];
    const file = space.path('events.jsonl');
    writeFileSync(file, events.map((event) => `${JSON.stringify(event)}\n`).join(''));
    const result = await runCli([...site.args, '--replay', file]);
    assert.equal(result.exitCode, 0, result.stderr);
    assert.deepEqual([eventsOf(result, 'Run:Started').length, eventsOf(result, 'Run:Duplicate').length, site.outputs], [1, 3, ['red flower.tif']]);
    writeFileSync(file, JSON.stringify({ Records: [record('incoming/half/../../../secret.tif')] }, undefined, 2));
    const climbing = await runCli([...site.args, '--replay', file]);
    assert.equal(climbing.exitCode, 65);
    assert.match(climbing.stderr, /climbs out/);
    writeFileSync(file, '{"a":1}\n{"b"');
    const broken = await runCli([...site.args, '--replay', file]);
    assert.equal(broken.exitCode, 65);
    assert.match(broken.stderr, /line 2 of .*events\.jsonl is not JSON/);
  });

  // Catches: a first start that needs folders to be made by hand, and one that ends with an error for want of uploads.
  void it('makes its folders', async () => {
    const cwd = space.newFolder('fresh');
    const result = await runCli(['dev', '--once'], { cwd });
    assert.deepEqual([result.exitCode, result.stdout], [0, '']);
    assert.deepEqual(readdirSync(`${cwd}/.tilefan/input`).toSorted(), ['incoming', 'jobs', 'templates']);
  });
});

void describe('tilefan dev with a bucket', { skip: whyNoS3Server() ?? false }, () => {
  let server: S3Server;
  let client: S3Client;
  before(async () => {
    server = await startS3Server('tilefan-dev-input');
    client = new S3Client({ endpoint: server.endpoint, region: server.region, credentials: server.credentials, forcePathStyle: true });
  });
  after(async () => {
    client.destroy();
    await server.stop();
  });

  async function put(key: string, body: string | Uint8Array): Promise<void> {
    await client.send(new PutObjectCommand({ Bucket: server.bucket, Key: key, Body: body }));
  }

  // Catches: a bucket that is polled and not understood, keys that a list encodes, objects told twice, and ones that come later.
  void it('runs what lies in it, and what comes', async () => {
    const job = (name: string, input: string): string =>
      JSON.stringify({ name, inputs: { a: input }, grid: { tileSize: 128 }, operation: { expression: { o: 'a[1] / 2' } }, outputs: { o: { href: `s3://${server.bucket}/out/${name}-{stem}.tif`, dtype: 'uint8', blockSize: 128 } } });
    await put('store/scene.tif', scene());
    await put('templates/half.json', job('half', 's3://{bucket}/{key}'));
    await put('jobs/a b+c.json', job('whole', `s3://${server.bucket}/store/scene.tif`));
    const args = ['dev', '--bucket', server.bucket, '--work', space.path('bucket-work'), '--json'];
    const cli = startCli(args, { env: server.env });
    await until('the run of the job', () => /^run a-b-c-.*: 2 of 2 tiles/m.test(cli.stderr()));
    await put('incoming/half/día 1.tif', scene());
    await put('incoming/none/x.tif', scene());
    await until('the run of the file', () => /^run half-.*: 2 of 2 tiles/m.test(cli.stderr()));
    await until('the refusal', () => cli.stderr().includes('refused'));
    const result = await stop(cli);
    assert.deepEqual([result.exitCode, result.seconds < stopSeconds], [130, true]);
    assert.deepEqual([eventsOf(result, 'Run:Started').length, eventsOf(result, 'Message:Dead').length, eventsOf(result, 'Run:Failed').length], [2, 1, 0], result.stderr);
    for (const name of ['whole-scene', 'half-día 1']) {
      const { ContentLength = 0 } = await client.send(new GetObjectCommand({ Bucket: server.bucket, Key: `out/${name}.tif` }));
      assert.ok(ContentLength > 0);
    }
    const again = await runCli([...args, '--once'], { env: server.env });
    assert.deepEqual([eventsOf(again, 'Run:Duplicate').length, eventsOf(again, 'Run:Started').length], [2, 0], again.stderr);
  });

  // Catches: one place that is forgotten beside the other, and uploads of both that share a run.
  void it('watches a folder as well', async () => {
    const site = new Site('two-places');
    await put('templates/half.json', JSON.stringify({ ...site.job('half', 's3://{bucket}/{key}', 'from-bucket') }));
    await put('incoming/half/a.tif', scene());
    site.drop('incoming/half/a.tif', scene());
    const result = await site.once(['--bucket', server.bucket], { env: server.env });
    const objects = eventsOf(result, 'Run:Started').map(({ object }) => String(object)).filter((object) => object.endsWith('/a.tif'));
    assert.deepEqual(objects.toSorted(), [`file://${site.path('in/incoming/half/a.tif')}`, `s3://${server.bucket}/incoming/half/a.tif`]);
    assert.deepEqual(site.outputs.filter((name) => ['a.tif', 'from-bucket.tif'].includes(name)), ['a.tif', 'from-bucket.tif'], result.stderr);
  });

  void it('says what is wrong with a bucket that is not there', async () => {
    const result = await runCli(['dev', '--bucket', 'no-such-bucket', '--once', '--work', space.path('none')], { env: server.env });
    assert.equal(result.exitCode, 69);
    assert.match(result.stderr, /the bucket no-such-bucket does not exist/);
  });
});
