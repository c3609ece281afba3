import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { JobError } from '../../../lib/base/errors.ts';
import { modelFacts } from '../../../lib/code/model/model-facts.ts';
import { onnxModel } from '../../support/onnx.ts';

const model = onnxModel({
  inputs: [
    { name: 'pixels', type: 'uint8', shape: ['batch', 4, 256, 256] },
    // Old files list weights among the inputs.
    { name: 'w', shape: [1, 4, 1, 1] },
  ],
  outputs: [
    { name: 'Ergebnis ü', type: 'int64', shape: ['batch', -1, 0, 7] },
    { name: 'open' },
  ],
  nodes: [{ op: 'Conv', inputs: ['pixels', 'w'], outputs: ['open'], attributes: { kernel_shape: [1, 1] } }],
  weights: [{ name: 'w', shape: [1, 4, 1, 1], values: [1, 2, 3, 4] }],
});

describe('facts of an ONNX file', () => {
  it('are names, types and shapes of what it is fed with and gives, without weights', () => {
    assert.deepEqual(modelFacts(model), {
      inputs: [{ name: 'pixels', type: 'uint8', shape: [null, 4, 256, 256] }],
      outputs: [
        { name: 'Ergebnis ü', type: 'int64', shape: [null, null, null, 7] },
        { name: 'open', type: 'float32', shape: undefined },
      ],
    });
  });

  it('are refused of anything else: nothing, a TIFF, text, any part of a file', () => {
    const bigTiff = Buffer.from('49492b00080000001000000000000000', 'hex');
    const parts = Array.from({ length: model.length }, (_, length) => model.subarray(0, length));
    for (const bytes of [bigTiff, Buffer.from('def ndvi(info, inputs, outputs): pass\n'), Buffer.alloc(1000), ...parts]) {
      assert.throws(() => modelFacts(bytes, 's3://models/roads.onnx'), { name: 'JobError', code: 'MODEL_NOT_ONNX', message: /^s3:\/\/models\/roads\.onnx is no ONNX file/ });
    }
  });

  it('of damaged files are facts or that error, and nothing else', () => {
    // Catches endless loops, lengths that are believed, and errors of other kinds, which would be taken for defects.
    fc.assert(
      fc.property(fc.nat(model.length - 1), fc.nat(255), fc.uint8Array({ maxLength: 40 }), (at, byte, more) => {
        const bytes = Buffer.concat([model, more]);
        bytes[at] = byte;
        try {
          modelFacts(bytes);
        } catch (error) {
          assert.ok(error instanceof JobError && /^MODEL_(NOT_ONNX|WEIGHTS_APART)$/.test(error.code), String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('are refused of a file whose weights lie in others, with the way to make one', () => {
    const apart = onnxModel({
      inputs: [{ name: 'x', shape: [1, 1, 8, 8] }],
      outputs: [{ name: 'y', shape: [1, 1, 8, 8] }],
      nodes: [{ op: 'Mul', inputs: ['x', 'gain'], outputs: ['y'] }],
      weights: [{ name: 'gain', shape: [1], values: [2], elsewhere: true }],
    });
    assert.throws(() => modelFacts(apart), { name: 'JobError', code: 'MODEL_WEIGHTS_APART', message: /weights in other files \("gain" is one\).*save_as_external_data=False/ });
  });
});
