/** What holds for a template as a whole. */
import { isObject } from '../../../local/adapt-definition.ts';
import type { Json } from '../../../local/engine.ts';
import { walk, type JsonObject } from '../../support/packaged-stack.ts';
import { statementsOf } from '../../support/template-roles.ts';
import { list, type Assertion, type Mutable, type StackView } from './assertion.ts';

/** Statements of every policy: of roles, buckets, queues and keys, what they trust too. */
function* statements(stack: StackView): Generator<readonly [where: string, statement: JsonObject]> {
  for (const [id, { Properties }] of Object.entries(stack.template.Resources)) {
    for (const [path, value] of walk(((Properties) ?? {}), id)) {
      if (isObject(value) && 'Statement' in value && 'Version' in value) for (const statement of statementsOf(value)) yield [path, statement];
    }
  }
}

/** `Role/Sid` of statements that allow something on everything, since the service knows no resource for it, and what it is. */
const everywhere: Readonly<Record<string, string>> = {
  'WorkerExecutionRole/Login': 'a token for ECR',
  'SplitRole/MakeDefinitions': 'task definitions of images that jobs bring',
  'TidyRole/TakeDefinitionsAway': 'task definitions that nobody uses',
  'PipelineRole/DeliverLogs': 'delivery of logs',
  'PipelineRole/Trace': 'traces',
  'Ec2InstanceRole/FindEndpoints': 'where the agent finds ECS, and a token for ECR',
};

/** Words that people leave where something is still to be filled in. */
const leftOver = /#\{|\bplaceholder\b|\bTODO\b|\bFIXME\b|\bXXX\b|change-?me|your-|<[a-z]+-[a-z-]+>|example\.(?:com|org)|\[object Object\]|\bundefined\b|\bNaN\b/i;

const mutate = (change: (template: Mutable) => void) => (template: Mutable): boolean => {
  change(template);
  return true;
};

export const templates: readonly Assertion[] = [
  {
    holds: 'every reference has its target, and nothing is left to be filled in',
    problems: (stack) => {
      const problems: string[] = [];
      for (const [path, value] of walk(stack.template as unknown as Json)) {
        if (typeof value !== 'string') continue;
        const found = leftOver.exec(value)?.[0];
        if (found !== undefined) problems.push(`${path}: ${found}`);
        // A literal that looks like a variable was meant for Fn::Sub.
        if (value.includes('${') && !/\.Fn::Sub(\[0\])?$/.test(path)) problems.push(`${path} is not put together: ${value.slice(0, 80)}`);
      }
      const parts: [string, Json][] = [...Object.entries(stack.template.Resources as unknown as JsonObject), ...Object.entries(((stack.template as unknown as JsonObject)['Outputs'] ?? {}) as JsonObject)];
      for (const [id, part] of parts) {
        try {
          stack.resolve(part);
        } catch (error) {
          problems.push(`${id}: ${String(error)}`);
        }
      }
      return problems;
    },
    mistakes: [
      mutate(({ Resources }) => Object.assign(Resources, { Left: { Type: 'AWS::SNS::Topic', Properties: { DisplayName: '#{Cluster.Arn}' } } })),
      mutate(({ Resources }) => Object.assign(Resources, { Left: { Type: 'AWS::SNS::Topic', Properties: { DisplayName: 'arn:${AWS::Partition}' } } })),
      mutate(({ Resources }) => Object.assign(Resources, { Left: { Type: 'AWS::SNS::Topic', Properties: { DisplayName: { Ref: 'Nobody' } } } })),
      mutate(({ Resources }) => Object.assign(Resources, { Left: { Type: 'AWS::SNS::Topic', Properties: { DisplayName: { 'Fn::Sub': '${Nobody.Arn}' } } } })),
      mutate(({ Resources }) => Object.assign(Resources, { Left: { Type: 'AWS::SNS::Topic', Properties: { DisplayName: 'TODO' } } })),
    ],
  },
  {
    holds: 'no policy allows actions by a wildcard, to everybody, or by naming what it leaves out',
    problems: (stack) => [...statements(stack)].filter(([, { Effect }]) => Effect !== 'Deny').flatMap(([where, { Action, NotAction, NotResource, NotPrincipal, Principal }]) => [
      ...list(Action).filter((action) => String(action).includes('*')).map((action) => `${where} allows ${String(action)}`),
      ...(NotAction !== undefined || NotResource !== undefined || NotPrincipal !== undefined ? [`${where} says what it does not mean`] : []),
      ...(Principal === '*' || (isObject(Principal ?? null) && JSON.stringify(Principal).includes('"*"')) ? [`${where} lets everybody in`] : []),
    ]),
    mistakes: [
      mutate(({ Resources }) => Object.assign(Resources['SplitRole']?.Properties as object, { Policies: [{ PolicyName: 'a', PolicyDocument: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: 'arn:aws:s3:::b' }] } }] })),
      mutate(({ Resources }) => Object.assign(Resources['SplitRole']?.Properties as object, { AssumeRolePolicyDocument: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { AWS: '*' } }] } })),
    ],
  },
  {
    holds: 'only statements on a short list are for all resources',
    problems: (stack) => [...stack.all('AWS::IAM::Role'), ...stack.all('AWS::IAM::Policy')].flatMap(([id, { Policies, PolicyDocument }]) =>
      [...list(Policies).map((policy) => (policy as JsonObject)['PolicyDocument']), ...(PolicyDocument === undefined ? [] : [PolicyDocument])].flatMap((document) => statementsOf(document))
        .filter(({ Resource, Sid }) => list(Resource).includes('*') && !(`${id}/${String(Sid)}` in everywhere)).map(({ Sid }) => `${id}/${String(Sid)} is for all resources`)),
    mistakes: [mutate(({ Resources }) => Object.assign(Resources['ReduceRole']?.Properties as object, { Policies: [{ PolicyName: 'a', PolicyDocument: { Version: '2012-10-17', Statement: [{ Sid: 'New', Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }] } }] }))],
  },
  {
    holds: 'it fits: 500 resources, 1 MB, 200 parameters and outputs (CloudFormation quotas)',
    problems: (stack) => [
      ...(Object.keys(stack.template.Resources).length <= 500 ? [] : ['too many resources']),
      ...(JSON.stringify(stack.template).length <= 1_000_000 ? [] : ['too large']),
      ...(Object.keys(stack.template.Parameters ?? {}).length <= 200 ? [] : ['too many parameters']),
    ],
    mistakes: [mutate(({ Resources }) => { for (let i = 0; i < 500; i++) Resources[`Topic${i}`] = { Type: 'AWS::SNS::Topic', Properties: {} }; })],
  },
];

export { everywhere };
