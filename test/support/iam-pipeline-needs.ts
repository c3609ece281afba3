/**
 * What the role of the state machine must allow, derived from the definition: every Task by its Resource, the distributed Map, its reader and writer,
 * logging and tracing. The permissions are those of the Step Functions Developer Guide, "IAM policies for integrated services" (service-integration-iam-templates.html):
 * lambda-iam, ecs-iam, iam-policies-eg-dist-map, cw-logs (logging to CloudWatch), xray-iam; and of the ECS guide, supported-iam-actions-tagging.
 */
import { isObject } from '../../local/adapt-definition.ts';
import type { Json } from '../../local/engine.ts';
import type { Need } from './iam-compare.ts';
import { viaS3 } from './iam-recorded-needs.ts';
import { account, createResolver, region } from './iam-template-values.ts';
import { ofType } from './packaged-stack.ts';
import type { JsonObject, Template } from './packaged-stack.ts';
import { canonical } from './template-roles.ts';

export interface PipelineFacts {
  /** The definition, before placeholders are replaced. */
  readonly definition: Json;
  /** The prefix of the work bucket that runs lie under, as an ARN with `*`. */
  readonly runs: string;
  /** ARNs of the task definitions that split may name, without revisions. */
  readonly taskDefinitions: readonly string[];
  /** ARNs of the roles that these use. */
  readonly taskRoles: readonly string[];
  /** Keys of KMS, one of which may encrypt the work bucket. */
  readonly keys: readonly string[];
}

interface Found {
  readonly name: string;
  readonly state: JsonObject;
}

/** Every state of the definition, those inside a Map too. */
function* statesOf(definition: JsonObject): Generator<Found> {
  for (const [name, state] of Object.entries(definition['States'] as JsonObject)) {
    if (!isObject(state)) continue;
    yield { name, state };
    for (const inner of [state['ItemProcessor'], state['Iterator'], ...((state['Branches'] as readonly Json[] | undefined) ?? [])]) if (isObject(inner)) yield* statesOf(inner);
  }
}

/** @throws Error for a kind of state whose permissions are not known here */
export function pipelineNeeds(template: Template, facts: PipelineFacts): Need[] {
  const resolve = createResolver(template);
  const [[machineId, machine] = ['', undefined]] = ofType(template, 'AWS::StepFunctions::StateMachine');
  if (machine === undefined) throw new Error('the template has no state machine');
  const name = resolve({ 'Fn::GetAtt': [machineId, 'Name'] }) as string;
  const states = (rest: string): string => `arn:aws:states:${region}:${account}:${rest}`;
  const placeholder = (value: Json | undefined): Json | undefined => (typeof value === 'string' ? resolve({ 'Fn::Sub': value.replaceAll('#{', '${') }) : value);
  const needs: Need[] = [];
  const add = (why: string, actions: readonly string[], resources: readonly string[], condition?: Json): void => {
    for (const action of actions) for (const resource of resources) needs.push({ action, resource, why, ...(condition === undefined ? {} : { condition: canonical(condition) }) });
  };

  const encrypted = (why: string, actions: readonly string[]): void => {
    add(`${why}, in a bucket that KMS encrypts`, actions, facts.keys, viaS3);
  };
  for (const { name: state, state: { Type, Resource, Parameters, ItemReader, ResultWriter, ItemProcessor, Label } } of statesOf(facts.definition as JsonObject)) {
    const parameters = (Parameters ?? {}) as JsonObject;
    if (Type === 'Task' && Resource === 'arn:aws:states:::lambda:invoke') add(`state ${state}`, ['lambda:InvokeFunction'], [placeholder(parameters['FunctionName']) as string]);
    else if (Type === 'Task' && Resource === 'arn:aws:states:::aws-sdk:s3:getObject') {
      add(`state ${state}`, ['s3:GetObject'], [facts.runs]);
      encrypted(`state ${state}`, ['kms:Decrypt']);
    } else if (Type === 'Task' && Resource === 'arn:aws:states:::ecs:runTask.sync') {
      const cluster = placeholder(parameters['Cluster']) as string;
      const onCluster = { ArnEquals: { 'ecs:cluster': cluster } };
      const tasks = `${cluster.replace(':cluster/', ':task/')}/*`;
      add(`state ${state}`, ['ecs:RunTask'], facts.taskDefinitions.map((arn) => `${arn}:*`), onCluster);
      // Step Functions stops a task when its execution is stopped or times out, and asks for its state besides waiting for the event.
      add(`state ${state}`, ['ecs:StopTask', 'ecs:DescribeTasks'], [tasks]);
      add(`state ${state}`, ['events:PutTargets', 'events:PutRule', 'events:DescribeRule'], [`arn:aws:events:${region}:${account}:rule/StepFunctionsGetEventsForECSTaskRule`]);
      add(`state ${state}`, ['iam:PassRole'], facts.taskRoles, { StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' } });
      if ('PropagateTags' in parameters || 'Tags' in parameters) add(`state ${state} tags its tasks`, ['ecs:TagResource'], [tasks], { StringEquals: { 'ecs:CreateAction': 'RunTask' } });
    } else if (Type === 'Task') throw new Error(`state ${state}: the permissions for ${JSON.stringify(Resource)} are not known`);
    if (Type !== 'Map') continue;
    if (!isObject(ItemProcessor) || (ItemProcessor['ProcessorConfig'] as JsonObject | undefined)?.['Mode'] !== 'DISTRIBUTED') continue;
    if (typeof Label !== 'string') throw new Error(`state ${state}: a Map without a Label has a name that no policy can foresee`);
    add(`Map ${state}`, ['states:StartExecution'], [states(`stateMachine:${name}`)]);
    add(`Map ${state}`, ['states:DescribeExecution', 'states:StopExecution'], [states(`execution:${name}:*`)]);
    add(`redrive of Map ${state}`, ['states:RedriveExecution'], [states(`execution:${name}/${Label}:*`)]);
    const resourceOf = (part: Json | undefined): Json | undefined => (isObject(part) ? part['Resource'] : undefined);
    if (resourceOf(ItemReader) !== 'arn:aws:states:::s3:getObject') throw new Error(`state ${state}: an unknown ItemReader`);
    add(`ItemReader of ${state}`, ['s3:GetObject'], [facts.runs]);
    encrypted(`ItemReader of ${state}`, ['kms:Decrypt']);
    if (ResultWriter === undefined) continue;
    if (resourceOf(ResultWriter) !== 'arn:aws:states:::s3:putObject') throw new Error(`state ${state}: an unknown ResultWriter`);
    add(`ResultWriter of ${state}`, ['s3:PutObject', 's3:GetObject', 's3:ListMultipartUploadParts', 's3:AbortMultipartUpload'], [facts.runs]);
    encrypted(`ResultWriter of ${state}`, ['kms:Decrypt', 'kms:GenerateDataKey']);
  }

  const { LoggingConfiguration: logging, TracingConfiguration: tracing } = machine.Properties;
  if (isObject(logging) && logging['Level'] !== 'OFF') {
    add('logging of the state machine', ['Create', 'Get', 'Update', 'Delete'].map((verb) => `logs:${verb}LogDelivery`), ['*']);
    add('logging of the state machine', ['logs:ListLogDeliveries', 'logs:PutResourcePolicy', 'logs:DescribeResourcePolicies', 'logs:DescribeLogGroups'], ['*']);
  }
  if (isObject(tracing) && tracing['Enabled'] === true) {
    add('tracing of the state machine', ['xray:PutTraceSegments', 'xray:PutTelemetryRecords', 'xray:GetSamplingRules', 'xray:GetSamplingTargets'], ['*']);
  }
  return needs;
}
