/**
 * What metrics print, in a process of its own, as CloudWatch would read it. Would catch a line that CloudWatch doesn't take for EMF, a dimension too many
 * (each combination is a metric that costs money), noise in the log, and start-up time spent where there are no metrics.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import * as z from 'zod';

const { href: metricsModule } = new URL('../../lib/base/metrics.ts', import.meta.url);
const env = { POWERTOOLS_METRICS_NAMESPACE: 'tilefan', POWERTOOLS_SERVICE_NAME: 'tilefan-dev' };

/** What CloudWatch requires, after its specification of the embedded metric format. */
const emf = z.looseObject({
  _aws: z.strictObject({
    Timestamp: z.int(),
    CloudWatchMetrics: z.array(
      z.strictObject({
        Namespace: z.string(),
        Dimensions: z.array(z.array(z.string())),
        Metrics: z.array(z.strictObject({ Name: z.string(), Unit: z.string() })),
      }),
    ),
  }),
});

/** Runs a script that has `metrics`; every module that it loads is named on standard error. */
function run(script: string, variables: Readonly<Record<string, string>>): { readonly lines: readonly string[]; readonly stderr: string } {
  const program = `
import { registerHooks } from 'node:module';
registerHooks({ resolve(name, context, next) { process.stderr.write(name + '\\n'); return next(name, context); } });
const { createMetrics } = await import(${JSON.stringify(metricsModule)});
const metrics = await createMetrics(process.env);
${script}
process.exit();`;
  const { PATH = '' } = process.env;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8', env: { PATH, ...variables } });
  assert.equal(status, 0, stderr);
  return { lines: stdout.split('\n').filter((line) => line !== ''), stderr };
}

test('one flush is one line of EMF with the one dimension service', () => {
  const before = Date.now();
  const { lines } = run(`metrics.add('TilesPlanned', 'Count', 16); metrics.add('TaskSeconds', 'Seconds', 1.5); metrics.flush();`, env);
  assert.equal(lines.length, 1);
  const { _aws, ...rest } = emf.parse(JSON.parse(lines[0] ?? ''));
  assert.deepEqual(_aws.CloudWatchMetrics, [
    { Namespace: 'tilefan', Dimensions: [['service']], Metrics: [{ Name: 'TilesPlanned', Unit: 'Count' }, { Name: 'TaskSeconds', Unit: 'Seconds' }] },
  ]);
  assert.ok(_aws.Timestamp >= before && _aws.Timestamp <= Date.now());
  assert.deepEqual(rest, { service: 'tilefan-dev', TilesPlanned: 16, TaskSeconds: 1.5 });
});

test('values of one name go together, and a second flush does not repeat them', () => {
  const { lines } = run(`for (let i = 0; i < 150; i++) metrics.add('A', 'Count', i); metrics.flush(); metrics.flush(); metrics.add('B', 'Bytes', 7); metrics.flush();`, env);
  const records = lines.map((line) => emf.parse(JSON.parse(line)));
  // CloudWatch takes 100 values at most in one event.
  assert.deepEqual(records.map(({ A }) => (Array.isArray(A) ? A.length : A)), [100, 50, undefined]);
  assert.deepEqual(records.at(-1)?.['B'], 7);
});

test('a flush with nothing to say says nothing', () => {
  const { lines, stderr } = run('metrics.flush();', env);
  assert.deepEqual(lines, []);
  assert.doesNotMatch(stderr, /No application metrics/);
});

for (const namespace of [{}, { POWERTOOLS_METRICS_NAMESPACE: '' }]) {
  test(`without a namespace (${JSON.stringify(namespace)}) nothing is printed and the library is not loaded`, () => {
    const script = `metrics.add('A', 'Count', 1); metrics.flush();`;
    const { lines, stderr } = run(script, namespace);
    assert.deepEqual(lines, []);
    assert.doesNotMatch(stderr, /powertools/);
    assert.match(run(script, env).stderr, /@aws-lambda-powertools\/metrics/, 'the check itself must see the library where it is loaded');
  });
}
