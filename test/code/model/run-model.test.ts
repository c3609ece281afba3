import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runWithArrays, type NumpyArray } from '../../support/arrays.ts';
import { onnxModel } from '../../support/onnx.ts';
import { convolution, identity, lessMean, noise } from './networks.ts';
import { probeTile, runTiles, type Raster } from './tiles.ts';

/** numpy's and scipy's answer, as one array. */
function numpy(program: string, arrays: Readonly<Record<string, NumpyArray>>, facts: unknown = null): number[] {
  const { answer } = runWithArrays(program, arrays, facts);
  return [...(answer as NumpyArray).samples];
}

function asArray({ dtype, bands, rows, columns, samples }: Raster): NumpyArray {
  return { dtype, shape: [bands, rows, columns], samples };
}

function assertClose(found: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void {
  assert.equal(found.length, wanted.length);
  for (let i = 0; i < found.length; i++) {
    const [a, b] = [found[i] as number, wanted[i] as number];
    if (Number.isNaN(a) !== Number.isNaN(b) || Math.abs(a - b) > tolerance) assert.fail(`wanted ${b} at ${i}, found ${a}`);
  }
}

/** Chips by numpy, with `net` a function of a chip (bands, rows, cols), written without a look at ours: facts has chip, overlap, blend, pad. */
const chipsByNumpy = `
def net(c):
    return c - c.mean(axis=(1, 2), keepdims=True)
x = arrays['x'].astype(np.float64)
bands, rows, cols = x.shape
chip, overlap = facts['chip'], facts['overlap']
step, lead = chip - overlap, overlap // 2
across, down = -(-cols // step), -(-rows // step)
num = np.zeros(x.shape); den = np.zeros((rows, cols))
d = np.minimum(np.arange(chip) + 0.5, chip - np.arange(chip) - 0.5)
for j in range(down):
    for i in range(across):
        r, c = j * step - lead, i * step - lead
        r0, r1, c0, c1 = max(r, 0), min(r + chip, rows), max(c, 0), min(c + chip, cols)
        pad = ((0, 0), (r0 - r, r + chip - r1), (c0 - c, c + chip - c1))
        part = np.pad(x[:, r0:r1, c0:c1], pad, **facts['pad'])
        y = net(part)
        w = np.outer(d, d)
        if facts['blend'] != 'linear':
            w = np.zeros((chip, chip)); w[lead:lead + step, lead:lead + step] = 1
        num[:, r0:r1, c0:c1] += (y * w)[:, r0 - r:r1 - r, c0 - c:c1 - c]
        den[r0:r1, c0:c1] += w[r0 - r:r1 - r, c0 - c:c1 - c]
out['answer'] = num / den
`;

describe('a convolution', () => {
  // Catches bands in another order, correlation taken for convolution, and edges that aren't zeros.
  const scipy = `
from scipy.ndimage import correlate
x = arrays['x'].astype(np.float64)
w = np.array(facts['weights']).reshape(facts['shape'])
out['answer'] = np.stack([sum(correlate(x[b], k[b], mode='constant') for b in range(len(x))) for k in w])
`;

  it('over whole tiles with a margin is what scipy makes of the whole image', async () => {
    const x = noise(3, 50, 67);
    const { model, weights } = convolution(3, 2);
    const { y } = await runTiles({ model, inputs: { x }, outputs: { y: { dtype: 'float32', bands: 2 } }, tileSize: 16, halo: 1 });
    assert.deepEqual([...(y ?? [])], numpy(scipy, { x: asArray(x) }, { weights, shape: [2, 3, 3, 3] }));
  });

  it('over chips of the size that the model wants, with their edges cropped, is the same', async () => {
    const x = noise(3, 50, 67);
    const { model, weights } = convolution(3, 2, [1, 3, 24, 24]);
    const { y } = await runTiles({ model, options: { overlap: 2 }, inputs: { x }, outputs: { y: { dtype: 'float32', bands: 2 } }, tileSize: 16 });
    assert.deepEqual([...(y ?? [])], numpy(scipy, { x: asArray(x) }, { weights, shape: [2, 3, 3, 3] }));
  });

  it('without padding of its own gives smaller chips, which fit where the overlap is cropped', async () => {
    const x = noise(3, 50, 67);
    const { model, weights } = convolution(3, 2, undefined, 0);
    const wanted = numpy(scipy, { x: asArray(x) }, { weights, shape: [2, 3, 3, 3] });
    const outputs = { y: { dtype: 'float32', bands: 2 } } as const;
    const chips = await runTiles({ model, options: { chip: 20, overlap: 5 }, inputs: { x }, outputs, tileSize: 16 });
    assert.deepEqual([...(chips['y'] ?? [])], wanted);
    const whole = await runTiles({ model, inputs: { x }, outputs, tileSize: 16, halo: 1 });
    assert.deepEqual([...(whole['y'] ?? [])], wanted);
  });

  it('of several inputs of the job sees their bands in order, and from a mapping those that it names', async () => {
    const [a, b] = [noise(1, 20, 21), noise(2, 20, 21, { dtype: 'uint8', seed: 2 })];
    const { model, weights } = convolution(3, 1);
    const outputs = { y: { dtype: 'float32', bands: 1 } } as const;
    const program = (names: string) => scipy.replace("arrays['x']", `np.concatenate([${names}])`);
    const stacked = await runTiles({ model, inputs: { a, b }, outputs, tileSize: 8, halo: 1 });
    assert.deepEqual([...(stacked['y'] ?? [])], numpy(program("arrays['a'], arrays['b']"), { a: asArray(a), b: asArray(b) }, { weights, shape: [1, 3, 3, 3] }));
    const mapped = await runTiles({ model, options: { inputs: { x: ['b', 'a'] } }, inputs: { a, b }, outputs, tileSize: 8, halo: 1 });
    assert.deepEqual([...(mapped['y'] ?? [])], numpy(program("arrays['b'], arrays['a']"), { a: asArray(a), b: asArray(b) }, { weights, shape: [1, 3, 3, 3] }));
  });

  it('with its bands last is the same', async () => {
    const x = noise(3, 30, 31);
    const { weights } = convolution(3, 2);
    const model = onnxModel({
      inputs: [{ name: 'x', shape: ['n', 'h', 'w', 3] }],
      outputs: [{ name: 'y', shape: ['n', 'h', 'w', 2] }],
      nodes: [
        { op: 'Transpose', inputs: ['x'], outputs: ['t'], attributes: { perm: [0, 3, 1, 2] } },
        { op: 'Conv', inputs: ['t', 'w'], outputs: ['u'], attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] } },
        { op: 'Transpose', inputs: ['u'], outputs: ['y'], attributes: { perm: [0, 2, 3, 1] } },
      ],
      weights: [{ name: 'w', shape: [2, 3, 3, 3], values: weights }],
    });
    const { y } = await runTiles({ model, options: { batch: 3, chip: 12, overlap: 2 }, inputs: { x }, outputs: { y: { dtype: 'float32', bands: 2 } }, tileSize: 16 });
    assert.deepEqual([...(y ?? [])], numpy(scipy, { x: asArray(x) }, { weights, shape: [2, 3, 3, 3] }));
  });
});

describe('chips', () => {
  // Catches a lattice that isn't where the docs say it is, weights that aren't those of the docs, and what lies beyond the grid.
  const x = noise(2, 41, 70, { dtype: 'uint8', limit: 256 });
  const outputs = { y: { dtype: 'float32', bands: 2 } } as const;
  const paddings = { nodata: { mode: 'constant', constant_values: -3 }, reflect: { mode: 'reflect' } } as const;
  for (const outside of ['nodata', 'reflect'] as const) {
    for (const [blend, chip, overlap] of [
      ['none', 16, 0],
      ['crop', 16, 5],
      ['linear', 16, 5],
      ['linear', 16, 11],
      ['linear', 64, 32],
    ] as const) {
      it(`of ${chip} px, overlap ${overlap}, blend ${blend}, outside ${outside}, are those that numpy makes`, async () => {
        const wanted = numpy(chipsByNumpy, { x: asArray(x) }, { chip, overlap, blend, pad: paddings[outside] });
        const { y } = await runTiles({ model: lessMean(), options: { chip, overlap, blend, outside, nodata: -3, batch: 4 }, inputs: { x }, outputs, tileSize: 32 });
        assertClose(y ?? [], wanted, 2e-4);
      });
    }
  }

  it('are as many at once as the model wants, and the last batch is filled up', async () => {
    const wanted = numpy(chipsByNumpy, { x: asArray(x) }, { chip: 16, overlap: 0, blend: 'none', pad: paddings.nodata });
    const { y } = await runTiles({ model: lessMean([3, 2, 16, 16]), options: { nodata: -3 }, inputs: { x }, outputs, tileSize: 64 });
    assertClose(y ?? [], wanted, 2e-4);
  });

  it('may be wider than high', async () => {
    const { y } = await runTiles({ model: identity([1, 2, 8, 32]), options: { overlap: 4, blend: 'linear' }, inputs: { x }, outputs, tileSize: 32 });
    assertClose(y ?? [], x.samples, 2e-4);
  });

  it('of whole tiles are all of one size, as models with strides need it', async () => {
    // A Reshape to the size of a whole tile with its margin (16 + 2 * 4) fails on anything else.
    const model = onnxModel({
      inputs: [{ name: 'x', shape: [1, 2, 'h', 'w'] }],
      outputs: [{ name: 'y', shape: [1, 2, 24, 24] }],
      nodes: [{ op: 'Reshape', inputs: ['x', 'size'], outputs: ['y'] }],
      weights: [{ name: 'size', type: 'int64', shape: [4], values: [1, 2, 24, 24] }],
    });
    const { y } = await runTiles({ model, inputs: { x }, outputs, tileSize: 16, halo: 4 });
    assert.deepEqual([...(y ?? [])], [...x.samples]);
  });
});

describe('what a model sees', () => {
  const one = { y: { dtype: 'float32', bands: 1 } } as const;

  it('is value * scale + offset of each band, of all inputs in their order', async () => {
    const [a, b] = [noise(1, 9, 10), noise(1, 9, 10, { seed: 2 })];
    const { y } = await runTiles({
      model: identity(),
      options: { scale: [0.5, -2], offset: [1, 0.25] },
      inputs: { a, b },
      outputs: { y: { dtype: 'float32', bands: 2 } },
      tileSize: 16,
    });
    assert.deepEqual([...(y ?? [])], [...[...a.samples].map((value) => value * 0.5 + 1), ...[...b.samples].map((value) => value * -2 + 0.25)]);
  });

  it('is the nodata option, unscaled, where a value is nodata or not-a-number, or the tile says that there is no data', async () => {
    const samples = Float32Array.of(1, -9, NaN, 4, 5, 6);
    const raster = { dtype: 'float32', bands: 1, rows: 2, columns: 3, samples } as const;
    const options = { scale: 10, offset: 1, nodata: 0.5 };
    const byValue = await runTiles({ model: identity(), options, inputs: { x: { ...raster, nodata: -9 } }, outputs: one, tileSize: 8 });
    assert.deepEqual([...(byValue['y'] ?? [])], [11, 0.5, 0.5, 41, 51, 61]);
    // The plane counts, not the value: a mask may say that -9 is data.
    const byPlane = await runTiles({ model: identity(), options, inputs: { x: { ...raster, nodata: -9, valid: Uint8Array.of(0, 1, 1, 1, 0, 1) } }, outputs: one, tileSize: 8 });
    assert.deepEqual([...(byPlane['y'] ?? [])], [0.5, -89, 0.5, 41, 0.5, 61]);
  });

  it('is rounded half to even and saturated where the model takes whole numbers', async () => {
    const x: Raster = { dtype: 'float32', bands: 1, rows: 1, columns: 7, samples: Float32Array.of(0.5, 1.5, 2.5, -3, 300, 254.6, 2.4999) };
    const { y } = await runTiles({ model: identity(undefined, 'uint8'), inputs: { x }, outputs: one, tileSize: 8 });
    assert.deepEqual([...(y ?? [])], [0, 2, 2, 0, 255, 255, 2]);
  });

  it('may be of another float type', async () => {
    const x: Raster = { dtype: 'float64', bands: 1, rows: 1, columns: 3, samples: Float64Array.of(1.1, 1000.3, -7) };
    const half = await runTiles({ model: identity(undefined, 'float16'), inputs: { x }, outputs: one, tileSize: 8 });
    assert.deepEqual([...(half['y'] ?? [])], numpy("out['answer'] = arrays['x'].astype(np.float16).astype(np.float32)", { x: asArray(x) }));
    const double = await runTiles({ model: identity(undefined, 'float64'), inputs: { x }, outputs: { y: { dtype: 'float64', bands: 1 } }, tileSize: 8 });
    assert.deepEqual([...(double['y'] ?? [])], [...x.samples]);
  });

  it('comes to inputs of a model by their names', async () => {
    const model = onnxModel({
      inputs: [
        { name: 'before', shape: [1, 1, 'h', 'w'] },
        { name: 'after', shape: [1, 1, 'h', 'w'] },
      ],
      outputs: [{ name: 'change', shape: [1, 1, 'h', 'w'] }],
      nodes: [{ op: 'Sub', inputs: ['after', 'before'], outputs: ['change'] }],
    });
    const [early, late] = [noise(1, 9, 10), noise(1, 9, 10, { seed: 2 })];
    const wanted = [...late.samples].map((value, i) => value - (early.samples[i] as number));
    const same = await runTiles({ model, inputs: { after: late, before: early }, outputs: one, tileSize: 16 });
    assert.deepEqual([...(same['y'] ?? [])], wanted);
    const mapped = await runTiles({ model, options: { inputs: { before: 'early', after: 'late' } }, inputs: { late, early }, outputs: one, tileSize: 16 });
    assert.deepEqual([...(mapped['y'] ?? [])], wanted);
  });
});

describe('what comes of it', () => {
  // Large and small logits: catches a softmax that overflows.
  const logits: Raster = { ...noise(4, 12, 13, { dtype: 'float32', limit: 2000 }) };
  for (let i = 0; i < logits.samples.length; i++) logits.samples[i] = ((logits.samples[i] as number) - 1000) / (i % 3 === 0 ? 1 : 100);

  it('is softmax over the bands, as scipy has it', async () => {
    const { y } = await runTiles({ model: identity(), options: { activation: 'softmax' }, inputs: { x: logits }, outputs: { y: { dtype: 'float32', bands: 4 } }, tileSize: 8 });
    assertClose(y ?? [], numpy("from scipy.special import softmax\nout['answer'] = softmax(arrays['x'].astype(np.float64), axis=0)", { x: asArray(logits) }), 1e-7);
  });

  it('is sigmoid, as scipy has it', async () => {
    const { y } = await runTiles({ model: identity(), options: { activation: 'sigmoid' }, inputs: { x: logits }, outputs: { y: { dtype: 'float32', bands: 4 } }, tileSize: 8 });
    assertClose(y ?? [], numpy("from scipy.special import expit\nout['answer'] = expit(arrays['x'].astype(np.float64))", { x: asArray(logits) }), 1e-7);
  });

  it('is the class with the largest value, the first of several, as numpy has it', async () => {
    const x = noise(5, 30, 31, { limit: 4 });
    const { y } = await runTiles({ model: identity(), options: { activation: 'argmax' }, inputs: { x }, outputs: { y: { dtype: 'uint8', bands: 1 } }, tileSize: 8 });
    assert.deepEqual([...(y ?? [])], numpy("out['answer'] = arrays['x'].argmax(axis=0).astype(np.int32)", { x: asArray(x) }));
  });

  it('is the class of what was blended, and the mean of what was activated', async () => {
    const x = noise(3, 40, 41);
    const job = { model: lessMean(), inputs: { x }, tileSize: 16 };
    const facts = { chip: 16, overlap: 6, blend: 'linear', pad: { mode: 'constant' } };
    const { y } = await runTiles({ ...job, options: { chip: 16, overlap: 6, blend: 'linear', activation: 'argmax' }, outputs: { y: { dtype: 'uint8', bands: 1 } } });
    assert.deepEqual([...(y ?? [])], numpy(`${chipsByNumpy}\nout['answer'] = out['answer'].argmax(axis=0).astype(np.int32)`, { x: asArray(x) }, facts));
    const activated = chipsByNumpy.replace('return c -', 'from scipy.special import expit\n    return expit(c -').replace('keepdims=True)', 'keepdims=True))');
    const sigmoid = await runTiles({ ...job, options: { chip: 16, overlap: 6, blend: 'linear', activation: 'sigmoid' }, outputs: { y: { dtype: 'float32', bands: 3 } } });
    assertClose(sigmoid['y'] ?? [], numpy(activated, { x: asArray(x) }, facts), 1e-5);
  });

  it('is stored as the job says: rounded half to even, saturated, not-a-number as nodata in whole numbers', async () => {
    const x: Raster = { dtype: 'float32', bands: 1, rows: 1, columns: 6, samples: Float32Array.of(0.5, 1.5, -3, 300, 254.5, 4) };
    const model = onnxModel({
      inputs: [{ name: 'x', shape: [1, 1, 'h', 'w'] }],
      outputs: [{ name: 'y', shape: [1, 1, 'h', 'w'] }],
      // 0 / 0 for 4.
      nodes: [
        { op: 'Sub', inputs: ['x', 'four'], outputs: ['d'] },
        { op: 'Div', inputs: ['d', 'd'], outputs: ['one'] },
        { op: 'Mul', inputs: ['x', 'one'], outputs: ['y'] },
      ],
      weights: [{ name: 'four', shape: [1], values: [4] }],
    });
    const whole = await runTiles({ model, inputs: { x }, outputs: { y: { dtype: 'uint8', bands: 1, nodata: 9 } }, tileSize: 8 });
    assert.deepEqual([...(whole['y'] ?? [])], [0, 2, 0, 255, 254, 9]);
    const float = await runTiles({ model, inputs: { x }, outputs: { y: { dtype: 'float32', bands: 1, nodata: -1 } }, tileSize: 8 });
    assert.deepEqual([...(float['y'] ?? [])], [0.5, 1.5, -3, 300, 254.5, NaN]);
  });

  it('goes to several outputs of the job: by name, or one output twice', async () => {
    const x = noise(3, 20, 21);
    const model = onnxModel({
      inputs: [{ name: 'x', shape: [1, 3, 'h', 'w'] }],
      outputs: [
        { name: 'logits', shape: [1, 3, 'h', 'w'] },
        { name: 'negative', shape: [1, 3, 'h', 'w'] },
        { name: 'class', type: 'int64', shape: [1, 'h', 'w'] },
      ],
      nodes: [
        { op: 'Identity', inputs: ['x'], outputs: ['logits'] },
        { op: 'Neg', inputs: ['x'], outputs: ['negative'] },
        { op: 'ArgMax', inputs: ['x'], outputs: ['class'], attributes: { axis: 1, keepdims: 0 } },
      ],
    });
    const found = await runTiles({
      model,
      options: { outputs: { classes: { name: 'logits', activation: 'argmax' }, raw: 'logits' } },
      inputs: { x },
      outputs: { negative: { dtype: 'int16', bands: 3 }, classes: { dtype: 'uint8', bands: 1 }, raw: { dtype: 'int16', bands: 3 }, class: { dtype: 'uint8', bands: 1 } },
      tileSize: 8,
    });
    assert.deepEqual([...(found['raw'] ?? [])], [...x.samples]);
    assert.deepEqual([...(found['negative'] ?? [])], numpy("out['answer'] = -arrays['x']", { x: asArray(x) }));
    assert.deepEqual([...(found['class'] ?? [])], numpy("out['answer'] = arrays['x'].argmax(axis=0).astype(np.int32)", { x: asArray(x) }));
    assert.deepEqual([...(found['classes'] ?? [])], [...(found['class'] ?? [])]);
  });

  it('is known from a probe, where the file does not say it', async () => {
    const job = { model: identity(), inputs: { x: noise(3, 20, 21) }, outputs: { y: { dtype: 'uint8', bands: 1 } }, tileSize: 8 } as const;
    assert.deepEqual(await probeTile(job), { outputs: [{ dtype: 'float32', bands: 3 }] });
    assert.deepEqual(await probeTile({ ...job, options: { activation: 'argmax' } }), { outputs: [{ dtype: 'uint16', bands: 1 }] });
  });
});
