/**
 * What focal operations cost, in nanoseconds a pixel on one core, beside scipy.ndimage: `node bench/focal-kernels.ts`.
 *
 * Ours is everything that a compute thread does: tiles with their halo in the source's own type, in shared memory, to tiles of the output.
 * scipy's is one call over the whole plane (where /usr/bin/python3 has scipy), which is what RIOS and the like do. Both take turns, and
 * the median of the rounds counts; time is that of the processor, which others on the machine disturb least.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setFlagsFromString } from 'node:v8';
import { allocateSamples, bytesPerSample, type Dtype, viewSamples } from '../lib/raster/dtype.ts';
import { readExpression } from '../lib/raster/expression/check.ts';
import { compileProgram } from '../lib/raster/expression/compile.ts';
import { Evaluator } from '../lib/raster/expression/evaluator.ts';
import { expressionError } from '../lib/raster/expression/problem.ts';
import { median } from './measure.ts';

// As workers have it.
setFlagsFromString('--no-maglev-inlining');

const tileSize = 512;
const imageSize = 2048;
const rounds = 7;

interface Contest {
  readonly text: string;
  readonly dtype: Dtype;
  readonly nodata?: number;
  readonly target: Dtype;
  /** The same by scipy, over `a`. */
  readonly scipy?: string;
}

const contests: readonly Contest[] = [
  { text: 'a', dtype: 'uint16', nodata: 0, target: 'uint16', scipy: 'a.copy()' },
  { text: 'focal_mean(a, 5)', dtype: 'uint16', target: 'uint16', scipy: 'ndimage.uniform_filter(a, 5)' },
  { text: 'focal_mean(a, 5)', dtype: 'uint16', nodata: 0, target: 'uint16', scipy: 'ndimage.uniform_filter(a, 5)' },
  { text: 'focal_mean(a, 5)', dtype: 'uint16', nodata: 0, target: 'float32', scipy: 'ndimage.uniform_filter(a, 5, output="float32")' },
  { text: 'focal_mean(a, 51)', dtype: 'uint16', nodata: 0, target: 'float32', scipy: 'ndimage.uniform_filter(a, 51, output="float32")' },
  { text: 'focal_mean(a, 5)', dtype: 'float32', target: 'float32', scipy: 'ndimage.uniform_filter(a, 5)' },
  { text: 'focal_std(a, 5)', dtype: 'uint16', target: 'float32' },
  { text: 'focal_std(a, 5)', dtype: 'float32', target: 'float32' },
  { text: 'focal_min(a, 5)', dtype: 'uint16', nodata: 0, target: 'uint16', scipy: 'ndimage.minimum_filter(a, 5)' },
  { text: 'focal_max(a, 5)', dtype: 'uint16', target: 'uint16', scipy: 'ndimage.maximum_filter(a, 5)' },
  { text: 'focal_median(a, 3)', dtype: 'uint16', target: 'uint16', scipy: 'ndimage.median_filter(a, 3)' },
  { text: 'focal_median(a, 5)', dtype: 'uint8', target: 'uint8', scipy: 'ndimage.median_filter(a, 5)' },
  { text: 'focal_median(a, 5)', dtype: 'uint16', target: 'uint16', scipy: 'ndimage.median_filter(a, 5)' },
  { text: 'focal_median(a, 15)', dtype: 'uint16', target: 'uint16', scipy: 'ndimage.median_filter(a, 15)' },
  { text: 'focal_median(a, 5)', dtype: 'float32', target: 'float32', scipy: 'ndimage.median_filter(a, 5)' },
  { text: 'convolve(a, blur)', dtype: 'uint16', target: 'float32', scipy: 'ndimage.correlate(a, np.ones((5, 5)), output="float32")' },
  { text: 'slope(a)', dtype: 'float32', target: 'float32' },
  { text: 'hillshade(a)', dtype: 'float32', target: 'uint8' },
];

/** Hills, noise on them, and no zero. */
function fill(samples: ReturnType<typeof allocateSamples>, width: number): void {
  let state = 1;
  const [base, relief, noise] = samples instanceof Uint8Array ? [100, 80, 30] : [3000, 2000, 400];
  for (let i = 0; i < samples.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const [x, y] = [i % width, Math.floor(i / width)];
    samples[i] = base + (relief / 2) * (Math.sin(x / 90) + Math.cos(y / 70)) + noise * (state / 2 ** 32);
  }
}

function prepare({ text, dtype, nodata, target }: Contest): () => void {
  const blur = Array.from({ length: 5 }, () => [1, 1, 1, 1, 1]);
  const { expression, problems } = readExpression(text, { inputs: { a: { bands: 1 } }, parameters: {}, kernels: { blur } });
  if (expression === undefined) throw expressionError(text, problems);
  const targetNodata = target === 'float32' ? -9999 : 0;
  const program = compileProgram([{ expression, dtype: target, nodata: targetNodata }], () => ({ dtype, nodata, masked: false }), { pixelSize: { x: 30, y: 30 } });
  const stride = tileSize + 2 * program.halo;
  const array = viewSamples(dtype, new SharedArrayBuffer(stride ** 2 * bytesPerSample(dtype)), 0, stride ** 2);
  fill(array, stride);
  const out = allocateSamples(target, tileSize ** 2);
  const evaluator = new Evaluator(program);
  const window = { columns: tileSize, rows: tileSize, margin: program.halo, inside: { column: 0, row: 0, columns: stride, rows: stride } };
  return () => {
    if (program.halo === 0) evaluator.run([{ array }], [out], tileSize ** 2);
    else evaluator.runWindow(window, [{ array }], [out]);
  };
}

const server = `
import sys, time
import numpy as np
from scipy import ndimage
rng = np.random.default_rng(1)
y, x = np.mgrid[0:${String(imageSize)}, 0:${String(imageSize)}]
def plane(dtype):
    base, relief, noise = (100, 80, 30) if dtype == 'uint8' else (3000, 2000, 400)
    return (base + relief / 2 * (np.sin(x / 90) + np.cos(y / 70)) + noise * rng.random(x.shape)).astype(dtype)
planes = {dtype: plane(dtype) for dtype in ('uint8', 'uint16', 'float32')}
print('ready', flush=True)
for line in sys.stdin:
    dtype, text = line.rstrip().split(' ', 1)
    a = planes[dtype]
    started = time.process_time()
    eval(text)
    print((time.process_time() - started) / a.size * 1e9, flush=True)
`;

const python = spawn('/usr/bin/python3', ['-c', server], { stdio: ['pipe', 'pipe', 'ignore'] });
const lines = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
const hasScipy = (await lines.next()).value === 'ready';
if (!hasScipy) process.stdout.write('no scipy in /usr/bin/python3: ours only\n');

for (const contest of contests.filter(({ text }) => text.startsWith(process.argv[2] ?? ''))) {
  const run = prepare(contest);
  for (let i = 0; i < 8; i++) run();
  // The processor's clock ticks every 4 ms on some machines: a round has to be much longer.
  const tiles = contest.text.includes('median') ? 8 : 32;
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const started = process.threadCpuUsage().user;
    for (let i = 0; i < tiles; i++) run();
    ours.push(((process.threadCpuUsage().user - started) * 1000) / (tiles * tileSize ** 2));
    if (!hasScipy || contest.scipy === undefined || (round > 2 && contest.scipy.includes('median'))) continue;
    python.stdin.write(`${contest.dtype} ${contest.scipy}\n`);
    theirs.push(Number((await lines.next()).value));
  }
  const what = `${contest.text}, ${contest.dtype}${contest.nodata === undefined ? '' : ' with nodata'} to ${contest.target}`;
  const peer = theirs.length === 0 ? '' : `   scipy ${median(theirs).toFixed(1).padStart(7)}`;
  process.stdout.write(`${what.padEnd(56)} ${median(ours).toFixed(2).padStart(7)} ns${peer}\n`);
}
python.stdin.end();
