import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { checkItemPlaces, listHref } from '../../../lib/job/items/item-places.ts';
import { resolveItemJob } from '../../../lib/job/items/item-resolve.ts';
import type { ItemJobSpec } from '../../../lib/job/items/item-spec.ts';
import { parseItemJob } from '../../../lib/job/items/item-validate.ts';
import type { Problem } from '../../../lib/job/problems.ts';
import type { ResolveOptions } from '../../../lib/job/resolve.ts';
import { createWorkspace } from '../../support/workspace.ts';

const images = { resized: { width: 1024 }, thumbs: { width: 192 } };
const template = { name: 'photos', items: { hrefs: ['s3://{bucket}/{key}'] }, operation: { images }, outputs: { prefix: 's3://out/' } };

function resolved(document: unknown, options: Partial<ResolveOptions> = {}): { job: ItemJobSpec; problems: string[] } {
  const problems: Problem[] = [];
  const job = resolveItemJob(parseItemJob(document), { base: 's3://jobs/x/', runId: 'r1', ...options }, problems);
  return { job, problems: problems.map(({ path, message }) => `${path}: ${message}`) };
}

void describe('hrefs of an object job', () => {
  void it('become absolute, prefixes with one slash at their end, and stay so', () => {
    const { job, problems } = resolved({ items: { prefix: 'photos' }, operation: { images }, outputs: { prefix: 's3://out/{run}/{name}' }, results: { href: '../{name}.csv' } });
    assert.deepEqual(problems.map((each) => each.split(';')[0]), ['$.results.href: "../job.csv" climbs out with ".."']);
    assert.deepEqual([job.items.prefix, job.outputs?.prefix], ['s3://jobs/x/photos/', 's3://out/r1/job/']);
    const good = resolved({ items: { manifest: 'list.csv', base: 's3://in' }, operation: { model: { href: 'm.onnx', labels: 'labels.txt' } }, results: { href: 'r-{run}.csv' } }).job;
    assert.deepEqual([good.items.manifest, good.items.base, good.results?.href], ['s3://jobs/x/list.csv', 's3://in/', 's3://jobs/x/r-r1.csv']);
    assert.deepEqual(good.operation.model, { ...(good.operation.model as object), href: 's3://jobs/x/m.onnx', labels: 's3://jobs/x/labels.txt' });
    assert.deepEqual(resolved(good).job, good, 'resolving again changes nothing');
  });

  void it('of a template are those of the upload, whose path counts from the folder of its template', () => {
    for (const [key, path] of [['cat.jpg', 'cat.jpg'], ['2024/cat.jpg', '2024/cat.jpg'], ['2024/Ürlaub 1+1 {x}.JPG', '2024/Ürlaub 1+1 {x}.JPG']] as const) {
      const object = `s3://in/incoming/photos/${key}`;
      const { job, problems } = resolved(template, { base: 's3://in/templates/', file: 's3://in/templates/photos.json', object });
      assert.deepEqual(problems, []);
      assert.deepEqual(job.items, { hrefs: [object], base: 's3://in/incoming/photos/' });
      assert.equal(object.slice(job.items.base?.length), path);
      assert.deepEqual(resolved(job, { base: 's3://in/templates/', file: 's3://in/templates/photos.json' }).job, job, 'a run that is continued has the same job');
    }
  });

  void it('of a template may name a base of their own, and the bucket in outputs', () => {
    const own = { ...template, items: { hrefs: ['s3://{bucket}/{key}'], base: 's3://{bucket}/incoming/' }, outputs: { prefix: 's3://{bucket}/{stem}/' } };
    const { job, problems } = resolved(own, { file: 's3://in/templates/photos.json', object: 's3://in/incoming/photos/cat.jpg' });
    assert.deepEqual([problems, job.items.base, job.outputs?.prefix], [[], 's3://in/incoming/', 's3://in/cat/']);
  });

  void it('of a template mean files where a folder stands for the bucket', () => {
    const own = { ...template, outputs: { prefix: 's3://{bucket}/' }, items: { hrefs: ['s3://{bucket}/{key}'] } };
    const { job, problems } = resolved(own, { base: 'file:///box/templates/', file: 'file:///box/templates/photos.json', object: '/box/incoming/photos/2024/a b.jpg' });
    assert.deepEqual(problems, []);
    assert.deepEqual(job.items, { hrefs: ['file:///box/incoming/photos/2024/a%20b.jpg'], base: 'file:///box/incoming/photos/' });
    assert.equal(job.outputs?.prefix, 'file:///box/');
  });

  void it('of a template without an upload are refused, and so are unknown placeholders', () => {
    assert.match(resolved(template).problems.join(), /^\$\.items\.hrefs\[0\]: s3:\/\/{bucket}\/{key} is to be filled with an uploaded file/);
    const { problems } = resolved({ ...template, items: { prefix: 's3://in/' }, outputs: { prefix: 's3://out/{rnu}/' } });
    assert.match(problems.join(), /^\$\.outputs\.prefix: unknown placeholder {rnu}; did you mean {run}\?$/);
    assert.match(resolved({ ...template, items: { prefix: 's3://in/' }, outputs: { prefix: 's3://{bucket}/' } }).problems.join(), /{bucket} is known only of a file that was uploaded/);
  });
});

void describe('places of an object job', () => {
  const workspace = createWorkspace('item-places');
  after(() => workspace.remove());

  async function problemsOf(document: unknown, triggers: readonly string[] = [], file?: string): Promise<string[]> {
    const problems: Problem[] = [];
    const job = resolveItemJob(parseItemJob(document), { base: undefined, runId: 'r1' }, problems);
    await checkItemPlaces(job, 'r1', triggers, file, problems);
    return problems.map(({ path, message }) => `${path}: ${message}`);
  }
  const job = (prefix: string, out: string, operation: unknown = { images }): unknown => ({ items: { prefix }, operation, outputs: { prefix: out } });

  void it('are refused where outputs would be items again', async () => {
    const f = { module: '/f.ts' };
    const cases: readonly [unknown, RegExp | undefined][] = [
      [job('s3://in/photos/', 's3://in/photos/'), /below the items' prefix s3:\/\/in\/photos\//],
      [job('s3://in/photos/', 's3://in/photos/small/'), /below the items' prefix/],
      [job('s3://in/', 's3://in/out/'), /below/],
      // The variants lie beside the items, so their common prefix does no harm; what a function writes may lie anywhere below.
      [job('s3://in/incoming/', 's3://in/'), undefined],
      [job('s3://in/resized/', 's3://in/'), /\$\.operation\.images\.resized: .*below/],
      [job('s3://in/resized/a/', 's3://in/'), /\$\.operation\.images\.resized: .*above/],
      [job('s3://in/incoming/', 's3://in/', f), /\$\.outputs\.prefix: .*above the items' prefix/],
      [job('s3://in/photos/', 's3://in/photos-small/'), undefined],
    ];
    for (const [document, words] of cases) {
      const found = await problemsOf(document);
      if (words === undefined) assert.deepEqual(found, []);
      else assert.match(found.join('\n'), words, JSON.stringify(document));
    }
  });

  void it('are refused where a new object starts a run, by way of a link too', async () => {
    const uploads = { items: { hrefs: ['s3://in/incoming/photos/cat.jpg'] }, operation: { images }, outputs: { prefix: 's3://in/' } };
    const triggers = ['s3://in/incoming/', 's3://in/jobs/', 's3://in/templates/'];
    assert.deepEqual(await problemsOf(uploads, triggers), [], 'the reference example: resized/ and thumbs/ beside incoming/');
    assert.match((await problemsOf({ ...uploads, outputs: { prefix: 's3://in/incoming/' } }, triggers)).join(), /under s3:\/\/in\/incoming\/, where every new object starts a run/);
    assert.match((await problemsOf({ ...uploads, results: { href: 's3://in/jobs/a.csv' } }, triggers)).join(), /\$\.results\.href: .*s3:\/\/in\/jobs\//);
    mkdirSync(workspace.path('incoming'));
    symlinkSync(workspace.path('incoming'), workspace.path('link'));
    assert.match((await problemsOf({ ...uploads, outputs: { prefix: workspace.path('link/') } }, [`file://${workspace.path('incoming')}/`])).join(), /starts a run/);
  });

  void it('are refused where a table would replace what is read', async () => {
    const rows = { items: { manifest: '/a/list.csv' }, operation: { module: '/f.ts' } };
    assert.match((await problemsOf({ ...rows, results: { href: '/a/list.csv' } })).join(), /is the list of the items/);
    assert.match((await problemsOf({ ...rows, results: { href: '/a/job.csv' } }, [], 'file:///a/job.csv')).join(), /is the job file itself/);
  });

  void it('have lists of outputs and failures beside them', () => {
    const { job: images } = resolved({ ...template, items: { prefix: 's3://in/' } });
    assert.equal(listHref(images, 'r1', 'failures'), 's3://out/r1-failures.jsonl');
    const { job: table } = resolved({ items: { prefix: 's3://in/' }, operation: { module: 'f.ts' }, results: { href: 's3://out/a/b.csv' } });
    assert.equal(listHref(table, 'r1', 'outputs'), 's3://out/a/r1-outputs.jsonl');
  });
});
