/** The examples of README.md and of the example's page do what they say: they are taken out of the text and run. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import sharp from 'sharp';
import { makeScene } from '../examples/make-scene.ts';
import { runRecord } from '../lib/job/records.ts';
import { runCli } from './support/cli.ts';
import { withoutGdal } from './support/gdal.ts';

const root = new URL('../', import.meta.url);
const call = 'npm run --silent tilefan -- ';

/** The commands of a page that call tilefan, without their comments. */
function commandsOf(page: string): string[][] {
  return readFileSync(new URL(page, root), 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith(call))
    .map((line) => line.slice(call.length).replace(/ #.*/, '').trim().split(/\s+/));
}

/** Commands of a page that are scripts of package.json: `npm run purge -- --stage dev`. */
function scriptsOf(page: string): string[][] {
  return [...readFileSync(new URL(page, root), 'utf8').matchAll(/npm run (image|purge|attach)((?: -- [^\n`#)]*)?)/g)].map(([, script = '', rest = '']) => [script, ...rest.replace(' -- ', '').trim().split(/\s+/).filter((arg) => arg !== '')]);
}

/** Commands that speak to AWS, or go on until they are stopped; other tests run those. */
const onAws = new Set(['attach', 'cancel', 'dev', 'image', 'logs', 'ls', 'purge', 'resume', 'status', 'submit']);
const pages = ['README.md', 'deployments/README.md', 'examples/deployments/existing-kms.yml', 'examples/deployments/gpu.yml', 'docs/command-line.md', 'docs/deploy.md', 'docs/items.md', 'docs/uploads.md', 'docs/user-code.md', 'docs/worker.md'];

describe('the examples of the README', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tilefan-readme-'));
    makeScene(join(folder, 'scene.tif'), 700);
    copyFileSync(join(folder, 'scene.tif'), join(folder, 'b.tif'));
    const [, job] = /```json\n(.*?)```/s.exec(readFileSync(new URL('README.md', root), 'utf8')) ?? assert.fail('README.md has a job');
    writeFileSync(join(folder, 'job.json'), job ?? '');
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  // Catches: an option that was renamed, a job that is not valid any more, a command that the README forgot.
  void it('run as they stand there', async () => {
    const commands = commandsOf('README.md').filter(([command = '']) => !onAws.has(command));
    for (const wanted of ['plan', 'replay', 'run', 'schema', 'try', 'validate']) assert.ok(commands.some(([command]) => command === wanted), wanted);
    for (const args of commands) {
      // The scene has one tile, and the run is whichever there is.
      const [run = ''] = args.includes('RUN') ? readdirSync(join(folder, '.tilefan/runs')) : [];
      const here = args.map((arg) => arg.replace('/data/', `${folder}/`).replace(/^3,4$/, '0,0').replace(/^RUN$/, run));
      const { exitCode, stdout, stderr } = await runCli(here, { cwd: folder });
      assert.equal(exitCode, 0, `${args.join(' ')}: ${stderr}`);
      if (args.includes('--json')) assert.equal(runRecord.parse(JSON.parse(stdout)).state, 'SUCCEEDED');
    }
  });

  void it('with more than one raster too', { skip: withoutGdal }, async () => {
    makeScene(join(folder, 'west.tif'), 600);
    makeScene(join(folder, 'east.tif'), 600);
    // The neighbour to the east, and heights on a coarser grid of another CRS.
    for (const [program, ...args] of [
      ['gdal_edit.py', '-a_ullr', '604000', '5000040', '610000', '4994040', 'east.tif'],
      ['gdalwarp', '-q', '-t_srs', 'EPSG:4326', '-tr', '0.0005', '0.0005', 'west.tif', 'dem.tif'],
    ] as const) {
      const { status, stderr } = spawnSync(program, args, { cwd: folder, encoding: 'utf8' });
      assert.equal(status, 0, stderr);
    }
    const [, ...jobs] = [...readFileSync(new URL('README.md', root), 'utf8').matchAll(/```json\n(.*?)```/gs)].map(([, text = '']) => text);
    assert.equal(jobs.length, 4);
    mkdirSync(join(folder, 'photos/2024'), { recursive: true });
    await sharp({ create: { width: 1300, height: 1000, channels: 3, background: '#336699' } }).jpeg().toFile(join(folder, 'photos/2024/a cat.JPG'));
    const [, python = ''] = /```python\n(.*?)```/s.exec(readFileSync(new URL('README.md', root), 'utf8')) ?? assert.fail('README.md has a function');
    writeFileSync(join(folder, 'texture.py'), python);
    for (const [i, text] of jobs.entries()) {
      writeFileSync(join(folder, `more-${String(i)}.json`), text);
      const { exitCode, stdout, stderr } = await runCli(['run', `more-${String(i)}.json`, '--json'], { cwd: folder });
      assert.equal(exitCode, 0, stderr);
      assert.equal((JSON.parse(stdout) as { state: unknown }).state, 'SUCCEEDED');
    }
    const { width, height } = await sharp(join(folder, 'copies/thumbs/2024/a cat.JPG')).metadata();
    assert.deepEqual([width, height], [192, 148]);
  });

  // Catches: a function whose result is lost, or a table without a row for each tile.
  void it('with a function, whose results become a table', () => {
    const [header, ...rows] = readFileSync(join(folder, 'texture.csv'), 'utf8').trim().split('\n');
    assert.match(header ?? '', /^column,row,.*mean/);
    assert.equal(rows.length, 1);
  });

  void it('of the example too, on a scene of its own', async () => {
    copyFileSync(new URL('examples/ndvi/job.json', root), join(folder, 'example.json'));
    for (const args of commandsOf('examples/ndvi/README.md')) {
      const here = args.map((arg) => arg.replace('examples/ndvi/job.json', 'example.json').replace('/data/other-', `${folder}/b-`).replace('/data/other', `${folder}/b`));
      const { exitCode, stderr } = await runCli(here, { cwd: folder });
      assert.equal(exitCode, 0, `${args.join(' ')}: ${stderr}`);
    }
  });

  // Catches: an option or command that was renamed. Nothing is reached: the endpoint leads nowhere, so each fails, but not for its use.
  void it('that speak to AWS are understood, on every page', async () => {
    const env = { AWS_ENDPOINT_URL: 'http://127.0.0.1:9', AWS_REGION: 'eu-west-1', AWS_ACCESS_KEY_ID: 'none', AWS_SECRET_ACCESS_KEY: 'none', AWS_MAX_ATTEMPTS: '1' };
    const seen = new Set<string>();
    for (const page of pages) {
      for (const args of [...commandsOf(page), ...scriptsOf(page)]) {
        const [command = ''] = args;
        // A watch ends when it is told to, and an image is built by another program.
        if (!onAws.has(command) || command === 'dev' || command === 'image') continue;
        seen.add(command);
        const { exitCode, stderr } = await runCli(args, { cwd: folder, env });
        assert.ok(!/unknown (option|command)|missing required|too many arguments|argument .* is invalid/i.test(stderr), `${page}: ${args.join(' ')}: ${stderr}`);
        assert.notEqual(exitCode, 0, `${page}: ${args.join(' ')} needs an account`);
      }
    }
    for (const wanted of ['submit', 'status', 'logs', 'resume', 'ls', 'purge']) assert.ok(seen.has(wanted), wanted);
  });
});
