/** A model in a code process: what the worker asks and gets. What models make of pixels is tested in model/. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';

import type { ModelSetup } from '../../lib/code/code-setup.ts';
import { modelOptions } from '../../lib/code/model/model-setup.ts';
import { createWorkspace } from '../support/workspace.ts';
import { withFunction, type FunctionFixture } from './function-fixture.ts';
import { identity } from './model/networks.ts';

const workspace = createWorkspace('process-with-model');
after(() => workspace.remove());

function fixture(bytes: Uint8Array, name: string): FunctionFixture {
  const code = workspace.path(name);
  writeFileSync(code, bytes);
  const model = modelOptions.parse({ href: code }) as unknown as ModelSetup;
  return {
    source: '',
    inputs: { a: { dtype: 'int16', bands: 2, samples: Int16Array.from({ length: 18 }, (_, i) => i * 20 - 60) } },
    rows: 3,
    columns: 3,
    outputs: { out: { dtype: 'uint8', bands: 2 } },
    setup: { code, function: null, model },
  };
}

void describe('a model in a code process', () => {
  // Catches a port between the host and models that has come apart, and a trial that writes pixels.
  void it('is tried, and computes tiles', async () => {
    await withFunction(fixture(identity(), 'identity.onnx'), async (f) => {
      const probed = await f.call({ probe: true });
      assert.deepEqual(probed, { outputs: [{ dtype: 'float32', bands: 2 }] });
      assert.deepEqual([...f.output('out')], Array.from({ length: 18 }, () => 0));
      const { outputs } = await f.call();
      assert.equal(outputs.length, 1);
      assert.deepEqual([...f.output('out')], [0, 0, 0, 0, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200, 220, 240, 255, 255]);
    });
  });

  // Catches errors of models that lose their code or are blamed on a function.
  void it('fails with the words of the model', async () => {
    await withFunction(fixture(Buffer.from('no model'), 'broken.onnx'), async (f) => {
      await assert.rejects(f.call(), (error: Error & { code?: string }) => {
        assert.match(error.code ?? '', /^MODEL_/);
        assert.match(error.message, /^the model/);
        assert.doesNotMatch(error.message, /function/);
        return true;
      });
    });
  });
});
