/** What every role of a packaged stack must allow, from what uses the role. */
import type { Json } from '../../local/engine.ts';
import { isObject } from '../../local/adapt-definition.ts';
import type { Need } from './iam-compare.ts';
import { pipelineNeeds } from './iam-pipeline-needs.ts';
import { logNeeds, queueNeeds, recordedNeeds, type Places } from './iam-recorded-needs.ts';
import { executionNeeds, serviceNeeds } from './iam-service-needs.ts';
import { account, createResolver, region } from './iam-template-values.ts';
import { ofType, walk, type JsonObject, type Template } from './packaged-stack.ts';
import type { Part, Recorded } from './recording-run.ts';
import type { Buckets } from './recording-stage.ts';
import { readDefinition } from './state-machine.ts';
import { rolesOf } from './template-roles.ts';

/** What a deployment names beside what it makes. */
export interface Given {
  readonly readBuckets: readonly string[];
  readonly writeBuckets: readonly string[];
  readonly keys: readonly string[];
  /** ARNs of ECR repositories that images of jobs may come from, besides the stack's own. */
  readonly repositories: readonly string[];
}

/** The buckets' names, as the outputs of the template have them; further ones have the names of the recording where the deployment has none. */
export function bucketsOf(template: Template, given: Given): Buckets {
  const resolve = createResolver(template);
  const outputs = (template as { readonly Outputs?: Readonly<Record<string, JsonObject>> }).Outputs ?? {};
  const named = (output: string): string => String(resolve(outputs[output]?.['Value']));
  return { input: named('InputBucket'), work: named('WorkBucket'), output: named('OutputBucket'), read: given.readBuckets[0] ?? 'tilefan-further-read', write: given.writeBuckets[0] ?? 'tilefan-further-write' };
}

/** The environment of a function, or of the worker's container, as text. */
export function environmentOf(template: Template, part: Part): Readonly<Record<string, string>> {
  const resolve = createResolver(template);
  if (part === 'worker') {
    const [[, definition] = ['', undefined]] = ofType(template, 'AWS::ECS::TaskDefinition');
    const [container] = resolve(definition?.Properties['ContainerDefinitions']) as readonly JsonObject[];
    return Object.fromEntries(((container?.['Environment'] ?? []) as readonly JsonObject[]).map(({ Name, Value }) => [String(Name), String(Value)]));
  }
  const [, fn] = ofType(template, 'AWS::Lambda::Function').find(([, { Properties }]) => String(resolve(Properties['FunctionName'])).endsWith(`-${part}`)) ?? [];
  const variables = (resolve(fn?.Properties['Environment']) as { readonly Variables?: JsonObject } | undefined)?.Variables ?? {};
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, String(value)]));
}

export function needsByRole(template: Template, recorded: Readonly<Record<Part, Recorded>>, given: Given, recordedBuckets: Buckets): ReadonlyMap<string, readonly Need[]> {
  const resolve = createResolver(template);
  const buckets = bucketsOf(template, given);
  const [, machine] = ofType(template, 'AWS::StepFunctions::StateMachine')[0] ?? [];
  const places: Places = { buckets, name: String(resolve(machine?.Properties['StateMachineName'])), keys: given.keys };
  const renamed = rename(recorded, recordedBuckets, buckets, [...(given.readBuckets.length === 0 ? [buckets.read] : []), ...(given.writeBuckets.length === 0 ? [buckets.write] : [])]);
  const idOf = (arn: Json | undefined): string => [...rolesOf(template).values()].find((role) => role.arn === resolve(arn))?.id ?? fail(`${JSON.stringify(arn)} is no role of the stack`);
  const needs = new Map<string, Need[]>();
  const add = (role: string, more: readonly Need[]): void => void needs.set(role, [...(needs.get(role) ?? []), ...more]);

  for (const [id, { Properties }] of ofType(template, 'AWS::Lambda::Function')) {
    const name = String(resolve(Properties['FunctionName']));
    const role = idOf(Properties['Role']);
    const part = (Object.keys(renamed) as Part[]).find((each) => name === `${places.name}-${each}`);
    add(role, logNeeds(name));
    if (part !== undefined) add(role, recordedNeeds(part, renamed[part], places));
    for (const [, mapping] of ofType(template, 'AWS::Lambda::EventSourceMapping')) {
      const { FunctionName, EventSourceArn } = resolve(mapping.Properties) as JsonObject;
      if ([name, resolve({ 'Fn::GetAtt': [id, 'Arn'] })].includes(FunctionName ?? '')) add(role, queueNeeds(String(EventSourceArn)));
    }
  }

  const definitions = ofType(template, 'AWS::ECS::TaskDefinition').map(([, { Properties }]) => Properties);
  const taskRoles = [...new Set(definitions.flatMap(({ TaskRoleArn, ExecutionRoleArn }) => [TaskRoleArn, ExecutionRoleArn]).map((arn) => String(resolve(arn))))];
  for (const role of new Set(definitions.map(({ TaskRoleArn }) => idOf(TaskRoleArn)))) add(role, recordedNeeds('worker', renamed.worker, places));
  for (const { ExecutionRoleArn, ContainerDefinitions } of definitions) add(idOf(ExecutionRoleArn), executionNeeds(template, resolve(ContainerDefinitions) as readonly JsonObject[], given.repositories));

  if (machine !== undefined) {
    add(idOf(machine.Properties['RoleArn']), pipelineNeeds(template, {
      definition: readDefinition(),
      runs: `arn:aws:s3:::${buckets.work}/runs/*`,
      // Every definition of the deployment, of earlier deployments too, which a run that was begun then goes on with; and those made for images of jobs.
      taskDefinitions: ['worker', 'image'].map((kind) => `arn:aws:ecs:${region}:${account}:task-definition/${places.name}-${kind}-*`),
      taskRoles,
      keys: given.keys,
    }));
  }
  for (const [role, more] of serviceNeeds(template)) add(role, more);
  return needs;
}

/** Recorded requests, as they would be with other names of buckets; those to further buckets that a deployment doesn't have are left out. */
function rename(recorded: Readonly<Record<Part, Recorded>>, from: Buckets, to: Buckets, without: readonly string[]): Readonly<Record<Part, Recorded>> {
  let text = JSON.stringify(recorded);
  for (const kind of Object.keys(from) as (keyof Buckets)[]) text = text.replaceAll(from[kind], to[kind]);
  const renamed = JSON.parse(text) as Record<Part, Recorded>;
  return Object.fromEntries(Object.entries(renamed).map(([part, { requests, calls }]) => [part, { calls, requests: requests.filter(({ bucket }) => !without.includes(bucket)) }])) as unknown as Record<Part, Recorded>;
}

/** Services that use each role, by the resources that name it. */
export function usersOf(template: Template): ReadonlyMap<string, ReadonlySet<string>> {
  const services: Readonly<Record<string, string>> = {
    'AWS::Lambda::Function': 'lambda.amazonaws.com',
    'AWS::StepFunctions::StateMachine': 'states.amazonaws.com',
    'AWS::ECS::TaskDefinition': 'ecs-tasks.amazonaws.com',
    'AWS::ECS::CapacityProvider': 'ecs.amazonaws.com',
    'AWS::IAM::InstanceProfile': 'ec2.amazonaws.com',
    'AWS::EC2::FlowLog': 'vpc-flow-logs.amazonaws.com',
    'AWS::Scheduler::Schedule': 'scheduler.amazonaws.com',
    'AWS::Events::Rule': 'events.amazonaws.com',
  };
  const users = new Map<string, Set<string>>([...rolesOf(template).keys()].map((id) => [id, new Set<string>()]));
  for (const resource of Object.values(template.Resources)) {
    const service = services[resource.Type];
    if (service === undefined) continue;
    for (const [path, value] of walk(resource.Properties)) {
      if (!isObject(value) || path.includes('.Environment.')) continue;
      for (const [id, found] of users) {
        const names = [value['Ref'] === id, (value['Fn::GetAtt'] as readonly Json[] | undefined)?.[0] === id && (value['Fn::GetAtt'] as readonly Json[])[1] === 'Arn'];
        if (names.includes(true)) found.add(service);
      }
    }
  }
  return users;
}

function fail(what: string): never {
  throw new Error(what);
}
