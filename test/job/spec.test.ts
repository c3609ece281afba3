import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { JobError } from '../../lib/base/errors.ts';
import type { Problem } from '../../lib/job/problems.ts';
import { jobSpec } from '../../lib/job/spec.ts';
import { jobJsonSchema, parseJobSpec } from '../../lib/job/validate.ts';

const least = {
  inputs: { a: 'a.tif' },
  operation: { expression: { out: 'a[1]' } },
  outputs: { out: { href: 'out.tif' } },
};

/** The least job with one change, given as a JSON path of keys and a value; undefined removes the field. */
function changed(path: readonly string[], value: unknown): unknown {
  const job = structuredClone(least) as Record<string, unknown>;
  let node = job;
  for (const key of path.slice(0, -1)) node = (node[key] ??= {}) as Record<string, unknown>;
  const last = path.at(-1) ?? '';
  if (value === undefined) Reflect.deleteProperty(node, last);
  else Object.defineProperty(node, last, { value, enumerable: true, configurable: true, writable: true });
  return job;
}

/** Problems of a document that must be refused, and the message. */
function refusal(document: unknown): { problems: readonly Problem[]; message: string } {
  try {
    parseJobSpec(document);
  } catch (error) {
    assert.ok(error instanceof JobError);
    assert.equal(error.code, 'JOB_INVALID');
    return { problems: error.where['problems'] as Problem[], message: error.message };
  }
  assert.fail(`was taken: ${JSON.stringify(document)}`);
}

/** What was changed, and the path and words that the one problem must have. */
const bad: readonly [readonly string[], unknown, string, RegExp][] = [
  [['name'], 'a b', '$.name', /letters, digits.*found "a b"/],
  [['name'], 'x'.repeat(41), '$.name', /40 at most/],
  [['name'], 7, '$.name', /wanted string, found 7/],
  [['inputs'], undefined, '$.inputs', /missing/],
  [['inputs'], {}, '$.inputs', /at least one input/],
  [['inputs', '2a'], 'x.tif', '$.inputs["2a"]', /letter or _/],
  [['inputs', 'a'], '', '$.inputs.a', /found ""/],
  [['inputs', 'a'], 5, '$.inputs.a', /found 5/],
  [['inputs', 'a'], { bands: [1] }, '$.inputs.a', /wanted one of href, hrefs and stac, found none/],
  [['inputs', 'a'], { href: 'a.tif', bands: [0] }, '$.inputs.a.bands[0]', /at least 1.*found 0/],
  [['inputs', 'a'], { href: 'a.tif', bands: [1.5] }, '$.inputs.a.bands[0]', /whole number/],
  [['inputs', 'a'], { href: 'a.tif', bands: [] }, '$.inputs.a.bands', /^wanted at least 1 entry; found \[\]$/],
  [['inputs', 'a'], { href: 'a.tif', nodata: 'none' }, '$.inputs.a.nodata', /number or "nan".*found "none"/],
  [['inputs', 'a'], { href: 'a.tif', resampling: 'linear' }, '$.inputs.a.resampling', /"nearest".*found "linear"; did you mean "bilinear"/],
  [['grid', 'like'], 'b', '$.grid.like', /no input "b"; inputs are a/],
  [['grid', 'footprint'], 'onion', '$.grid.footprint', /did you mean "union"/],
  [['grid', 'tileSize'], 64, '$.grid.tileSize', /at least 128.*found 64/],
  [['grid', 'tileSize'], 32_768, '$.grid.tileSize', /at most 16384/],
  [['grid', 'halo'], -3, '$.grid.halo', /at least 0/],
  [['operation'], undefined, '$.operation', /missing/],
  [['operation', 'expression'], 'a[1]', '$.operation.expression', /wanted an object with the expression of each output, .*, found "a\[1\]"$/],
  [['operation', 'copy'], 'a', '$.operation.copy', /wanted an object with the input of each output, .*, found "a"$/],
  [['operation', 'expression', 'out'], '', '$.operation.expression.out', /found ""/],
  [['operation', 'expression', 'out'], [], '$.operation.expression.out', /at least 1/],
  [['operation', 'expression', 'out'], ['a[1]', 3], '$.operation.expression.out[1]', /wanted string, found 3/],
  [['operation', 'expression', 'outt'], 'a[1]', '$.operation.expression.outt', /no output of this name.*did you mean "out"/],
  [['operation', 'parameters'], { k: 'x' }, '$.operation.parameters.k', /wanted number, found "x"/],
  [['operation', 'parameters'], { a: 1 }, '$.operation.parameters.a', /an input has the same name/],
  [['outputs'], {}, '$.outputs', /at least one output/],
  [['outputs', 'out', 'href'], undefined, '$.outputs.out.href', /missing/],
  [['operation'], { copy: {} }, '$.outputs.out', /no copy of this name; operation\.copy has none/],
  [['outputs', 'other'], { href: 'x.tif' }, '$.outputs.other', /no expression of this name; expressions are out/],
  [['outputs', 'out', 'dtype'], 'flaot32', '$.outputs.out.dtype', /"uint8".*did you mean "float32"/],
  [['outputs', 'out', 'nodata'], 'none', '$.outputs.out.nodata', /found "none"/],
  [['outputs', 'out', 'compression'], 'zst', '$.outputs.out.compression', /did you mean "zstd"/],
  [['outputs', 'out', 'level'], 23, '$.outputs.out.level', /at most 22/],
  [['outputs', 'out', 'predictor'], 4, '$.outputs.out.predictor', /"auto" or 1 or 2 or 3; found 4/],
  [['outputs', 'out', 'blockSize'], 300, '$.outputs.out.blockSize', /128 or 256 or 512 or 1024; found 300/],
  [['outputs', 'out', 'overviews'], 'cubic', '$.outputs.out.overviews', /"nearest", "average", "mode", "none"/],
  [['outputs', 'out', 'statistics'], 'yes', '$.outputs.out.statistics', /wanted boolean, found "yes"/],
  [['outputs', 'out', 'bandNames'], [''], '$.outputs.out.bandNames[0]', /found ""/],
  [['compute', 'capacity'], 'SPOT', '$.compute.capacity', /FARGATE_SPOT/],
  [['compute', 'cpu'], 0.1, '$.compute.cpu', /0\.25.*found 0\.1/],
  [['compute', 'image'], 'my image', '$.compute.image', /name of a container image.*found "my image"/],
  [['compute', 'memory'], '16 gigs', '$.compute.memory', /"16 GiB".*found "16 gigs"/],
  [['compute', 'architecture'], 'arm', '$.compute.architecture', /ARM64/],
  [['compute', 'maxConcurrency'], 0, '$.compute.maxConcurrency', /at least 1/],
  [['compute', 'tilesPerTask'], 'all', '$.compute.tilesPerTask', /"auto".*found "all"/],
  [['compute', 'timeout'], '1 day', '$.compute.timeout', /"1h".*found "1 day"/],
  [['tolerateFailures', 'percentage'], 101, '$.tolerateFailures.percentage', /at most 100/],
];

/** Unknown fields on every level, and what their names are near to. */
const unknown: readonly [readonly string[], string, RegExp][] = [
  [['input'], '$.input', /did you mean "inputs"/],
  [['grid', 'tilesize'], '$.grid.tilesize', /did you mean "tileSize"/],
  [['operation', 'expresion'], '$.operation.expresion', /did you mean "expression"/],
  [['outputs', 'out', 'overview'], '$.outputs.out.overview', /did you mean "overviews"/],
  [['compute', 'memmory'], '$.compute.memmory', /did you mean "memory"/],
  [['tolerateFailures', 'percentag'], '$.tolerateFailures.percentag', /did you mean "percentage"/],
  [['compute', 'qqqqqqqq'], '$.compute.qqqqqqqq', /known are capacity, cpu, memory/],
  [['outputs', 'out', 'bad-key.x'], '$.outputs.out["bad-key.x"]', /unknown field/],
  [['constructor'], '$.constructor', /unknown field; known are/],
];

void describe('job spec', () => {
  void it('names each bad field by its path, what was wanted and what was found', () => {
    for (const [path, value, wantedPath, words] of bad) {
      const { problems, message } = refusal(changed(path, value));
      assert.deepEqual(problems.map((problem) => problem.path), [wantedPath], message);
      assert.match(problems[0]?.message ?? '', words);
      assert.ok(message.includes(`${wantedPath}: `), message);
    }
  });

  void it('names each unknown field and the nearest known one', () => {
    for (const [path, wantedPath, words] of unknown) {
      const { problems, message } = refusal(changed(path, 1));
      assert.deepEqual(problems.map(({ path: found, code }) => [found, code]), [[wantedPath, 'JOB_UNKNOWN_FIELD']], message);
      assert.match(problems[0]?.message ?? '', words);
    }
    // Inside one branch of a union too.
    const { problems } = refusal(changed(['inputs', 'a'], { href: 'a.tif', band: [1] }));
    assert.deepEqual(problems.map(({ path }) => path), ['$.inputs.a.band']);
    assert.match(problems[0]?.message ?? '', /did you mean "bands"/);
  });

  void it('reports everything that is wrong in one message', () => {
    const job = {
      nmae: 'x',
      inputs: { a: { href: 'a.tif', bands: [0, 1, -2] } },
      operation: { expression: { out: 'a[1]' } },
      outputs: { out: { href: 'out.tif', dtype: 'double', blockSize: 7, colour: 1 } },
      compute: { cpu: '2', timeout: 'soon' },
    };
    const { problems, message } = refusal(job);
    const paths = ['$.nmae', '$.inputs.a.bands[0]', '$.inputs.a.bands[2]', '$.outputs.out.dtype', '$.outputs.out.blockSize', '$.outputs.out.colour', '$.compute.cpu', '$.compute.timeout'];
    assert.deepEqual(problems.map(({ path }) => path).toSorted(), paths.toSorted());
    for (const path of paths) assert.ok(message.includes(`\n  ${path}: `), `${path} in ${message}`);
    assert.match(message, /^the job spec is not valid: 8 problems\n/);
  });

  void it('refuses what is no object at all, and reports cross-field problems together', () => {
    for (const document of [null, undefined, 'job', 3, [], true]) {
      assert.deepEqual(refusal(document).problems.map(({ path }) => path), ['$']);
    }
    const job = { ...least, grid: { like: 'z' }, outputs: { x: { href: 'x.tif' } }, operation: { expression: { y: 'a[1]' }, parameters: { a: 1 } } };
    assert.deepEqual(refusal(job).problems.map(({ path }) => path).toSorted(), ['$.grid.like', '$.operation.expression.y', '$.operation.parameters.a', '$.outputs.x']);
  });

  void it('fills in the documented defaults', () => {
    assert.deepEqual(parseJobSpec(least), {
      name: 'job',
      inputs: { a: 'a.tif' },
      grid: { footprint: 'intersection', tileSize: 1024, halo: 0, maxPixels: 1e11 },
      operation: { expression: { out: 'a[1]' }, parameters: {}, kernels: {}, lists: {}, requirements: [], credentials: false, tileTimeout: '10m', serial: false },
      outputs: { out: { href: 'out.tif', compression: 'deflate', predictor: 'auto', blockSize: 512, statistics: true } },
      compute: { tilesPerTask: 'auto' },
      tolerateFailures: { percentage: 0 },
    });
  });

  void it('takes the example of the documentation', () => {
    const job = parseJobSpec({
      name: 'ndvi',
      inputs: { scene: 's3://in/scene.tif', other: { href: 's3://in/dem.tif', bands: [1], resampling: 'bilinear', nodata: -32_768 } },
      grid: { like: 'scene', footprint: 'intersection', tileSize: 2048, halo: 0 },
      operation: { expression: { ndvi: '(scene[4] - scene[3]) / (scene[4] + scene[3])' } },
      outputs: { ndvi: { href: 's3://out/ndvi.tif', dtype: 'float32', nodata: -9999, compression: 'zstd', overviews: 'average', statistics: true } },
      compute: { capacity: 'FARGATE_SPOT', cpu: 2, memory: '16 GiB', architecture: 'ARM64', image: null, maxConcurrency: 200, tilesPerTask: 'auto', timeout: '1h' },
      tolerateFailures: { percentage: 0 },
    });
    assert.equal(job.outputs['ndvi']?.nodata, -9999);
    assert.equal(job.compute.cpu, 2);
    const ndvi: unknown = JSON.parse(readFileSync(new URL('../../examples/ndvi/job.json', import.meta.url), 'utf8'));
    assert.ok(parseJobSpec(ndvi).outputs['ndvi']);
  });

  void it('is parsed to a document that parses to itself, so that a plan keeps the job', () => {
    const parsed = parseJobSpec(least);
    assert.deepEqual(parseJobSpec(JSON.parse(JSON.stringify(parsed))), parsed);
  });
});

/** A job over a function, with changes. */
function codeJob(operation: object = {}, more: object = {}): object {
  return { inputs: { a: 'a.tif', b: 'b.tif' }, operation: { module: 'f.py', function: 'f', ...operation }, outputs: { out: { href: 'out.tif' } }, ...more };
}

/** Jobs over code that are refused: the path and the words of the one problem. */
const badCode: readonly [object, string, RegExp][] = [
  [codeJob({ command: ['x', '{output.out}'] }), '$.operation', /wanted one of expression, copy, module, model, command; found module and command/],
  [{ ...codeJob(), operation: {} }, '$.operation', /expression.*command.*found none/],
  [codeJob({ module: 'f.exe' }), '$.operation.module', /wanted a file that ends in .*\.py.*found "f\.exe"/],
  [{ ...codeJob(), operation: { module: 'f.py' } }, '$.operation.function', /name of a function of the Python module/],
  [codeJob({ function: 'no spaces' }), '$.operation.function', /name of a function/],
  [{ ...codeJob(), operation: { command: ['x', '{output.out}'], function: 'f' } }, '$.operation.function', /has a meaning with module only/],
  [{ ...codeJob(), operation: { model: 'm.onnx', serial: true } }, '$.operation.serial', /has a meaning with module only/],
  [codeJob({ tileTimeout: '1 day' }), '$.operation.tileTimeout', /"10m".*found "1 day"/],
  [codeJob({ tileTimeout: '0s' }), '$.operation.tileTimeout', /found "0s"/],
  [codeJob({ lists: { all: ['a', 'c'] } }), '$.operation.lists.all', /no input or output "c"; there are a, b, out/],
  [codeJob({ lists: { all: ['a', 'out'] } }), '$.operation.lists.all', /wanted either inputs or outputs, found both/],
  [codeJob({ lists: { a: ['a', 'b'] } }), '$.operation.lists.a', /an input or output has the same name/],
  [codeJob({}, { outputs: {} }), '$.outputs', /at least one output, or results/],
  [codeJob({}, { results: { href: 'r.txt' } }), '$.results.format', /"r\.txt" doesn't tell: wanted json, jsonl, csv, parquet/],
  [codeJob({}, { results: { href: 'r.json', merge: 'median' } }), '$.results.merge', /found "median"/],
  [{ ...codeJob({}, { results: { href: 'r.json', merge: { function: 'm' } } }), operation: { command: ['x', '{output.out}'] } }, '$.results.merge', /is one of the module/],
  [{ ...least, results: { href: 'r.json' } }, '$.results', /function, model or command.*found expressions/],
  [{ ...least, operation: { ...least.operation, credentials: true } }, '$.operation.credentials', /functions, models and commands only/],
  [{ ...least, operation: { ...least.operation, function: 'f' } }, '$.operation.function', /functions, models and commands only/],
  [{ ...least, outputs: { out: { href: 'out.tif', bands: 2 } } }, '$.outputs.out.bands', /function|model|command/],
  [codeJob({}, { outputs: { out: { href: 'out.tif', bands: 0 } } }), '$.outputs.out.bands', /at least 1/],
];

void describe('jobs over functions, models and commands', () => {
  // Catches: fields that are taken and then do nothing, and two operations of which one wins without a word.
  void it('are refused by the path of what is wrong, with what was wanted and found', () => {
    for (const [document, path, words] of badCode) {
      const { problems, message } = refusal(document);
      assert.deepEqual(problems.map((problem) => problem.path), [path], message);
      assert.match(problems[0]?.message ?? '', words);
    }
  });

  // Catches: parameters that must be numbers also for functions, a function that must have outputs, a default that differs from the documented one.
  void it('take any JSON as parameters, and need no outputs where there are results', () => {
    const parameters = { list: [1, 'two', null], deep: { at: { all: true } }, a: 5 };
    const job = parseJobSpec(codeJob({ parameters }, { outputs: {}, results: { href: 'r.csv' } }));
    assert.deepEqual(job.operation.parameters, parameters);
    assert.deepEqual([job.results, job.outputs], [{ href: 'r.csv', merge: 'list' }, {}]);
    assert.deepEqual(parseJobSpec(JSON.parse(JSON.stringify(job))), job);
    for (const operation of [{ module: 'f.ts' }, { module: 's3://b/F.PY', function: 'f' }, { module: 'f.pkl' }, { model: 'm.onnx' }, { command: ['x', '{output.out}'] }]) assert.ok(parseJobSpec({ ...codeJob(), operation }));
  });
});

interface Ajv {
  compile(schema: object): (document: unknown) => boolean;
}

/** A validator of JSON Schema that other packages bring along; tests that need it say so where it is missing. */
const ajv = await (import('ajv/dist/2020.js') as Promise<{ Ajv2020: new (options: object) => Ajv }>).then(
  ({ Ajv2020 }) => new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: false }),
  () => undefined,
);

void describe('published job schema', () => {
  void it('is the one in schemas/', () => {
    const published = readFileSync(new URL('../../schemas/job.schema.json', import.meta.url), 'utf8');
    // Not assert.equal: nobody wants to read both.
    assert.ok(published === `${JSON.stringify(jobJsonSchema(), undefined, 2)}\n`, 'schemas/job.schema.json is stale: run `npm run generate`');
  });

  void it('takes and refuses what the parser takes and refuses', { skip: ajv === undefined ? 'needs ajv, which no package brought along' : false }, () => {
    assert.ok(ajv);
    const valid = ajv.compile(JSON.parse(JSON.stringify(jobJsonSchema())) as object);
    const good: unknown[] = [
      least,
      { ...least, $schema: 'https://example.org/job.schema.json', compute: { cpu: 0.25, memory: '0.5 GiB', timeout: '90 m', tilesPerTask: 4 } },
      { ...least, outputs: { out: { href: 's3://b/k', dtype: 'int8', nodata: -1, level: 22, predictor: 2, blockSize: 128, bandNames: ['x'] } } },
      { ...least, inputs: { a: { href: 'a.tif', nodata: 'nan', bands: [3, 1] } }, tolerateFailures: { percentage: 12.5 } },
    ];
    for (const document of good) {
      assert.equal(jobSpec.safeParse(document).success, true, JSON.stringify(document));
      assert.equal(valid(document), true, JSON.stringify(document));
    }
    const documents = [...bad.map(([path, value]) => changed(path, value)), ...unknown.map(([path]) => changed(path, 1)), null, [], 'x'];
    let refused = 0;
    for (const document of documents) {
      const { success } = jobSpec.safeParse(document);
      // The published schema doesn't say "at least one" of a record; everything else must agree. What crosses fields is checked after the schema.
      const text = JSON.stringify(document);
      const empty = text.includes('"inputs":{}') || text.includes('"outputs":{}');
      if (!empty) assert.equal(valid(document), success, JSON.stringify(document));
      if (!success) refused++;
    }
    assert.ok(refused > 40);
  });
});
