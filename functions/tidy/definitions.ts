/** Takes task definitions away that nobody needs any more. The edge to ECS of tidy. */
import {
  DeregisterTaskDefinitionCommand,
  DescribeTaskDefinitionCommand,
  paginateListTaskDefinitionFamilies,
  paginateListTaskDefinitions,
  type ECSClient,
} from '@aws-sdk/client-ecs';
import { imageFamilyPrefix, lastUsedTag, workerFamilyPrefix } from '../../lib/job/image-definitions.ts';

export interface TidyOptions {
  readonly client: ECSClient;
  readonly deployment: string;
  /** Definitions that have not been used, or have been replaced, since then are deregistered. */
  readonly before: Date;
  /** Whether there is time for one more; what is left is for the next day. */
  readonly goesOn: () => boolean;
  readonly onDeregistered: (definition: string, unusedSince: Date) => void;
}

/** A deregistered definition starts no more tasks. Those that run go on, but a run that is redriven would miss it: hence the days. */
export async function tidyDefinitions(options: TidyOptions): Promise<void> {
  for (const { prefix, unusedSince } of [
    { prefix: imageFamilyPrefix(options.deployment), unusedSince: lastUses },
    { prefix: workerFamilyPrefix(options.deployment), unusedSince: replacements },
  ]) {
    for await (const { families = [] } of paginateListTaskDefinitionFamilies({ client: options.client }, { familyPrefix: prefix, status: 'ACTIVE' })) {
      for (const family of families) {
        for await (const { arn, since } of unusedSince(options.client, family)) {
          if (!options.goesOn()) return;
          if (since === undefined || since >= options.before) continue;
          await options.client.send(new DeregisterTaskDefinitionCommand({ taskDefinition: arn }));
          options.onDeregistered(arn, since);
        }
      }
    }
  }
}

/** A definition, and since when it has not been needed; undefined: it is needed, as far as can be told. */
interface Unused {
  readonly arn: string;
  readonly since: Date | undefined;
}

/** Revisions of a family, the newest first. ListTaskDefinitions takes a family's prefix, so others may be among what it lists. */
async function* revisions(client: ECSClient, family: string): AsyncGenerator<string> {
  for await (const { taskDefinitionArns = [] } of paginateListTaskDefinitions({ client }, { familyPrefix: family, status: 'ACTIVE', sort: 'DESC' })) {
    for (const arn of taskDefinitionArns) if (arn.includes(`/${family}:`)) yield arn;
  }
}

/** Image definitions: since the day of their tag. */
async function* lastUses(client: ECSClient, family: string): AsyncGenerator<Unused> {
  for await (const arn of revisions(client, family)) {
    const { taskDefinition, tags = [] } = await client.send(new DescribeTaskDefinitionCommand({ taskDefinition: arn, include: ['TAGS'] }));
    const day = Date.parse(tags.find(({ key }) => key === lastUsedTag)?.value ?? '');
    yield { arn, since: Number.isNaN(day) ? taskDefinition?.registeredAt : new Date(day) };
  }
}

/** The deployment's own: since the next revision came; the newest is in use. */
async function* replacements(client: ECSClient, family: string): AsyncGenerator<Unused> {
  let since: Date | undefined;
  for await (const arn of revisions(client, family)) {
    const { taskDefinition } = await client.send(new DescribeTaskDefinitionCommand({ taskDefinition: arn }));
    yield { arn, since };
    since = taskDefinition?.registeredAt ?? since;
  }
}
