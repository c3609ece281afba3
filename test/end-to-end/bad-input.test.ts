/** Everything that can be wrong with what a user gives: each case ends with an exit code and the words that help. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { after, before, describe, it, type TestContext } from 'node:test';
import { makeScene } from '../../examples/make-scene.ts';
import { hasProgram, runCli, runJob, type CliOptions, type CliResult } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { assertNoDifferences, makeFiles } from '../support/raster-oracle.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('bad ü');
after(() => space.remove());
const work = space.path('work');

/** A job over `a` and `b`, which are the same good file unless a case says otherwise. */
function job(more: object = {}, expression = 'a[1] - b[2]'): Record<string, unknown> {
  return {
    inputs: { a: 'good.tif', b: 'good.tif' },
    grid: { tileSize: 128 },
    operation: { expression: { o: expression } },
    outputs: { o: { href: 'o.tif', dtype: 'float64', compression: 'none', blockSize: 128 } },
    ...more,
  };
}

interface Expected {
  readonly exitCode: number;
  /** What the message must say, whatever is around it. */
  readonly says: readonly (string | RegExp)[];
}

async function fails(args: readonly string[], { exitCode, says }: Expected, options?: CliOptions): Promise<CliResult> {
  const result = await runCli(['run', ...args], options);
  assert.equal(result.exitCode, exitCode, result.stderr);
  assert.equal(result.stdout, '', 'standard output is for results');
  const message = result.stderr.split('\n').filter((line) => !line.startsWith('{')).join('\n');
  for (const part of says) {
    if (typeof part === 'string') assert.ok(message.includes(part), `wanted ${JSON.stringify(part)} in: ${message}`);
    else assert.match(message, part);
  }
  assert.doesNotMatch(message, /\n\s+at /, 'a stack trace is nothing for users');
  return result;
}

void describe('bad input', { skip: withoutGdal, concurrency: 2 }, () => {
  const good = space.path('good.tif');
  const files = ['header-cut', 'directory-cut', 'data-cut', 'empty', 'text', 'corrupt', 'shifted', 'other-crs'];
  before(() => {
    makeFiles(
      `
folder = sys.argv[1]
def make(name, w=600, h=500, x=5e5, epsg=32633):
    ds = gdal.GetDriverByName('GTiff').Create(folder + '/' + name + '.tif', w, h, 2, gdal.GDT_UInt16, ['TILED=YES', 'BLOCKXSIZE=128', 'BLOCKYSIZE=128', 'COMPRESS=DEFLATE'])
    ds.SetGeoTransform((x, 10, 0, 5e6, 0, -10))
    srs = osr.SpatialReference(); srs.ImportFromEPSG(epsg); ds.SetProjection(srs.ExportToWkt())
    rng = np.random.default_rng(1)
    ds.WriteArray(rng.integers(0, 5000, (2, h, w)).astype(np.uint16))
make('good'); make('shifted', x=5e5 + 5); make('other-crs', epsg=32634)
data = open(folder + '/good.tif', 'rb').read()
ds = gdal.Open(folder + '/good.tif')
band = ds.GetRasterBand(1)
at, size = [int(band.GetMetadataItem('BLOCK_%s_2_1' % what, 'TIFF')) for what in ('OFFSET', 'SIZE')]
def write(name, content): open(folder + '/' + name + '.tif', 'wb').write(content)
write('header-cut', data[:6]); write('directory-cut', data[:100]); write('data-cut', data[:len(data) * 3 // 4]); write('empty', b'')
write('text', b'{"no": "raster"}' * 50)
write('corrupt', data[:at + 20] + bytes(range(255, 155, -1)) + data[at + 120:])`,
      [space.folder],
    );
    assert.deepEqual(files.filter((name) => !existsSync(space.path(`${name}.tif`))), []);
    mkdirSync(space.path('folder.tif'));
    space.job('job.json', job());
  });

  const refusedInputs: Readonly<Record<string, RegExp>> = {
    'text.tif': /not a TIFF: wanted 49492a00.*found 7b226e6f/,
    'empty.tif': /not a TIFF: wanted at least 8 bytes, found 0/,
    'header-cut.tif': /not a TIFF: wanted at least 8 bytes, found 6/,
    'directory-cut.tif': /lies at bytes 10 to \d+, but the file has 100 bytes/,
    'missing.tif': /does not exist: wanted a file/,
    'folder.tif': /it is a folder; wanted a file/,
    'shifted.tif': /is on another pixel grid than a .*wanted pixels of geotransform \[500000, 10, 0, 5000000, 0, -10\], found \[500005,/,
    'other-crs.tif': /is on another pixel grid than a .*wanted CRS EPSG:32633, found EPSG:32634/,
  };
  const exitCodes: Readonly<Record<string, number>> = { 'text.tif': 65, 'empty.tif': 65, 'header-cut.tif': 65, 'directory-cut.tif': 65, 'missing.tif': 69, 'folder.tif': 69 };
  for (const [name, message] of Object.entries(refusedInputs)) {
    // Catches: an input that is only looked at by workers, a message without the file, a run folder left by a refused job.
    void it(`refuses ${name} before anything runs`, async () => {
      const names = /another pixel grid/.test(message.source) ? ['$.inputs.b'] : ['$.inputs.b', space.path(name)];
      await fails([space.path('job.json'), '--work', work, '--run', `refused-${name.replace('.', '-')}`, '--input', `b=${space.path(name)}`], { exitCode: exitCodes[name] ?? 64, says: [...names, message] });
      assert.ok(!existsSync(`${work}/runs/refused-${name.replace('.', '-')}`), 'a refused job leaves nothing');
    });
  }

  // Catches: a problem that hides another.
  void it('lists all problems of a job together', async () => {
    const path = space.job('many.json', job({ inputs: { a: 'missing.tif', b: { href: 'good.tif', bands: [1, 9] }, c: 'text.tif' } }));
    await fails([path, '--work', work], { exitCode: 64, says: ['3 problems', '$.inputs.a', space.path('missing.tif'), '$.inputs.b.bands[1]', 'wanted a band from 1 to 2', 'found 9', '$.inputs.c', space.path('text.tif')] });
    const fields = space.job('fields.json', { ...job({ gird: {}, outputs: { o: { href: 'o.tif', dtpye: 'uint8', compression: 'zst' } } }), name: 'no spaces' });
    await fails([fields, '--work', work], { exitCode: 64, says: ['4 problems', '$.gird: unknown field; did you mean "grid"?', '$.outputs.o.dtpye: unknown field; did you mean "dtype"?', '$.outputs.o.compression', 'did you mean "zstd"?', '$.name'] });
  });

  // Catches: a stage of checking that hides what the next one would find.
  void it('lists problems of the command line, the job, its inputs and its outputs together', async () => {
    const path = space.job('stages.json', {
      name: 'x',
      inputs: { a: 'missing.tif', b: 'good.tif' },
      grid: { like: 'q' },
      operation: { expression: { o: 'a[3] + zz', p: 'b[1] + * foo(' } },
      outputs: { o: { href: 'no-folder/o.tif', dtype: 'uint8', predictor: 3, level: 20, nodata: -9 } },
      compute: { cpu: 16, memory: '1 GiB' },
    });
    const problems = ['$.operation.expression.p: no output', '$.grid.like', '$.compute: Fargate', '$.operation.expression.o: column 8', '$.operation.expression.p: column 8', '$.outputs.o.predictor', '$.outputs.o.level', '$.outputs.o.nodata'];
    await fails([path, '--work', work, '--input', 'q=x.tif'], { exitCode: 64, says: ['11 problems', '--input q', '$.inputs.a', space.path('missing.tif'), '$.outputs.o.href', ...problems] });
    const validated = await runCli(['validate', path]);
    assert.equal(validated.exitCode, 64);
    for (const problem of problems) assert.ok(validated.stderr.includes(problem), problem);
  });

  void it('names a band that the expression wants and the file has not', async () => {
    const path = space.job('band.json', job({}, 'a[1] - b[7]'));
    await fails([path, '--work', work], { exitCode: 64, says: ['$.operation.expression.o', 'column 8', '"b" has bands 1 to 2', 'b[7]'] });
  });

  void it('says where a job file is not JSON, and which one is missing', async () => {
    writeFileSync(space.path('cut.json'), JSON.stringify(job()).slice(0, 60));
    await fails([space.path('cut.json'), '--work', work], { exitCode: 64, says: [space.path('cut.json'), 'is not JSON', 'position 60'] });
    await fails([space.path('nowhere.json'), '--work', work], { exitCode: 69, says: [space.path('nowhere.json'), 'does not exist'] });
    await fails([space.folder, '--work', work], { exitCode: 69, says: [space.folder, 'it is a folder'] });
  });

  void it('refuses a wrong command line in its own words', async () => {
    await fails([space.path('job.json'), '--workers', '0'], { exitCode: 64, says: ['--workers', 'wanted a whole number from 1, found "0"'] });
    await fails([space.path('job.json'), '--input', 'scene.tif'], { exitCode: 64, says: ['wanted NAME=HREF, found "scene.tif"'] });
    await fails([space.path('job.json'), '--input', 'bb=good.tif', '--output', 'x=o.tif'], { exitCode: 64, says: ['--input bb: the job has no such name', 'did you mean b?', '--output x'] });
    await fails([space.path('job.json'), '--work', work, '--run', 'up/../down'], { exitCode: 64, says: ['"up/../down" can\'t be a run id'] });
    const noCommand = await runCli(['rnu', space.path('job.json')]);
    assert.equal(noCommand.exitCode, 64);
    assert.match(noCommand.stderr, /unknown command 'rnu'.*Did you mean run\?/s);
  });

  // Catches: damage that only a worker can see but that does not name the file and the tile, is tried again in vain, or ends as a crash.
  void it('names file, block and tile where a block is damaged', async () => {
    const result = await fails([space.path('job.json'), '--work', work, '--run', 'corrupt', '--input', `b=${space.path('corrupt.tif')}`], {
      exitCode: 65,
      says: ['tile 2,1', 'columns 256 to 383, rows 128 to 255', space.path('corrupt.tif'), "block 7 (deflate) can't be decoded", 'TIFF_BAD_BLOCK', '--run corrupt continues it'],
    });
    assert.doesNotMatch(result.stderr, /Batch:Retried/, 'bad data is not tried again');
    const record = JSON.parse(readFileSync(`${work}/runs/corrupt/results/0.json`, 'utf8')) as { state: string; error: { where: { tile: number[]; block: number } } };
    assert.deepEqual([record.state, record.error.where.tile, record.error.where.block], ['FAILED', [2, 1], 7]);
  });

  // Catches: a file that is cut off being noticed only by the worker that comes to its end.
  void it('names file and block where the data is cut off, before anything runs', async () => {
    await fails([space.path('job.json'), '--work', work, '--run', 'cut', '--input', `b=${space.path('data-cut.tif')}`], {
      exitCode: 65,
      says: ['$.inputs.b', space.path('data-cut.tif'), /block \d+ lies at bytes \d+ to \d+, but the file has \d+ bytes/],
    });
    assert.ok(!existsSync(`${work}/runs/cut`));
  });

  // Catches: a failure that stops good tiles from being committed, or that can't be repaired and gone on with.
  void it('makes the tiles of failed batches nodata where the job tolerates it', async () => {
    const path = space.job('tolerant.json', job({ compute: { tilesPerTask: 1 }, tolerateFailures: { percentage: 10 }, outputs: { o: { href: 'tolerant.tif', blockSize: 128, nodata: -7 } } }));
    const record = await runJob([path, '--work', work, '--run', 'tolerant', '--workers', '2', '--input', `b=${space.path('corrupt.tif')}`]);
    assert.deepEqual([record.tiles.total, record.tiles.done, record.batches.failed.length], [20, 19, 1]);
    assert.equal(record.errors[0]?.error.code, 'TIFF_BAD_BLOCK');
    assertNoDifferences(
      `
source, path = sys.argv[1:]
(a, va), (b, vb) = band_values(source, 1), band_values(source, 2)
image = (a - b).astype(np.float32)[None]
image[:, 128:256, 256:384] = -7
answer(check_levels(path, image, 'average', -7, 128) + check_statistics(path, image, -7) + check_cog(path))`,
      [good, space.path('tolerant.tif')],
    );
    // Continued, it tries what failed and nothing else.
    const again = await runJob([path, '--work', work, '--run', 'tolerant', '--input', `b=${space.path('corrupt.tif')}`]);
    assert.deepEqual([again.tiles.done, again.tiles.computed, again.batches.failed], [19, 19, record.batches.failed]);
  });

  // Catches: an input overwritten by the output through a link, after it has been read: data that is lost.
  void it('refuses an output that is an input by another path', async () => {
    const folder = space.newFolder('real');
    writeFileSync(`${folder}/scene.tif`, readFileSync(good));
    symlinkSync(folder, space.path('link'));
    await fails([space.path('job.json'), '--work', work, '--input', `b=${folder}/scene.tif`, '--output', `o=${space.path('link/scene.tif')}`], { exitCode: 64, says: ['$.outputs.o.href', space.path('link/scene.tif'), 'is the same file as input b'] });
    assert.deepEqual(readFileSync(`${folder}/scene.tif`), readFileSync(good));
  });

  void it('refuses an output that can not be written before anything runs', async () => {
    await fails([space.path('job.json'), '--work', work, '--output', `o=${space.path('none/such/o.tif')}`], { exitCode: 73, says: ['$.outputs.o.href', space.path('none/such/o.tif'), `the folder ${space.path('none/such')} does not exist`] });
    await fails([space.path('job.json'), '--work', work, '--output', `o=${space.path('folder.tif')}`], { exitCode: 73, says: ['$.outputs.o.href', space.path('folder.tif'), 'a folder of that name exists'] });
    await fails([space.path('job.json'), '--work', work, '--output', `o=${good}`], { exitCode: 64, says: ['$.outputs.o.href', 'is the same as input a'] });
    await fails([space.path('job.json'), '--work', `${good}/work`], { exitCode: 73, says: [`${good}/work`, 'a part of its path is a file'] });
    assert.deepEqual(readdirSync(space.folder).filter((name) => name.includes('.part')), []);
  });

  void it('says whose permission is missing', async (test) => {
    const asNobody = unprivileged();
    if (asNobody === undefined) return skipped(test, 'needs a user without all rights: root with setpriv, or any other');
    const locked = space.newFolder('locked');
    chmodSync(locked, 0o555);
    chmodSync(space.folder, 0o755);
    const own = space.newFolder('own');
    chmodSync(own, 0o777);
    const options = { prefix: asNobody, env: { HOME: own } };
    await fails([space.path('job.json'), '--work', `${own}/work`, '--output', `o=${locked}/o.tif`], { exitCode: 73, says: ['$.outputs.o.href', `No permission to write ${locked}/o.tif`] }, options);
    await fails([space.path('job.json'), '--work', `${locked}/work`, '--output', `o=${own}/o.tif`], { exitCode: 73, says: [`No permission to write ${locked}/work`] }, options);
    const secret = `${own}/secret.tif`;
    writeFileSync(secret, readFileSync(good));
    chmodSync(secret, 0);
    await fails([space.path('job.json'), '--work', `${own}/work`, '--output', `o=${own}/o.tif`, '--input', `b=${secret}`], { exitCode: 69, says: ['$.inputs.b', `No permission to read ${secret}`] }, options);
  });

  // Catches: a full disk that shows as a crash or a hang, a half file that looks finished, a run that can't be continued when there is room again.
  void it('says which disk is full, and goes on when there is room', async (test) => {
    const disk = mounted('size=1m');
    if (disk === undefined) return skipped(test, 'no right to mount a tmpfs here');
    const path = space.path('job.json');
    const output = ['--output', `o=${disk}/o.tif`, '--work', work, '--run', 'full-output'];
    await fails([path, ...output], { exitCode: 73, says: [`${disk}/o.tif`, 'no space left on the device', '--run full-output continues it'] });
    assert.deepEqual(readdirSync(disk), [], 'no unfinished file is left');
    execFileSync('mount', ['-o', 'remount,size=20m', disk]);
    const continued = await runJob([path, ...output]);
    assert.deepEqual([continued.tiles.computed, continued.tiles.done], [20, 20]);
    assert.deepEqual(readdirSync(disk), ['o.tif']);

    rmSync(`${disk}/o.tif`);
    execFileSync('mount', ['-o', 'remount,size=1m', disk]);
    const inWork = ['--output', `o=${space.path('full-work.tif')}`, '--work', `${disk}/work`, '--run', 'full-work'];
    await fails([path, ...inWork], { exitCode: 73, says: [`${disk}/work/runs/full-work/segments/o/`, 'no space left on the device'] });
    execFileSync('mount', ['-o', 'remount,size=20m', disk]);
    assert.equal((await runJob([path, ...inWork])).tiles.done, 20);
  });

  // Catches: a write that fails while the next chunk is being read, which nobody would wait for.
  void it('says so too when the disk fills up in the middle of a large copy', async (test) => {
    const disk = mounted('size=6m');
    if (disk === undefined) return skipped(test, 'no right to mount a tmpfs here');
    makeScene(space.path('large.tif'), 1600);
    const path = space.job('large.json', { name: 'large', inputs: { a: 'large.tif' }, operation: { expression: { o: 'a[1] * 1' } }, outputs: { o: { href: 'large-o.tif', dtype: 'float64', compression: 'none' } } });
    const { stderr } = await fails([path, '--work', work, '--run', 'large', '--output', `o=${disk}/o.tif`], { exitCode: 73, says: [`${disk}/o.tif`, 'no space left on the device', '--run large continues it'] });
    assert.doesNotMatch(stderr, /\n\s+at /, 'a stack trace is nothing for users');
  });

  void it('refuses what would get lost or do harm without a word', async () => {
    const itself = space.job('itself.json', job({ outputs: { o: { href: 'itself.json', blockSize: 128 } } }));
    const before = readFileSync(itself);
    await fails([itself, '--work', work], { exitCode: 64, says: ['$.outputs.o.href: is the job file itself'] });
    assert.deepEqual(readFileSync(itself), before);
    writeFileSync(space.path('proto.json'), JSON.stringify(job()).replace('"a":', '"__proto__":'));
    await fails([space.path('proto.json'), '--work', work], { exitCode: 64, says: ['__proto__'] });
    writeFileSync(space.path('deep.json'), `${'['.repeat(100_000)}${']'.repeat(100_000)}`);
    await fails([space.path('deep.json'), '--work', work], { exitCode: 64, says: ['wanted object, found a list'] });
    await fails([space.path('job.json'), '--work', work, '--run', ''], { exitCode: 64, says: ["can't be a run id"] });
    await fails([space.path('job.json'), '--work', ''], { exitCode: 64, says: ['--work', 'found nothing'] });
    // A folder exists there, and nothing can be made in it: making folders must end.
    await fails([space.path('job.json'), '--work', '/proc/none'], { exitCode: 73, says: ['/proc/none'] });
  });

  // Catches: an input exchanged under a run that is continued, which would mix the pixels of two files.
  void it('refuses to continue over an input that has changed', async () => {
    const input = space.path('changing.tif');
    writeFileSync(input, readFileSync(space.path('corrupt.tif')));
    const args = [space.path('job.json'), '--work', work, '--run', 'changed', '--input', `b=${input}`, '--output', `o=${space.path('changed.tif')}`];
    await fails(args, { exitCode: 65, says: ['TIFF_BAD_BLOCK'] });
    writeFileSync(input, readFileSync(good));
    await fails(args, { exitCode: 65, says: ['INPUT_CHANGED', input, 'has changed since the run was planned'] });
  });

  // Catches: a run that is overwritten by another job under its id.
  void it('refuses the run id of another job', async () => {
    const first = [space.path('job.json'), '--work', work, '--run', 'taken', '--output', `o=${space.path('taken.tif')}`];
    await runJob(first);
    const before = readFileSync(`${work}/runs/taken/run.json`, 'utf8');
    const other = space.job('other.json', job({}, 'a[1] + b[2]'));
    await fails([other, ...first.slice(1)], { exitCode: 64, says: ['run taken has been started with another job', 'operation differs', 'take another run id'] });
    assert.equal(readFileSync(`${work}/runs/taken/run.json`, 'utf8'), before);
    assert.deepEqual(readdirSync(`${work}/runs/taken`).filter((name) => name.startsWith('failure')), [], 'nothing is written into the run of another job');
  });

  // Catches: a worker's memory that grows beyond the machine instead of a plan that is refused.
  void it('refuses a plan that does not fit the memory, and says which tile size would', async () => {
    const path = space.job('memory.json', job({ grid: { tileSize: 16384 }, compute: { cpu: 2, memory: '4 GiB' } }));
    await fails([path, '--work', work, '--threads', '2'], { exitCode: 64, says: ['$.grid.tileSize', 'needs', 'a task has 4096 MiB', /a tile size of \d+ would fit/] });
  });
});

/** What makes a child run without root's rights; empty when this process has none, undefined where neither works. */
function unprivileged(): readonly string[] | undefined {
  if (process.getuid?.() !== 0) return [];
  const prefix = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
  return hasProgram('setpriv', [...prefix.slice(1), process.execPath, '--version']) ? prefix : undefined;
}

/** A small file system of its own, where this user may mount one. */
function mounted(options: string): string | undefined {
  const path = space.newFolder('disk');
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tilefan-test', path], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  after(() => execFileSync('umount', [path]));
  return path;
}

function skipped(test: TestContext, reason: string): void {
  test.diagnostic(`skipped: ${reason}`);
  test.skip(reason);
}
