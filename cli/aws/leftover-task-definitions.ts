/** Task definitions: a removed stack only deregisters the last revision of each family, and those of jobs with an image of their own not at all. */
import {
  DeleteTaskDefinitionsCommand,
  DeregisterTaskDefinitionCommand,
  ListTaskDefinitionFamiliesCommand,
  ListTaskDefinitionsCommand,
  type ECSClient,
  type ListTaskDefinitionFamiliesCommandOutput,
  type ListTaskDefinitionsCommandOutput,
} from '@aws-sdk/client-ecs';
import { OutputError } from '../../lib/base/errors.ts';
import { imageFamilyPrefix, workerFamilyPrefix } from '../../lib/job/image-definitions.ts';
import { countText } from '../text.ts';
import type { Leftover } from './leftover.ts';

/** DeleteTaskDefinitions takes so many at a time. */
const deletedAtOnce = 10;

/** The capacities, by which the deployment's own families are called. */
const capacities = ['fargate-arm64', 'fargate-x86-64', 'ec2', 'managed'];

/** By their whole names: another stage's may begin like these. */
export function isOwnFamily(family: string, name: string): boolean {
  const own = capacities.map((capacity) => `${workerFamilyPrefix(name)}${capacity}`);
  const image = imageFamilyPrefix(name);
  return own.includes(family) || (family.startsWith(image) && /^[0-9a-f]{16}$/.test(family.slice(image.length)));
}

export async function leftoverTaskDefinitions(ecs: ECSClient, name: string): Promise<Leftover[]> {
  const families = new Set<string>();
  for (const familyPrefix of [workerFamilyPrefix(name), imageFamilyPrefix(name)]) {
    let nextToken: string | undefined;
    do {
      const page: ListTaskDefinitionFamiliesCommandOutput = await ecs.send(new ListTaskDefinitionFamiliesCommand({ familyPrefix, status: 'ALL', ...(nextToken === undefined ? {} : { nextToken }) }));
      for (const family of page.families ?? []) if (isOwnFamily(family, name)) families.add(family);
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
  }
  const leftovers: Leftover[] = [];
  for (const family of families) {
    const active = await revisionsOf(ecs, family, 'ACTIVE');
    const inactive = await revisionsOf(ecs, family, 'INACTIVE');
    // A family whose revisions are all being deleted already is listed for a while.
    if (active.length + inactive.length === 0) continue;
    leftovers.push({ kind: 'task definition', name: family, detail: countText(active.length + inactive.length, 'revision'), remove: () => removeRevisions(ecs, family, active, inactive) });
  }
  return leftovers;
}

async function revisionsOf(ecs: ECSClient, family: string, status: 'ACTIVE' | 'INACTIVE'): Promise<string[]> {
  const found: string[] = [];
  let nextToken: string | undefined;
  do {
    const page: ListTaskDefinitionsCommandOutput = await ecs.send(new ListTaskDefinitionsCommand({ familyPrefix: family, status, ...(nextToken === undefined ? {} : { nextToken }) }));
    found.push(...(page.taskDefinitionArns ?? []));
    nextToken = page.nextToken;
  } while (nextToken !== undefined);
  return found;
}

/** Only what has been deregistered can be deleted. */
async function removeRevisions(ecs: ECSClient, family: string, active: readonly string[], inactive: readonly string[]): Promise<void> {
  for (const taskDefinition of active) await ecs.send(new DeregisterTaskDefinitionCommand({ taskDefinition }));
  const all = [...active, ...inactive];
  for (let first = 0; first < all.length; first += deletedAtOnce) {
    const { failures: [failure] = [] } = await ecs.send(new DeleteTaskDefinitionsCommand({ taskDefinitions: all.slice(first, first + deletedAtOnce) }));
    if (failure !== undefined) throw new OutputError('PURGE_TASK_DEFINITION', `${failure.arn ?? family} can't be deleted: ${failure.reason ?? ''} ${failure.detail ?? ''}`.trimEnd());
  }
}
