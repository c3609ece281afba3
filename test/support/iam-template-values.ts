/**
 * What a value in a template comes to once CloudFormation has put it together: conditions decided, references replaced by the names and ARNs that
 * the resources would have in one account and region. Enough of CloudFormation for the functions that the stack uses; others are an error.
 */
import { isObject } from '../../local/adapt-definition.ts';
import type { Json } from '../../local/engine.ts';
import type { JsonObject, Resource, Template } from './packaged-stack.ts';

export const account = '123456789012';
export const region = 'eu-west-1';

const pseudoParameters: Readonly<Record<string, string>> = {
  'AWS::Partition': 'aws',
  'AWS::Region': region,
  'AWS::AccountId': account,
  'AWS::URLSuffix': 'amazonaws.com',
  'AWS::StackName': 'tilefan-dev',
  'AWS::StackId': `arn:aws:cloudformation:${region}:${account}:stack/tilefan-dev/0`,
};

export type Resolve = (value: Json | undefined) => Json | undefined;

/** Gives the function that resolves values of one template. */
export function createResolver(template: Template): Resolve {
  const conditions = (template as { readonly Conditions?: JsonObject }).Conditions ?? {};

  const decide = (condition: Json | undefined): boolean => {
    if (typeof condition === 'string') return decide(conditions[condition] ?? fail(`no condition ${condition}`));
    if (!isObject(condition)) return fail(`no condition: ${JSON.stringify(condition)}`);
    const [[name, value] = ['', null]] = Object.entries(condition);
    const list = Array.isArray(value) ? (value as readonly Json[]) : [];
    switch (name) {
      case 'Condition': return decide(value);
      case 'Fn::Equals': return text(list[0]) === text(list[1]);
      case 'Fn::Not': return !decide(list[0]);
      case 'Fn::And': return list.every(decide);
      case 'Fn::Or': return list.some(decide);
      default: return fail(`no condition function ${name}`);
    }
  };

  const text = (value: Json | undefined): string => {
    const resolved = resolve(value);
    return typeof resolved === 'string' || typeof resolved === 'number' || typeof resolved === 'boolean' ? String(resolved) : fail(`no text: ${JSON.stringify(value)}`);
  };

  const named = (name: string, attribute: string | undefined): string => {
    const pseudo = pseudoParameters[name];
    if (pseudo !== undefined) return pseudo;
    const parameter = template.Parameters?.[name];
    if (parameter !== undefined) return text(parameter['Default'] ?? '');
    const resource = template.Resources[name] ?? fail(`no resource or parameter ${name}`);
    return attributeOf(name, resource, attribute, (property) => {
      const value = resource.Properties?.[property];
      return value === undefined ? undefined : text(value);
    });
  };

  const substitute = (value: Json): string => {
    const [pattern, variables] = (Array.isArray(value) ? value : [value, {}]) as unknown as readonly [Json, JsonObject];
    return text(pattern).replaceAll(/\$\{(!?)([^}]*)\}/g, (_, literal: string, name: string) => {
      if (literal === '!') return `\${${name}}`;
      const given = variables[name];
      if (given !== undefined) return text(given);
      const [resource = '', ...attribute] = name.split('.');
      return named(resource, attribute.length === 0 ? undefined : attribute.join('.'));
    });
  };

  const call = (name: string, value: Json): Json | undefined => {
    const list = Array.isArray(value) ? (value as readonly Json[]) : [];
    switch (name) {
      case 'Ref': return value === 'AWS::NoValue' ? undefined : named(String(value), undefined);
      case 'Fn::GetAtt': {
        const [resource = '', ...attribute] = typeof value === 'string' ? value.split('.') : list.map(String);
        return named(resource, attribute.join('.'));
      }
      case 'Fn::Sub': return substitute(value);
      case 'Fn::Join': return (resolve(list[1]) as readonly Json[]).map(text).join(String(list[0]));
      case 'Fn::Split': return text(list[1]).split(String(list[0]));
      case 'Fn::Select': return (resolve(list[1]) as readonly Json[])[Number(text(list[0]))] ?? fail(`Fn::Select: ${JSON.stringify(value)}`);
      case 'Fn::If': return resolve(decide(list[0]) ? list[1] : list[2]);
      case 'Fn::Base64': return Buffer.from(text(value)).toString('base64');
      case 'Fn::GetAZs': return ['a', 'b', 'c'].map((zone) => `${region}${zone}`);
      case 'Fn::Cidr': return Array.from({ length: Number(text(list[1])) }, (_, index) => `${text(list[0])}#${index}`);
      default: return fail(`no function ${name}`);
    }
  };

  const resolve: Resolve = (value) => {
    if (Array.isArray(value)) return (value as readonly Json[]).map(resolve).filter((inner) => inner !== undefined);
    if (!isObject(value)) return value;
    const [[name, inner] = ['', null], second] = Object.entries(value);
    if (second === undefined && (name === 'Ref' || name.startsWith('Fn::'))) return call(name, inner);
    return Object.fromEntries(Object.entries(value).flatMap(([key, each]) => {
      const resolved = resolve(each);
      return resolved === undefined ? [] : [[key, resolved] as const];
    }));
  };
  return resolve;
}

/** Ref (no attribute) and GetAtt by type, as the "Return values" of each resource type in the CloudFormation reference say. */
function attributeOf(id: string, { Type }: Resource, attribute: string | undefined, property: (name: string) => string | undefined): string {
  const name = (given: string): string => property(given) ?? id.toLowerCase();
  const arn = (service: string, rest: string): string => `arn:aws:${service}:${region}:${account}:${rest}`;
  const table: Readonly<Record<string, { readonly ref: () => string; readonly [attribute: string]: () => string }>> = {
    'AWS::S3::Bucket': { ref: () => name('BucketName'), Arn: () => `arn:aws:s3:::${name('BucketName')}` },
    'AWS::Lambda::Function': { ref: () => name('FunctionName'), Arn: () => arn('lambda', `function:${name('FunctionName')}`) },
    'AWS::IAM::Role': { ref: () => name('RoleName'), Arn: () => `arn:aws:iam::${account}:role/${property('RoleName') ?? id}`, RoleId: () => `AROA${id.toUpperCase()}` },
    'AWS::IAM::InstanceProfile': { ref: () => id, Arn: () => `arn:aws:iam::${account}:instance-profile/${id}` },
    'AWS::Logs::LogGroup': { ref: () => name('LogGroupName'), Arn: () => arn('logs', `log-group:${name('LogGroupName')}:*`) },
    'AWS::ECS::Cluster': { ref: () => name('ClusterName'), Arn: () => arn('ecs', `cluster/${name('ClusterName')}`) },
    'AWS::ECS::TaskDefinition': { ref: () => arn('ecs', `task-definition/${name('Family')}:1`), TaskDefinitionArn: () => arn('ecs', `task-definition/${name('Family')}:1`) },
    'AWS::ECS::CapacityProvider': { ref: () => name('Name') },
    'AWS::ECR::Repository': {
      ref: () => name('RepositoryName'),
      Arn: () => arn('ecr', `repository/${name('RepositoryName')}`),
      RepositoryUri: () => `${account}.dkr.ecr.${region}.amazonaws.com/${name('RepositoryName')}`,
    },
    'AWS::SQS::Queue': {
      ref: () => `https://sqs.${region}.amazonaws.com/${account}/${name('QueueName')}`,
      Arn: () => arn('sqs', name('QueueName')),
      QueueName: () => name('QueueName'),
    },
    'AWS::SNS::Topic': { ref: () => arn('sns', name('TopicName')), TopicArn: () => arn('sns', name('TopicName')), TopicName: () => name('TopicName') },
    'AWS::StepFunctions::StateMachine': { ref: () => arn('states', `stateMachine:${name('StateMachineName')}`), Arn: () => arn('states', `stateMachine:${name('StateMachineName')}`), Name: () => name('StateMachineName') },
    'AWS::SSM::Parameter': { ref: () => name('Name'), Value: () => name('Value') },
    'AWS::KMS::Key': { ref: () => id, Arn: () => arn('kms', `key/${id}`) },
    'AWS::AutoScaling::AutoScalingGroup': { ref: () => name('AutoScalingGroupName'), AutoScalingGroupARN: () => arn('autoscaling', `autoScalingGroup:0:autoScalingGroupName/${name('AutoScalingGroupName')}`) },
    'AWS::EC2::VPC': { ref: () => id, CidrBlock: () => name('CidrBlock') },
    'AWS::Events::Rule': { ref: () => name('Name'), Arn: () => arn('events', `rule/${name('Name')}`) },
    'AWS::Scheduler::Schedule': { ref: () => name('Name'), Arn: () => arn('scheduler', `schedule/default/${name('Name')}`) },
  };
  const found = table[Type]?.[attribute ?? 'ref'];
  // An id that only AWS knows, such as that of a subnet: one that no two resources share will do.
  return found?.() ?? (attribute === undefined || !/Arn$/i.test(attribute) ? [id, attribute].filter(Boolean).join('.') : fail(`the ARN of a ${Type}`));
}

function fail(what: string): never {
  throw new Error(`cannot resolve a value of the template: ${what}`);
}
