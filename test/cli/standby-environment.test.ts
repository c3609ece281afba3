/** What workers start with before they are told what to do. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { after, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { workerKindAt, standbyEnvironment } from '../../cli/standby-environment.ts';
import { createWorkspace } from '../support/workspace.ts';

const workspace = createWorkspace('standby-environment');
after(() => workspace.remove());

function file(name: string, text: string): string {
  const path = workspace.path(name);
  writeFileSync(path, text);
  return path;
}

void describe('the environment of a worker that waits', () => {
  void it('has threads for tiles, and pools of memory for images', () => {
    const local = { TILEFAN_LOCAL_THREADS: '3', TILEFAN_WORK: '/work/' };
    const { MALLOC_ARENA_MAX: before } = process.env;
    delete process.env['MALLOC_ARENA_MAX'];
    try {
      const of = (kind: 'usual' | 'images'): (string | undefined)[] => ['MALLOC_ARENA_MAX', 'TILEFAN_LOCAL_THREADS', 'TILEFAN_WORK', 'PATH'].map((name) => standbyEnvironment(local, kind)[name]);
      assert.deepEqual([of('usual'), of('images')], [['2', '3', '/work/', process.env['PATH']], ['64', '0', '/work/', process.env['PATH']]]);
      process.env['MALLOC_ARENA_MAX'] = '5';
      assert.deepEqual([of('usual')[0], of('images')[0]], ['5', '5']);
    } finally {
      if (before === undefined) delete process.env['MALLOC_ARENA_MAX'];
      else process.env['MALLOC_ARENA_MAX'] = before;
    }
  });

  void it('goes by the job where that can be seen', () => {
    const images = '{"items":{"prefix":"/in/"},"operation":{"images":{}}}';
    const path = file('images.json', images);
    for (const seen of [path, pathToFileURL(path).href, relative(process.cwd(), path), file('bom.json', `\uFEFF${images}`)]) assert.equal(workerKindAt(seen), 'images', seen);
    assert.equal(workerKindAt(file('function.json', '{"items":{"prefix":"/in/"},"operation":{"module":"f.py"}}')), 'usual');
    assert.equal(workerKindAt(file('tiles.json', '{"inputs":{"items":"/in.tif"},"operation":{"images":{}}}')), 'usual');
    for (const strange of [file('half.json', '{"items":'), file('list.json', '["items"]'), workspace.path('nowhere.json'), workspace.path(''), 's3://bucket/job.json', '']) assert.equal(workerKindAt(strange), 'usual', strange);
  });

  // Catches: a job that comes by a pipe, as by a shell's <(…), and is gone when it is read.
  void it('leaves a pipe alone', { timeout: 20_000 }, async () => {
    const pipe = workspace.path('pipe');
    execFileSync('mkfifo', [pipe]);
    const writer = spawn('sh', ['-c', 'echo \'{"items":1}\' > "$0"', pipe]);
    assert.equal(workerKindAt(pipe), 'usual');
    assert.equal(readFileSync(pipe, 'utf8'), '{"items":1}\n');
    await new Promise((resolve) => writer.once('exit', resolve));
  });
});
