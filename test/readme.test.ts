/** The examples of README.md and of the example's page do what they say: they are taken out of the text and run. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makeScene } from '../examples/make-scene.ts';
import { runRecord } from '../lib/job/records.ts';
import { runCli } from './support/cli.ts';

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
    const commands = commandsOf('README.md');
    for (const wanted of ['plan', 'run', 'schema', 'validate']) assert.ok(commands.some(([command]) => command === wanted), wanted);
    for (const args of commands) {
      const here = args.map((arg) => arg.replace('/data/', `${folder}/`));
      const { exitCode, stdout, stderr } = await runCli(here, { cwd: folder });
      assert.equal(exitCode, 0, `${args.join(' ')}: ${stderr}`);
      if (args.includes('--json')) assert.equal(runRecord.parse(JSON.parse(stdout)).state, 'SUCCEEDED');
    }
  });

  void it('of the example too, on a scene of its own', async () => {
    copyFileSync(new URL('examples/ndvi/job.json', root), join(folder, 'example.json'));
    for (const args of commandsOf('examples/ndvi/README.md')) {
      const here = args.map((arg) => arg.replace('examples/ndvi/job.json', 'example.json').replace('/data/other-', `${folder}/b-`).replace('/data/other', `${folder}/b`));
      const { exitCode, stderr } = await runCli(here, { cwd: folder });
      assert.equal(exitCode, 0, `${args.join(' ')}: ${stderr}`);
    }
  });
});
