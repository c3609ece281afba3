/** What tasks run on and in. */
import { at, breaking, list, type Assertion, type StackView } from './assertion.ts';
import type { JsonObject } from '../../support/packaged-stack.ts';

const definition = 'AWS::ECS::TaskDefinition';
const launchTemplate = 'AWS::EC2::LaunchTemplate';
const scalingGroup = 'AWS::AutoScaling::AutoScalingGroup';
const provider = 'AWS::ECS::CapacityProvider';
/** Tags by which costs are told apart. */
const owners = ['project', 'stage'] as const;

function containers(stack: StackView): readonly (readonly [string, JsonObject, JsonObject])[] {
  return stack.all(definition).flatMap(([id, properties]) => list(properties['ContainerDefinitions']).map((container) => [id, container as JsonObject, properties] as const));
}

const container = (change: (container: Record<string, unknown>) => void): ((template: Parameters<Assertion['mistakes'][number]>[0]) => boolean) =>
  breaking(definition, (properties) => change(list(properties['ContainerDefinitions'])[0] as Record<string, unknown>));

export const compute: readonly Assertion[] = [
  {
    holds: 'a task has one container, named worker: the exit code of a second one would fail good tasks',
    problems: (stack) => stack.all(definition).filter(([, { ContainerDefinitions }]) => list(ContainerDefinitions).map((each) => at(each, 'Name')).join() !== 'worker').map(([id]) => `${id} has other containers`),
    mistakes: [breaking(definition, (properties) => Object.assign(properties, { ContainerDefinitions: [...list(properties['ContainerDefinitions']), { Name: 'sidecar' }] }))],
  },
  {
    holds: 'a worker has 120 s from SIGTERM to SIGKILL, the most that ECS gives',
    problems: (stack) => containers(stack).filter(([, { StopTimeout }]) => StopTimeout !== 120).map(([id, { StopTimeout }]) => `${id} stops after ${String(StopTimeout)} s`),
    mistakes: [container((each) => delete each['StopTimeout'])],
  },
  {
    holds: 'a worker cannot change its image, is not root, and has no privileges; what it writes goes to a scratch volume',
    problems: (stack) => containers(stack).flatMap(([id, each, { Volumes }]) => [
      ...(each['ReadonlyRootFilesystem'] === true ? [] : [`${id} can write to its image`]),
      ...(/^[1-9]\d*(:[1-9]\d*)?$|^node(:node)?$/.test(String(each['User'] ?? '')) ? [] : [`${id} runs as ${String(each['User'] ?? 'root')}`]),
      ...(each['Privileged'] === true || list(at(each, 'LinuxParameters', 'Capabilities', 'Add')).length > 0 ? [`${id} has privileges`] : []),
      ...(list(each['MountPoints']).some((point) => at(point, 'ContainerPath') === '/scratch' && at(point, 'ReadOnly') !== true && list(Volumes).some((volume) => at(volume, 'Name') === at(point, 'SourceVolume'))) ? [] : [`${id} has no scratch volume at /scratch, where the image has its temporary files`]),
    ]),
    mistakes: [
      container((each) => delete each['ReadonlyRootFilesystem']),
      container((each) => Object.assign(each, { User: 'root' })),
      container((each) => delete each['User']),
      container((each) => delete each['MountPoints']),
    ],
  },
  {
    holds: 'the log of a worker goes to its group, by streams batch/worker/<task>',
    problems: (stack) => containers(stack).filter(([, each]) => {
      const options = at(each, 'LogConfiguration', 'Options');
      const group = stack.all('AWS::Logs::LogGroup').some(([id]) => stack.resolve({ Ref: id }) === at(options, 'awslogs-group'));
      return at(each, 'LogConfiguration', 'LogDriver') !== 'awslogs' || !group || at(options, 'awslogs-stream-prefix') !== 'batch' || at(options, 'awslogs-region') === undefined;
    }).map(([id]) => `${id} does not log where it is looked for`),
    mistakes: [container((each) => delete each['LogConfiguration'])],
  },
  {
    holds: 'no limit of the container caps what a job asks for',
    problems: (stack) => containers(stack).filter(([, , { RequiresCompatibilities }]) => list(RequiresCompatibilities).includes('FARGATE')).flatMap(([id, each]) => ['Memory', 'Cpu', 'MemoryReservation'].filter((field) => field in each).map((field) => `${id} limits its container by ${field}`)),
    mistakes: [container((each) => Object.assign(each, { Memory: 2048 }))],
  },
  {
    holds: 'every definition runs in a network of its own, with roles, on Linux, and has the size that Fargate wants',
    problems: (stack) => stack.all(definition).flatMap(([id, { NetworkMode, TaskRoleArn, ExecutionRoleArn, RuntimePlatform, RequiresCompatibilities, Cpu, Memory }]) => [
      ...(NetworkMode === 'awsvpc' ? [] : [`${id} has the network mode ${String(NetworkMode)}`]),
      ...(typeof TaskRoleArn === 'string' && typeof ExecutionRoleArn === 'string' && TaskRoleArn !== ExecutionRoleArn ? [] : [`${id} has not two roles`]),
      ...(at(RuntimePlatform, 'OperatingSystemFamily') === 'LINUX' ? [] : [`${id} is not for Linux`]),
      ...(list(RequiresCompatibilities).length === 1 && Cpu !== undefined && Memory !== undefined ? [] : [`${id} is not for one kind of capacity, or has no size`]),
    ]),
    mistakes: [breaking(definition, (properties) => Object.assign(properties, { NetworkMode: 'host' }))],
  },
  {
    holds: 'instances speak only the second version of the metadata service, and their disks are encrypted',
    problems: (stack) => stack.all(launchTemplate).flatMap(([id, { LaunchTemplateData: data }]) => [
      ...(at(data, 'MetadataOptions', 'HttpTokens') === 'required' ? [] : [`${id} answers without a token`]),
      ...(list(at(data, 'BlockDeviceMappings')).every((disk) => at(disk, 'Ebs', 'Encrypted') === true) && list(at(data, 'BlockDeviceMappings')).length > 0 ? [] : [`${id} has disks in the clear`]),
      ...(list(at(data, 'NetworkInterfaces')).some((each) => at(each, 'AssociatePublicIpAddress') === undefined) ? [`${id} leaves it to the subnet whether an instance has an address`] : []),
    ]),
    mistakes: [breaking(launchTemplate, (properties) => delete (at(properties, 'LaunchTemplateData') as Record<string, unknown>)['MetadataOptions'])],
  },
  {
    holds: 'instances come and go with the tasks: none at rest, protected while they work',
    problems: (stack) => stack.all(scalingGroup).flatMap(([id, { MinSize, DesiredCapacity, NewInstancesProtectedFromScaleIn }]) => [
      ...(Number(MinSize) === 0 && (DesiredCapacity === undefined || Number(DesiredCapacity) === 0) ? [] : [`${id} keeps instances that nobody needs`]),
      ...(NewInstancesProtectedFromScaleIn === true ? [] : [`${id} takes away instances that work`]),
    ]),
    mistakes: [
      breaking(scalingGroup, (properties) => Object.assign(properties, { MinSize: '1' })),
      breaking(scalingGroup, (properties) => delete properties['NewInstancesProtectedFromScaleIn']),
    ],
  },
  {
    // Tags of a stack end at the group: its instances and their disks, which cost, are made later.
    holds: 'instances and their disks have the tags of the stack, however they are started',
    problems: (stack) => [
      ...stack.all(scalingGroup).flatMap(([id, { Tags }]) => owners.filter((key) => !list(Tags).some((tag) => at(tag, 'Key') === key && at(tag, 'PropagateAtLaunch') === true)).map((key) => `instances of ${id} lack the tag ${key}`)),
      ...stack.all(launchTemplate).flatMap(([id, { LaunchTemplateData }]) => owners.filter((key) => !list(at(LaunchTemplateData, 'TagSpecifications')).some((each) => at(each, 'ResourceType') === 'volume' && list(at(each, 'Tags')).some((tag) => at(tag, 'Key') === key))).map((key) => `disks of ${id} lack the tag ${key}`)),
      ...stack.all(provider).filter(([, properties]) => 'ManagedInstancesProvider' in properties).filter(([, { ManagedInstancesProvider }]) => at(ManagedInstancesProvider, 'PropagateTags') !== 'CAPACITY_PROVIDER').map(([id]) => `instances of ${id} have no tags`),
    ],
    mistakes: [
      breaking(scalingGroup, (properties) => delete properties['Tags']),
      breaking(launchTemplate, (properties) => delete (at(properties, 'LaunchTemplateData') as Record<string, unknown>)['TagSpecifications']),
      breaking(provider, (properties) => delete (properties['ManagedInstancesProvider'] as Record<string, unknown>)['PropagateTags'], (_, properties) => 'ManagedInstancesProvider' in properties),
    ],
  },
  {
    holds: 'ECS scales and drains every group of instances',
    problems: (stack) => stack.all(provider).filter(([, properties]) => 'AutoScalingGroupProvider' in properties).flatMap(([id, { AutoScalingGroupProvider: group }]) =>
      [['ManagedScaling', 'Status'], ['ManagedTerminationProtection'], ['ManagedDraining']].filter((path) => at(group, ...path) !== 'ENABLED').map((path) => `${id}: ${path.join('.')} is ${String(at(group, ...path))}`)),
    mistakes: ['ManagedScaling', 'ManagedTerminationProtection', 'ManagedDraining'].map((field) => breaking(provider, (properties) => delete (properties['AutoScalingGroupProvider'] as Record<string, unknown>)[field], (_, properties) => 'AutoScalingGroupProvider' in properties)),
  },
  {
    holds: 'the cluster has Container Insights, and knows Fargate and every capacity provider of the stack',
    problems: (stack) => {
      const insights = stack.all('AWS::ECS::Cluster').filter(([, { ClusterSettings }]) => !list(ClusterSettings).some((each) => at(each, 'Name') === 'containerInsights' && ['enabled', 'enhanced'].includes(String(at(each, 'Value')))));
      const named = stack.all('AWS::ECS::ClusterCapacityProviderAssociations').flatMap(([, { CapacityProviders }]) => list(CapacityProviders));
      const groups = stack.all(provider).filter(([, properties]) => 'AutoScalingGroupProvider' in properties).map(([id]) => stack.resolve({ Ref: id }));
      const missing = ['FARGATE', 'FARGATE_SPOT', ...groups].filter((name) => !named.includes(name ?? ''));
      // Those of Managed Instances belong to one cluster, and are not associated with it besides (as in the CDK's Cluster).
      const clusters = stack.all('AWS::ECS::Cluster').map(([id]) => stack.resolve({ Ref: id }));
      const lost = stack.all(provider).filter(([, properties]) => 'ManagedInstancesProvider' in properties && !clusters.includes(properties['ClusterName']));
      return [...insights.map(([id]) => `${id} has no Container Insights`), ...missing.map((name) => `the cluster does not know ${String(name)}`), ...lost.map(([id]) => `${id} belongs to no cluster of the stack`)];
    },
    mistakes: [
      breaking('AWS::ECS::Cluster', (properties) => delete properties['ClusterSettings']),
      breaking('AWS::ECS::ClusterCapacityProviderAssociations', (properties) => Object.assign(properties, { CapacityProviders: ['FARGATE'] })),
      breaking(provider, (properties) => delete properties['ClusterName'], (_, properties) => 'ManagedInstancesProvider' in properties),
    ],
  },
  {
    holds: 'images are scanned when they are pushed, and those of no use go',
    problems: (stack) => stack.all('AWS::ECR::Repository').flatMap(([id, properties]) => [
      ...(at(properties, 'ImageScanningConfiguration', 'ScanOnPush') === true ? [] : [`${id} does not scan`]),
      ...(list((JSON.parse(String(at(properties, 'LifecyclePolicy', 'LifecyclePolicyText') ?? '{}')) as JsonObject)['rules']).length > 0 ? [] : [`${id} keeps everything`]),
    ]),
    mistakes: [breaking('AWS::ECR::Repository', (properties) => delete properties['ImageScanningConfiguration']), breaking('AWS::ECR::Repository', (properties) => delete properties['LifecyclePolicy'])],
  },
];
