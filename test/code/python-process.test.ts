/** Python functions through a code process: the worker's side of it. What they see and make is tested with the Python package. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { JobError, OperationError, OutOfMemoryError, type TilefanError } from '../../lib/base/errors.ts';
import { withoutGdal } from '../support/gdal.ts';
import { openFunction, withFunction, type FunctionFixture } from './function-fixture.ts';

const out = { out: { dtype: 'uint8' } } as const;

async function failure(source: string, fixture: Partial<FunctionFixture> = {}): Promise<TilefanError> {
  const f = await openFunction({ outputs: out, ...fixture, source, ending: '.py' });
  try {
    await f.call();
  } catch (error) {
    if (error instanceof OperationError || error instanceof JobError || error instanceof OutOfMemoryError) return error;
    throw error;
  } finally {
    await f.close();
  }
  assert.fail('it did not fail');
}

void describe('a Python code process', { skip: withoutGdal }, () => {
  // Catches pixels, results and prints that are lost on the way, and a process that is started for each tile.
  void it('computes tile after tile', async () => {
    const source = 'import os\nimport numpy as np\ndef f(info, inputs, outputs, otherargs):\n    print("seen", inputs.a.shape)\n    outputs.out = inputs.a[::1] * 2 + 0.5\n    return [os.getpid(), float(inputs.a.sum()), float("nan")]\n';
    const inputs = { a: { dtype: 'float32', bands: 2, samples: Float32Array.from({ length: 12 }, (_, i) => i) } } as const;
    await withFunction({ source, ending: '.py', inputs, outputs: { out: { dtype: 'uint8', bands: 2 } } }, async (f) => {
      const first = await f.call();
      assert.deepEqual([...f.output('out')], Array.from({ length: 12 }, (_, i) => 2 * i));
      assert.deepEqual([(first.result as unknown[]).slice(1), f.printed().stdout], [[66, 'nan'], 'seen (2, 2, 3)\n']);
      const second = await f.call();
      assert.deepEqual(second.result, first.result);
    });
  });

  const cases: readonly (readonly [string, string, string, RegExp])[] = [
    ['raises', 'def f(info, inputs, outputs):\n    return 1 / 0\n', 'FUNCTION_FAILED', /^function f at user\.py:2: ZeroDivisionError: division by zero$/],
    ['gives another shape', 'import numpy as np\ndef f(info, inputs, outputs):\n    outputs.out = np.zeros((1, 3, 3))\n', 'FUNCTION_SHAPE', /function f.*\(1, 3, 3\); wanted.*\(1, 2, 3\)/],
    ['writes nothing', 'def f(info, inputs, outputs):\n    pass\n', 'FUNCTION_NO_OUTPUT', /out/],
    ['has a syntax error', 'def f(info, inputs, outputs)\n    pass\n', 'FUNCTION_LOAD', /user\.py.*1/],
    ['has another name', 'def g(info, inputs, outputs):\n    pass\n', 'FUNCTION_MISSING', /\bf\b.*\bg\b/],
    ['takes too few', 'def f(info):\n    pass\n', 'FUNCTION_SIGNATURE', /\(info, inputs, outputs/],
    ['calls sys.exit', 'import sys\ndef f(info, inputs, outputs):\n    sys.exit(3)\n', 'FUNCTION_FAILED', /sys\.exit\(3\)/],
    ['calls os._exit', 'import os\ndef f(info, inputs, outputs):\n    print("last", flush=True)\n    os._exit(3)\n', 'FUNCTION_DIED', /^function f: its process ended with exit code 3 while it worked; its last words: last$/],
    ['is killed', 'import os, signal\ndef f(info, inputs, outputs):\n    os.kill(os.getpid(), signal.SIGKILL)\n', 'FUNCTION_DIED', /was ended by SIGKILL while it worked: most likely the machine had too little memory/],
    ['crashes', 'import ctypes\ndef f(info, inputs, outputs):\n    ctypes.string_at(0)\n', 'FUNCTION_DIED', /was ended by SIGSEGV/],
    ['wants a module that is missing', 'import not_there\ndef f(info, inputs, outputs):\n    pass\n', 'FUNCTION_LOAD', /user\.py:1 imports not_there, which/],
  ];
  for (const [what, source, code, words] of cases) {
    // Catches a failure of another kind, whose fault it would then be, and a sentence without what the user needs.
    void it(what, async () => {
      const error = await failure(source);
      assert.equal(error.code, code, error.message);
      assert.match(error.message, words);
      const ofTheJob = ['FUNCTION_LOAD', 'FUNCTION_MISSING', 'FUNCTION_SIGNATURE'].includes(code);
      assert.deepEqual([error.name, error.exitCode], ofTheJob ? ['JobError', 64] : what === 'is killed' ? ['OutOfMemoryError', 137] : ['OperationError', 70]);
    });
  }

  // Catches a limit that isn't set, so that the whole task dies.
  void it('runs out of memory by itself', async () => {
    const error = await failure('import numpy as np\ndef f(info, inputs, outputs):\n    np.ones((1 << 30,))\n', { setup: { memoryBytes: 1024 ** 3 } });
    assert.deepEqual([error.name, error.code, error.exitCode], ['OutOfMemoryError', 'FUNCTION_MEMORY', 137]);
    assert.match(error.message, /^function f at user\.py:3: .*; make tiles smaller/);
  });

  // Catches an endless loop in C, which hears no signal but the one that can't be ignored.
  void it('is ended when a tile takes too long', async () => {
    const error = await failure('import signal\ndef f(info, inputs, outputs):\n    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\n    sum(iter(int, 1))\n', { options: { timeoutSeconds: 2 } });
    assert.equal(error.code, 'FUNCTION_TIMEOUT');
    assert.match(error.message, /^function f: a tile took longer than the 2 s that it may/);
  });

  // Catches a home folder whose packages change what a job computes.
  void it("sees nothing of the user's home", async () => {
    const f = await openFunction({ source: 'import os, sys\ndef f(info, inputs, outputs):\n    return [sys.flags.no_user_site, os.path.expanduser("~"), os.getcwd(), sorted(n for n in os.environ if n.startswith("AWS_SECRET"))]\n', ending: '.py', options: { env: { ...process.env, AWS_SECRET_ACCESS_KEY: 's' } } });
    try {
      assert.deepEqual((await f.call()).result, [1, f.scratch, f.scratch, []]);
    } finally {
      await f.close();
    }
  });
});
