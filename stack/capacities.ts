/** Instances and addresses: what follows from the parameters, for the checks and for the template alike. */
import type { Architecture } from '../lib/job/capacity.ts';
import type { Parameters } from './parameters.ts';

const defaultTypes: Readonly<Record<Architecture, readonly string[]>> = {
  ARM64: ['c7g.2xlarge', 'c6g.2xlarge', 'm7g.2xlarge', 'm6g.2xlarge'],
  X86_64: ['c7i.2xlarge', 'c6i.2xlarge', 'm7i.2xlarge', 'm6i.2xlarge'],
};
/** All of these have 8 vCPU; c7g has 16 GiB, of which the system and the agent keep some. */
const defaultLargest = { cpu: 8, memory: '14 GiB' } as const;

export function ec2Architecture({ ec2Architecture: own, architecture }: Pick<Parameters, 'ec2Architecture' | 'architecture'>): Architecture {
  return own === '' ? architecture : own;
}

export function managedArchitecture({ managedArchitecture: own, architecture }: Pick<Parameters, 'managedArchitecture' | 'architecture'>): Architecture {
  return own === '' ? architecture : own;
}

export function ec2InstanceTypes(given: Parameters): readonly string[] {
  return given.ec2InstanceTypes.length > 0 ? given.ec2InstanceTypes : defaultTypes[ec2Architecture(given)];
}

export function largestTask({ ec2TaskCpu, ec2TaskMemory }: Pick<Parameters, 'ec2TaskCpu' | 'ec2TaskMemory'>): { cpu: number; memory: string } {
  return { cpu: ec2TaskCpu === 0 ? defaultLargest.cpu : ec2TaskCpu, memory: ec2TaskMemory === '' ? defaultLargest.memory : ec2TaskMemory };
}

/** Graviton's families have a g behind their generation (c7g, m6gd, g5g, x2gd, im4gn), and the first one was a1 (EC2 user guide, "Instance type naming conventions"). */
export function architectureOfType(type: string): Architecture {
  return /^(?:a1|[a-z]+\d+g[a-z]*)\./.test(type) ? 'ARM64' : 'X86_64';
}

/** Bits that number the addresses of one subnet, where a network is cut into four. */
export function subnetBits(vpcCidr: string): number {
  return 32 - (Number(vpcCidr.split('/')[1]) + 2);
}
