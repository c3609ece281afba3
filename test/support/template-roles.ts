/** The roles of a template with everything they allow, one grant for each pair of action and resource. */
import { isObject } from '../../local/adapt-definition.ts';
import type { Json } from '../../local/engine.ts';
import { createResolver } from './iam-template-values.ts';
import { ofType } from './packaged-stack.ts';
import type { JsonObject, Template } from './packaged-stack.ts';

export interface Grant {
  /** `s3:GetObject`, as written. */
  readonly action: string;
  /** An ARN, perhaps with `*`, or `*`. */
  readonly resource: string;
  /** The statement's condition as canonical JSON; empty without one. */
  readonly condition: string;
  /** The statement's Sid. */
  readonly sid: string;
}

export interface Role {
  /** Logical id. */
  readonly id: string;
  readonly arn: string;
  /** Services that may assume it. */
  readonly services: readonly string[];
  /** Condition of the trust policy, canonical JSON; empty without one. */
  readonly trustCondition: string;
  readonly grants: readonly Grant[];
  /** Managed policies of AWS, whose contents the template doesn't show. */
  readonly managedPolicies: readonly string[];
}

/** JSON with sorted keys, so that two ways of writing one condition compare as one. */
export function canonical(value: Json | undefined): string {
  if (value === undefined) return '';
  return JSON.stringify(value, (_, inner: unknown) =>
    isObject(inner as Json) ? Object.fromEntries(Object.entries(inner as JsonObject).toSorted(([a], [b]) => (a < b ? -1 : 1))) : inner);
}

/**
 * All roles by logical id. Policies of their own resources (AWS::IAM::Policy) are added to the roles they are attached to.
 * @throws Error for anything but Allow with Action and Resource, since the comparison would be wrong for it
 */
export function rolesOf(template: Template): ReadonlyMap<string, Role> {
  const resolve = createResolver(template);
  const roles = new Map<string, Role>();
  for (const [id, { Properties }] of ofType(template, 'AWS::IAM::Role')) {
    const { AssumeRolePolicyDocument: trust, Policies: policies = [], ManagedPolicyArns: managed = [] } = resolve(Properties) as JsonObject;
    const trusting = statementsOf(trust);
    roles.set(id, {
      id,
      arn: resolve({ 'Fn::GetAtt': [id, 'Arn'] }) as string,
      services: trusting.flatMap((statement) => [(statement['Principal'] as JsonObject | undefined)?.['Service'] as string | readonly string[]].flat()),
      trustCondition: trusting.map(({ Condition }) => canonical(Condition)).join(),
      grants: (policies as readonly JsonObject[]).flatMap(({ PolicyDocument }) => statementsOf(PolicyDocument).flatMap((statement) => grantsOf(id, statement))),
      managedPolicies: managed as readonly string[],
    });
  }
  for (const type of ['AWS::IAM::Policy', 'AWS::IAM::RolePolicy', 'AWS::IAM::ManagedPolicy']) {
    for (const [id, { Properties }] of ofType(template, type)) {
      const { PolicyDocument, Roles = [], RoleName } = resolve(Properties) as JsonObject;
      for (const name of [...(Roles as readonly string[]), ...(typeof RoleName === 'string' ? [RoleName] : [])]) {
        const role = [...roles.values()].find((each) => resolve({ Ref: each.id }) === name) ?? fail(`${id} is attached to ${name}, which is no role of the template`);
        roles.set(role.id, { ...role, grants: [...role.grants, ...statementsOf(PolicyDocument).flatMap((statement) => grantsOf(id, statement))] });
      }
    }
  }
  return roles;
}

export function statementsOf(document: Json | undefined): readonly JsonObject[] {
  return [(document as { readonly Statement: JsonObject | readonly JsonObject[] }).Statement].flat();
}

function grantsOf(role: string, statement: JsonObject): Grant[] {
  const { Sid: sid = '', Effect, Action, Resource, Condition, ...more } = statement;
  if (Effect !== 'Allow' || Action === undefined || Resource === undefined || Object.keys(more).length > 0) return fail(`${role}/${String(sid)}: wanted Allow, Action, Resource and Condition only, found ${JSON.stringify(statement)}`);
  return ([Action].flat() as readonly string[]).flatMap((action) =>
    ([Resource].flat() as readonly string[]).map((resource) => ({ action, resource, condition: canonical(Condition), sid: String(sid) })));
}

function fail(what: string): never {
  throw new Error(what);
}
