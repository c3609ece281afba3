import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { jobSpec } from '../../../lib/job/spec.ts';

const page = readFileSync(path.join(import.meta.dirname, '../../../docs/models.md'), 'utf8');
const folder = path.join(import.meta.dirname, '../../../lib/code/model');

describe('the page on models', () => {
  it('shows jobs that the schema takes', () => {
    const jobs = [...page.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text]) => JSON.parse(text ?? '') as unknown);
    assert.ok(jobs.length >= 2);
    for (const job of jobs) assert.deepEqual(jobSpec.safeParse(job).error?.issues, undefined);
  });

  it('explains every code that users can meet', () => {
    const files = ['model-facts', 'model-shape', 'model-plan', 'model-session', 'chip-output'].map((name) => readFileSync(path.join(folder, `${name}.ts`), 'utf8'));
    const codes = new Set(files.flatMap((text) => text.match(/'MODEL_[A-Z_]+'/g) ?? []).map((code) => code.slice(1, -1)));
    assert.ok(codes.size > 10);
    for (const code of codes) assert.ok(page.includes(`\`${code}\``), `${code} isn't on the page`);
  });
});
