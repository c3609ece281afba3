/** The deployments that are checked: the three examples on both architectures, and one with the parts that no example has. */
import { rmSync } from 'node:fs';
import pLimit from 'p-limit';
import type { Given } from '../support/iam-needs.ts';
import { packageStack, type PackagedStack } from '../support/packaged-stack.ts';

export interface Variant {
  readonly name: string;
  readonly params: Readonly<Record<string, string>>;
  /** What the deployment names besides its own buckets and repository, as an example file has it. */
  readonly given: Given & { readonly alarmTopic?: string };
}

export type PackagedVariant = Variant & { readonly stack: PackagedStack };

const nothing: Variant['given'] = { readBuckets: [], writeBuckets: [], keys: [], repositories: [] };
const acme: Variant['given'] = {
  readBuckets: ['acme-raster-archive'],
  writeBuckets: ['acme-raster-catalogue'],
  keys: ['arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'],
  repositories: [],
  alarmTopic: 'arn:aws:sns:eu-west-1:111122223333:acme-operations',
};
/** Own buckets with a key, a further key, and images of jobs from elsewhere. */
const closed = {
  ...nothing,
  keys: ['arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f', 'arn:aws:kms:eu-west-1:111122223333:key/1a2b3c4d-1a2b-1a2b-1a2b-1a2b3c4d5e6f'],
  repositories: ['arn:aws:ecr:eu-west-1:111122223333:repository/models'],
} as const;

const example = (name: string, params: Variant['params'] = {}): Variant['params'] => ({ deployment: `examples/deployments/${name}.yml`, ...params });

export const defaults: Variant = { name: 'defaults, ARM64', params: {}, given: nothing };

/** One for each example, and the rest. */
export const kinds: readonly Variant[] = [
  defaults,
  { name: 'existing-kms, ARM64', params: example('existing-kms'), given: acme },
  { name: 'gpu, X86_64', params: example('gpu'), given: nothing },
  {
    name: 'private network, keys, Managed Instances',
    params: { endpoints: 'interface', zones: '3', managedInstances: 'true', ec2MaxInstances: '4', kmsKeyArn: closed.keys[0], furtherKeyArns: closed.keys[1], imageRepositories: closed.repositories[0] },
    given: closed,
  },
];

export const variants: readonly Variant[] = [
  ...kinds,
  { name: 'defaults, X86_64', params: { architecture: 'X86_64' }, given: nothing },
  { name: 'existing-kms, X86_64, EventBridge', params: example('existing-kms', { architecture: 'X86_64', uploadEvents: 'eventbridge' }), given: acme },
  { name: 'GPUs on Managed Instances, and a schedule', params: { architecture: 'X86_64', capacity: 'MANAGED_INSTANCES', managedInstances: 'true', managedCapacity: 'SPOT', gpus: '1', schedule: 'rate(1 day)', scheduleJob: 's3://acme-raster-archive/nightly.json', readBuckets: 'acme-raster-archive' }, given: { ...nothing, readBuckets: ['acme-raster-archive'] } },
  { name: 'gpu, ARM64', params: example('gpu', { architecture: 'ARM64', ec2Architecture: 'X86_64' }), given: nothing },
];

/** Packages them, two at a time. The caller removes them. */
export async function packageAll(wanted: readonly Variant[]): Promise<PackagedVariant[]> {
  const limit = pLimit(2);
  return await Promise.all(wanted.map((variant) => limit(async () => ({ ...variant, stack: await packageStack(variant.params) }))));
}

export function removeAll(packaged: readonly PackagedVariant[]): void {
  for (const { stack: { folder } } of packaged) rmSync(folder, { recursive: true, force: true });
}
