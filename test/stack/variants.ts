/** The deployments that are checked: the three examples on both architectures, and one with the parts that no example has. */
import { rmSync } from 'node:fs';
import pLimit from 'p-limit';
import { packageStack, type PackagedStack } from '../support/packaged-stack.ts';

export interface Variant {
  readonly name: string;
  readonly params: Readonly<Record<string, string>>;
  /** What the deployment names besides its own buckets and repository, as an example file has it. */
  readonly given: { readonly readBuckets: readonly string[]; readonly writeBuckets: readonly string[]; readonly keys: readonly string[] };
}

export type PackagedVariant = Variant & { readonly stack: PackagedStack };

const nothing: Variant['given'] = { readBuckets: [], writeBuckets: [], keys: [] };
const acme: Variant['given'] = {
  readBuckets: ['acme-raster-archive'],
  writeBuckets: ['acme-raster-catalogue'],
  keys: ['arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'],
};

const example = (name: string, params: Variant['params'] = {}): Variant['params'] => ({ deployment: `examples/deployments/${name}.yml`, ...params });

export const defaults: Variant = { name: 'defaults, ARM64', params: {}, given: nothing };

/** One for each example, and the rest. */
export const kinds: readonly Variant[] = [
  defaults,
  { name: 'existing-kms, ARM64', params: example('existing-kms'), given: acme },
  { name: 'gpu, X86_64', params: example('gpu'), given: nothing },
  { name: 'private network, Managed Instances', params: { endpoints: 'interface', zones: '3', managedInstances: 'true', ec2MaxInstances: '4' }, given: nothing },
];

export const variants: readonly Variant[] = [
  ...kinds,
  { name: 'defaults, X86_64', params: { architecture: 'X86_64' }, given: nothing },
  { name: 'existing-kms, X86_64, EventBridge', params: example('existing-kms', { architecture: 'X86_64', uploadEvents: 'eventbridge' }), given: acme },
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
