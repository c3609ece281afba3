/** `s3://{outputBucket}/` in outputs: what it becomes in a deployment, in a folder, and where nobody knows. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import { builtInTemplate } from '../../lib/job/built-in-templates.ts';
import { resolveItemJob } from '../../lib/job/items/item-resolve.ts';
import { parseItemJob } from '../../lib/job/items/item-validate.ts';
import type { OutputPlace } from '../../lib/job/output-place.ts';
import type { Problem } from '../../lib/job/problems.ts';
import { resolveJob } from '../../lib/job/resolve.ts';
import { parseJobSpec } from '../../lib/job/validate.ts';

const run = { base: 's3://in/templates/', file: 's3://in/templates/t.json', object: 's3://in/incoming/t/a b/ü.tif', runId: 'r-1' };

function items(prefix: string, outputPlace: OutputPlace): { readonly prefix: string | undefined; readonly problems: Problem[] } {
  const problems: Problem[] = [];
  const job = parseItemJob({ name: 'n', items: { hrefs: ['s3://{bucket}/{key}'] }, operation: { images: { a: { width: 1 } } }, outputs: { prefix } });
  return { prefix: resolveItemJob(job, { ...run, outputPlace }, problems).outputs?.prefix, problems };
}

function raster(href: string, outputPlace: OutputPlace): { readonly href: string | undefined; readonly problems: Problem[] } {
  const problems: Problem[] = [];
  const job = parseJobSpec({ name: 'n', inputs: { a: 's3://{bucket}/{key}' }, operation: { copy: { o: 'a' } }, outputs: { o: { href } } });
  return { href: resolveJob(job, { ...run, outputPlace }, problems).outputs['o']?.href, problems };
}

suite('the place for outputs', () => {
  // Catches: a placeholder that only one kind of job knows, a prefix that is lost, keys that are encoded.
  test('is a bucket, a prefix in one, or a folder', () => {
    assert.deepEqual(items('s3://{outputBucket}/', 's3://out/'), { prefix: 's3://out/', problems: [] });
    assert.deepEqual(items('s3://{outputBucket}/{stem}/{run}', 's3://out/all/'), { prefix: 's3://out/all/ü/r-1/', problems: [] });
    assert.deepEqual(raster('s3://{outputBucket}/{stem}.tif', 's3://out/all/'), { href: 's3://out/all/ü.tif', problems: [] });
    assert.deepEqual(raster('s3://{outputBucket}/{stem}.tif', 'file:///o%20u/'), { href: 'file:///o%20u/%C3%BC.tif', problems: [] });
  });

  // Catches: a job that is refused before it comes to where the bucket is known, and one that is sent on where nobody knows.
  test('stays as it is until it is known, and is a problem where it never will be', () => {
    assert.deepEqual(items('s3://{outputBucket}/x/', null), { prefix: 's3://{outputBucket}/x/', problems: [] });
    assert.deepEqual(raster('s3://{outputBucket}/{stem}.tif', null), { href: 's3://{outputBucket}/ü.tif', problems: [] });
    const [problem, ...others] = items('s3://{outputBucket}/x/', undefined).problems;
    assert.deepEqual([problem?.path, others.length], ['$.outputs.prefix', 0]);
    assert.match(problem?.message ?? '', /\{outputBucket\} is the output bucket of a deployment/);
    assert.match(raster('s3://{outputBucket}/../x.tif', 'file:///o/').problems[0]?.message ?? '', /climbs out of \/o\//);
  });
});

suite('templates that are built in', () => {
  // Catches: another template in the package than the one that people read.
  test('are those of the examples, by the name in their href', () => {
    const text = readFileSync(new URL('../../examples/photos/template.json', import.meta.url), 'utf8');
    for (const href of ['s3://in/templates/photos.json', 'file:///a/templates/photos.json']) assert.deepEqual(builtInTemplate(href), JSON.parse(text));
    for (const href of ['s3://in/templates/other.json', 's3://in/templates/a/photos.json', 's3://in/jobs/photos.json', 's3://in/templates/photos.jsonl']) assert.equal(builtInTemplate(href), undefined, href);
    assert.deepEqual(parseItemJob(builtInTemplate('s3://in/templates/photos.json')).operation.images?.['resized']?.width, 1024);
  });
});
