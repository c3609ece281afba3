/** The commands as processes, against a server that speaks Step Functions' protocol: arguments, environment, signals, exit codes, and what is loaded. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { runCli, startCli, type CliResult } from '../../support/cli.ts';
import { createWorkspace } from '../../support/workspace.ts';
import { field, handMadeTiff, simpleImage } from '../../tiff/hand-made-tiff.ts';
import { arnOf, pipeline } from './fake-aws.ts';

const space = createWorkspace('aws-process');
after(() => space.remove());

interface Asked {
  readonly operation: string;
  readonly input: Record<string, unknown>;
  readonly region: string | undefined;
  readonly key: string | undefined;
}

const asked: Asked[] = [];

/** An answer, or an error as the JSON protocol has them: its name in `__type`. */
function answerTo(operation: string, input: Record<string, unknown>): object {
  const at = Date.UTC(2026, 10, 22, 10) / 1000;
  switch (operation) {
    case 'ListStateMachines':
      return { stateMachines: [{ name: 'tilefan-dev', stateMachineArn: pipeline, type: 'STANDARD', creationDate: at }] };
    case 'StartExecution':
      return { executionArn: arnOf(String(input['name'])), startDate: at };
    case 'DescribeExecution': {
      const arn = String(input['executionArn']);
      if (arn === arnOf('going')) return { executionArn: arn, stateMachineArn: pipeline, name: 'going', status: 'RUNNING', startDate: at };
      if (arn === arnOf('failed')) return { executionArn: arn, stateMachineArn: pipeline, name: 'failed', status: 'FAILED', startDate: at, stopDate: at + 60, error: 'DataError', cause: 'scene.tif is broken' };
      return { __type: 'com.amazonaws.swf.service.v2.model#ExecutionDoesNotExist', message: `Execution Does Not Exist: '${arn}'` };
    }
    case 'ListExecutions':
      return { executions: [{ executionArn: arnOf('failed'), stateMachineArn: pipeline, name: 'failed', status: 'FAILED', startDate: at, stopDate: at + 60 }] };
    case 'ListMapRuns':
      return { mapRuns: [] };
    case 'GetExecutionHistory':
      return { events: [] };
    case 'StopExecution':
      return { __type: 'AccessDeniedException', message: 'User: arn:aws:iam::123456789012:user/me is not authorized to perform: states:StopExecution on resource: x' };
    default:
      return { __type: 'UnknownOperationException' };
  }
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const operation = String(request.headers['x-amz-target']).replace(/^.*\./, '');
    const input = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>;
    const [, key, region] = /Credential=([^/]+)\/\d+\/([^/]+)\//.exec(request.headers.authorization ?? '') ?? [];
    asked.push({ operation, input, region, key });
    const answer = answerTo(operation, input);
    response.writeHead('__type' in answer ? 400 : 200, { 'content-type': 'application/x-amz-json-1.0' });
    response.end(JSON.stringify(answer));
  });
});

let env: Record<string, string | undefined> = {};
const job = { name: 'ndvi', inputs: { scene: 's3://in/scene.tif' }, operation: { expression: { o: 'scene[1]' } }, outputs: { o: { href: 's3://out/o.tif', dtype: 'uint8' } } };

before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  writeFileSync(space.path('credentials'), '[mine]\naws_access_key_id = PROFILEKEY\naws_secret_access_key = s\n');
  writeFileSync(space.path('config'), '[profile mine]\nregion = eu-central-1\n');
  env = {
    AWS_ENDPOINT_URL_SFN: `http://127.0.0.1:${String(port)}`,
    AWS_ACCESS_KEY_ID: 'ENVIRONMENTKEY',
    AWS_SECRET_ACCESS_KEY: 's',
    AWS_REGION: 'eu-west-1',
    AWS_SHARED_CREDENTIALS_FILE: space.path('credentials'),
    AWS_CONFIG_FILE: space.path('config'),
    AWS_PROFILE: undefined,
    TILEFAN_STAGE: undefined,
    TILEFAN_STATE_MACHINE: undefined,
  };
});
after(() => server.close());

async function tilefan(args: readonly string[], more: Readonly<Record<string, string | undefined>> = {}): Promise<CliResult> {
  return await runCli(args, { env: { ...env, ...more } });
}

void describe('commands against AWS', () => {
  void it('say how a run went by their exit code', async () => {
    const failed = await tilefan(['status', 'failed']);
    assert.equal(failed.exitCode, 65, failed.stderr);
    assert.match(failed.stdout, /^run failed: FAILED since 2026-11-22 10:01:00Z, after 1 min 0 s\n[^]*\[DataError\] scene\.tif is broken\n/);
    assert.equal((await tilefan(['status', 'going', '--json'])).exitCode, 0);
    const none = await tilefan(['status', 'nothing']);
    assert.deepEqual([none.exitCode, none.stdout], [69, '']);
    assert.equal(none.stderr, 'tilefan: tilefan-dev in eu-west-1 has no run nothing; the latest are failed (FAILED) [RUN_NOT_FOUND]\n');
    const other = await tilefan(['ls', '--stage', 'prod']);
    assert.deepEqual([other.exitCode, other.stdout], [69, '']);
    assert.match(other.stderr, /no state machine tilefan-prod in eu-west-1 \(stages that are there: dev\)/);
    const denied = await tilefan(['cancel', 'going']);
    assert.equal(denied.exitCode, 69);
    assert.match(denied.stderr, /^tilefan: Cannot cancel the run: AWS refuses permission \(AccessDeniedException\): User: .* states:StopExecution on resource: x \[AWS_DENIED\]\n$/);
  });

  // Catches: options that don't reach the SDK, and keys of the environment that win over the profile that was asked for.
  void it('take region and profile from options, environment and ARNs', async () => {
    const of = async (args: readonly string[], more = {}): Promise<unknown> => {
      asked.length = 0;
      const result = await tilefan(args, more);
      assert.deepEqual([result.exitCode, result.stderr], [0, '']);
      return [asked[0]?.region, asked[0]?.key];
    };
    assert.deepEqual(await of(['ls']), ['eu-west-1', 'ENVIRONMENTKEY']);
    assert.deepEqual(await of(['ls', '--region', 'us-west-2']), ['us-west-2', 'ENVIRONMENTKEY']);
    assert.deepEqual(await of(['ls', '--profile', 'mine'], { AWS_REGION: undefined }), ['eu-central-1', 'PROFILEKEY']);
    assert.deepEqual(await of(['ls', '--state-machine', pipeline], { AWS_REGION: 'us-west-2' }), ['eu-west-1', 'ENVIRONMENTKEY']);
    assert.deepEqual(await of(['status', arnOf('going')], { AWS_REGION: undefined }), ['eu-west-1', 'ENVIRONMENTKEY']);
    assert.deepEqual(await of(['ls'], { TILEFAN_STATE_MACHINE: pipeline.replace('eu-west-1', 'ap-south-1'), AWS_REGION: undefined }), ['ap-south-1', 'ENVIRONMENTKEY']);
    const nowhere = await tilefan(['ls'], { AWS_REGION: undefined });
    assert.deepEqual([nowhere.exitCode, nowhere.stderr], [69, 'tilefan: No AWS region is known: give --region, or set AWS_REGION or a profile that has one [AWS_NO_REGION]\n']);
    const nobody = await tilefan(['ls'], { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined, AWS_EC2_METADATA_DISABLED: 'true' });
    assert.equal(nobody.exitCode, 69);
    assert.match(nobody.stderr, /^tilefan: Cannot list the runs: no valid AWS credentials \(CredentialsProviderError: .*\[AWS_CREDENTIALS\]\n$/);
    const unreachable = await tilefan(['ls'], { AWS_ENDPOINT_URL_SFN: 'http://127.0.0.1:9' });
    assert.equal(unreachable.exitCode, 75);
    assert.match(unreachable.stderr, /AWS can't be reached \(ECONNREFUSED/);
  });

  // Catches: a Ctrl-C that ends the run, or the process without a word.
  void it('stop waiting on SIGINT', async () => {
    const child = startCli(['submit', space.job('job.json', job), '--run', 'going', '--wait'], { env });
    for (let i = 0; i < 300 && !child.stderr().includes('Run:Progress'); i++) await sleep(50);
    child.child.kill('SIGINT');
    const { exitCode, stderr, stdout } = await child.ended;
    assert.equal(exitCode, 130, stderr);
    assert.match(stderr, /^run going has been started\n[^]*"event":"Run:Progress","state":"Split"[^]*stopped waiting; the run goes on\n/);
    assert.equal(stdout, '');
    assert.ok(!asked.some(({ operation }) => operation === 'StopExecution'));
  });

  void it('refuse wrong arguments before they ask AWS', async () => {
    asked.length = 0;
    const wrong: [readonly string[], RegExp][] = [
      [['logs', 'r', '--tile', '1;2'], /wanted COLUMN,ROW/],
      [['logs', 'r', '--tile', '1,2', '--batch', '3'], /cannot be used with/],
      [['ls', '--status', 'DONE'], /RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED/],
      [['ls', '--stage', 'Dev'], /wanted small letters/],
      [['purge'], /required option '--stage <NAME>'/],
      [['attach', '--region', 'eu west'], /wanted a region such as eu-west-1, found "eu west"/],
      [['submit', space.job('local.json', { ...job, inputs: { scene: 'scene.tif' } })], /\$\.inputs\.scene: found .*scene\.tif, which AWS can't reach/],
    ];
    for (const [args, words] of wrong) {
      const { exitCode, stderr } = await tilefan(args);
      assert.equal(exitCode, 64, args.join(' '));
      assert.match(stderr, words);
    }
    assert.deepEqual(asked, []);
  });

  // Catches: the SDK loaded by commands that don't need it, which costs a local run its start.
  void it('load the AWS SDK only when it is needed', async () => {
    const note = space.path('loaded');
    const hook = space.path('hook.mjs');
    writeFileSync(hook, `import { registerHooks } from 'node:module';\nimport { appendFileSync } from 'node:fs';\nregisterHooks({ resolve(name, context, next) { if (name.startsWith('@aws-sdk/client-') || (name === 'pino' && process.env.TILEFAN_PARENT_PIPE === undefined)) appendFileSync(${JSON.stringify(note)}, name + '\\n'); return next(name, context); } });\n`);
    const loadedBy = async (args: readonly string[]): Promise<string[]> => {
      writeFileSync(note, '');
      const { exitCode, stderr } = await tilefan(args, { NODE_OPTIONS: `--import=${pathToFileURL(hook).href}` });
      assert.equal(exitCode, 0, stderr);
      return [...new Set(readFileSync(note, 'utf8').split('\n').filter((name) => name !== ''))];
    };
    writeFileSync(space.path('scene.tif'), handMadeTiff({ directories: [simpleImage(200, 100, [field(339, 1)])], blocks: new Uint8Array(20_000) }));
    const local = space.job('here.json', { ...job, inputs: { scene: 'scene.tif' }, outputs: { o: { href: 'o.tif', dtype: 'uint8' } } });
    // aws-local-stepfunctions names it, and gets a stand-in (local/lean-import.ts).
    assert.deepEqual((await loadedBy(['run', local, '--work', space.path('work')])).filter((name) => name !== '@aws-sdk/client-lambda'), []);
    assert.deepEqual(await loadedBy(['--help']), []);
    assert.deepEqual(await loadedBy(['ls']), ['@aws-sdk/client-sfn']);
  });
});
