/** What is said of outputs before any work begins. Would catch: a combination that fails only in a worker, or a sound one that is refused. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkLateTypes, checkOperationAndOutputs } from '../../lib/job/check-outputs.ts';
import { checkNodata, expressed, planOutput, type CopiedInput } from '../../lib/job/plan-output.ts';
import type { Problem } from '../../lib/job/problems.ts';
import { parseJobSpec } from '../../lib/job/validate.ts';

interface Wishes {
  readonly output: object;
  /** Bands of the output. */
  readonly bands?: number;
  /** Facts of the input that it is a copy of. */
  readonly copied?: Partial<CopiedInput>;
}

const plain: CopiedInput = { dtype: 'uint8', nodata: undefined, bandNames: [null], colorTable: null, scales: [null], offsets: [null], photometric: 'gray', alpha: false };

/** Every problem of a job with one output, as `path: message`. */
function problemsOf({ output, bands = 1, copied }: Wishes): string[] {
  const operation = copied === undefined ? { expression: { o: Array.from({ length: bands }, (_, band) => `a[${band + 1}]`) } } : { copy: { o: 'a' } };
  const problems: Problem[] = [];
  const job = parseJobSpec({ inputs: { a: 'a.tif' }, operation, grid: { tileSize: 512 }, outputs: { o: { href: 'o.tif', ...output } } }, problems);
  const expressions = checkOperationAndOutputs(job, { a: bands }, problems);
  const { o } = job.outputs;
  assert.ok(o !== undefined);
  if (copied !== undefined) checkLateTypes(job, [planOutput('o', o, expressed(expressions.get('o') ?? [], []), { ...plain, ...copied })], problems);
  return problems.map(({ path, message }) => `${path}: ${message}`);
}

function planned({ output, bands = 1, copied }: Wishes): ReturnType<typeof planOutput> {
  const operation = copied === undefined ? { expression: { o: Array.from({ length: bands }, (_, band) => `a[${band + 1}]`) } } : { copy: { o: 'a' } };
  const job = parseJobSpec({ inputs: { a: 'a.tif' }, operation, outputs: { o: { href: 'o.tif', ...output } } });
  const expressions = checkOperationAndOutputs(job, { a: bands }, []);
  const { o } = job.outputs;
  assert.ok(o !== undefined);
  return planOutput('o', o, expressed(expressions.get('o') ?? [], []), copied && { ...plain, ...copied });
}

const sound: readonly Wishes[] = [
  ...(['deflate', 'zstd', 'lzw', 'lerc', 'none'] as const).flatMap((compression) => ['uint8', 'int8', 'uint32', 'float32', 'float64'].map((dtype) => ({ output: { compression, dtype }, bands: 5 }))),
  { output: { compression: 'jpeg', dtype: 'uint8', quality: 100 }, bands: 1 },
  { output: { compression: 'jpeg', dtype: 'uint8' }, bands: 3 },
  { output: { compression: 'webp', dtype: 'uint8', nodata: 3 }, bands: 4 },
  { output: { compression: 'webp', dtype: 'uint8', quality: 1 }, bands: 3 },
  { output: { compression: 'lerc', maxError: 0.001, level: 9, predictor: 1 } },
  { output: { dtype: 'uint16', nodata: 0, colorTable: { 0: '#00000000', 65_535: [1, 2, 3] } } },
  { output: { compression: 'webp' }, bands: 3, copied: { dtype: 'uint8' } },
  { output: { colorTable: { 255: '#ffffff' } }, copied: { dtype: 'uint8' } },
  { output: { nodata: 300 }, copied: { dtype: 'uint16' } },
];

const refused: readonly (readonly [Wishes, RegExp])[] = [
  [{ output: { compression: 'jpeg', dtype: 'uint16' }, bands: 3 }, /^\$\.outputs\.o\.compression: jpeg takes uint8 only, found uint16$/],
  [{ output: { compression: 'jpeg', dtype: 'uint8' }, bands: 4 }, /^\$\.outputs\.o\.compression: jpeg takes 1 or 3 bands, found 4$/],
  [{ output: { compression: 'webp', dtype: 'uint8' }, bands: 1 }, /^\$\.outputs\.o\.compression: webp takes 3 or 4 bands, found 1$/],
  [{ output: { compression: 'webp' }, bands: 3 }, /^\$\.outputs\.o\.compression: webp takes uint8 only, found float32$/],
  [{ output: { compression: 'webp' }, bands: 3, copied: { dtype: 'int16' } }, /^\$\.outputs\.o\.compression: webp takes uint8 only, found int16$/],
  [{ output: { compression: 'jpeg', dtype: 'uint8', nodata: 0 } }, /^\$\.outputs\.o\.nodata: jpeg keeps no value apart from its neighbours', .*wanted no nodata, found 0, or another codec: deflate, zstd, lzw, lerc/],
  [{ output: { compression: 'webp', dtype: 'uint8', quality: 80, nodata: 0 }, bands: 3 }, /^\$\.outputs\.o\.nodata: webp keeps no value .*webp without quality/],
  [{ output: { compression: 'lzw', level: 3 } }, /^\$\.outputs\.o\.level: lzw has no levels, found 3; wanted it with deflate, zstd, lerc only$/],
  [{ output: { compression: 'jpeg', dtype: 'uint8', level: 3 } }, /^\$\.outputs\.o\.level: jpeg has no levels/],
  [{ output: { level: 12 } }, /^\$\.outputs\.o\.level: deflate has levels 1 to 9, found 12$/],
  [{ output: { quality: 80 } }, /^\$\.outputs\.o\.quality: deflate has no quality, found 80; wanted it with jpeg, webp only$/],
  [{ output: { compression: 'zstd', maxError: 1 } }, /^\$\.outputs\.o\.maxError: zstd has no maximum error, found 1; wanted it with lerc only$/],
  [{ output: { compression: 'lerc', predictor: 3 } }, /^\$\.outputs\.o\.predictor: lerc takes no predictor; wanted 1, found 3$/],
  [{ output: { compression: 'none', predictor: 3 } }, /^\$\.outputs\.o\.predictor: without compression there is nothing to predict; wanted 1, found 3$/],
  [{ output: { predictor: 2 }, copied: { dtype: 'float64' } }, /^\$\.outputs\.o\.predictor: 2 is for integers; float64 takes 1 or 3$/],
  [{ output: { nodata: 300 }, copied: { dtype: 'uint8' } }, /^\$\.outputs\.o\.nodata: uint8 can't hold 300; wanted a whole number from 0 to 255$/],
  [{ output: { scale: [1, 2] }, bands: 3 }, /^\$\.outputs\.o\.scale: wanted 3, one a band; found 2$/],
  [{ output: { offset: [1] }, bands: 2, copied: {} }, /^\$\.outputs\.o\.offset: wanted 2, one a band; found 1$/],
  [{ output: { dtype: 'uint8', colorTable: { 1: '#ffffff' } }, bands: 3 }, /^\$\.outputs\.o\.colorTable: wanted one band of uint8 or uint16, found 3 of uint8$/],
  [{ output: { dtype: 'int16', colorTable: { 1: '#ffffff' } } }, /^\$\.outputs\.o\.colorTable: wanted one band of uint8 or uint16, found 1 of int16$/],
  [{ output: { dtype: 'uint8', colorTable: { 256: '#ffffff' } } }, /^\$\.outputs\.o\.colorTable\["?256"?\]: wanted a value of uint8, 0 to 255, found 256$/],
  [{ output: { dtype: 'uint8', nodata: 2, colorTable: { 1: '#ffffff80', 2: [0, 0, 0, 0] } } }, /^\$\.outputs\.o\.colorTable\["?1"?\]: the colours of a TIFF have no alpha: only the nodata value is transparent; wanted an alpha of 255, found 128$/],
  [{ output: { dtype: 'uint8', compression: 'jpeg', colorTable: { 1: '#ffffff' } } }, /^\$\.outputs\.o\.colorTable: jpeg blurs pixel values/],
  [{ output: { dtype: 'uint8', overviews: 'average', colorTable: { 1: '#ffffff' } } }, /^\$\.outputs\.o\.overviews: the mean of two pixel values has the colour of neither; wanted nearest or mode, found average$/],
];

void describe('checks of outputs', () => {
  void it('let sound ones pass', () => {
    for (const wishes of sound) assert.deepEqual(problemsOf(wishes), [], JSON.stringify(wishes));
  });

  void it('refuse what a codec or type can not do, with path, wanted and found', () => {
    for (const [wishes, message] of refused) {
      const found = problemsOf(wishes);
      assert.equal(found.length, 1, `${JSON.stringify(wishes)}: ${found.join(' | ')}`);
      assert.match(found[0] ?? '', message);
    }
  });

  void it('say what to do where jpeg meets nodata', () => {
    const jpeg = planned({ output: { compression: 'jpeg', dtype: 'uint8' } });
    assert.equal(jpeg.nodata, null);
    const problems: Problem[] = [];
    checkNodata([jpeg], [{ yieldsNodata: true }], problems);
    assert.match(problems.map(({ path, message }) => `${path}: ${message}`).join(), /^\$\.outputs\.o\.compression: pixels may turn out nodata .*wanted deflate, zstd, lzw, lerc or webp without quality, or an operation that yields no nodata/);
  });
});

void describe('defaults of outputs', () => {
  void it('come from the input of a copy, and give way to the job', () => {
    const copied: Partial<CopiedInput> = { dtype: 'uint16', nodata: 9, bandNames: ['red'], scales: [0.1], offsets: [null], colorTable: [[1, 2, 3, 255], [4, 5, 6, 0]] };
    const { dtype, nodata, bandNames, scales, offsets, colorTable, overviews } = planned({ output: {}, copied });
    assert.deepEqual({ dtype, nodata, bandNames, scales, offsets, colorTable, overviews }, { dtype: 'uint16', nodata: 9, bandNames: ['red'], scales: [0.1], offsets: null, colorTable: { 0: [1, 2, 3], 1: [4, 5, 6] }, overviews: 'nearest' });
    const said = planned({ output: { dtype: 'uint8', nodata: 1, bandNames: ['b'], scale: 2, offset: [3], colorTable: { 7: '#010203' }, overviews: 'mode' }, copied });
    assert.deepEqual([said.dtype, said.nodata, said.bandNames, said.scales, said.offsets, said.colorTable, said.overviews], ['uint8', 1, ['b'], [2], [3], { 7: [1, 2, 3] }, 'mode']);
    assert.equal(planned({ output: {}, copied: { dtype: 'uint8' } }).nodata, null);
    // Colours of pixel values make no sense in another kind of band, and a nodata value that doesn't fit can't be kept.
    const narrowed = planned({ output: { dtype: 'float32' }, copied: { ...copied, nodata: -1e300 } });
    assert.deepEqual([narrowed.colorTable, narrowed.nodata], [null, null]);
  });

  void it('are none for nodata in codecs that blur, red, green and blue where the codec or the input is so', () => {
    assert.equal(planned({ output: { compression: 'jpeg' }, copied: { nodata: 0 } }).nodata, null);
    assert.equal(planned({ output: { compression: 'jpeg', dtype: 'uint8' }, bands: 3 }).photometric, 'rgb');
    assert.equal(planned({ output: { dtype: 'uint8' }, bands: 3 }).photometric, 'gray');
    assert.deepEqual(['uint16', 'float32'].map((dtype) => planned({ output: { dtype }, bands: 4, copied: { dtype: 'uint16', photometric: 'rgb' } }).photometric), ['rgb', 'gray']);
  });

  void it('put zstd around LERC where it would else store floats as they are', () => {
    assert.deepEqual(
      [{}, { maxError: 0.1 }, { dtype: 'int16' }, { level: 9, maxError: 1 }].map((rest) => planned({ output: { compression: 'lerc', ...rest } }).level),
      [3, null, null, 9],
    );
  });
});
