/**
 * The packaged stack under other people's checkers, and under assertions of our own for what those miss. What stays as it is although a checker
 * complains is in acknowledged.ts, with its reason.
 */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { acknowledged } from './acknowledged.ts';
import { viewOf, type Assertion, type Mutable } from './assertions/assertion.ts';
import { compute } from './assertions/compute.ts';
import { environment } from './assertions/environment.ts';
import { functions } from './assertions/functions.ts';
import { network } from './assertions/network.ts';
import { operations } from './assertions/operations.ts';
import { queues } from './assertions/queue.ts';
import { storage } from './assertions/storage.ts';
import { templates } from './assertions/template.ts';
import { findProgram, runCdkNag, runCfnLint, runCheckov, runCloudformationValidate } from './checkers.ts';
import { stale, unacknowledged, type Finding } from './findings.ts';
import { packageAll, removeAll, variants, type PackagedVariant } from './variants.ts';
import type { Template } from '../support/packaged-stack.ts';

const assertions: Readonly<Record<string, readonly Assertion[]>> = { storage, queues, network, compute, functions, environment, operations, templates };

/** Findings of cdk-nag that nobody may acknowledge. */
const mustPass = ['L1', 'SF1', 'SF2', 'SQS2', 'SQS3', 'SQS4', 'S10', 'ECS2', 'ECS4', 'ECS7', 'ECR1', 'EC23'].map((rule) => `AwsSolutions-${rule}`);

suite('the packaged stack', () => {
  let packaged: readonly PackagedVariant[] = [];
  const all = new Map<Finding['tool'], Finding[]>();

  before(async () => {
    packaged = await packageAll(variants);
  });
  after(() => removeAll(packaged));

  /** Every finding has to be acknowledged, and those that must not be, must not be there. */
  const judge = (name: string, tool: Finding['tool'], findings: readonly Finding[]): void => {
    all.set(tool, [...(all.get(tool) ?? []), ...findings]);
    assert.deepEqual(unacknowledged(findings, acknowledged), [], name);
  };
  const stackOf = (name: string): PackagedVariant['stack'] => packaged.find((each) => each.name === name)?.stack ?? assert.fail(name);

  for (const { name, given } of variants) {
    suite(name, () => {
      test('CloudFormation would take it: no FATAL, no ERROR', () => {
        const { diagnostics, findings } = runCloudformationValidate(stackOf(name).templateFile);
        assert.ok(diagnostics > 0, 'the validator says nothing at all, not even hints');
        judge(name, 'cloudformation-validate', findings);
      });

      test('cdk-nag AwsSolutions has nothing to say that is not acknowledged', () => {
        const findings = runCdkNag(stackOf(name).templateFile);
        assert.deepEqual(findings.filter(({ id }) => mustPass.includes(id.replace(/\[.*/s, ''))), []);
        judge(name, 'cdk-nag', findings);
      });

      // Would catch: alarms that ring where nobody hears them, or that go to a topic that nobody named.
      test('alarms go to the topic that the deployment names', () => {
        const alarms = viewOf(stackOf(name).template).all('AWS::CloudWatch::Alarm');
        const topics = given.alarmTopic === undefined ? [] : [given.alarmTopic];
        for (const [id, { AlarmActions = [] }] of alarms) assert.deepEqual(AlarmActions, topics, id);
      });

      // Would catch: costs that nobody can tell apart. CloudFormation gives the tags of a stack to everything in it that can have tags.
      test('the stack has tags', () => {
        const { service } = JSON.parse(readFileSync(join(stackOf(name).folder, 'serverless-state.json'), 'utf8')) as { readonly service: { readonly provider: { readonly stackTags?: object } } };
        assert.deepEqual(service.provider.stackTags, { project: 'tilefan', stage: 'dev' });
      });

      for (const [theme, ofTheme] of Object.entries(assertions)) {
        for (const { holds, problems } of ofTheme) test(`${theme}: ${holds}`, () => assert.deepEqual(problems(viewOf(stackOf(name).template)), []));
      }
    });
  }

  const cfnLint = findProgram('cfn-lint', 'TILEFAN_CFN_LINT');
  test('cfn-lint has nothing to say that is not acknowledged', { skip: cfnLint === undefined ? 'no cfn-lint: set TILEFAN_CFN_LINT, or put it into .tools/venv/bin or PATH' : false }, async () => {
    const found = await runCfnLint(cfnLint ?? '', packaged.map(({ stack }) => stack.templateFile));
    for (const { name, stack } of packaged) judge(name, 'cfn-lint', found.get(stack.templateFile) ?? []);
  });

  const checkov = findProgram('checkov', 'TILEFAN_CHECKOV');
  const noCheckov = checkov === undefined ? 'no checkov: set TILEFAN_CHECKOV, or put it into .tools/venv/bin or PATH' : false;
  test('checkov has nothing to say of the templates or of the Dockerfile that is not acknowledged', { skip: noCheckov }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tilefan-checkov-'));
    try {
      for (const [index, { stack }] of packaged.entries()) copyFileSync(stack.templateFile, join(folder, `${index}.json`));
      const { passed, findings } = await runCheckov(checkov ?? '', folder, 'cloudformation');
      assert.ok(passed > 100, `only ${passed} checks passed: has it read the templates?`);
      for (const [index, { name }] of packaged.entries()) judge(name, 'checkov', findings.get(`/${index}.json`) ?? []);
      const image = join(folder, 'image');
      mkdirSync(image);
      copyFileSync(fileURLToPath(new URL('../../containers/worker/Dockerfile', import.meta.url)), join(image, 'Dockerfile'));
      const dockerfile = await runCheckov(checkov ?? '', image, 'dockerfile');
      assert.ok(dockerfile.passed > 10, `only ${dockerfile.passed} checks passed: has it read the Dockerfile?`);
      judge('Dockerfile', 'checkov', [...dockerfile.findings.values()].flat());
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  // Would catch: a list that only grows. It runs last, when every checker that is there has spoken.
  test('every acknowledgement still matches something', () => {
    assert.deepEqual(stale([...all.values()].flat(), acknowledged, [...all.keys()]), []);
  });

  suite('these checks can fail', () => {
    for (const [theme, ofTheme] of Object.entries(assertions)) {
      for (const { holds, problems, mistakes } of ofTheme) {
        test(`${theme}: ${holds}`, () => {
          for (const [index, mistake] of mistakes.entries()) {
            const broken = packaged.flatMap(({ stack: { template } }): Template[] => {
              const copy = structuredClone(template) as unknown as Mutable;
              return mistake(copy) ? [copy] : [];
            });
            assert.ok(broken.length > 0, `mistake ${index} can be made in no variant`);
            for (const each of broken) assert.notDeepEqual(problems(viewOf(each)), [], `mistake ${index} is not noticed`);
          }
        });
      }
    }

    test('a finding that nobody has acknowledged fails, and so does an acknowledgement of nothing', () => {
      const finding: Finding = { tool: 'checkov', id: 'CKV_1', resource: 'Bucket', message: 'm' };
      const known = [{ tool: 'checkov', reason: 'r', findings: { CKV_1: ['Bucket', 'Other'] } }] as const;
      assert.deepEqual(unacknowledged([finding], known), []);
      assert.deepEqual(unacknowledged([{ ...finding, id: 'CKV_2' }], known), ['checkov CKV_2 Bucket: m']);
      assert.deepEqual(unacknowledged([{ ...finding, resource: 'Third' }], known), ['checkov CKV_1 Third: m']);
      assert.deepEqual(stale([finding], known, ['checkov']), ['checkov CKV_1 Other']);
      assert.deepEqual(stale([finding], known, ['cfn-lint']), []);
    });
  });
});
