/** Which variables user code gets. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { codeEnvironment } from '../../lib/code/code-environment.ts';
import { createWorkspace } from '../support/workspace.ts';

const workspace = createWorkspace('environment');
after(() => workspace.remove());

void describe('the environment of user code', () => {
  const base = { PATH: '/bin', PYTHONPATH: '/lib', AWS_SECRET_ACCESS_KEY: 's', AWS_REGION: 'r', ECS_AGENT_URI: 'e', TILEFAN_X: 'x', MY_AWS_KEY: 'mine', OMP_NUM_THREADS: '4', NODE_TEST_CONTEXT: 'child', HOME: '/root' };

  // Catches secrets that pass, and variables of the user's own that don't.
  void it('is without what is for the worker', () => {
    assert.deepEqual(codeEnvironment(base, { scratch: '/s', credentials: false }), {
      PATH: '/bin',
      PYTHONPATH: '/lib',
      MY_AWS_KEY: 'mine',
      OMP_NUM_THREADS: '4',
      OPENBLAS_NUM_THREADS: '1',
      MKL_NUM_THREADS: '1',
      MALLOC_MMAP_THRESHOLD_: '33554432',
      MALLOC_TRIM_THRESHOLD_: '1073741824',
      AWS_EC2_METADATA_DISABLED: 'true',
      HOME: '/s',
      TMPDIR: '/s',
      TILEFAN_SCRATCH: '/s',
    });
  });

  // Catches a job with credentials that can't find those of a developer, because its home is another one.
  void it('has the credentials that a job asks for', () => {
    const home = workspace.newFolder('home');
    mkdirSync(join(home, '.aws'));
    writeFileSync(join(home, '.aws/credentials'), '');
    const environment = codeEnvironment({ ...base, HOME: home }, { scratch: '/s', credentials: true });
    assert.deepEqual([environment['AWS_SECRET_ACCESS_KEY'], environment['AWS_REGION'], environment['ECS_AGENT_URI'], environment['AWS_EC2_METADATA_DISABLED']], ['s', 'r', undefined, undefined]);
    assert.deepEqual([environment['AWS_SHARED_CREDENTIALS_FILE'], environment['AWS_CONFIG_FILE']], [join(home, '.aws/credentials'), undefined]);
  });
});
