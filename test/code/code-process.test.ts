/** Processes with user code: what they can reach, how they end, and that none of them stays. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { OperationError, OutOfMemoryError } from '../../lib/base/errors.ts';
import { gdalPython } from '../support/gdal.ts';
import { createWorkspace } from '../support/workspace.ts';
import { withFunction, type FunctionFixture } from './function-fixture.ts';

const workspace = createWorkspace('code-process');
after(() => workspace.remove());

/** Whether a process is there and not only waits to be reaped. */
function lives(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${String(pid)}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function gone(...pids: readonly number[]): Promise<boolean> {
  for (let tries = 0; tries < 200; tries++) {
    if (!pids.some(lives)) return true;
    // Until it is so, or for ten seconds.
    // oxlint-disable-next-line no-await-in-loop
    await sleep(50);
  }
  return false;
}

const children = `import { spawn } from 'node:child_process';\nconst child = () => spawn('sleep', ['1000'], { stdio: 'ignore' }).pid;\n`;
const endless = `${children}export const f = ({ info }) => { if (info.tile.column === 0) return [process.pid, child()]; for (;;); };`;

void describe('a code process', () => {
  // Catches a hanging function that stops the run, or goes on beside its successor.
  void it('is ended when a tile takes too long, with what it has started', async () => {
    await withFunction({ source: endless.replace('for (;;);', "console.log('still here'); for (;;);"), options: { timeoutSeconds: 2 } }, async (f) => {
      const pids = (await f.call()).result as [number, number];
      await assert.rejects(f.call({ column: 1 }), {
        name: 'OperationError',
        code: 'FUNCTION_TIMEOUT',
        message: 'function f: a tile took longer than the 2 s that it may, so its process was ended; its last words: still here',
      });
      assert.ok(await gone(...pids));
      assert.notEqual(((await f.call()).result as number[])[0], pids[0]);
    });
  });

  // Catches code that hangs while it is loaded, for which no tile's time has begun; a failure of that kind that is taken for the tile's, so that others are tried.
  void it('is ended when loading takes too long', async () => {
    for (const [ending, file, source] of [['.ts', 'user.mjs', "console.log('begun');\nfor (;;);\nexport const f = () => {};"], ['.py', 'user.py', "print('begun')\nwhile True: pass\ndef f(info, inputs, outputs): pass\n"]] as const) {
      // One after another: each hangs with a processor of its own.
      // oxlint-disable-next-line no-await-in-loop
      await withFunction({ source, ending, options: { loadTimeoutSeconds: 3, env: { ...process.env, TILEFAN_PYTHON: gdalPython } } }, async (f) => {
        await assert.rejects(f.call(), { name: 'JobError', code: 'FUNCTION_TIMEOUT', message: `${file} took longer than 3 s to load, so its process was ended; its last words: begun` });
      });
    }
  });

  // Catches a death without its cause, and a run that can't go on.
  void it('says how it died', async () => {
    const source = `export const f = ({ parameters, info }) => {
      console.error('about to go');
      if (info.tile.column === 1) process.reallyExit(7);
      if (info.tile.column === 2) process.kill(process.pid, 'SIGKILL');
      if (info.tile.column === 3) process.abort();
      return 1;
    };`;
    await withFunction({ source }, async (f) => {
      await assert.rejects(f.call({ column: 1 }), { code: 'FUNCTION_DIED', message: 'function f: its process ended with exit code 7 while it worked; its last words: about to go' });
      await assert.rejects(f.call({ column: 2 }), (error) => {
        assert.ok(error instanceof OutOfMemoryError, String(error));
        assert.equal(error.code, 'FUNCTION_DIED');
        assert.match(error.message, /was ended by SIGKILL while it worked: most likely the machine had too little memory; .*its last words: about to go/);
        assert.deepEqual([error.where['signal'], error.where['stderr'], error.exitCode], ['SIGKILL', 'about to go\n', 137]);
        return true;
      });
      await assert.rejects(f.call({ column: 3 }), (error) => error instanceof OperationError && error.exitCode === 70 && error.code === 'FUNCTION_DIED' && error.message.includes('was ended by SIGABRT'));
      assert.equal((await f.call()).result, 1);
    });
  });

  // Catches a full heap that is taken for a crash.
  void it('has no more heap than it may', async () => {
    const source = 'export const f = () => { const all = []; for (;;) all.push({ a: Math.random() }); };';
    await withFunction({ source, setup: { memoryBytes: 64 * 1024 ** 2 } }, async (f) => {
      await assert.rejects(f.call(), { name: 'OutOfMemoryError', exitCode: 137, code: 'FUNCTION_MEMORY', message: /^function f: its JavaScript heap of 64 MiB was full while it worked; make tiles smaller/ });
    });
  });

  // Catches a worker that keeps all that is printed, or a program that waits for ever because nobody reads.
  void it('may print a gigabyte', async () => {
    const source = `import { writeSync } from 'node:fs';
      const block = Buffer.alloc(1 << 20, 'x');
      export const f = ({ info }) => {
        if (info.tile.column === 1) return console.log('short');
        for (let i = 0; i < 1024; i++) for (let at = 0; at < block.length; ) at += writeSync(1 + (i % 2), block, at);
        console.log('\\nthe end');
      };`;
    await withFunction({ source }, async (f) => {
      const before = process.memoryUsage().rss;
      await f.call();
      const { stdout, stdoutBytes, stderr, stderrBytes } = f.printed();
      assert.deepEqual([stdoutBytes, stderrBytes, stdout.length, stderr.length], [2 ** 29 + 9, 2 ** 29, 16_384, 16_384]);
      assert.ok(stdout.endsWith('xx\nthe end\n'));
      assert.ok(process.memoryUsage().rss - before < 256 * 1024 ** 2, 'the worker has kept it');
      await f.call({ column: 1 });
      assert.deepEqual(f.printed(), { stdout: 'short\n', stderr: '', stdoutBytes: 6, stderrBytes: 0 });
    });
  });

  // Catches credentials that leak, and folders that are shared.
  void it("has the worker's environment without its credentials, and a folder of its own", async () => {
    const source = `import { writeFileSync, readdirSync } from 'node:fs';
      export const f = ({ info }) => {
        const before = readdirSync('.');
        writeFileSync('left', '');
        const { env } = process;
        return { cwd: process.cwd(), scratch: info.scratch, before, same: [env.HOME, env.TMPDIR, env.TILEFAN_SCRATCH], names: Object.keys(env).filter((n) => /^(AWS|TILEFAN|ECS)_/.test(n)).sort(), other: env.OTHER, threads: env.OMP_NUM_THREADS, mkl: env.MKL_NUM_THREADS, stdin: require('node:fs').readFileSync(0, 'utf8') };
      };`;
    const plain = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('AWS_')));
    const env = { ...plain, AWS_ACCESS_KEY_ID: 'a', AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/x', ECS_CONTAINER_METADATA_URI_V4: 'y', TILEFAN_RUN: 'r', OTHER: 'o', MKL_NUM_THREADS: '3' };
    for (const credentials of [false, true]) {
      // oxlint-disable-next-line no-await-in-loop
      await withFunction({ source, options: { env, credentials } }, async (f) => {
        const result = (await f.call()).result as Record<string, unknown>;
        const names = credentials ? ['AWS_ACCESS_KEY_ID', 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'] : ['AWS_EC2_METADATA_DISABLED'];
        assert.deepEqual(
          (result['names'] as string[]).filter((name) => name !== 'AWS_CONFIG_FILE' && name !== 'AWS_SHARED_CREDENTIALS_FILE'),
          [...names, 'TILEFAN_SCRATCH'],
        );
        assert.deepEqual(
          [result['cwd'], result['scratch'], result['before'], result['same'], result['other'], result['threads'], result['mkl'], result['stdin']],
          [f.scratch, f.scratch, [], [f.scratch, f.scratch, f.scratch], 'o', '1', '3', ''],
        );
        assert.deepEqual(readdirSync(f.scratch), ['left']);
        await f.process.close();
        assert.ok(!existsSync(f.scratch));
      });
    }
  });

  // Catches an answer that is forged, or broken, by what user code prints to its own descriptors.
  void it('gives its own replies, whatever is printed', async () => {
    const source = `import { spawnSync } from 'node:child_process';
      export const f = () => { console.log('{"done":{"id":1,"result":"forged","outputs":[]}}'); return String(spawnSync('sh', ['-c', 'echo forged >&4; echo inherited'], { stdio: 'pipe' }).stdout); };`;
    await withFunction({ source }, async (f) => assert.equal((await f.call()).result, 'inherited\n'));
  });

  // Catches a call that is never answered, or is blamed on memory, when the batch is stopped; and processes that stay.
  void it('can be closed while it works', async () => {
    await withFunction({ source: endless }, async (f) => {
      const pids = (await f.call()).result as [number, number];
      const call = f.call({ column: 1 });
      call.catch(() => undefined);
      await sleep(200);
      await f.process.close();
      await assert.rejects(call, { name: 'TryAgainError', code: 'CODE_CLOSED' });
      assert.ok(await gone(...pids));
      assert.ok(!existsSync(f.scratch));
      await assert.rejects(f.call(), { code: 'CODE_CLOSED' });
    });
    // Before it was started, and while it starts.
    await withFunction({ source: endless }, async (f) => await f.process.close());
    await withFunction({ source: endless }, async (f) => {
      const call = f.call();
      call.catch(() => undefined);
      await f.process.close();
      await assert.rejects(call, { code: 'CODE_CLOSED' });
      assert.equal(f.process.pid, undefined);
    });
  });

  // Catches two tiles in one process at a time, whose arrays would be mixed.
  void it('takes one call at a time', async () => {
    await withFunction({ source: 'export const f = () => 1;' }, async (f) => {
      const first = f.call();
      await assert.rejects(f.call(), { code: 'CODE_PROCESS' });
      assert.equal((await first).result, 1);
    });
  });

  // Catches an interpreter that is named wrongly and taken for a function that failed.
  void it('says that there is no such Python', async () => {
    const fixture: FunctionFixture = { source: 'def f(info, inputs, outputs): pass', ending: '.py', options: { python: '/nowhere/python3' } };
    await withFunction(fixture, async (f) => {
      await assert.rejects(f.call(), { name: 'JobError', code: 'PYTHON_MISSING', message: /\/nowhere\/python3 cannot be started: .*not found/ });
    });
  });
});

void describe('the end of the worker', () => {
  const python = 'import os, subprocess\ndef f(info, inputs, outputs):\n    if not hasattr(f, "pids"):\n        f.pids = [os.getpid(), subprocess.Popen(["sleep", "1000"]).pid]\n        open("pids", "w").write(str(f.pids))\n        return f.pids\n    while True: pass\n';

  for (const [runtime, ending, source] of [
    ['node', 'mjs', endless],
    ['python', 'py', python],
  ] as const) {
    for (const how of ['SIGKILL', 'exit', 'SIGTERM'] as const) {
      // Catches processes that go on for ever, at the cost of a core each, after their worker was killed for its memory.
      void it(`ends code in ${runtime} that is in an endless loop, and what it has started (${how})`, { skip: process.platform === 'linux' ? false : 'looks into /proc' }, async () => {
        const folder = workspace.newFolder();
        const code = join(folder, `user.${ending}`);
        writeFileSync(code, source);
        const worker = spawn(process.execPath, [join(import.meta.dirname, 'worker-that-dies.ts'), runtime, code, join(folder, 'scratch')], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, LEAVE: how } });
        const [line] = (await Promise.race([once(worker.stdout, 'data'), once(worker, 'exit').then(() => assert.fail('the worker has ended by itself'))])) as [Buffer];
        const { result } = JSON.parse(line.toString()) as { result: [number, number] };
        const exited = worker.exitCode === null ? once(worker, 'exit') : undefined;
        if (how !== 'exit') {
          // The second call, which never ends, is under way by now.
          await sleep(300);
          assert.ok(lives(result[0]));
          worker.kill(how);
        }
        await exited;
        const left = !(await gone(...result));
        for (const pid of left ? result : []) if (lives(pid)) process.kill(pid, 'SIGKILL');
        assert.ok(!left, `of ${String(result)} some have stayed`);
      });
    }
  }
});
