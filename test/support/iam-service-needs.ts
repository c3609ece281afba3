/** What roles must allow that AWS's own services take: to start a container, to run an instance, to send by the clock, to write flow logs. */
import { isObject } from '../../local/adapt-definition.ts';
import type { Json } from '../../local/engine.ts';
import type { Need } from './iam-compare.ts';
import { createResolver } from './iam-template-values.ts';
import { ofType, type JsonObject, type Template } from './packaged-stack.ts';
import { canonical, rolesOf } from './template-roles.ts';

/** What ECS does to start a task: pull the image, begin the log (developerguide/task_execution_IAM_role.html). */
export function executionNeeds(template: Template, containers: readonly JsonObject[], repositories: readonly string[]): Need[] {
  const resolve = createResolver(template);
  return containers.flatMap((container): Need[] => {
    const options = (container['LogConfiguration'] as { readonly Options?: JsonObject } | undefined)?.Options ?? {};
    const [, repository] = /^\d+\.dkr\.ecr\.[^/]+\/([^:@]+)[:@]/.exec(String(container['Image'])) ?? [];
    const own = ofType(template, 'AWS::ECR::Repository').map(([id]) => String(resolve({ 'Fn::GetAtt': [id, 'Arn'] })));
    const pulled = own.filter((arn) => arn.endsWith(`repository/${repository ?? ''}`));
    const group = ofType(template, 'AWS::Logs::LogGroup').find(([id]) => resolve({ Ref: id }) === options['awslogs-group'])?.[0] ?? fail(`no log group ${String(options['awslogs-group'])}`);
    return [
      { action: 'ecr:GetAuthorizationToken', resource: '*', why: 'pulling the image' },
      ...[...pulled, ...repositories].flatMap((resource) => imageActions.map((action) => ({ action, resource, why: 'pulling the image' }))),
      ...['logs:CreateLogStream', 'logs:PutLogEvents'].map((action) => ({ action, resource: String(resolve({ 'Fn::GetAtt': [group, 'Arn'] })), why: 'the log of the container' })),
    ];
  });
}

const imageActions = ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'];

/** Roles that AWS's services take to do something for the stack. */
export function serviceNeeds(template: Template): (readonly [string, Need[]])[] {
  const resolve = createResolver(template);
  const roles = [...rolesOf(template).values()];
  const idOf = (arn: Json | undefined): string => roles.find((role) => role.arn === resolve(arn))?.id ?? fail(`${JSON.stringify(arn)} is no role of the stack`);
  const found: (readonly [string, Need[]])[] = [];
  // The target, and where goes what could not be delivered (scheduler/latest/UserGuide/setting-up.html, configuring-schedule-dlq.html).
  for (const [, { Properties }] of ofType(template, 'AWS::Scheduler::Schedule')) {
    const target = resolve(Properties['Target']) as JsonObject;
    const queues = [target['Arn'], (target['DeadLetterConfig'] as JsonObject | undefined)?.['Arn']].filter((arn) => arn !== undefined).map(String);
    found.push([idOf((Properties['Target'] as JsonObject)['RoleArn']), queues.map((resource) => ({ action: 'sqs:SendMessage', resource, why: 'the schedule' }))]);
  }
  // vpc/latest/userguide/flow-logs-iam-role.html, less making and looking for groups, since the group is the stack's; the CDK gives the same three.
  for (const [, { Properties }] of ofType(template, 'AWS::EC2::FlowLog')) {
    const group = ofType(template, 'AWS::Logs::LogGroup').find(([id]) => resolve({ Ref: id }) === resolve(Properties['LogGroupName']))?.[0] ?? fail('the flow log has no group');
    found.push([idOf(Properties['DeliverLogsPermissionArn']), ['logs:CreateLogStream', 'logs:PutLogEvents', 'logs:DescribeLogStreams'].map((action) => ({ action, resource: String(resolve({ 'Fn::GetAtt': [group, 'Arn'] })), why: 'the flow log' }))]);
  }
  for (const [, { Properties }] of ofType(template, 'AWS::EC2::LaunchTemplate')) {
    const profile = (Properties['LaunchTemplateData'] as JsonObject)['IamInstanceProfile'];
    for (const role of rolesOfProfile(template, resolve((profile as JsonObject)['Arn']))) found.push([role, agentNeeds(template)]);
  }
  // Passing the instances' role is what AWS's policy for the infrastructure role can do for roles of one name only (developerguide/infrastructure_IAM_role.html).
  for (const [, { Properties }] of ofType(template, 'AWS::ECS::CapacityProvider')) {
    const managed = Properties['ManagedInstancesProvider'];
    if (!isObject(managed ?? null)) continue;
    const { InfrastructureRoleArn, InstanceLaunchTemplate } = managed as JsonObject;
    const instances = rolesOfProfile(template, resolve((InstanceLaunchTemplate as JsonObject)['Ec2InstanceProfileArn']));
    const condition = canonical({ StringEquals: { 'iam:PassedToService': 'ec2.amazonaws.com' } });
    found.push([idOf(InfrastructureRoleArn), instances.map((id) => ({ action: 'iam:PassRole', resource: roles.find((role) => role.id === id)?.arn ?? id, why: 'starting managed instances', condition }))]);
    for (const role of instances) found.push([role, []]);
  }
  return found;
}

function rolesOfProfile(template: Template, arn: Json | undefined): string[] {
  const resolve = createResolver(template);
  const [, profile] = ofType(template, 'AWS::IAM::InstanceProfile').find(([id]) => resolve({ 'Fn::GetAtt': [id, 'Arn'] }) === arn) ?? [];
  const names = (resolve(profile?.Properties['Roles']) ?? []) as readonly Json[];
  return [...rolesOf(template).keys()].filter((id) => names.includes(resolve({ Ref: id }) ?? ''));
}

/** What the ECS agent does: AmazonEC2ContainerServiceforEC2Role, less pulling images, which the tasks' execution role does, making clusters and logs, tags, and what other features want (developerguide/instance_IAM_role.html). */
function agentNeeds(template: Template): Need[] {
  const resolve = createResolver(template);
  const [[cluster] = ['']] = ofType(template, 'AWS::ECS::Cluster');
  const arn = String(resolve({ 'Fn::GetAtt': [cluster, 'Arn'] }));
  const of = (resource: string, ...actions: readonly string[]): Need[] => actions.map((action) => ({ action, resource, why: 'the ECS agent of an instance' }));
  return [
    ...of('*', 'ecs:DiscoverPollEndpoint'),
    ...of(arn, 'ecs:RegisterContainerInstance', 'ecs:DeregisterContainerInstance', 'ecs:SubmitAttachmentStateChanges', 'ecs:SubmitContainerStateChange', 'ecs:SubmitTaskStateChange'),
    ...of(`${arn.replace(':cluster/', ':container-instance/')}/*`, 'ecs:Poll', 'ecs:StartTelemetrySession', 'ecs:UpdateContainerInstancesState'),
  ];
}

function fail(what: string): never {
  throw new Error(what);
}
