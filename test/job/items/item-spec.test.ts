import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TilefanError } from '../../../lib/base/errors.ts';
import { itemJobSpec } from '../../../lib/job/items/item-spec.ts';
import { isItemJob } from '../../../lib/job/items/item-documents.ts';
import { itemJobJsonSchema, parseItemJob } from '../../../lib/job/items/item-validate.ts';
import type { Problem } from '../../../lib/job/problems.ts';

const photos = {
  items: { prefix: 's3://in/photos/', match: '**/*.{jpg,png}' },
  operation: { images: { resized: { fit: 'inside', width: 1024, height: 768, quality: 90 }, thumbs: { width: 192, height: 192 } } },
  outputs: { prefix: 's3://out/' },
};
const called = { items: { parameters: [{ a: 1 }] }, operation: { module: 'f.py', function: 'f' } };

/** The problems of a document that must be refused, one a line. */
function refusal(document: unknown): string {
  try {
    parseItemJob(document);
  } catch (error) {
    assert.ok(error instanceof TilefanError);
    assert.equal(error.code, 'JOB_INVALID');
    return (error.where['problems'] as Problem[]).map(({ path, message }) => `${path}: ${message}`).join('\n');
  }
  assert.fail(`was taken: ${JSON.stringify(document)}`);
}

const bad: readonly [unknown, RegExp][] = [
  [{ ...photos, items: {} }, /^\$\.items: wanted one of prefix, hrefs, manifest, parameters, parameterGrid, from; found none$/],
  [{ ...photos, items: { prefix: 'a/', hrefs: ['b'] } }, /^\$\.items: .*found prefix and hrefs$/],
  [{ ...photos, items: { prefiks: 'a/' } }, /\$\.items\.prefiks: unknown field; did you mean "prefix"\?/],
  [{ ...photos, items: { ...photos.items, match: '**/*.{jpg' } }, /^\$\.items\.match: Missing closing: "}".*found "\*\*\/\*\.{jpg"$/],
  [{ ...photos, items: { ...photos.items, match: '/2024/**' } }, /^\$\.items\.match: .*below the prefix.*found "\/2024\/\*\*"$/],
  [{ ...photos, items: { ...photos.items, base: 'a/' } }, /^\$\.items\.base: .*count from the prefix$/],
  [{ ...photos, items: { hrefs: ['a/b/'] } }, /^\$\.items\.hrefs\[0\]: a\/b\/ is a folder/],
  [{ ...photos, items: { manifest: 'list.txt' } }, /^\$\.items\.format: missing, and "list\.txt" doesn't tell: wanted csv, jsonl, inventory$/],
  [{ ...photos, items: { ...photos.items, format: 'csv' } }, /^\$\.items\.format: has a meaning with manifest only$/],
  [{ ...photos, outputs: undefined }, /^\$\.outputs: missing; wanted { "prefix": … }/],
  [{ ...photos, operation: { images: {} } }, /^\$\.operation\.images: .*found {}$/],
  [{ ...photos, operation: { images: { a: {} }, module: 'f.ts' } }, /^\$\.operation: wanted one of images, module, model; found images and module$/],
  [{ ...photos, operation: { ...photos.operation, requirements: ['scipy'] } }, /^\$\.operation\.requirements: .*functions and models only$/],
  [{ ...photos, operation: { ...photos.operation, serial: true } }, /\$\.operation\.serial: unknown field/],
  [{ ...photos, items: { parameters: [{ a: 1 }] } }, /^\$\.items\.parameters: sets of parameters are for functions; images wants images/],
  [{ ...called, items: { parameters: [] } }, /^\$\.items\.parameters: /],
  [{ ...called, items: { parameters: [{ '1a': 1 }] } }, /letter or _/],
  [{ ...called, items: { parameterGrid: { a: [] } } }, /^\$\.items\.parameterGrid\.a: /],
  [{ ...called, items: { parameterGrid: {} } }, /^\$\.items\.parameterGrid: wanted at least one name/],
  [{ ...called, items: { parameterGrid: Object.fromEntries(['a', 'b', 'c'].map((name) => [name, Array.from({ length: 1000 }, (_, i) => i)])) } }, /^\$\.items\.parameterGrid: has 1,000,000,000 combinations; wanted 10,000,000 at most$/],
  [{ ...called, items: { from: 'NAME' } }, /^\$\.items\.from: wanted run: and the id of a run; found "NAME"$/],
  [{ ...called, operation: { module: 'f.py' } }, /^\$\.operation\.function: missing/],
  [{ ...called, operation: { module: 'f.rb' } }, /^\$\.operation\.module: wanted a file that ends in .*found "f\.rb"$/],
  [{ ...called, operation: { module: 'f.ts', timeout: '10 minutes' } }, /^\$\.operation\.timeout: .*found "10 minutes"$/],
  [{ ...called, results: { href: 'out.txt' } }, /^\$\.results\.format: missing, and "out\.txt" doesn't tell/],
  [{ ...called, results: { href: 'out.csv', merge: 'sum' } }, /\$\.results\.merge: unknown field/],
  [{ ...called, compute: { tilesPerTask: 3 } }, /\$\.compute\.tilesPerTask: unknown field; did you mean "itemsPerTask"\?/],
  [{ ...called, inputs: { a: 'a.tif' } }, /\$\.inputs: unknown field/],
  [{ items: photos.items, operation: { model: 'm.onnx' } }, /^\$\.results: missing; wanted { "href": … }, where the table of predictions goes$/],
  [{ items: photos.items, operation: { model: { href: 'm.onnx', top: 0 } }, results: { href: 'a.csv' } }, /^\$\.operation\.model\.top: .*found 0$/],
];

void describe('object job', () => {
  void it('takes the forms of the documentation and fills in defaults', () => {
    const job = parseItemJob(photos);
    assert.deepEqual([job.name, job.compute.itemsPerTask, job.operation.timeout, job.tolerateFailures.percentage], ['job', 'auto', '10m', 0]);
    for (const document of [
      called,
      { ...called, items: { parameterGrid: { a: [1, 2], b: ['x', null, { c: [1] }] } } },
      { ...called, items: { from: 'run:hello-1' } },
      { ...photos, items: { hrefs: ['s3://{bucket}/{key}'], base: 's3://{bucket}/incoming/photos/' } },
      { ...photos, items: { manifest: 'list.csv.gz', match: '*.jpg' } },
      { items: photos.items, operation: { model: { href: 'm.onnx', width: 224, height: 224, labels: ['cat', 'dog'], top: 1 } }, results: { href: 'a.csv' } },
    ]) {
      parseItemJob(document);
    }
  });

  void it('names each bad field by its path, what was wanted and what was found', () => {
    for (const [document, words] of bad) assert.match(refusal(document), words, JSON.stringify(document));
  });

  void it('is parsed to a document that parses to itself, so that a plan keeps the job', () => {
    for (const document of [photos, called]) {
      const job = parseItemJob(document);
      assert.deepEqual(itemJobSpec.parse(JSON.parse(JSON.stringify(job))), job);
    }
  });

  void it('is told from a raster job by its items', () => {
    assert.deepEqual([photos, { inputs: {} }, null, 'items', []].map((document) => isItemJob(document)), [true, false, false, false, false]);
  });

  void it('has a JSON Schema with a description of every field', () => {
    const schema = itemJobJsonSchema();
    const without: string[] = [];
    const look = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null) return;
      const { properties = {}, description, anyOf = [] } = node as { properties?: Record<string, unknown>; description?: string; anyOf?: unknown[] };
      if (description === undefined && path !== '' && !path.includes('|')) without.push(path);
      for (const [name, inner] of Object.entries(properties)) look(inner, `${path}.${name}`);
      for (const inner of anyOf) look(inner, `${path}|`);
    };
    look(schema, '');
    assert.deepEqual(without, []);
    assert.deepEqual(schema.required, ['items', 'operation']);
  });
});
