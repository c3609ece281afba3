/** Which Python runs user code. */
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';

import { findPython } from '../../lib/code/find-python.ts';
import { gdalPython, runPython } from '../support/gdal.ts';
import { createWorkspace } from '../support/workspace.ts';

const workspace = createWorkspace('find-python');
after(() => workspace.remove());

/** A program that answers as a Python would. */
function standIn(name: string, answer: string): string {
  const path = workspace.path(name);
  writeFileSync(path, `#!/bin/sh\n${answer}\n`);
  chmodSync(path, 0o700);
  return path;
}

void describe('finding Python', () => {
  // Catches a shim or link instead of the interpreter, which another home folder would break, and versions that are not its own.
  void it('gives the interpreter itself', async () => {
    const [python, version, numpy] = runPython('import sys, numpy; print(sys.executable, "%d.%d.%d" % sys.version_info[:3], numpy.__version__)').trim().split(' ');
    const shim = standIn('shim', `exec ${gdalPython} "$@"`);
    assert.deepEqual(await findPython({ ...process.env, TILEFAN_PYTHON: shim }), { python, version, numpy });
  });

  // Catches a sentence that doesn't say what is missing and what helps.
  for (const [name, answer, code, words] of [
    ['absent', 'exit 127', 'PYTHON_MISSING', /need Python 3\.9 or newer; .*absent cannot be started: install it with numpy, or name another one in TILEFAN_PYTHON/],
    ['old', `echo '{"python":"/opt/python3.8","version":"3.8.10","numpy":"1.20"}'`, 'PYTHON_MISSING', /need Python 3\.9 or newer; \/opt\/python3\.8 is Python 3\.8\.10/],
    ['bare', `echo '{"python":"/opt/python3","version":"3.12.1","numpy":null}'`, 'NUMPY_MISSING', /need numpy, which \/opt\/python3 \(Python 3\.12\.1\) does not have: install it \(\/opt\/python3 -m pip install numpy\)/],
    ['other', 'echo hello', 'PYTHON_MISSING', /cannot be started/],
  ] as const) {
    void it(`says what is wrong with one (${name})`, async () => {
      await assert.rejects(findPython({ PATH: process.env['PATH'], TILEFAN_PYTHON: standIn(name, answer) }), { name: 'JobError', exitCode: 64, code, message: words });
    });
  }

  // Catches another Python than that of all other tasks, or a job that is blamed, because the kernel has killed a process of a few milliseconds.
  void it('is tried again where an interpreter is killed, and takes no other one', async () => {
    const killed = standIn('killed', 'kill -9 $$');
    const wanted = { name: 'TryAgainError', exitCode: 75, code: 'PYTHON_ENDED', message: /python3?.*was ended by SIGKILL|killed, which was asked for its version, was ended by SIGKILL/ };
    await assert.rejects(findPython({ PATH: process.env['PATH'], TILEFAN_PYTHON: killed }), wanted);
    const folder = workspace.newFolder();
    writeFileSync(`${folder}/python3`, '#!/bin/sh\nkill -9 $$\n');
    chmodSync(`${folder}/python3`, 0o700);
    await assert.rejects(findPython({ PATH: `${folder}:/bin` }), wanted);
  });

  // Catches a search that ends at the first python3 of the PATH, which may be a project's without numpy.
  void it("takes the system's when that of the PATH has no numpy", async (t) => {
    const system = await findPython({ TILEFAN_PYTHON: '/usr/bin/python3' }).catch(() => undefined);
    if (system === undefined) return t.skip('/usr/bin/python3 has no numpy');
    const folder = workspace.newFolder();
    const other = `${folder}/python3`;
    writeFileSync(other, `#!/bin/sh\necho '{"python":"${other}","version":"3.12.1","numpy":null}'\n`);
    chmodSync(other, 0o700);
    // What can do without it may well use it.
    for (const numpy of ['needed', 'wanted'] as const) assert.equal((await findPython({ PATH: `${folder}:/bin` }, numpy)).python, system.python);
    // A virtual environment is there for what the code imports.
    const chosen = { PATH: `${folder}:/bin`, VIRTUAL_ENV: folder };
    assert.deepEqual([(await findPython(chosen, 'wanted')).python, (await findPython(chosen)).python], [other, system.python]);
  });

  // Catches functions over items that can't run for want of what they don't use.
  void it('takes one without numpy where that is only wanted', async () => {
    const bare = standIn('without', `echo '{"python":"/opt/python3","version":"3.12.1","numpy":null}'`);
    assert.deepEqual(await findPython({ PATH: process.env['PATH'], TILEFAN_PYTHON: bare }, 'wanted'), { python: '/opt/python3', version: '3.12.1', numpy: null });
    const old = standIn('without-old', `echo '{"python":"/opt/python3.8","version":"3.8.10","numpy":null}'`);
    await assert.rejects(findPython({ PATH: process.env['PATH'], TILEFAN_PYTHON: old }, 'wanted'), { code: 'PYTHON_MISSING', message: /is Python 3\.8\.10: install it, or name another one/ });
  });
});
