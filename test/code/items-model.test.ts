/** Models over images, from the file to the row of the table: predictions as numpy, scipy and PIL have them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';

import { DataError, JobError, OperationError, TilefanError } from '../../lib/base/errors.ts';
import { imageModelPlan } from '../../lib/code/model/image-model-plan.ts';
import type { ImageModelSetup } from '../../lib/code/model/image-model-setup.ts';
import { modelFacts } from '../../lib/code/model/model-facts.ts';
import { prediction, type Classification } from '../../lib/code/model/prediction.ts';
import { defaultImageLimits } from '../../lib/images/image-limits.ts';
import type { ClosableItemWorker } from '../../lib/job/items/function-items.ts';
import { isItemsOwn } from '../../lib/job/items/item-outcome.ts';
import { fileHref } from '../../lib/store/href.ts';
import { createStore } from '../../lib/store/routing-store.ts';
import { objectItem, startWorker } from '../job/items/item-worker-fixture.ts';
import { gdalPython, runPythonJson, withoutGdal } from '../support/gdal.ts';
import { seededRandom } from '../support/arrays.ts';
import { onnxModel, type OnnxModel } from '../support/onnx.ts';
import { createWorkspace } from '../support/workspace.ts';

const workspace = createWorkspace('items-model');
const store = createStore();
after(async () => {
  await store.close();
  workspace.remove();
});

/** A convolution, the mean of what it finds, and a layer that makes scores of classes of it. */
const classes = 5;
const random = seededRandom(3);
const numbers = (count: number): number[] => Array.from({ length: count }, () => Math.round((random() - 0.5) * 1000) / 1000);
const weights = { conv: numbers(4 * 3 * 9), gemm: numbers(4 * classes), bias: numbers(classes) };

function classifier(batch: number | string, side: number | string): Buffer {
  return onnxModel({
    inputs: [{ name: 'image', shape: [batch, 3, side, side] }],
    outputs: [{ name: 'scores', shape: [batch, classes] }],
    nodes: [
      { op: 'Conv', inputs: ['image', 'conv'], outputs: ['found'], attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] } },
      { op: 'Relu', inputs: ['found'], outputs: ['positive'] },
      { op: 'GlobalAveragePool', inputs: ['positive'], outputs: ['pooled'] },
      { op: 'Flatten', inputs: ['pooled'], outputs: ['flat'] },
      { op: 'Gemm', inputs: ['flat', 'gemm', 'bias'], outputs: ['scores'] },
    ],
    weights: [
      { name: 'conv', shape: [4, 3, 3, 3], values: weights.conv },
      { name: 'gemm', shape: [4, classes], values: weights.gemm },
      { name: 'bias', shape: [classes], values: weights.bias },
    ],
  });
}

/** PIL makes the images and sees them as the model should; numpy and scipy are the model. Prints scores of each file. */
const oracle = `
import json, sys
import numpy as np
from PIL import Image, ImageOps
from scipy.ndimage import correlate
what, folder, spec = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
def scene(i, size):
    rng = np.random.default_rng(i)
    y, x = np.mgrid[0:size[1], 0:size[0]].astype(float)
    return np.stack([127 + 120 * np.sin(x / (7 + i) + c + i) * np.cos(y / (5 + c)) for c in range(3)], 2).astype('uint8') if i % 2 else rng.integers(0, 256, (size[1], size[0], 3)).astype('uint8')
if what == 'make':
    for name, (i, size) in spec.items():
        image = Image.fromarray(scene(i, size))
        if name.startswith('turned'):
            exif = Image.Exif(); exif[0x112] = 6; image.save(folder + '/' + name, exif=exif)
        elif name.startswith('clear'):
            image.putalpha(0); image.save(folder + '/' + name)
        else: image.save(folder + '/' + name)
    print('[]'); sys.exit()
side, order = spec['side'], [2, 1, 0] if spec.get('order') == 'bgr' else [0, 1, 2]
scores = []
for name in spec['names']:
    image = ImageOps.exif_transpose(Image.open(folder + '/' + name))
    image = Image.new('RGB', image.size) if image.mode == 'RGBA' else image.convert('RGB')
    if 'resize' in spec:
        w, h = image.size; r = spec['resize']
        image = image.resize((r, int(r * h / w)) if w <= h else (int(r * w / h), r), Image.BILINEAR)
        left, top = round((image.size[0] - side) / 2), round((image.size[1] - side) / 2)
        image = image.crop((left, top, left + side, top + side))
    elif image.size != (side, side): image = image.resize((side, side), Image.BILINEAR)
    a = (np.asarray(image).astype('float64')[:, :, order] * np.array(spec['scale']) - np.array(spec['mean'])) / np.array(spec['std'])
    conv = np.array(spec['weights']['conv']).astype('float32').astype('float64').reshape(4, 3, 3, 3)
    found = [sum(correlate(a[:, :, c], conv[k, c], mode='constant') for c in range(3)) for k in range(4)]
    flat = np.maximum(found, 0).mean((1, 2))
    scores.append((flat @ np.array(spec['weights']['gemm']).reshape(4, -1) + np.array(spec['weights']['bias'])).tolist())
print(json.dumps(scores))
`;

const size = 24;
const exact = Array.from({ length: 6 }, (_, i) => `exact-${String(i)}.png`);
const turned = ['turned-1.png', 'clear-2.png'];
const large = ['large-1.png', 'large-3.png'];
const imageNet = { scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

function wanted(names: readonly string[], spec: object): number[][] {
  return runPythonJson(oracle, ['scores', workspace.folder, JSON.stringify({ names, side: size, ...imageNet, ...spec, weights })]) as number[][];
}

async function withModel<Result>(model: Uint8Array, operation: object, work: (worker: ClosableItemWorker) => Promise<Result>): Promise<Result> {
  const worker = await startWorker({ store, workspace, code: ['model.onnx', model], operation });
  try {
    return await work(worker);
  } finally {
    await worker.close();
  }
}

async function values(worker: ClosableItemWorker, names: readonly string[]): Promise<unknown[]> {
  return await Promise.all(names.map(async (name, i) => (await worker.work(objectItem(i, fileHref(workspace.path(name)), name))).value));
}

function close(found: readonly number[], right: readonly number[], tolerance: number): void {
  assert.equal(found.length, right.length);
  for (const [i, value] of right.entries()) assert.ok(Math.abs((found[i] ?? NaN) - value) <= tolerance, `wanted ${right.join()}, found ${found.join()}`);
}

/** Runs a program that reads JSON and prints JSON. */
function runWith(program: string, input: unknown): unknown {
  return JSON.parse(execFileSync(gdalPython, ['-c', program], { input: JSON.stringify(input), encoding: 'utf8' }));
}

function softmax(scores: readonly number[]): number[] {
  const powers = scores.map((score) => Math.exp(score));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

void describe('models over images', { skip: withoutGdal }, () => {
  before(() => {
    const spec = Object.fromEntries([...exact.map((name, i) => [name, [i, [size, size]]]), ...turned.map((name, i) => [name, [i + 1, [size, size]]]), ...large.map((name, i) => [name, [2 * i + 1, [100 + 40 * i, 70 + 60 * i]]])]) as object;
    runPythonJson(oracle, ['make', workspace.folder, JSON.stringify(spec)]);
    writeFileSync(workspace.path('broken.png'), Buffer.from('no image'));
    writeFileSync(workspace.path('labels.txt'), 'cat\r\ndog\r\nfür\r\n\r\nlast\r\n');
  });

  // Catches channels, rows or columns in the wrong order, a mean of another channel, images of a batch that get each other's scores, and a broken image that takes its batch with it.
  void it('predict what numpy predicts, and lose a broken image alone', async () => {
    const right = wanted([...exact, ...turned], {}).map(softmax);
    await withModel(classifier('n', size), { ...imageNet, batch: 4, activation: 'softmax', labels: fileHref(workspace.path('labels.txt')), top: 3 }, async (worker) => {
      const broken = worker.work(objectItem(9, fileHref(workspace.path('broken.png')), 'broken.png')).then(() => assert.fail('no error'), (error: unknown) => error);
      const found = (await values(worker, [...exact, ...turned])) as (Classification & { readonly top: readonly Classification[] })[];
      const error = await broken;
      assert.ok(error instanceof DataError && error.code === 'IMAGE_FORMAT' && isItemsOwn(error), String(error));
      for (const [i, scores] of right.entries()) {
        const order = [...scores.keys()].sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0)).slice(0, 3);
        const { class: best, label, score, top } = found[i] ?? assert.fail();
        assert.deepEqual(top.map((each) => each.class), order);
        assert.deepEqual(top.map((each) => each.label), order.map((index) => ['cat', 'dog', 'für', '', 'last'][index]));
        close(top.map((each) => each.score), order.map((index) => scores[index] ?? NaN), 1e-5);
        assert.deepEqual({ class: best, label, score }, top[0]);
      }
    });
  });

  // Catches a model with a batch of its own that gets another number, and what fills it up that is taken for images.
  void it('fill the batch that a model wants', async () => {
    const right = wanted(exact, { scale: [0.01, 0.02, 0.03], mean: 0.5, std: 2, order: 'bgr' });
    await withModel(classifier(4, size), { scale: [0.01, 0.02, 0.03], mean: 0.5, std: 2, order: 'bgr' }, async (worker) => {
      const found = (await values(worker, exact)) as { readonly prediction: number[] }[];
      for (const [i, scores] of right.entries()) close(found[i]?.prediction ?? [], scores, 1e-4);
    });
  });

  // Catches another way of scaling than that with which models are trained.
  void it('see large images as PIL and torchvision make them', async () => {
    for (const operation of [{ width: size, height: size, resize: 32 }, { width: size, height: size, fit: 'fill' }]) {
      const right = wanted(large, operation);
      await withModel(classifier('n', 'side'), { ...imageNet, ...operation }, async (worker) => {
        const found = (await values(worker, large)) as { readonly prediction: number[] }[];
        // Both round to whole samples, at different steps: one of 255, over 0.22, in a few of 576 pixels.
        for (const [i, scores] of right.entries()) close(found[i]?.prediction ?? [], scores, 0.01);
      });
    }
  });

  /** The mean of all samples: one number. */
  const mean = (shape: readonly (number | string)[], type: 'float32' | 'uint8' | 'float64' = 'float32'): OnnxModel => ({
    inputs: [{ name: 'x', shape, type }],
    outputs: [{ name: 'y', shape: ['n', 1, 1, 1] }],
    nodes: [
      { op: 'Cast', inputs: ['x'], outputs: ['f'], attributes: { to: 1 } },
      { op: 'ReduceMean', inputs: ['f'], outputs: ['y'], attributes: { axes: [1, 2, 3], keepdims: 1 } },
    ],
  });

  // Catches types other than float32 that get bytes of it, and channels last that come first.
  void it('take whole numbers, doubles, and channels last', async () => {
    const program = "import json, sys; import numpy as np; from PIL import Image; print(json.dumps([np.asarray(Image.open(n)).mean() for n in sys.argv[1:]]))";
    const right = runPythonJson(program, exact.map((name) => workspace.path(name))) as number[];
    for (const type of ['uint8', 'float64'] as const) {
      await withModel(onnxModel(mean(['n', size, size, 3], type)), { scale: 1 }, async (worker) => {
        const found = (await values(worker, exact)) as { readonly prediction: number }[];
        close(found.map((each) => each.prediction), right, 1e-3);
      });
    }
  });

  // Catches images of different sizes in one tensor, and small images that are made larger.
  void it('see images in their own proportions', async () => {
    const identity = onnxModel({ inputs: [{ name: 'x', shape: ['n', 3, 'h', 'w'] }], outputs: [{ name: 'y', shape: ['n', 3, 'h', 'w'] }], nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }] });
    await withModel(identity, { width: 50, height: 50, fit: 'inside', batch: 8 }, async (worker) => {
      const found = (await values(worker, [...large, 'exact-0.png'])) as { readonly prediction: number[][][] }[];
      assert.deepEqual(found.map(({ prediction: p }) => [p.length, p[0]?.length, p[0]?.[0]?.length]), [[3, 35, 50], [3, 46, 50], [3, 24, 24]]);
    });
  });

  // Catches a batch whose images all fail because the model can't do one of them.
  void it('fail on one image of a batch alone', async () => {
    // The mean grey is an index into a list of 100 numbers.
    const model = onnxModel({
      inputs: [{ name: 'x', shape: ['n', 1, 2, 2] }],
      outputs: [{ name: 'y', shape: ['n', 1, 1, 1] }],
      nodes: [
        { op: 'ReduceMean', inputs: ['x'], outputs: ['m'], attributes: { axes: [2, 3], keepdims: 1 } },
        { op: 'Cast', inputs: ['m'], outputs: ['i'], attributes: { to: 7 } },
        { op: 'Gather', inputs: ['w', 'i'], outputs: ['y'] },
      ],
      weights: [{ name: 'w', shape: [100], values: Array.from({ length: 100 }, (_, i) => 2 * i) }],
    });
    const greys = [10, 20, 200, 30];
    runPythonJson("import sys; from PIL import Image; [Image.new('L', (2, 2), int(v)).save(f'{sys.argv[1]}/grey-{v}.png') for v in sys.argv[2:]]; print(1)", [workspace.folder, ...greys.map(String)]);
    await withModel(model, { channels: 1, scale: 1, batch: 4 }, async (worker) => {
      const settled = await Promise.allSettled(greys.map(async (grey, i) => (await worker.work(objectItem(i, fileHref(workspace.path(`grey-${String(grey)}.png`)), 'grey'))).value));
      assert.deepEqual(settled.map((each) => (each.status === 'fulfilled' ? each.value : (each.reason as TilefanError).code)), [{ prediction: 20 }, { prediction: 40 }, 'MODEL_FAILED', { prediction: 60 }]);
      const [, , failed] = settled;
      assert.ok(failed?.status === 'rejected' && failed.reason instanceof OperationError && isItemsOwn(failed.reason));
    });
  });

  // Catches limits that hold for copies of images only.
  void it('lose images that cost more than they may', async () => {
    const worker = await startWorker({ store, workspace, code: ['model.onnx', classifier('n', size)], imageLimits: { maxPixels: 1000 } });
    try {
      assert.ok((await values(worker, ['exact-0.png']))[0]);
      await assert.rejects(values(worker, ['large-1.png']), (error) => error instanceof DataError && error.code === 'IMAGE_TOO_LARGE' && error.message.includes('maxPixels'));
    } finally {
      await worker.close();
    }
  });

  // Catches labels that are missing, or too few, and are found out with the first image only.
  void it('are refused with labels of other classes', async () => {
    for (const [labels, Class, code] of [[['a', 'b'], JobError, 'MODEL_LABELS'], [fileHref(workspace.path('none.txt')), TilefanError, 'STORE_NOT_FOUND']] as const) {
      await assert.rejects(withModel(classifier('n', size), { labels }, async () => await Promise.resolve()), (error) => error instanceof Class && error.code === code);
    }
  });
});

void describe('what a model over images wants', () => {
  const setup: ImageModelSetup = { fit: 'cover', channels: 3, order: 'rgb', scale: 1 / 255, mean: 0, std: 1, activation: 'none', labels: null, limits: defaultImageLimits };
  const facts = (shape: readonly (number | string)[], more: Partial<OnnxModel> = {}): ReturnType<typeof modelFacts> =>
    modelFacts(onnxModel({ inputs: [{ name: 'x', shape }], outputs: [{ name: 'y', shape: ['n', 10] }], nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }], ...more }));
  const four = ['n', 3, 224, 224];

  const refusals: readonly (readonly [Partial<ImageModelSetup>, ReturnType<typeof modelFacts>, string, RegExp])[] = [
    [{ width: 256 }, facts(four), 'MODEL_SIZE', /width of 224 only; the job says 256/],
    [{}, facts(['n', 3, 'h', 'w']), 'MODEL_SIZE', /any width: say in operation\.model\.width/],
    [{ fit: 'inside' }, facts(four), 'MODEL_SIZE', /"inside" leaves the size open/],
    [{ resize: 100 }, facts(four), 'MODEL_SIZE', /"resize": 100 .* \(224 x 224\)/],
    [{ fit: 'fill', resize: 256 }, facts(four), 'MODEL_SIZE', /found fill/],
    [{ channels: 1 }, facts(four), 'MODEL_CHANNELS', /has 3 channels, the job says 1; wanted "channels": 3/],
    [{ batch: 2 }, facts([8, 3, 224, 224]), 'MODEL_BATCH', /takes 8 images at once; the job wants 2/],
    [{ mean: [1, 2] }, facts(four), 'MODEL_SCALE', /wanted one mean, or 3/],
    [{ std: 0 }, facts(four), 'MODEL_SCALE', /std other than 0/],
    [{}, facts(['n', 3, 224]), 'MODEL_SHAPE', /3 axes/],
    [{}, facts(four, { inputs: [{ name: 'x', shape: four, type: 'int64' }] }), 'MODEL_DTYPE', /"x" is int64/],
    [{ input: 'z' }, facts(four), 'MODEL_INPUT', /no input "z"; there is "x"/],
    [{}, facts(four, { inputs: [{ name: 'a', shape: four }, { name: 'b', shape: four }] }), 'MODEL_INPUT', /has 2 inputs/],
    [{}, facts(four, { outputs: [{ name: 'a' }, { name: 'b' }] }), 'MODEL_OUTPUT', /say in operation\.model\.output.*"a", "b"/],
    [{ labels: ['one'] }, facts(four), 'MODEL_LABELS', /10 classes, and there are 1 labels/],
  ];
  for (const [wish, model, code, words] of refusals) {
    // Catches a model that fails on each image instead of before the first, and sentences that don't say what to change.
    void it(`is told: ${code} ${words.source}`, () => {
      assert.throws(() => imageModelPlan({ ...setup, ...wish }, model), (error) => error instanceof JobError && error.code === code && words.test(error.message));
    });
  }

  // Catches a layout that is guessed wrong where the shape says it.
  void it('is found from its shape', () => {
    const found = (shape: readonly (number | string)[], wish: Partial<ImageModelSetup> = {}): string[] => {
      const { layout, tensor, batch } = imageModelPlan({ ...setup, ...wish }, facts(shape));
      return [layout, String(tensor.layout), String(tensor.width), String(tensor.height), String(batch)];
    };
    assert.deepEqual(found(['n', 3, 20, 30]), ['nchw', 'chw', '30', '20', '1']);
    assert.deepEqual(found([5, 20, 30, 3]), ['nhwc', 'hwc', '30', '20', '5']);
    assert.deepEqual(found(['n', 1, 20, 30], { channels: 1, batch: 7 }), ['nchw', 'chw', '30', '20', '7']);
    assert.deepEqual(found(['n', 3, 3, 3], { layout: 'nhwc' }), ['nhwc', 'hwc', '3', '3', '1']);
  });
});

void describe('predictions', { skip: withoutGdal }, () => {
  // Catches a softmax that overflows, and ties or NaN that come in another order than numpy's argmax has them.
  void it('are those of scipy and numpy, whatever the scores', () => {
    const score = fc.oneof(fc.double({ min: -1e3, max: 1e3, noNaN: true }), fc.integer({ min: -2, max: 2 }));
    const cases = fc.sample(fc.array(score, { minLength: 1, maxLength: 12 }), { numRuns: 300, seed: 5 });
    const program = `
import json, sys, numpy as np
from scipy.special import softmax, expit
out = []
for scores in json.load(sys.stdin):
    a = np.array(scores, dtype='float64'); p = softmax(a)
    out.append([p.tolist(), expit(a).tolist(), int(a.argmax()), np.argsort(-a, kind='stable').tolist()])
print(json.dumps(out))`;
    const right = runWith(program, cases) as [number[], number[], number, number[]][];
    for (const [i, scores] of cases.entries()) {
      const [soft, sigmoid, best, order] = right[i] ?? assert.fail();
      const all = prediction(scores, 0, [scores.length], { activation: 'softmax', labels: null }) as Classification & { readonly scores: readonly number[] };
      close(all.scores, soft, 1e-12);
      const raw = prediction(scores, 0, [scores.length, 1, 1], { activation: 'none', labels: scores.map((_, n) => `c${String(n)}`), top: 4 }) as Classification & { readonly top: readonly Classification[] };
      assert.deepEqual([raw.class, raw.label, raw.score], [best, `c${String(best)}`, scores[best]]);
      assert.deepEqual(raw.top.map((each) => each.class), order.slice(0, 4));
      const plain = prediction([99, ...scores], 1, [scores.length], { activation: 'sigmoid', labels: null }) as { readonly prediction: number | number[] };
      close([plain.prediction].flat(), sigmoid, 1e-12);
    }
  });

  // Catches NaN as the best class, and a raster as the scores of classes.
  void it('put NaN last, and want one number for each class', () => {
    const none = { activation: 'none', labels: null } as const;
    assert.equal((prediction([NaN, -1, 2], 0, [3], { ...none, top: 1 }) as Classification).class, 2);
    assert.deepEqual(prediction([1, 2, 3, 4], 0, [2, 1, 2], none), { prediction: [[1, 2], [3, 4]] });
    assert.deepEqual(prediction([1n], 0, [], none), { prediction: 1 });
    assert.throws(() => prediction([1, 2, 3, 4], 0, [2, 2], { ...none, top: 1 }), (error) => error instanceof OperationError && error.code === 'MODEL_SHAPE');
    assert.throws(() => prediction([1, 2], 0, [2], { ...none, labels: ['a'] }), (error) => error instanceof JobError && error.code === 'MODEL_LABELS');
  });
});
