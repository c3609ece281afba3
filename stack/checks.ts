/** What parameters must be together. Each check names the parameters that it reads, and is left out when one of them is wrong by itself. */
import { parseMemory } from '../lib/job/quantities.ts';
import { describeSizes, fargateSizes } from '../lib/job/task-size.ts';
import { architectureOfType, ec2Architecture, largestTask, subnetBits } from './capacities.ts';
import type { ParameterName, Parameters } from './parameters.ts';

interface Check {
  readonly of: readonly ParameterName[];
  /** Sentences, each beginning with the name of the parameter to change. */
  find(given: Parameters): Iterable<string>;
}

const mebibytes = (text: string): number => Math.floor(parseMemory(text) / 2 ** 20);

/** Addresses of each subnet that AWS keeps for itself (VPC user guide, "Subnet sizing"). */
const reservedAddresses = 5;
/** Endpoints and their like take a few more. */
const otherAddresses = 6;

const checks: readonly Check[] = [
  {
    of: ['capacity', 'ec2MaxInstances'],
    *find({ capacity, ec2MaxInstances }) {
      if (capacity === 'EC2' && ec2MaxInstances === 0) yield 'ec2MaxInstances: wanted 1 or more, since capacity is EC2, found 0';
    },
  },
  {
    of: ['capacity', 'managedInstances'],
    *find({ capacity, managedInstances }) {
      if (capacity === 'MANAGED_INSTANCES' && !managedInstances) yield 'managedInstances: wanted true, since capacity is MANAGED_INSTANCES, found false';
    },
  },
  {
    of: ['capacity', 'cpu', 'memory'],
    *find({ capacity, cpu, memory }) {
      if (capacity !== 'FARGATE' && capacity !== 'FARGATE_SPOT') return;
      const allowed = fargateSizes(cpu);
      if (!allowed.includes(mebibytes(memory))) yield `memory: Fargate has no task of ${String(cpu)} vCPU with ${memory}; ${describeSizes(cpu, allowed)}`;
    },
  },
  {
    of: ['ephemeralStorage'],
    *find({ ephemeralStorage }) {
      const gib = parseMemory(ephemeralStorage) / 2 ** 30;
      if (gib < 20 || gib > 200) yield `ephemeralStorage: wanted 20 GiB to 200 GiB, found ${ephemeralStorage}`;
    },
  },
  {
    of: ['network', 'subnetIds', 'securityGroupIds', 'assignPublicIp'],
    *find({ network, subnetIds, securityGroupIds, assignPublicIp }) {
      const ids = { subnetIds, securityGroupIds };
      for (const [name, found] of Object.entries(ids)) {
        if (network === 'existing' && found.length === 0) yield `${name}: wanted at least one, since network is existing, found none`;
        if (network === 'own' && found.length > 0) yield `${name}: wanted none, since network is own, found ${found.join(', ')}`;
      }
      if (network === 'own' && assignPublicIp === 'ENABLED') yield 'assignPublicIp: wanted with network existing only; in the own network endpoints decides it';
    },
  },
  {
    of: ['network', 'vpcCidr', 'zones', 'maxConcurrency'],
    *find({ network, vpcCidr, zones, maxConcurrency }) {
      if (network !== 'own') return;
      const room = zones * (2 ** subnetBits(vpcCidr) - reservedAddresses - otherAddresses);
      if (room < maxConcurrency) yield `vpcCidr: wanted a range with addresses for ${String(maxConcurrency)} tasks (maxConcurrency), found ${vpcCidr}, which has ${String(room)} in ${String(zones)} zones`;
      // The first address of a range has no bits beyond its prefix.
      const [address = '', prefix = ''] = vpcCidr.split('/');
      const number = address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
      if (number % 2 ** (32 - Number(prefix)) !== 0) yield `vpcCidr: wanted the first address of a range, found ${vpcCidr}`;
    },
  },
  {
    of: ['ec2MaxInstances', 'ec2InstanceTypes', 'ec2Architecture', 'architecture'],
    *find(given) {
      if (given.ec2MaxInstances === 0) return;
      const wanted = ec2Architecture(given);
      for (const type of given.ec2InstanceTypes) {
        const found = architectureOfType(type);
        if (found !== wanted) yield `ec2InstanceTypes: wanted types with ${wanted} processors (ec2Architecture), found ${type}, which has ${found}`;
      }
    },
  },
  {
    of: ['ec2MaxInstances', 'ec2InstanceTypes', 'ec2TaskCpu', 'ec2TaskMemory'],
    *find({ ec2MaxInstances, ec2InstanceTypes, ec2TaskCpu, ec2TaskMemory }) {
      if (ec2MaxInstances === 0 || ec2InstanceTypes.length === 0) return;
      const types = ec2InstanceTypes.join(', ');
      if (ec2TaskCpu === 0) yield `ec2TaskCpu: wanted the vCPUs of the largest task that fits on the smallest of ${types}, found none`;
      if (ec2TaskMemory === '') yield `ec2TaskMemory: wanted the memory of the largest task that fits on the smallest of ${types}, found none`;
    },
  },
  {
    of: ['capacity', 'cpu', 'memory', 'ec2MaxInstances', 'ec2TaskCpu', 'ec2TaskMemory'],
    *find(given) {
      if (given.capacity !== 'EC2' || given.ec2MaxInstances === 0) return;
      const largest = largestTask(given);
      if (given.cpu > largest.cpu) yield `cpu: wanted ${String(largest.cpu)} at most, which fits on an instance (ec2TaskCpu), found ${String(given.cpu)}`;
      if (mebibytes(given.memory) > mebibytes(largest.memory)) yield `memory: wanted ${largest.memory} at most, which fits on an instance (ec2TaskMemory), found ${given.memory}`;
    },
  },
  {
    of: ['gpus', 'ec2MaxInstances', 'managedInstances', 'ec2Architecture', 'architecture', 'ec2AmiParameter'],
    *find(given) {
      if (given.gpus === 0) return;
      if (given.ec2MaxInstances === 0 && !given.managedInstances) yield `gpus: wanted 0, since Fargate has none, or ec2MaxInstances or managedInstances; found ${String(given.gpus)}`;
      // There is no ECS-optimised AMI for GPUs and ARM64.
      if (given.ec2MaxInstances > 0 && ec2Architecture(given) === 'ARM64' && given.ec2AmiParameter === '') {
        yield 'ec2AmiParameter: wanted the parameter of an AMI for GPUs and ARM64, since there is no ECS-optimised one, found none';
      }
    },
  },
  {
    of: ['gpus', 'ec2MaxInstances', 'ec2InstanceTypes'],
    *find({ gpus, ec2MaxInstances, ec2InstanceTypes }) {
      if (gpus > 0 && ec2MaxInstances > 0 && ec2InstanceTypes.length === 0) yield 'ec2InstanceTypes: wanted types that have GPUs, since gpus is not 0, found none';
    },
  },
  {
    of: ['uploadEvents', 'inputBucket'],
    *find({ uploadEvents, inputBucket }) {
      if (uploadEvents === 'eventbridge' && inputBucket === '') yield 'uploadEvents: wanted notification, since the input bucket is an own one, found eventbridge';
    },
  },
  {
    of: ['schedule', 'scheduleJob'],
    *find({ schedule, scheduleJob }) {
      if (schedule !== '' && scheduleJob === '') yield 'scheduleJob: wanted the href of a job spec, since there is a schedule, found none';
      if (schedule === '' && scheduleJob !== '') yield `schedule: wanted an expression such as rate(1 day), since there is a scheduleJob, found none`;
    },
  },
  {
    of: ['scheduleTimezone'],
    *find({ scheduleTimezone }) {
      try {
        Intl.DateTimeFormat('en', { timeZone: scheduleTimezone });
      } catch {
        yield `scheduleTimezone: wanted a name of the IANA time zone database, for example Europe/Berlin, found ${JSON.stringify(scheduleTimezone)}`;
      }
    },
  },
  {
    of: ['scheduleJob', 'inputBucket', 'outputBucket', 'readBuckets'],
    *find({ scheduleJob, inputBucket, outputBucket, readBuckets }) {
      if (scheduleJob === '') return;
      const bucket = scheduleJob.split('/')[2] ?? '';
      // The own buckets' names have the account in them, which isn't known here.
      const own = (inputBucket === '' || outputBucket === '') && bucket.startsWith('tilefan-');
      if (!own && ![inputBucket, outputBucket, ...readBuckets].includes(bucket)) yield `scheduleJob: wanted a job in a bucket that jobs may read (readBuckets), found ${scheduleJob}`;
    },
  },
];

/** The sentences of all checks whose parameters are right by themselves. */
export function checkTogether(given: Parameters, wrong: ReadonlySet<string>): string[] {
  return checks.filter(({ of }) => !of.some((name) => wrong.has(name))).flatMap((check) => [...check.find(given)]);
}
