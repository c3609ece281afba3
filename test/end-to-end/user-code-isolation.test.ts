/** What user code sees of the worker, what it can leave behind, and that it ends when the worker or the run does. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { recordOf, runCli, runJob, startCli, until, workersOf, type RunningCli } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { makeFiles } from '../support/raster-oracle.ts';
import { codeEnv, processesWith, sharedFiles } from '../support/user-code.ts';
import { createWorkspace } from '../support/workspace.ts';

const skip = process.platform === 'linux' ? withoutGdal : 'needs /proc to find processes';
const space = createWorkspace('code-isolation');
after(() => space.remove());

interface Place {
  readonly folder: string;
  readonly work: string;
  /** Where everything temporary of the run lies: TMPDIR of the command line and all that it starts. */
  readonly temporary: string;
  readonly env: Record<string, string>;
}

function newPlace(): Place {
  const folder = space.newFolder('run');
  const temporary = `${folder}/temporary`;
  mkdirSync(temporary);
  return { folder, temporary, work: `${folder}/work`, env: { ...codeEnv, TMPDIR: temporary } };
}

function jobIn({ folder }: Place, source: string, operation: object = {}, ending = 'py', more: object = {}): string {
  writeFileSync(`${folder}/code.${ending}`, source);
  const path = `${folder}/job.json`;
  writeFileSync(
    path,
    JSON.stringify({
      inputs: { a: space.path('a.tif') },
      grid: { tileSize: 128 },
      operation: { module: `code.${ending}`, function: 'f', ...operation },
      outputs: { o: { href: 'o.tif', dtype: 'uint8', blockSize: 128, overviews: 'none', statistics: false } },
      results: { href: 'results.jsonl' },
      ...more,
    }),
  );
  return path;
}

function resultsIn<Value>({ folder }: Place): Value[] {
  return readFileSync(`${folder}/results.jsonl`, 'utf8').trim().split('\n').map((line) => (JSON.parse(line) as { value: Value }).value);
}

/** Nothing of the run is left: no process, no temporary file, no shared file. */
async function assertNothingLeft({ temporary }: Place, sharedBefore: readonly string[]): Promise<void> {
  await until('the end of all processes of the run', () => processesWith(temporary).length === 0, 15).catch((error: unknown) => {
    assert.fail(`${String(error)}: ${JSON.stringify(processesWith(temporary))}`);
  });
  // Node's own cache of what it has compiled.
  assert.deepEqual(readdirSync(temporary).filter((name) => name !== 'node-compile-cache'), [], 'nothing temporary is left');
  assert.deepEqual(sharedFiles().filter((name) => !sharedBefore.includes(name)), [], 'nothing is left in /dev/shm');
}

const secrets: Readonly<Record<string, string>> = {
  AWS_ACCESS_KEY_ID: 'AKIAUSERCODETEST',
  AWS_SECRET_ACCESS_KEY: 'secret-of-the-worker',
  AWS_SESSION_TOKEN: 'token-of-the-worker',
  AWS_PROFILE: 'profile-of-the-worker',
  AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/credentials/worker',
  AWS_CONTAINER_AUTHORIZATION_TOKEN: 'authorization-of-the-worker',
  AWS_WEB_IDENTITY_TOKEN_FILE: '/nothing/web-token',
  ECS_CONTAINER_METADATA_URI_V4: 'http://169.254.170.2/v4/worker',
};

const sees = {
  py: `
import os, tempfile
def f(info, inputs, outputs):
    before = sorted(os.listdir('.'))
    open('left-by-%d-%d' % (info.xblock, info.yblock), 'w').write('x')
    tempfile.mkstemp(prefix='temporary-')
    outputs.o = inputs.a
    return {'env': dict(os.environ), 'cwd': os.getcwd(), 'before': before, 'temporary': tempfile.gettempdir(), 'home': os.path.expanduser('~'), 'pid': os.getpid(), 'mode': oct(os.stat('.').st_mode & 0o777),
            'descriptors': sorted(int(fd) for fd in os.listdir('/proc/self/fd'))}
`,
  ts: `
import { readdirSync, writeFileSync, statSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
export function f({ inputs, outputs, info }: any) {
  const before = readdirSync('.');
  writeFileSync('left-by-' + info.tile.column + '-' + info.tile.row, 'x');
  writeFileSync(tmpdir() + '/temporary-' + info.tile.column + '-' + info.tile.row, 'x');
  outputs.o.set(inputs.a);
  return { env: { ...process.env }, cwd: process.cwd(), before, temporary: tmpdir(), home: homedir(), pid: process.pid, mode: '0o' + (statSync('.').mode & 0o777).toString(8), descriptors: [] };
}
`,
};

interface Seen {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly before: readonly string[];
  readonly temporary: string;
  readonly home: string;
  readonly pid: number;
  readonly mode: string;
}

/** Hangs on one tile in the first attempt, with a program that it has started, and in an endless loop where it says so. */
const hangsOnce = {
  py: `
import os, subprocess, time
def f(info, inputs, outputs, otherargs):
    if info.yblock == 2 and not os.path.exists(otherargs.marker):
        subprocess.Popen(['sleep', '600'])
        open('large', 'w').write('x' * 100000)
        open(otherargs.marker, 'w').write(str(os.getpid()))
        while True: pass
    outputs.o = inputs.a
    return 1
`,
  ts: `
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
export async function f({ inputs, outputs, info, parameters }: any) {
  if (info.tile.row === 2 && !existsSync(parameters.marker)) {
    await new Promise((started) => spawn('sleep', ['600'], { stdio: 'ignore' }).once('spawn', started));
    writeFileSync('large', 'x'.repeat(100000));
    writeFileSync(parameters.marker, String(process.pid));
    for (;;);
  }
  outputs.o.set(inputs.a);
  return 1;
}
`,
};

async function hanging(place: Place, ending: 'py' | 'ts', args: readonly string[] = []): Promise<{ readonly cli: RunningCli; readonly args: readonly string[]; readonly pid: number }> {
  const marker = `${place.folder}/marker`;
  const all = ['run', jobIn(place, hangsOnce[ending], { parameters: { marker } }, ending, { compute: { tilesPerTask: 64 } }), '--work', place.work, '--run', 'r', '--workers', '1', '--threads', '2', '--keep', '--json', ...args];
  const cli = startCli(all, { env: place.env });
  const pid = await until('the tile that hangs', () => existsSync(marker) && Number(readFileSync(marker, 'utf8')), 60);
  return { cli, args: all, pid };
}

void describe('isolation of user code', { skip }, () => {
  before(() => {
    makeFiles(
      `
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 512, 512, 1, gdal.GDT_Byte, ['TILED=YES', 'BLOCKXSIZE=128', 'BLOCKYSIZE=128'])
ds.SetGeoTransform((5e5, 10, 0, 5e6, 0, -10))
ds.WriteArray(np.random.default_rng(2).integers(0, 200, (1, 512, 512)).astype(np.uint8))
ds = None`,
      [space.path('a.tif')],
    );
  });

  for (const ending of ['py', 'ts'] as const) {
    // Catches: credentials, orders and places of the worker in the environment of user code; a scratch folder that several processes share, that isn't empty at first, that others can read, or that stays.
    void it(`shows user code neither credentials nor what others left: ${ending}`, async () => {
      const place = newPlace();
      const shared = sharedFiles();
      const record = await runJob([jobIn(place, sees[ending], {}, ending, { compute: { tilesPerTask: 4 } }), '--work', place.work, '--run', 'r', '--workers', '2', '--threads', '1'], { env: { ...place.env, ...secrets, MY_OWN: 'setting' } });
      assert.deepEqual([record.batches.total, record.results?.rows], [4, 16]);
      const all = resultsIn<Seen>(place);
      for (const { env, cwd, temporary, home, mode } of all) {
        assert.deepEqual(Object.keys(env).filter((name) => /^(AWS|TILEFAN|ECS)_/.test(name)).toSorted(), ['AWS_EC2_METADATA_DISABLED', 'TILEFAN_SCRATCH']);
        for (const value of Object.values(secrets)) assert.ok(!Object.values(env).includes(value), value);
        assert.deepEqual([env['MY_OWN'], env['OMP_NUM_THREADS']], ['setting', '1']);
        assert.deepEqual([temporary, home, env['TILEFAN_SCRATCH'], env['HOME']], [cwd, cwd, cwd, cwd]);
        assert.ok(cwd.startsWith(place.temporary), cwd);
        assert.equal(mode, '0o700');
      }
      const processes = Map.groupBy(all, ({ pid }) => pid);
      assert.equal(processes.size, 4, 'a process for each batch, which has all of its tiles');
      assert.equal(new Set(all.map(({ cwd }) => cwd)).size, 4, 'each with a folder of its own');
      for (const tiles of processes.values()) assert.deepEqual(tiles.map(({ before }) => before.length).toSorted((a, b) => a - b), [0, 2, 4, 6], 'empty at first, and kept from tile to tile');
      await assertNothingLeft(place, shared);
    });
  }

  // Catches: a job that asks for credentials and doesn't get them, or gets the worker's orders with them.
  void it('gives credentials to a job that asks for them', async () => {
    const place = newPlace();
    await runJob([jobIn(place, sees.py, { credentials: true }), '--work', place.work, '--workers', '1'], { env: { ...place.env, ...secrets } });
    for (const { env } of resultsIn<Seen>(place)) {
      for (const [name, value] of Object.entries(secrets)) if (name.startsWith('AWS_')) assert.equal(env[name], value);
      assert.deepEqual(Object.keys(env).filter((name) => /^(TILEFAN|ECS)_/.test(name)), ['TILEFAN_SCRATCH']);
      assert.equal(env['AWS_EC2_METADATA_DISABLED'], undefined);
    }
  });

  for (const ending of ['py', 'ts'] as const) {
    // Catches: user code, or what it has started, that outlives a worker; scratch that stays; a batch that isn't done again.
    void it(`ends with a worker that is killed: ${ending}`, async () => {
      const place = newPlace();
      const shared = sharedFiles();
      const { cli, pid } = await hanging(place, ending);
      const [worker, ...others] = workersOf(place.work);
      assert.ok(worker !== undefined && others.length === 0);
      process.kill(worker.pid, 'SIGKILL');
      await until('the end of the process that hangs', () => !existsSync(`/proc/${String(pid)}`), 10);
      const record = recordOf(await cli.ended);
      assert.deepEqual([record.tiles.done, record.batches.retried, record.results?.rows], [16, [{ batch: 0, attempts: 2 }], 16]);
      await assertNothingLeft(place, shared);
    });

    // Catches: processes of a run that go on, at full load, when the run is killed; what they leave.
    void it(`ends with a run that is killed: ${ending}`, async () => {
      const place = newPlace();
      const shared = sharedFiles();
      const { cli, args } = await hanging(place, ending);
      cli.child.kill('SIGKILL');
      await cli.ended;
      // The worker gives the tile under way some time.
      await until('the end of all processes', () => processesWith(place.temporary).length === 0, 90);
      const record = recordOf(await runCli(args, { env: place.env }));
      assert.deepEqual([record.tiles.done, record.results?.rows], [16, 16]);
      await assertNothingLeft(place, shared);
    });
  }

  // Catches: Ctrl-C that waits for a function that never ends, or that leaves it behind.
  void it('ends with a run that is interrupted', async () => {
    const place = newPlace();
    const shared = sharedFiles();
    const { cli } = await hanging(place, 'py');
    cli.child.kill('SIGINT');
    const { exitCode } = await cli.ended;
    assert.equal(exitCode, 130);
    await assertNothingLeft(place, shared);
  });

  // Catches: a trial on this machine that isn't ended.
  void it('ends a trial that is interrupted', async () => {
    const place = newPlace();
    const shared = sharedFiles();
    const marker = `${place.folder}/marker`;
    const job = jobIn(place, hangsOnce.py.replace('info.yblock == 2 and ', ''), { parameters: { marker } });
    for (const args of [['run', job, '--work', place.work], ['try', job]]) {
      const cli = startCli(args, { env: place.env });
      await until('the tile that hangs', () => existsSync(marker), 60);
      cli.child.kill('SIGINT');
      const { exitCode, stderr } = await cli.ended;
      assert.equal(exitCode, 130, stderr);
      await assertNothingLeft(place, shared);
      rmSync(marker);
    }
  });
});
