/** Task definitions of jobs that bring an image of their own: found by their name, or registered. The edge to ECS of split. */
import {
  DescribeTaskDefinitionCommand,
  ECSClient,
  RegisterTaskDefinitionCommand,
  TagResourceCommand,
  type DescribeTaskDefinitionCommandOutput,
  type RegisterTaskDefinitionCommandInput,
} from '@aws-sdk/client-ecs';
import { JobError, OperationError, TryAgainError, messageOf } from '../../lib/base/errors.ts';
import { dayOf, imageFamily, lastUsedTag } from '../../lib/job/image-definitions.ts';
import type { TaskDefinitions } from '../../lib/job/split.ts';

/** The name of the container in every definition, as the state machine overrides it. */
const workerContainer = 'worker';

export class EcsTaskDefinitions implements TaskDefinitions {
  readonly #client: ECSClient;
  readonly #deployment: string;
  readonly #now: () => Date;

  /** @param deployment begins the names of families, for example `tilefan-dev` */
  constructor(deployment: string, { client = new ECSClient({}), now = () => new Date() }: { readonly client?: ECSClient; readonly now?: () => Date } = {}) {
    this.#client = client;
    this.#deployment = deployment;
    this.#now = now;
  }

  /**
   * Two runs that register the same definition at once make two revisions of it, either of which will do.
   * @throws JobError IMAGE_REFUSED when ECS does not take the image; TryAgainError IMAGE_DEFINITION when it may help to ask again
   */
  async withImage(base: string, image: string): Promise<string> {
    const family = imageFamily(this.#deployment, base, image);
    try {
      const known = await this.#describe(family);
      const arn = known?.taskDefinition?.taskDefinitionArn;
      if (arn === undefined) return await this.#register(base, image, family);
      await this.#markUsed(arn, known?.tags ?? []);
      return arn;
    } catch (error) {
      throw asOurs(error, image);
    }
  }

  /** The newest revision that can be run; undefined when there is none. */
  async #describe(definition: string): Promise<DescribeTaskDefinitionCommandOutput | undefined> {
    try {
      return await this.#client.send(new DescribeTaskDefinitionCommand({ taskDefinition: definition, include: ['TAGS'] }));
    } catch (error) {
      // "Unable to describe task definition": ECS has no error of its own for one that isn't there.
      if (error instanceof Error && error.name === 'ClientException') return undefined;
      throw error;
    }
  }

  async #register(base: string, image: string, family: string): Promise<string> {
    const described = await this.#describe(base);
    const definition = described?.taskDefinition;
    if (definition === undefined) throw new OperationError('IMAGE_DEFINITION', `the deployment's own task definition ${base} is not there`, { where: { taskDefinition: base } });
    const { taskRoleArn, executionRoleArn, networkMode, volumes, placementConstraints, requiresCompatibilities, cpu, memory, runtimePlatform, ephemeralStorage } = definition;
    const tags = (described?.tags ?? []).filter(({ key = '' }) => !key.startsWith('aws:') && key !== lastUsedTag);
    const input: RegisterTaskDefinitionCommandInput = {
      family,
      taskRoleArn,
      executionRoleArn,
      networkMode,
      volumes,
      placementConstraints,
      requiresCompatibilities,
      cpu,
      memory,
      runtimePlatform,
      ephemeralStorage,
      containerDefinitions: definition.containerDefinitions?.map((container) => (container.name === workerContainer ? { ...container, image } : container)),
      tags: [...tags, { key: lastUsedTag, value: dayOf(this.#now()) }],
    };
    const { taskDefinition } = await this.#client.send(new RegisterTaskDefinitionCommand(input));
    if (taskDefinition?.taskDefinitionArn === undefined) throw new OperationError('IMAGE_DEFINITION', `ECS has registered ${family} and names no ARN`);
    return taskDefinition.taskDefinitionArn;
  }

  /** Once a day is enough for what is taken away after weeks. */
  async #markUsed(arn: string, tags: readonly { readonly key?: string | undefined; readonly value?: string | undefined }[]): Promise<void> {
    const today = dayOf(this.#now());
    if (tags.some(({ key, value }) => key === lastUsedTag && value === today)) return;
    await this.#client.send(new TagResourceCommand({ resourceArn: arn, tags: [{ key: lastUsedTag, value: today }] }));
  }
}

/** ECS blames the caller with ClientException and InvalidParameterException, and the caller's only choice is the image. */
function asOurs(error: unknown, image: string): unknown {
  if (!(error instanceof Error) || error instanceof OperationError) return error;
  const where = { field: '$.compute.image', image };
  const message = `$.compute.image: no task definition could be made for ${image}: ${error.name}: ${messageOf(error)}`;
  if (error.name === 'ClientException' || error.name === 'InvalidParameterException') return new JobError('IMAGE_REFUSED', message, { cause: error, where });
  if (error.name === 'AccessDeniedException') return new OperationError('IMAGE_DEFINITION', message, { cause: error, where });
  return new TryAgainError('IMAGE_DEFINITION', message, { cause: error, where });
}
