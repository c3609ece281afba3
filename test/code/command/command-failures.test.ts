/** How programs fail, what is said about it, and that nothing of them stays behind. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { TilefanError } from '../../../lib/base/errors.ts';
import { bytesPerSample, type Dtype } from '../../../lib/raster/dtype.ts';
import { plainGeoTiff } from '../../../lib/tiff/plain-geotiff.ts';
import { createWorkspace, type Workspace } from '../../support/workspace.ts';
import { runTile, type Fixture } from './tile-fixture.ts';

const window = { column: 512, row: 256, columns: 30, rows: 20 };
const withoutProc: string | false = existsSync('/proc/self/stat') ? false : 'needs /proc to see which processes there are';

/** Whether a process is there, and more than a zombie that nobody has waited for. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${String(pid)}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function gone(pid: number): Promise<boolean> {
  for (let i = 0; i < 200 && isAlive(pid); i++) await sleep(25);
  return !isAlive(pid);
}

describe('commands that fail', () => {
  let workspace: Workspace;
  before(() => (workspace = createWorkspace('failing')));
  after(() => workspace.remove());

  function tile(command: readonly string[], more: Partial<Fixture> = {}): Fixture {
    return { command, window, scratch: workspace.path('scratch'), ...more };
  }

  /** A shell script as the program; its braces are its own. */
  function script(text: string, ...args: string[]): string[] {
    return ['sh', '-c', text.replaceAll('{', '{{').replaceAll('}', '}}'), 'sh', ...args];
  }

  async function failure(fixture: Fixture): Promise<TilefanError> {
    try {
      await runTile(fixture);
    } catch (error) {
      assert.ok(error instanceof TilefanError, String(error));
      assert.ok(!existsSync(fixture.scratch), 'the scratch folder is gone');
      return error;
    }
    return assert.fail('it did not fail');
  }

  function madeFile(name: string, dtype: Dtype, columns: number, rows: number, bands: number): string {
    const { header, bytes } = plainGeoTiff({ dtype, columns, rows, bands, nodata: undefined, mask: false, geo: {} });
    const file = new Uint8Array(bytes);
    file.set(header);
    assert.equal(bytes >= columns * rows * bands * bytesPerSample(dtype), true);
    writeFileSync(workspace.path(name), file);
    return workspace.path(name);
  }

  // Catches: an exit code that is overlooked, and a message without the line that says why.
  void it('with an exit code', async () => {
    const error = await failure(tile(script('echo progress; echo first >&2; echo "ERROR 4: no such file" >&2; exit 3')));
    assert.equal(error.code, 'FUNCTION_FAILED');
    assert.equal(error.exitCode, 70);
    assert.match(error.message, /^sh ended with exit code 3; its last words: first \| ERROR 4: no such file$/);
    assert.deepEqual([error.where['exitCode'], error.where['stdout'], error.where['stderr']], [3, 'progress\n', 'first\nERROR 4: no such file\n']);
    assert.match((await failure(tile(['false']))).message, /false ended with exit code 1; it printed nothing/);
  });

  void it('by a signal', async () => {
    const killed = await failure(tile(script('echo half way; kill -9 $$')));
    assert.equal(killed.code, 'FUNCTION_DIED');
    assert.match(killed.message, /^sh was ended by SIGKILL: most likely the machine had too little memory.*its last words: half way$/);
    const crashed = await failure(tile(script('kill -SEGV $$')));
    assert.match(crashed.message, /was ended by SIGSEGV; it printed nothing/);
  });

  // Catches: a time limit that ends the program but not what it has started.
  void it('by hanging, together with what they have started', { skip: withoutProc }, async () => {
    const pids = workspace.path('pids');
    const error = await failure(tile(script(`sleep 300 & echo $! > "${pids}"; echo $$ >> "${pids}"; echo waiting; wait`), { options: { timeoutSeconds: 3 } }));
    assert.equal(error.code, 'FUNCTION_TIMEOUT');
    assert.match(error.message, /^sh took longer than the 3 s that it may for one tile \(\$\.operation\.tileTimeout\), and was ended; its last words: waiting$/);
    for (const pid of readFileSync(pids, 'utf8').trim().split('\n')) assert.ok(await gone(Number(pid)), pid);
  });

  // Catches: a tile that waits for ever for the pipes of a program in the background, and a program in the background that stays.
  void it('not, when they leave something running that holds their output open', { skip: withoutProc }, async () => {
    const pids = workspace.path('background');
    const { printed } = await runTile(tile(script(`sleep 300 & echo $! > "${pids}"; echo done`)));
    assert.equal(printed.stdout, 'done\n');
    assert.ok(await gone(Number(readFileSync(pids, 'utf8'))));
  });

  void it('for want of the program', async () => {
    const missing = await failure(tile(['gdal_seive.py', '{scratch}']));
    assert.equal(missing.code, 'REQUIREMENT_MISSING');
    assert.equal(missing.exitCode, 64);
    assert.match(missing.message, /The program gdal_seive\.py is not here: it is in none of the folders of PATH \(.*EXTRA_PACKAGES, PIP_PACKAGES, or an image of your own FROM tilefan/);
    assert.match((await failure(tile(['/opt/none/such']))).message, /\/opt\/none\/such is not here: there is no program that may be run/);
  });

  void it('for want of what runs them', async () => {
    writeFileSync(workspace.path('script.py'), '#!/usr/bin/python4.99\nprint(1)\n');
    chmodSync(workspace.path('script.py'), 0o755);
    assert.match((await failure(tile([workspace.path('script.py')]))).message, /script\.py cannot be started: the interpreter that its first line \(#!\) names is not on this machine/);
    const long = await failure(tile(['true', '{parameter.long}'], { parameters: { long: 'x'.repeat(3_000_000) } }));
    assert.match(long.message, /true cannot be started: its arguments are longer than the system takes/);
    assert.ok(JSON.stringify(long.where).length < 3000, 'the record is not as long as the argument');
  });

  // Catches: the system's bare error of a disk that is full or a name that is too long.
  void it('for want of room for their inputs', async () => {
    const name = 'n'.repeat(300);
    const error = await failure(tile(['true', `{input.${name}}`], { inputs: { [name]: { dtype: 'uint8', samples: new Uint8Array(600) } } }));
    assert.equal(error.code, 'SCRATCH_UNUSABLE');
    assert.equal(error.exitCode, 73);
    assert.match(error.message, /^The tile's input n+ cannot be written into the scratch folder, .*: ENAMETOOLONG/);
  });

  // Catches: each way in which a file is not what the job wants, accepted or reported as something else.
  void it('by what they write', async () => {
    const good = madeFile('good.tif', 'uint8', 46, 36, 1);
    const truncated = workspace.path('truncated.tif');
    writeFileSync(truncated, readFileSync(good).subarray(0, -100));
    writeFileSync(workspace.path('text.tif'), 'This is no TIFF at all.');
    writeFileSync(workspace.path('empty.tif'), '');
    const outputs = { clean: { dtype: 'uint8' } } as const;
    const cases: readonly [readonly string[], string, RegExp][] = [
      [['true', '{output.clean}'], 'FUNCTION_NO_OUTPUT', /^true ended well but did not write the output clean: wanted a GeoTIFF at \{output\.clean\}, clean\.tif; found nothing there$/],
      [script('cp "$1" "${2%.tif}.tiff"', good, '{output.clean}'), 'FUNCTION_NO_OUTPUT', /found clean\.tiff there/],
      [['cp', workspace.path('text.tif'), '{output.clean}'], 'FUNCTION_NO_OUTPUT', /^cp wrote no GeoTIFF that can be read for the output clean: .*clean\.tif: .*TIFF/],
      [['cp', workspace.path('empty.tif'), '{output.clean}'], 'FUNCTION_NO_OUTPUT', /no GeoTIFF that can be read for the output clean/],
      [['cp', truncated, '{output.clean}'], 'FUNCTION_NO_OUTPUT', /says that block \d+ lies at bytes \d+ to \d+, but the file has \d+ bytes/],
      [['mkdir', '{output.clean}'], 'FUNCTION_NO_OUTPUT', /clean\.tif.*(directory|folder)/],
      [['mkfifo', '{output.clean}'], 'FUNCTION_NO_OUTPUT', /clean\.tif/],
      [['ln', '-s', '/nowhere', '{output.clean}'], 'FUNCTION_NO_OUTPUT', /clean\.tif/],
      [['cp', madeFile('bare.tif', 'uint8', 30, 20, 1), '{output.clean}'], 'FUNCTION_SHAPE', /^cp wrote the output clean with 30 x 20 pixels: wanted 46 x 36 as the inputs have \(columns x rows, the margin \(halo\) of 8 pixels on each side included\)$/],
      [['cp', madeFile('turned.tif', 'uint8', 36, 46, 1), '{output.clean}'], 'FUNCTION_SHAPE', /36 x 46 pixels: wanted 46 x 36/],
      [['cp', madeFile('bands.tif', 'uint8', 46, 36, 3), '{output.clean}'], 'FUNCTION_SHAPE', /^cp wrote the output clean with 3 bands: wanted 1 \(\$\.outputs\.clean\.bands\)$/],
    ];
    for (const [command, code, message] of cases) {
      const error = await failure(tile(command, { halo: 8, outputs }));
      assert.match(error.message, message);
      assert.equal(error.code, code, error.message);
    }
    // The same file in its place.
    await runTile(tile(['cp', good, '{output.clean}'], { halo: 8, outputs }));
  });

  // Catches: a file of the tile before that is taken for this tile's, and files of user code that stay.
  void it('do not leave files to the next tile', async () => {
    const good = madeFile('plain.tif', 'uint8', 30, 20, 1);
    await runTile(tile(script('cp "$1" "$2"; mkdir -p deep/er; touch deep/er/file .hidden; chmod 0 deep', good, '{output.clean}'), { outputs: { clean: { dtype: 'uint8' } } }));
    assert.ok(!existsSync(workspace.path('scratch')), 'even what nobody may read');
    const { reply } = await runTile(tile(script('find . | sort | tr "\\n" " " | sed "s/.*/\\"&\\"/"'), { options: { results: true } }));
    assert.equal(reply.result, '. ./input ./output ');
  });

  // Catches: memory that grows with what is printed.
  void it('not, by printing a gigabyte', async () => {
    const before = process.memoryUsage().rss;
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 20);
    const { printed } = await runTile(tile(script('head -c 1000000000 /dev/zero; echo; echo end; echo "[1]" >&2')));
    clearInterval(watch);
    assert.equal(printed.stdoutBytes, 1_000_000_005);
    assert.ok(printed.stdout.endsWith('\0\nend\n'));
    assert.ok(printed.stdout.length <= 16 * 1024);
    assert.equal(printed.stderr, '[1]\n');
    assert.ok(most - before < 300e6, `${String(most - before)} bytes more`);
  });

  // Catches: a program that waits for ever for an answer, and one that is confused by the pipe that it finds.
  void it('not, by reading or writing their standard input', async () => {
    const { printed } = await runTile(tile(script('cat; echo to nobody >&0; echo still here')));
    assert.equal(printed.stdout, 'still here\n');
  });

  // Catches: anything between the job and the program that splits, expands or quotes.
  void it('not, by what their arguments look like: no shell sees them', async () => {
    const args = ['a b', '$HOME', '`id`', '$(id)', '*', ';', '|', '>', '&&', "'", '"', '\\', '', '-', '--', 'é\n'];
    const { reply } = await runTile(tile([process.execPath, '-e', 'process.stdout.write(JSON.stringify(process.argv.slice(1)))', '--', ...args], { options: { results: true } }));
    assert.deepEqual(reply.result, args);
  });

  // Catches: credentials in reach of user code, a home folder that isn't the scratch folder.
  void it('see an environment of their own', async () => {
    const env = { PATH: process.env['PATH'], AWS_ACCESS_KEY_ID: 'secret', AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/x', ECS_CONTAINER_METADATA_URI_V4: 'y', TILEFAN_RUN: 'z', MINE: 'yes' };
    const show = [process.execPath, '-e', 'console.log(JSON.stringify([{{...process.env}}, process.cwd(), process.pid]))'];
    const { reply } = await runTile(tile(show, { options: { results: true, env } }));
    const [seen, folder] = reply.result as [Record<string, string>, string];
    assert.equal(seen['MINE'], 'yes');
    assert.deepEqual(Object.keys(seen).filter((name) => /^(AWS|ECS|TILEFAN)_/.test(name)).sort(), ['AWS_EC2_METADATA_DISABLED', 'TILEFAN_SCRATCH']);
    assert.deepEqual([folder, seen['HOME'], seen['TMPDIR'], seen['TILEFAN_SCRATCH']], new Array(4).fill(workspace.path('scratch')));
    const { reply: trusted } = await runTile(tile(show, { options: { results: true, env, credentials: true } }));
    assert.equal((trusted.result as [Record<string, string>])[0]['AWS_ACCESS_KEY_ID'], 'secret');
  });

  void it('have the JSON that they print as their result, and nothing else', async () => {
    const print = async (text: string, results = true): Promise<unknown> => (await runTile(tile(['printf', '%s', '{parameter.text}'], { parameters: { text }, options: { results } }))).reply;
    assert.deepEqual(await print(' {"a": [1, null]}\n'), { outputs: [], result: { a: [1, null] } });
    assert.deepEqual(await print('0'), { outputs: [], result: 0 });
    assert.deepEqual(await print('null'), { outputs: [], result: null });
    for (const nothing of ['', ' \n']) assert.deepEqual(await print(nothing), { outputs: [] }, nothing);
    // Catches: a sum over all tiles but those whose program had something else to say.
    for (const talk of ['0...10...20 - done.', '{"a": 1}\n{"a": 2}', '{"a": NaN}']) {
      const refused = await failure(tile(['printf', '%s', '{parameter.text}'], { parameters: { text: talk }, options: { results: true } }));
      assert.equal(refused.code, 'FUNCTION_RESULT', talk);
      assert.match(refused.message, /printf printed ".* to stdout, which the job takes as the tile's result: wanted one JSON document, or nothing/);
    }
    assert.deepEqual(await print('progress 10 %', false), { outputs: [] });
    assert.deepEqual(await print('{"a": 1}', false), { outputs: [] });
    const error = await failure(tile(['head', '-c', '17000000', '/dev/zero'], { options: { results: true } }));
    assert.equal(error.code, 'FUNCTION_RESULT');
    assert.match(error.message, /head printed 17000000 bytes to stdout, which the job takes as the tile's result: wanted 16777216 at most/);
  });

  // Catches: a worker that can't end because a program hangs.
  void it('end when their runner is closed', { skip: withoutProc }, async () => {
    const pids = workspace.path('closing');
    const error = await runTile(tile(script(`echo $$ > "${pids}.part"; mv "${pids}.part" "${pids}"; sleep 300`)), (runner) => {
      void (async () => {
        for (let i = 0; i < 400 && !existsSync(pids); i++) await sleep(25);
        await runner.close();
      })();
    }).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof TilefanError);
    assert.equal(error.code, 'FUNCTION_DIED');
    assert.ok(await gone(Number(readFileSync(pids, 'utf8'))));
  });

  // Catches: a program that goes on for ever when its worker was killed, which nothing in the worker can prevent.
  void it('end when their worker is killed', { skip: withoutProc }, async () => {
    const pids = workspace.path('orphans');
    const program = `
      import { runTile } from ${JSON.stringify(new URL('tile-fixture.ts', import.meta.url).href)};
      await runTile({ command: ['sh', '-c', 'sleep 300 & echo $! > "$1.part"; echo $$ >> "$1.part"; mv "$1.part" "$1"; wait', 'sh', ${JSON.stringify(pids)}], window: ${JSON.stringify(window)}, scratch: ${JSON.stringify(workspace.path('orphaned'))} });
    `;
    const worker = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'ignore' });
    for (let i = 0; i < 400 && !existsSync(pids); i++) await sleep(25);
    const started = readFileSync(pids, 'utf8').trim().split('\n').map(Number);
    assert.equal(started.length, 2);
    for (const pid of started) assert.ok(isAlive(pid));
    worker.kill('SIGKILL');
    for (const pid of started) assert.ok(await gone(pid), `process ${String(pid)} lives on`);
  });

  // Catches: watchers and descriptors that stay after a runner was closed.
  void it('leave no process and no open file behind', { skip: withoutProc }, async () => {
    const children = (): string[] => readFileSync(`/proc/self/task/${String(process.pid)}/children`, 'utf8').trim().split(' ');
    const files = (): number => readdirSync('/proc/self/fd').length;
    await failure(tile(['false']));
    await sleep(100);
    const [childrenBefore, filesBefore] = [children(), files()];
    const added = (): string[] => children().filter((pid) => pid !== '' && !childrenBefore.includes(pid));
    for (let i = 0; i < 5; i++) await failure(tile(['false']));
    for (let i = 0; i < 200 && (added().length > 0 || files() > filesBefore); i++) await sleep(25);
    assert.deepEqual(added(), []);
    assert.ok(files() <= filesBefore, `${String(filesBefore)} open files became ${String(files())}`);
  });
});
