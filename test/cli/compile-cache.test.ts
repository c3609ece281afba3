/** Where the command line keeps what Node has made of its modules. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { after, it } from 'node:test';
import { runCli } from '../support/cli.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('compile-cache');
after(() => space.remove());

// Catches: hundreds of megabytes in a folder for all users, and a command that doesn't start where the user's cache can't be written.
void it('the compile cache lies in the cache of the user, or where the environment says', async () => {
  const temporary = space.newFolder('tmp');
  const start = async (env: Readonly<Record<string, string | undefined>>): Promise<void> => {
    const { exitCode, stdout, stderr } = await runCli(['help'], { env: { NODE_COMPILE_CACHE: undefined, XDG_CACHE_HOME: undefined, TMPDIR: temporary, ...env } });
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /Usage: tilefan/);
  };
  const filled = (folder: string): boolean => existsSync(folder) && readdirSync(folder).length > 0;
  await start({ XDG_CACHE_HOME: space.path('xdg') });
  assert.ok(filled(space.path('xdg/tilefan/node-compile-cache')));
  const home = space.newFolder('home');
  await start({ HOME: home });
  assert.ok(filled(`${home}/.cache/tilefan/node-compile-cache`));
  await start({ XDG_CACHE_HOME: space.path('xdg2'), NODE_COMPILE_CACHE: space.path('own') });
  assert.ok(filled(space.path('own')) && !existsSync(space.path('xdg2')));
  assert.deepEqual(readdirSync(temporary), []);
  writeFileSync(space.path('file'), '');
  await start({ XDG_CACHE_HOME: space.path('file/cache') });
  await start({ HOME: space.path('nowhere/at/all') });
  assert.ok(filled(`${temporary}/node-compile-cache`), 'without a place of the user\'s it is that of Node');
});
