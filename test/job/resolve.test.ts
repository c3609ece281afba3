import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Problem } from '../../lib/job/problems.ts';
import { resolveJob } from '../../lib/job/resolve.ts';
import type { JobSpec } from '../../lib/job/spec.ts';
import { parseJobSpec } from '../../lib/job/validate.ts';

function job(inputs: Record<string, unknown>, outputs: Record<string, string>, like?: string): JobSpec {
  return parseJobSpec({
    name: 'ndvi',
    inputs,
    operation: { expression: Object.fromEntries(Object.keys(outputs).map((name) => [name, `${Object.keys(inputs)[0] ?? ''}[1]`])) },
    outputs: Object.fromEntries(Object.entries(outputs).map(([name, href]) => [name, { href }])),
    ...(like !== undefined && { grid: { like } }),
  });
}

/** Hrefs of one output and its first input after resolving, and what was wrong. */
function resolved(inputs: Record<string, unknown>, outputs: Record<string, string>, base: string | undefined = 'file:///jobs/', like?: string) {
  const problems: Problem[] = [];
  const made = resolveJob(job(inputs, outputs, like), { base, runId: 'run-7' }, problems);
  const outs = Object.values(made.outputs).map(({ href }) => href);
  const ins = Object.values(made.inputs).map((input) => (typeof input === 'string' ? input : input.href));
  return { problems, outs, ins, made };
}

function paths({ problems }: { problems: readonly Problem[] }): string[] {
  return problems.map(({ path }) => path);
}

void describe('resolving a job', () => {
  void it('makes each notation of an href absolute', () => {
    const cases: [string, string, string][] = [
      ['a.tif', 'file:///jobs/', 'file:///jobs/a.tif'],
      ['./sub/a b.tif', 'file:///jobs/', 'file:///jobs/sub/a%20b.tif'],
      ['/data/ü.tif', 'file:///jobs/', 'file:///data/%C3%BC.tif'],
      ['file:///data/a%20b.tif', 'file:///jobs/', 'file:///data/a%20b.tif'],
      ['s3://bucket/key with {odd}.tif', 'file:///jobs/', 's3://bucket/key with {odd}.tif'],
      ['in/a.tif', 's3://jobs/today/', 's3://jobs/today/in/a.tif'],
      ['/data/a.tif', 's3://jobs/', 'file:///data/a.tif'],
    ];
    for (const [text, base, wanted] of cases) {
      for (const input of [text, { href: text, bands: [1] }]) {
        const { ins, problems } = resolved({ a: input }, { out: 's3://out/o.tif' }, base);
        assert.deepEqual(problems, []);
        assert.deepEqual(ins, [wanted]);
      }
    }
  });

  void it('changes nothing when done again, and keeps what it does not resolve', () => {
    const { made } = resolved({ a: { href: 'a.tif', bands: [2], nodata: 'nan' } }, { out: '{run}/{name}-{stem}.tif' });
    const problems: Problem[] = [];
    assert.deepEqual(resolveJob(made, { base: undefined, runId: 'another' }, problems), made);
    assert.deepEqual(problems, []);
    assert.deepEqual(made.inputs['a'], { href: 'file:///jobs/a.tif', bands: [2], nodata: 'nan' });
  });

  void it('reports each href that means nothing, at its path', () => {
    const found = resolved({ a: 'http://x/y.tif', b: { href: 's3:///k' }, c: 'rel.tif' }, { out: 'ftp://x/y' });
    assert.deepEqual(paths(found), ['$.inputs.a', '$.inputs.b.href', '$.outputs.out.href']);
    const noFolder: Problem[] = [];
    resolveJob(job({ a: 'rel.tif' }, { out: 's3://o/x.tif' }), { base: undefined, runId: 'r' }, noFolder);
    assert.deepEqual(paths({ problems: noFolder }), ['$.inputs.a']);
    assert.match(noFolder[0]?.message ?? '', /rel\.tif.*relative/);
  });

  void it('refuses paths that climb out, also where a placeholder brings the dots', () => {
    for (const text of ['../a.tif', 'x/../../a.tif', '/data/../etc/a.tif', '..', 'file:///data/../etc/a.tif', 'file:///data/%2E%2e/etc/a.tif']) {
      const found = resolved({ a: text }, { out: 's3://out/o.tif' });
      assert.deepEqual(paths(found), ['$.inputs.a'], text);
      assert.match(found.problems[0]?.message ?? '', /climbs out/);
    }
    // Whoever uploads an object chooses its key.
    for (const out of ['{key}', 'results/{key}', '/srv/out/{key}', 'file:///srv/out/{key}']) {
      const found = resolved({ a: 's3://uploads/../../etc/passwd' }, { out });
      assert.deepEqual(paths(found), ['$.outputs.out.href'], out);
      assert.match(found.problems[0]?.message ?? '', /climbs out/);
    }
    // In S3 dots are letters like others.
    assert.deepEqual(resolved({ a: 's3://uploads/../x' }, { out: 's3://out/{key}' }).outs, ['s3://out/../x']);
    assert.deepEqual(resolved({ a: 'a..b/..c.tif' }, { out: 'x...tif' }).problems, []);
  });

  void it('fills in run, name, key and stem of the input that the grid is like', () => {
    const out = 's3://out/{run}/{name}/{key}/{stem}.tif';
    assert.deepEqual(resolved({ a: 's3://in/d/scene.v1.tif' }, { out }).outs, ['s3://out/run-7/ndvi/d/scene.v1.tif/scene.v1.tif']);
    assert.deepEqual(resolved({ a: 's3://in/a.tif', b: '/data/b c.tif' }, { out }, undefined, 'b').outs, ['s3://out/run-7/ndvi/data/b c.tif/b c.tif']);
    assert.deepEqual(resolved({ a: 'scene.tif' }, { out: '{stem}-{stem}.tif' }).outs, ['file:///jobs/scene-scene.tif']);
    // What is filled in would be looked at again where the filled job is read: braces in it are refused.
    assert.match(resolved({ a: 's3://in/{run}.tif' }, { out: 's3://out/{key}' }).problems[0]?.message ?? '', /\{key\} stands for "\{run\}\.tif" here.*can't hold braces/);
  });

  void it('reports unknown placeholders with the nearest or all known ones', () => {
    const near = resolved({ a: 'a.tif' }, { out: '{rnu}.tif' });
    assert.deepEqual(paths(near), ['$.outputs.out.href']);
    assert.match(near.problems[0]?.message ?? '', /unknown placeholder \{rnu\}; did you mean \{run\}\?/);
    // Names that every JavaScript object has are unknown too.
    for (const name of ['', 'bucket-and-more', 'constructor', 'toString', '__proto__']) {
      const { problems } = resolved({ a: 'a.tif' }, { out: `{${name}}.tif` });
      assert.equal(problems.length, 1, name);
      assert.match(problems[0]?.message ?? '', /unknown placeholder \{.*\}; (known are \{run\}, \{name\}, \{key\}, \{stem\}|did you mean)/);
    }
  });

  void it('refuses an output that is an input or another output, in whatever notation', () => {
    const input = resolved({ a: 'a.tif', b: '/jobs/b.tif' }, { out: './b.tif' });
    assert.deepEqual(paths(input), ['$.outputs.out.href']);
    assert.match(input.problems[0]?.message ?? '', /same as input b; a run doesn't overwrite what it reads/);
    const s3 = resolved({ a: 's3://b/k.tif' }, { out: 's3://b/{key}' });
    assert.match(s3.problems[0]?.message ?? '', /same as input a/);
    const twice = resolved({ a: 'a.tif' }, { x: 'o.tif', y: 'file:///jobs/o.tif', z: 'p.tif' });
    assert.deepEqual(paths(twice), ['$.outputs.y.href']);
    assert.match(twice.problems[0]?.message ?? '', /same as output x/);
  });

  void it('refuses an output that is a folder', () => {
    assert.match(resolved({ a: 'a.tif' }, { out: 'results/' }).problems[0]?.message ?? '', /is a folder; wanted a file/);
  });

  void it('fills a template with the uploaded file, in inputs and outputs', () => {
    const template = job({ scene: 's3://{bucket}/{key}', mask: 's3://{bucket}/masks/{stem}.tif', dem: 's3://dem/dem.tif' }, { out: 's3://out/{name}/{run}/{stem}-{bucket}.tif' }, 'dem');
    const problems: Problem[] = [];
    const made = resolveJob(template, { base: 's3://in/templates/', file: 's3://in/templates/ndvi.json', object: 's3://in/incoming/ndvi/a/b c+d.v2.tif', runId: 'run-7' }, problems);
    assert.deepEqual(problems, []);
    assert.deepEqual(made.inputs, { scene: 's3://in/incoming/ndvi/a/b c+d.v2.tif', mask: 's3://in/masks/b c+d.v2.tif', dem: 's3://dem/dem.tif' });
    assert.equal(made.outputs['out']?.href, 's3://out/ndvi/run-7/b c+d.v2-in.tif', 'of the upload, not of the reference input');
  });

  void it('takes braces in the key of an upload as they are in inputs, and refuses them in outputs', () => {
    const problems: Problem[] = [];
    const made = resolveJob(job({ scene: 's3://{bucket}/{key}' }, { out: 's3://out/{stem}.tif' }), { base: undefined, object: 's3://in/incoming/t/{run}.tif', runId: 'r' }, problems);
    assert.equal(made.inputs['scene'], 's3://in/incoming/t/{run}.tif');
    assert.deepEqual(paths({ problems }), ['$.outputs.out.href']);
    assert.match(problems[0]?.message ?? '', /\{stem\} stands for "\{run\}"/);
  });

  void it('fills a template with a file of a folder that stands for the bucket', () => {
    const problems: Problem[] = [];
    const template = job({ scene: 's3://{bucket}/{key}', near: '{bucket}/x' }, { out: '/out/{stem}.tif' });
    const made = resolveJob(template, { base: undefined, object: 'file:///in/incoming/t/a%20b.tif', runId: 'r' }, problems);
    assert.equal(made.inputs['scene'], 'file:///in/incoming/t/a%20b.tif');
    assert.equal(made.outputs['out']?.href, 'file:///out/a%20b.tif');
    assert.match(problems[0]?.message ?? '', /\{bucket\} is known only of a file that was uploaded to S3/);
  });

  void it('names placeholders of a template that do not exist', () => {
    const problems: Problem[] = [];
    resolveJob(job({ scene: 's3://{bucket}/{kye}' }, { out: 's3://out/o.tif' }), { base: undefined, object: 's3://in/a.tif', runId: 'r' }, problems);
    assert.match(problems[0]?.message ?? '', /unknown placeholder \{kye\}; did you mean \{key\}/);
  });

  void it('leaves a template that has been filled as it is, whatever the key looks like', () => {
    const problems: Problem[] = [];
    const made = resolveJob(job({ scene: 's3://{bucket}/{key}' }, { out: 's3://out/{run}.tif' }), { base: undefined, object: 's3://in/incoming/t/{key}.tif', runId: 'r' }, problems);
    assert.deepEqual(resolveJob(made, { base: undefined, runId: 'another' }, problems), made);
    assert.deepEqual(problems, []);
  });

  void it('says that a template was started without a file', () => {
    const found = resolved({ scene: 's3://{bucket}/{key}' }, { out: 's3://out/{run}.tif' });
    assert.deepEqual(paths(found), ['$.inputs.scene']);
    assert.match(found.problems[0]?.message ?? '', /started without one.*--object/);
  });
});
