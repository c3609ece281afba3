/** The capacities of a deployment as split is told them (lib/job/capacity.ts), and the sizes in their task definitions. */
import { isFargate, type Capacities } from '../lib/job/capacity.ts';
import { parseMemory } from '../lib/job/quantities.ts';
import { fargateSizes } from '../lib/job/task-size.ts';
import { ec2Architecture, largestTask, managedArchitecture } from './capacities.ts';
import type { Parameters } from './parameters.ts';

/** ARNs of task definitions are left to Fn::Sub: `${logical id}` is one. */
export function capacitiesOf(given: Parameters, name: string): Capacities {
  const publicIp = given.network === 'own' ? (given.endpoints === 'public' ? 'ENABLED' : 'DISABLED') : given.assignPublicIp;
  const taskDefinitions = { ARM64: '${FargateArm64TaskDefinition}', X86_64: '${FargateX8664TaskDefinition}' };
  return {
    FARGATE: { provider: 'FARGATE', publicIp, taskDefinitions },
    FARGATE_SPOT: { provider: 'FARGATE_SPOT', fallback: 'FARGATE', publicIp, taskDefinitions },
    ...(given.ec2MaxInstances === 0
      ? {}
      : { EC2: { provider: `${name}-ec2`, publicIp: 'DISABLED', taskDefinitions: { [ec2Architecture(given)]: '${Ec2TaskDefinition}' }, largest: largestTask(given) } }),
    ...(given.managedInstances
      ? { MANAGED_INSTANCES: { provider: `${name}-managed`, publicIp: 'DISABLED', taskDefinitions: { [managedArchitecture(given)]: '${ManagedTaskDefinition}' } } }
      : {}),
  };
}

interface TaskTexts {
  readonly cpu: string;
  readonly memory: string;
}

const mebibytes = (text: string): number => Math.floor(parseMemory(text) / 2 ** 20);

/** A task definition has a size of its own, although every run overrides it: the deployment's where Fargate has that, and else one that it has. */
export function fargateTask({ cpu, memory }: Parameters): TaskTexts {
  const memoryMib = mebibytes(memory);
  return fargateSizes(cpu).includes(memoryMib) ? { cpu: String(cpu * 1024), memory: String(memoryMib) } : { cpu: '2048', memory: '8192' };
}

export function instanceTask(given: Parameters): TaskTexts {
  const size = { cpu: given.cpu, memoryMib: mebibytes(given.memory) };
  const largest = largestTask(given);
  const fits = isFargate(given.capacity) && given.ec2MaxInstances > 0 ? { cpu: Math.min(size.cpu, largest.cpu), memoryMib: Math.min(size.memoryMib, mebibytes(largest.memory)) } : size;
  return { cpu: String(Math.round(fits.cpu * 1024)), memory: String(fits.memoryMib) };
}
