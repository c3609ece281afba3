import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { modelFacts } from '../../../lib/code/model/model-facts.ts';
import { modelPlan } from '../../../lib/code/model/model-plan.ts';
import { modelShape } from '../../../lib/code/model/model-shape.ts';
import { modelOptions } from '../../../lib/code/model/model-setup.ts';
import { onnxModel, type OnnxTensor } from '../../support/onnx.ts';
import { convolution, identity, noise } from './networks.ts';
import { probeTile, runTiles } from './tiles.ts';

function optionsOf(options: object) {
  return modelOptions.parse({ href: 'model.onnx', ...options });
}

function plan(model: Buffer, options: object = {}, inputs: Record<string, number> = { scene: 3 }, outputs: readonly string[] = ['classes']) {
  return modelPlan(
    optionsOf(options),
    modelFacts(model),
    Object.entries(inputs).map(([name, bands]) => ({ name, bands })),
    outputs,
  );
}

/** A model that is only looked at. */
function shaped(inputs: readonly OnnxTensor[], outputs: readonly OnnxTensor[] = [{ name: 'y', shape: ['n', 2, 'h', 'w'] }]): Buffer {
  return onnxModel({ inputs, outputs, nodes: [] });
}

describe("a model's shape", () => {
  const layoutOf = (shape: OnnxTensor['shape'], options = {}) => modelShape(optionsOf(options), modelFacts(shaped([{ name: 'x', ...(shape === undefined ? {} : { shape }) }])));

  it('tells the order of its axes, the size of chips and how many at once', () => {
    assert.deepEqual(layoutOf(['n', 3, 256, 256]), { chip: { rows: 256, columns: 256 }, batch: 1, inputs: [{ layout: 'nchw', bands: 3 }] });
    assert.deepEqual(layoutOf([2, 256, 512, 3]), { chip: { rows: 256, columns: 512 }, batch: 2, inputs: [{ layout: 'nhwc', bands: 3 }] });
    assert.deepEqual(layoutOf(['n', 'h', 'w', 3]), { chip: undefined, batch: 1, inputs: [{ layout: 'nhwc', bands: 3 }] });
    assert.deepEqual(layoutOf(['n', 'c', 'h', 'w']), { chip: undefined, batch: 1, inputs: [{ layout: 'nchw', bands: null }] });
    assert.deepEqual(layoutOf(undefined, { chip: 64, batch: 7 }), { chip: { rows: 64, columns: 64 }, batch: 7, inputs: [{ layout: 'nchw', bands: null }] });
    // Says what no rule could know: 512 bands of any size.
    assert.deepEqual(layoutOf(['n', 'h', 'w', 512], { layout: 'nchw' }), { chip: { rows: 512, columns: 512 }, batch: 1, inputs: [{ layout: 'nchw', bands: null }] });
  });
});

describe('a plan of a model', () => {
  it('says how many bands come out, of what type, where the file says it', () => {
    const made = (model: Buffer, options = {}) => plan(model, options).outputs.map(({ bands, dtype }) => [bands, dtype]);
    const { model } = convolution(3, 5);
    assert.deepEqual(made(model), [[5, 'float32']]);
    assert.deepEqual(made(model, { activation: 'argmax' }), [[1, 'uint8']]);
    assert.deepEqual(made(identity()), [[null, 'float32']]);
    assert.deepEqual(made(identity(), { activation: 'argmax' }), [[1, 'uint16']]);
    assert.deepEqual(made(shaped([{ name: 'x', shape: [1, 'h', 'w', 3] }], [{ name: 'y', type: 'int64', shape: [1, 'h', 'w'] }])), [[1, 'int32']]);
    assert.deepEqual(made(shaped([{ name: 'x', shape: [1, 'h', 'w', 3] }], [{ name: 'y', shape: [1, 'h', 'w', 9] }]), { activation: 'softmax' }), [[9, 'float32']]);
  });

  const two = shaped(
    [
      { name: 'before', shape: [1, 1, 'h', 'w'] },
      { name: 'after', shape: [1, 1, 'h', 'w'] },
    ],
    [
      { name: 'change', shape: [1, 1, 'h', 'w'] },
      { name: 'class', type: 'int64', shape: [1, 1, 'h', 'w'] },
    ],
  );
  const { model } = convolution(3, 2, [1, 3, 64, 64]);

  // Each would end in a crash of the runtime, or in wrong pixels, far from the job's field that is to blame.
  for (const [what, make, code, words] of [
    ['another number of bands', () => plan(model, {}, { red: 1, rest: 3 }), 'MODEL_BANDS', /input "x" wants 3 bands, found 4: red \(1\), rest \(3\); choose bands with inputs\.<name>\.bands/],
    ['another size of chips', () => plan(model, { chip: 128 }), 'MODEL_CHIP', /takes chips of 64 rows only; the job wants chips of 128/],
    ['another number of chips', () => plan(model, { batch: 8 }), 'MODEL_BATCH', /takes 1 chip at once; the job wants 8/],
    ['an overlap as large as the model\'s chips', () => plan(model, { overlap: 64 }), 'MODEL_OVERLAP', /less than the chip of 64, found 64/],
    ['an overlap of chips without a size', () => plan(identity(), { overlap: 16 }), 'MODEL_OVERLAP', /wanted a chip with the overlap of 16, or grid\.halo/],
    ['a scale too few', () => plan(model, { scale: [1, 2] }), 'MODEL_SCALE', /wanted one scale, or 3, .*; found 2/],
    ['an offset too many', () => plan(model, { offset: [1, 2, 3, 4] }), 'MODEL_SCALE', /wanted one offset, or 3, .*; found 4/],
    ['inputs of the model that nothing is named like', () => plan(two, {}, { before: 1, later: 1 }), 'MODEL_INPUT', /several inputs \("before", "after"\), and none of the job's is named "after".*the job has "before", "later"/],
    ['an input that the model has not', () => plan(model, { inputs: { image: 'scene' } }), 'MODEL_INPUT', /no input "image"; there are "x"/],
    ['an input of the model that gets nothing', () => plan(two, { inputs: { before: 'scene' } }), 'MODEL_INPUT', /nothing feeds the model's input "after".*found "before"/],
    ['an input that the job has not', () => plan(model, { inputs: { x: ['scene', 'dem'] } }), 'MODEL_INPUT', /"x" is to be fed by "dem", which is no input of the job; there are "scene"/],
    ['an output that the model has not', () => plan(two, {}, { before: 1, after: 1 }), 'MODEL_OUTPUT', /no output "classes"; there are "change", "class"; say in operation\.model\.outputs which one "classes" is/],
    ['a mapping to an output that the model has not', () => plan(model, { outputs: { classes: 'logits' } }), 'MODEL_OUTPUT', /no output "logits"; there are "y"$/],
    ['a mean of classes', () => plan(two, { chip: 32, overlap: 8, blend: 'linear' }, { before: 1, after: 1 }, ['class']), 'MODEL_BLEND', /output "class" is int64: whole numbers.*wanted blend crop, found linear/],
    ['the class of one band', () => plan(two, { activation: 'argmax' }, { before: 1, after: 1 }, ['change']), 'MODEL_BLEND', /output "change" has one band, of which argmax is always 0/],
    ['text', () => plan(shaped([{ name: 'x', type: 'string', shape: [1, 3, 8, 8] }])), 'MODEL_DTYPE', /input "x" is string: wanted one of float32/],
    ['true and false out of a comparison of texts', () => plan(shaped([{ name: 'x', shape: [1, 3, 8, 8] }], [{ name: 'y', type: 'string', shape: [1, 1, 8, 8] }])), 'MODEL_DTYPE', /output "y" is string/],
    ['chips without a batch', () => plan(shaped([{ name: 'x', shape: [3, 64, 64] }])), 'MODEL_SHAPE', /input "x" has 3 axes \(3 x 64 x 64\): wanted 4 axes/],
    ['one answer a chip', () => plan(shaped([{ name: 'x', shape: [1, 3, 64, 64] }], [{ name: 'y', shape: [1, 1000] }])), 'MODEL_SHAPE', /output "y" has 2 axes \(1 x 1000\): wanted 4/],
    ['no inputs', () => plan(shaped([])), 'MODEL_SHAPE', /has no inputs/],
    ['inputs of several sizes', () => plan(shaped([{ name: 'a', shape: [1, 3, 64, 64] }, { name: 'b', shape: [1, 3, 32, 32] }])), 'MODEL_SHAPE', /want different numbers of rows: 64 and 32/],
  ] as const) {
    it(`is refused for ${what}`, () => {
      assert.throws(make, { name: 'JobError', code, message: words });
    });
  }
});

describe('options of a model', () => {
  it('have a blend that goes with the overlap', () => {
    const messages = (options: object) => modelOptions.safeParse({ href: 'x', ...options }).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    assert.deepEqual(messages({ overlap: 8, blend: 'none' }), ['blend: wanted crop or linear with an overlap, found none']);
    assert.deepEqual(messages({ blend: 'linear' }), ['overlap: wanted 1 or more with blend linear, found 0']);
    assert.deepEqual(messages({ chip: 64, overlap: 64 }), ['overlap: wanted less than the chip of 64, found 64']);
    assert.equal(messages({ chip: 64, overlap: 63 }), undefined);
  });
});

describe('a model that fails', () => {
  const x = noise(3, 20, 20);
  const outputs = { y: { dtype: 'float32', bands: 2 } } as const;
  const job = { inputs: { x }, outputs, tileSize: 16, halo: 0 };
  const answering = (nodes: Parameters<typeof onnxModel>[0]['nodes'], weights: Parameters<typeof onnxModel>[0]['weights'] = []) =>
    onnxModel({ inputs: [{ name: 'x', shape: [1, 3, 'h', 'w'] }], outputs: [{ name: 'y' }], nodes, weights });

  it('to load says what the runtime says', async () => {
    const unknown = answering([{ op: 'Sharpen', inputs: ['x'], outputs: ['y'] }]);
    await assert.rejects(runTiles({ ...job, model: unknown }), { name: 'JobError', code: 'MODEL_LOAD', where: { kind: 'load' }, message: /^onnxruntime can't load the model: .*Sharpen/ });
  });

  it('for want of CUDA says what is missing, and where to read on', async () => {
    await assert.rejects(runTiles({ ...job, model: convolution(3, 2).model, options: { provider: 'cuda' } }), { name: 'JobError', code: 'MODEL_PROVIDER', message: /wants an image with its libraries, and a machine with a GPU \(docs\/models\.md\)/ });
  });

  it('on a chip says on what, and what the runtime says, in one line', async () => {
    const reshape = answering([{ op: 'Reshape', inputs: ['x', 'size'], outputs: ['y'] }], [{ name: 'size', type: 'int64', shape: [4], values: [1, 2, 7, 7] }]);
    await assert.rejects(runTiles({ ...job, model: reshape }), { name: 'OperationError', code: 'MODEL_FAILED', where: { kind: 'function' }, message: /^the model failed on x \(1 x 3 x 16 x 16\): [^\n]*Reshape[^\n]*$/ });
  });

  it('to give pixels of the size of its chips says wanted and found', async () => {
    const smaller = answering([{ op: 'MaxPool', inputs: ['x'], outputs: ['y'], attributes: { kernel_shape: [4, 4], strides: [4, 4] } }]);
    await assert.rejects(runTiles({ ...job, model: smaller }), { name: 'OperationError', code: 'MODEL_SHAPE', message: 'the model\'s output "y" is (1 x 3 x 4 x 4): wanted 1 x bands x 16 x 16, the size of the chips' });
    await assert.rejects(runTiles({ ...job, model: smaller, options: { chip: 16, overlap: 4 }, halo: 20 }), { code: 'MODEL_SHAPE', message: /the size of the chips, or up to 2 less on each side$/ });
    const one = answering([{ op: 'GlobalAveragePool', inputs: ['x'], outputs: ['y'] }]);
    await assert.rejects(probeTile({ ...job, model: one }), { code: 'MODEL_SHAPE', message: /is \(1 x 3 x 1 x 1\): wanted 1 x bands x 16 x 16/ });
  });

  it('to give as many bands as the job has says both numbers', async () => {
    const model = answering([{ op: 'Neg', inputs: ['x'], outputs: ['y'] }]);
    await assert.rejects(runTiles({ ...job, model }), { code: 'MODEL_SHAPE', message: 'the model\'s output "y" makes 3 bands; output y has 2' });
    const flat = answering([{ op: 'ReduceMax', inputs: ['x'], outputs: ['y'], attributes: { axes: [1], keepdims: 1 } }]);
    await assert.rejects(probeTile({ ...job, model: flat, options: { activation: 'argmax' } }), { code: 'MODEL_SHAPE', message: /wanted two bands or more for argmax, found one/ });
  });

  it('for want of a margin says how much it needs', async () => {
    await assert.rejects(runTiles({ ...job, model: convolution(3, 2).model, options: { chip: 12, overlap: 3 }, halo: 9 }), { name: 'JobError', code: 'MODEL_HALO', message: 'chips need a margin of 10 pixels around tiles of 16, found 9' });
  });
});
