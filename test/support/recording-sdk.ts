/** ECS and Step Functions as the functions meet them, mocked at the SDK's clients; what is asked of them is written down. */
import {
  ClientException,
  DeregisterTaskDefinitionCommand,
  DescribeTaskDefinitionCommand,
  ECSClient,
  ListTaskDefinitionFamiliesCommand,
  ListTaskDefinitionsCommand,
  RegisterTaskDefinitionCommand,
  TagResourceCommand,
} from '@aws-sdk/client-ecs';
import { SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { mockClient } from 'aws-sdk-client-mock';
import { account, region } from './iam-template-values.ts';

/** One call of an SDK client: `StartExecutionCommand` and its input. */
export interface SdkCall {
  readonly command: string;
  readonly input: Readonly<Record<string, unknown>>;
}

export interface SdkRecorder {
  /** Takes what was called since the last time. */
  take(): SdkCall[];
  restore(): void;
}

/** One of the deployment's own task definitions, with the roles that its tasks get. */
export interface OwnDefinition {
  readonly arn: string;
  readonly taskRoleArn: string;
  readonly executionRoleArn: string;
}

interface Definition {
  readonly family: string;
  readonly arn: string;
  readonly tags: readonly { readonly key?: string | undefined; readonly value?: string | undefined }[];
  readonly roles: { readonly taskRoleArn?: string | undefined; readonly executionRoleArn?: string | undefined };
}

/** Long ago: older than any retention. */
const registeredAt = new Date('2020-01-01T00:00:00Z');

/** Mocks every client of these services in this process. */
export function recordSdk(own: readonly OwnDefinition[]): SdkRecorder {
  const ecs = mockClient(ECSClient);
  const sfn = mockClient(SFNClient);
  const calls: SdkCall[] = [];
  const familyOf = (arn: string): string => /\/([^/:]+):\d+$/.exec(arn)?.[1] ?? arn;
  const known = new Map<string, Definition>(own.map(({ arn, ...roles }) => [arn, { family: familyOf(arn), arn, tags: [], roles }]));
  const find = (name = ''): Definition | undefined => known.get(name) ?? [...known.values()].findLast(({ family }) => family === name);
  // A call that is not expected below fails, with its name.
  ecs.onAnyCommand().rejects(new Error('a call of ECS that the recorder does not know'));
  sfn.onAnyCommand().rejects(new Error('a call of Step Functions that the recorder does not know'));
  ecs.on(DescribeTaskDefinitionCommand).callsFake(({ taskDefinition }: { taskDefinition?: string }) => {
    const found = find(taskDefinition);
    if (found === undefined) throw new ClientException({ message: 'Unable to describe task definition.', $metadata: {} });
    return { taskDefinition: { taskDefinitionArn: found.arn, family: found.family, registeredAt, containerDefinitions: [{ name: 'worker', image: 'a' }], ...found.roles }, tags: found.tags };
  });
  ecs.on(RegisterTaskDefinitionCommand).callsFake(({ family = '', taskRoleArn, executionRoleArn }: { family?: string; taskRoleArn?: string; executionRoleArn?: string }) => {
    const arn = `arn:aws:ecs:${region}:${account}:task-definition/${family}:1`;
    known.set(arn, { family, arn, tags: [{ key: 'tilefan:last-used', value: '2020-01-01' }], roles: { taskRoleArn, executionRoleArn } });
    return { taskDefinition: { taskDefinitionArn: arn } };
  });
  ecs.on(TagResourceCommand).resolves({});
  ecs.on(DeregisterTaskDefinitionCommand).resolves({});
  ecs.on(ListTaskDefinitionFamiliesCommand).callsFake(({ familyPrefix = '' }: { familyPrefix?: string }) => ({ families: [...new Set([...known.values()].map(({ family }) => family))].filter((family) => family.startsWith(familyPrefix)) }));
  ecs.on(ListTaskDefinitionsCommand).callsFake(({ familyPrefix = '' }: { familyPrefix?: string }) => ({
    // Two revisions each, so that one of them has been replaced.
    taskDefinitionArns: [...known.values()].filter(({ family }) => family.startsWith(familyPrefix)).flatMap(({ arn }) => [arn, arn]),
  }));
  sfn.on(StartExecutionCommand).callsFake(() => ({ executionArn: 'arn', startDate: new Date() }));
  return {
    take() {
      for (const mock of [ecs, sfn]) {
        calls.push(...mock.calls().map(({ args: [command] }) => ({ command: command.constructor.name, input: command.input as SdkCall['input'] })));
        mock.resetHistory();
      }
      return calls.splice(0);
    },
    restore() {
      ecs.restore();
      sfn.restore();
    },
  };
}
