/**
 * The packaged template, which is the product where there is no account to try it in: AWS's own validator, what it does not see, and a
 * golden copy. After a wanted change: TILEFAN_UPDATE_GOLDEN=1 npm test -- test/stack/package.test.ts
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { isObject } from '../../local/adapt-definition.ts';
import type { Json } from '../../local/engine.ts';
import { ofType, packageStack, walk } from '../support/packaged-stack.ts';
import type { JsonObject, PackagedStack, Template } from '../support/packaged-stack.ts';
import { readDefinition } from '../support/state-machine.ts';
import { readZip } from '../support/zip.ts';

const require = createRequire(import.meta.url);

const variants = [
  { name: 'own-network', params: {} },
  { name: 'existing-network', params: { network: 'existing', subnetIds: 'subnet-0a,subnet-0b', securityGroupIds: 'sg-0a' } },
];

interface Statement {
  readonly Sid?: string;
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: Json;
}

/** Statements of all roles, by role. */
function* statementsOf(template: Template): Generator<readonly [string, Statement]> {
  for (const [role, { Properties }] of ofType(template, 'AWS::IAM::Role')) {
    for (const policy of (Properties['Policies'] ?? []) as unknown as readonly { readonly PolicyDocument: { readonly Statement: readonly Statement[] } }[]) {
      for (const statement of policy.PolicyDocument.Statement) yield [role, statement];
    }
  }
}

function only<T>(values: readonly T[]): T {
  const [value] = values;
  assert.ok(value !== undefined && values.length === 1, `wanted one, found ${values.length}`);
  return value;
}

/** What changes from one packaging to the next, or is compared elsewhere, replaced. */
function normalised(template: Template): Json {
  const text = JSON.stringify(template).replace(/serverless\/[^"]*\/(\w+\.zip)/g, 'serverless/<when>/$1');
  const copy = JSON.parse(text) as { Resources: { Pipeline: { Properties: Record<string, Json> } } };
  copy.Resources.Pipeline.Properties['DefinitionString'] = '<statemachines/tile-pipeline.asl.json>';
  return copy;
}

for (const { name, params } of variants) {
  suite(`the stack with its ${name}`, () => {
    let stack: PackagedStack;
    before(async () => {
      stack = await packageStack(params);
    });
    after(() => rmSync(stack.folder, { recursive: true, force: true }));

    test('CloudFormation would take it: no FATAL, no ERROR', () => {
      interface Validator {
        readonly CompositeEngine: new () => { validateTemplate(file: unknown): { readonly diagnostics: readonly { readonly severity: string }[] }; free(): void };
        readonly TemplateFile: new (path: string) => unknown;
      }
      // Bundled in aws-cdk-lib, so it is found from there.
      const { CompositeEngine, TemplateFile } = createRequire(require.resolve('aws-cdk-lib'))('@aws/cloudformation-validate') as Validator;
      const engine = new CompositeEngine();
      try {
        const { diagnostics } = engine.validateTemplate(new TemplateFile(stack.templateFile));
        assert.ok(diagnostics.length > 0, 'the validator says nothing at all, not even hints');
        assert.deepEqual(diagnostics.filter(({ severity }) => severity === 'FATAL' || severity === 'ERROR'), []);
      } finally {
        engine.free();
      }
    });

    test('the state machine in it is the one that runs locally, its placeholders replaced', () => {
      const [, pipeline] = only(ofType(stack.template, 'AWS::StepFunctions::StateMachine'));
      const definition = pipeline.Properties['DefinitionString'];
      assert.ok(isObject(definition) && typeof definition['Fn::Sub'] === 'string', 'Fn::Sub is there');
      assert.deepEqual(JSON.parse(definition['Fn::Sub'].replaceAll('${', '#{')), readDefinition());
    });

    test('no placeholder is left, and every reference has its resource', () => {
      const known = new Set([...Object.keys(stack.template.Resources), ...Object.keys(stack.template.Parameters ?? {})]);
      for (const [path, value] of walk(stack.template as unknown as Json)) {
        if (typeof value !== 'string') continue;
        assert.ok(!value.includes('#{'), path);
        if (!path.endsWith('.Fn::Sub')) assert.ok(!value.includes('${'), `${path}: ${value.slice(0, 80)}`);
        else {
          for (const [, variable = ''] of value.matchAll(/\$\{([^}]*)\}/g)) {
            assert.ok(variable.startsWith('AWS::') || known.has(variable.split('.')[0] ?? ''), `${path}: ${variable}`);
          }
        }
      }
    });

    test('what the template replaces the placeholders with has the form that the definition needs', () => {
      for (const name of ['WorkerSubnets', 'WorkerSecurityGroups']) {
        const { Type, Properties } = stack.template.Resources[name] ?? assert.fail(name);
        assert.equal(Type, 'AWS::SSM::Parameter');
        const value = Properties['Value'];
        assert.ok(isObject(value) ? Array.isArray((value)['Fn::Join']) : typeof value === 'string' && value !== '', name);
      }
      assert.deepEqual(stack.template.Parameters?.['WorkerPublicIp']?.['Default'], name === 'own-network' ? 'ENABLED' : 'DISABLED');
    });

    test('roles name their actions and resources', () => {
      // Services that know no resource for these actions.
      const everywhere = new Set(['WorkerExecutionRole/Login', 'PipelineRole/DeliverLogs', 'PipelineRole/Trace']);
      for (const [role, { Sid = '', Effect, Action, Resource }] of statementsOf(stack.template)) {
        const where = `${role}/${Sid}`;
        assert.equal(Effect, 'Allow', where);
        for (const action of [Action].flat()) assert.ok(!action.includes('*'), `${where}: ${action}`);
        const resources = [Resource].flat();
        assert.equal(resources.includes('*'), everywhere.has(where), where);
      }
    });

    test('the role of the state machine can run, watch, stop, tag and redrive what it starts, and pass only the two task roles', () => {
      const allowed = new Map([...statementsOf(stack.template)].filter(([role]) => role === 'PipelineRole').flatMap(([, { Action, Resource }]) => [Action].flat().map((action) => [action, Resource] as const)));
      for (const action of [
        'lambda:InvokeFunction', 'states:StartExecution', 'states:DescribeExecution', 'states:StopExecution', 'states:RedriveExecution',
        's3:GetObject', 's3:PutObject', 's3:ListMultipartUploadParts', 's3:AbortMultipartUpload',
        'ecs:RunTask', 'ecs:StopTask', 'ecs:DescribeTasks', 'ecs:TagResource', 'iam:PassRole', 'events:PutRule', 'events:PutTargets', 'events:DescribeRule',
      ]) assert.ok(allowed.has(action), action);
      const label = (readDefinition() as { readonly States: { readonly ProcessBatches: { readonly Label: string } } }).States.ProcessBatches.Label;
      assert.match(JSON.stringify(allowed.get('states:RedriveExecution')), new RegExp(`execution:tilefan-dev/${label}:\\*`));
      assert.deepEqual(allowed.get('iam:PassRole'), [{ 'Fn::GetAtt': ['WorkerRole', 'Arn'] }, { 'Fn::GetAtt': ['WorkerExecutionRole', 'Arn'] }]);
      const [, pipeline] = only(ofType(stack.template, 'AWS::StepFunctions::StateMachine'));
      assert.equal(pipeline.Properties['StateMachineName'], 'tilefan-dev', 'the name that the role is written for');
    });

    test('every bucket is private, encrypted and speaks TLS only', () => {
      const policies = ofType(stack.template, 'AWS::S3::BucketPolicy');
      for (const [bucket, { Properties }] of ofType(stack.template, 'AWS::S3::Bucket')) {
        assert.deepEqual(Properties['PublicAccessBlockConfiguration'], { BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true }, bucket);
        assert.ok(isObject(Properties['BucketEncryption']), bucket);
        const policy = JSON.stringify(policies.find(([, { Properties: { Bucket } }]) => isObject(Bucket as Json) && (Bucket as JsonObject)['Ref'] === bucket));
        assert.match(policy, /"Effect":"Deny".*"aws:SecureTransport":(false|"false")/, bucket);
      }
    });

    test('the worker has one container, 120 s to stop and its log group; nothing comes in from the network', () => {
      const [, { Properties }] = only(ofType(stack.template, 'AWS::ECS::TaskDefinition'));
      const container = only(Properties['ContainerDefinitions'] as readonly JsonObject[]);
      assert.equal(container['Name'], 'worker');
      assert.equal(container['StopTimeout'], 120);
      assert.equal(container['Memory'], undefined, 'a limit of the container would cap what the job asks for');
      assert.deepEqual((container['LogConfiguration'] as JsonObject)['LogDriver'], 'awslogs');
      for (const [group, { Properties: { SecurityGroupIngress } }] of ofType(stack.template, 'AWS::EC2::SecurityGroup')) assert.equal(SecurityGroupIngress, undefined, group);
    });

    test('every log group forgets', () => {
      for (const [group, { Properties }] of ofType(stack.template, 'AWS::Logs::LogGroup')) assert.equal(Properties['RetentionInDays'], 30, group);
    });

    for (const fn of ['split', 'reduce']) {
      test(`the bundle of ${fn} loads by itself and reports errors by class`, () => {
        const files = readZip(readFileSync(join(stack.folder, `${fn}.zip`)));
        const bundle = files.get(`functions/${fn}/handler.mjs`) ?? assert.fail([...files.keys()].join());
        const file = join(stack.folder, `${fn}.mjs`);
        writeFileSync(file, bundle);
        const call = `const { handler } = await import(${JSON.stringify(file)}); try { await handler({}, { awsRequestId: 'test', getRemainingTimeInMillis: () => 1000 }) } catch (error) { console.log(error.name + ' ' + error.code) }`;
        const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', call], { cwd: stack.folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
        assert.equal(printed.trim(), 'OperationError EVENT_INVALID');
      });
    }

    test('the bundle of failBatch loads by itself and fails as it is told', () => {
      const files = readZip(readFileSync(join(stack.folder, 'failBatch.zip')));
      const file = join(stack.folder, 'failBatch.mjs');
      writeFileSync(file, files.get('functions/fail-batch/handler.mjs') ?? assert.fail([...files.keys()].join()));
      const event = JSON.stringify({ error: 'Batch.GaveUp', cause: 'Batch 12', redrives: 0, execution: {} });
      const call = `const { handler } = await import(${JSON.stringify(file)}); await handler(${event}).catch((error) => console.log(error.name + ' ' + error.message))`;
      assert.equal(execFileSync(process.execPath, ['--input-type=module', '--eval', call], { cwd: stack.folder, encoding: 'utf8' }).trim(), 'Batch.GaveUp Batch 12');
    });

    test('it is the golden template', () => {
      const golden = new URL(`golden/${name}.json`, import.meta.url);
      const found = `${JSON.stringify(normalised(stack.template), undefined, 2)}\n`;
      if (process.env['TILEFAN_UPDATE_GOLDEN'] === '1') writeFileSync(golden, found);
      assert.equal(found, readFileSync(golden, 'utf8'), 'the template changed; if that is wanted, run once with TILEFAN_UPDATE_GOLDEN=1');
    });
  });
}
