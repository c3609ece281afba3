/** `tilefan dev` where the place is not as it should be: taken, unreadable, a link. Would catch a stack trace, a silent nothing, a run done twice. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { after, describe, it } from 'node:test';
import { hasProgram, runCli, startCli, until } from '../support/cli.ts';
import { createWorkspace } from '../support/workspace.ts';
import { field, handMadeTiff, simpleImage } from '../tiff/hand-made-tiff.ts';

const space = createWorkspace('dev places');
after(() => space.remove());

function scene(): Uint8Array {
  return handMadeTiff({ directories: [simpleImage(200, 100, [field(339, 1)])], blocks: new Uint8Array(20_000).fill(7) });
}

/** Nobody may do what files forbid; root may. */
const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
const noNobody = process.getuid?.() !== 0 || !hasProgram('setpriv') ? 'needs root and setpriv, to become nobody' : false;

void describe('tilefan dev', () => {
  void it('refuses a work folder in which it runs already, and takes over from one that died', async () => {
    const folder = space.newFolder('taken');
    const args = ['dev', `${folder}/in`, '--work', `${folder}/work`];
    const first = startCli(args);
    await until('the watch', () => /^watching /m.test(first.stderr()));
    const second = await runCli([...args, '--once']);
    assert.equal(second.exitCode, 64);
    assert.match(second.stderr, new RegExp(`^tilefan: tilefan dev runs here already \\(process ${String(first.pid)}\\).*\\[DEV_RUNNING\\]\n$`));
    first.child.kill('SIGKILL');
    await first.ended;
    assert.ok(existsSync(`${folder}/work/dev.lock`), 'it could not take its lock along');
    assert.equal((await runCli([...args, '--once'])).exitCode, 0);
    assert.ok(!existsSync(`${folder}/work/dev.lock`));
  });

  void it('says in one sentence that a folder cannot be made', async () => {
    const folder = space.newFolder('file');
    writeFileSync(`${folder}/file`, '');
    const { exitCode, stderr } = await runCli(['dev', `${folder}/file`, '--work', `${folder}/work`, '--once']);
    assert.equal(exitCode, 73);
    assert.match(stderr, /^tilefan: Cannot write .*file\/jobs: a part of its path is a file[^\n]*\n$/);
  });

  void it('says that it cannot look into a folder, and does not end well', { skip: noNobody }, async () => {
    const folder = space.newFolder('dark');
    for (const name of ['in/jobs', 'in/templates', 'in/incoming/t', 'work']) mkdirSync(`${folder}/${name}`, { recursive: true });
    for (const above of [folder, dirname(folder)]) chmodSync(above, 0o755);
    for (const name of ['in', 'in/jobs', 'in/templates', 'in/incoming', 'work']) chmodSync(`${folder}/${name}`, 0o777);
    writeFileSync(`${folder}/in/incoming/t/a.tif`, scene());
    chmodSync(`${folder}/in/incoming/t`, 0);
    const { exitCode, stderr } = await runCli(['dev', `${folder}/in`, '--work', `${folder}/work`, '--once'], { prefix: asNobody });
    assert.match(stderr, /No permission to read .*incoming\/t \(EACCES\); uploads in it are not seen/);
    assert.equal(exitCode, 69);
  });

  void it('sees through a link that an output would become an upload', async () => {
    const folder = space.newFolder('loop');
    for (const name of ['in/jobs', 'in/templates', 'in/incoming/t']) mkdirSync(`${folder}/${name}`, { recursive: true });
    symlinkSync(`${folder}/in/incoming/t`, `${folder}/elsewhere`);
    writeFileSync(
      `${folder}/in/templates/t.json`,
      JSON.stringify({ inputs: { a: 's3://{bucket}/{key}' }, operation: { expression: { o: 'a[1]' } }, outputs: { o: { href: `${folder}/elsewhere/{stem}-x.tif`, dtype: 'uint8' } } }),
    );
    writeFileSync(`${folder}/in/incoming/t/a.tif`, scene());
    const { exitCode, stderr } = await runCli(['dev', `${folder}/in`, '--work', `${folder}/work`, '--once']);
    assert.equal(exitCode, 64);
    assert.match(stderr, /\$\.outputs\.o\.href: .*elsewhere\/a-x\.tif lies under .*in\/incoming\/, where every new object starts a run/);
    assert.ok(!existsSync(`${folder}/in/incoming/t/a-x.tif`));
  });

  void it('lets no file name speak to the terminal', async () => {
    const folder = space.newFolder('escape');
    mkdirSync(`${folder}/in/incoming`, { recursive: true });
    writeFileSync(`${folder}/in/incoming/red\u001B[31m.tif`, scene());
    const { stderr } = await runCli(['dev', `${folder}/in`, '--work', `${folder}/work`, '--once']);
    assert.ok(!stderr.includes('\u001B'), JSON.stringify(stderr));
    assert.match(stderr, /red\\u001b\[31m\.tif/);
  });
});
