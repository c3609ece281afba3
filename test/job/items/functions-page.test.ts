/** The examples of docs/items-functions.md: taken out of the page, run as jobs, and compared with what Python makes of the same files. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { projectFolder, runCli } from '../../support/cli.ts';
import { runPythonJson, withoutGdal } from '../../support/gdal.ts';
import { createWorkspace } from '../../support/workspace.ts';

const workspace = createWorkspace('items-functions-page');
after(() => workspace.remove());

const page = readFileSync(join(projectFolder, 'docs/items-functions.md'), 'utf8');
const modules = [...page.matchAll(/`(\w+\.(?:ts|py))`:\n\n```(?:ts|python)\n(.*?)```/gs)].map(([, name = '', text = '']) => ({ name, text }));
const jobs = [...page.matchAll(/```json\n(.*?)```/gs)].map(([, text = '']) => JSON.parse(text) as { readonly name: string; readonly operation: { readonly module?: string } });

/** What each job should leave, as Python sees it: [what is there, what should be]. */
const judges: Readonly<Record<string, string>> = {
  words: `rows = list(csv.DictReader(open('words.csv')))
found = [[r['item'].split('/')[-1], int(r['words']), json.loads(r['common'])] for r in rows] + [open('lists/a/ein text.txt/sorted.txt').read()]
wanted = [['ein%20text.txt', 5, ['a', 'b']], ['two.txt', 3, ['x', 'y.']], 'a\\nb\\nc.']`,
  train: `found = [json.loads(line)['value']['error'] for line in open('errors.jsonl')] + [open('models/%08d/model.txt' % i).read() for i in range(4)]
wanted = [0.05, 0.025, 0.005, 0.0025, '0.1 2 7', '0.1 4 7', '0.01 2 7', '0.01 4 7']`,
  lines: `found = [r['lines'] for r in csv.DictReader(open('lines.csv'))] + [open('found/two.txt/found.txt').read()]
wanted = ['1', '2', 'x y.\\nx.']`,
  hello: `found, wanted = [json.loads(line)['value'] for line in open('hello.jsonl')], ['Hello']`,
  join: `found, wanted = [json.loads(line)['value'] for line in open('joined.jsonl')], ['Hello, World!']`,
};

void describe('the page on functions over items', { skip: withoutGdal }, () => {
  // Catches an example that was forgotten here.
  void it('has a judge for each job that runs here', () => {
    assert.deepEqual(jobs.filter(({ operation }) => operation.module !== undefined).map(({ name }) => name), Object.keys(judges));
  });

  // Catches examples that don't do what the page says of them.
  void it('has examples that run', async () => {
    mkdirSync(workspace.path('texts/a'), { recursive: true });
    writeFileSync(workspace.path('texts/a/ein text.txt'), 'a b a\nb c.');
    writeFileSync(workspace.path('texts/two.txt'), 'x y.\nx.');
    for (const { name, text } of modules) writeFileSync(workspace.path(name), text);
    for (const job of jobs) {
      const judge = judges[job.name];
      if (judge === undefined) continue;
      // One after another: one takes what another has come to.
      // oxlint-disable-next-line no-await-in-loop
      const { exitCode, stderr } = await runCli(['run', workspace.job(`${job.name}-job.json`, job), '--run', `${job.name}-1`], { cwd: workspace.folder });
      assert.equal(exitCode, 0, stderr);
      const [found, wanted] = runPythonJson(`import csv, json, os, sys\nos.chdir(sys.argv[1])\n${judge}\nprint(json.dumps([found, wanted]))`, [workspace.folder]) as [unknown, unknown];
      assert.deepEqual(found, wanted, job.name);
    }
  });

  // Catches a job on the page whose fields are others by now.
  void it('has a job with a model that is valid', async () => {
    const job = jobs.find(({ operation }) => operation.module === undefined) ?? assert.fail();
    const { exitCode, stderr, stdout } = await runCli(['validate', workspace.job('model-job.json', job)], { cwd: workspace.folder });
    assert.equal(exitCode, 0, stderr + stdout);
  });
});
