/** Compares what a role must allow with what it allows: nothing missing, nothing more. */
import type { Grant } from './template-roles.ts';

/** One thing that a role must allow. */
export interface Need {
  readonly action: string;
  /** An ARN; with `*` where any object of that place is meant. `*` alone for actions that know no resources. */
  readonly resource: string;
  /** Where the need comes from, for the message. */
  readonly why: string;
  /** The condition that must stand with it, canonical JSON. Without one, the grant must be unconditional. */
  readonly condition?: string;
}

/** Sentences about every difference; empty when the role is exactly right. */
export function differences(role: string, needs: readonly Need[], grants: readonly Grant[]): string[] {
  const missing = needs
    .filter((need) => !grants.some((grant) => grant.action === need.action && covers(grant.resource, need.resource) && grant.condition === (need.condition ?? '')))
    .map(({ action, resource, why, condition }) => `${role} lacks ${action} on ${resource}${condition === undefined ? '' : ` with the condition ${condition}`}: ${why}`);
  const excess = grants
    .filter((grant) => !needs.some((need) => grant.action === need.action && covers(need.resource, grant.resource) && grant.condition === (need.condition ?? '')))
    .map(({ action, resource, sid, condition }) => `${role}/${sid} allows ${action} on ${resource}${condition === '' ? '' : ` with the condition ${condition}`}, which nothing needs`);
  return [...new Set([...missing, ...excess])].toSorted();
}

/** Whether a pattern of IAM (`*` any characters, `?` one) holds everything that another one, or an ARN, stands for. */
export function covers(pattern: string, other: string): boolean {
  const expression = pattern.replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('*', '.*').replaceAll('?', '.');
  return new RegExp(`^${expression}$`, 's').test(other);
}

/** Whether some text fits both patterns, which have only `*` in them. */
export function overlap(a: string, b: string): boolean {
  const fits = new Map<number, boolean>();
  const from = (i: number, j: number): boolean => {
    const key = i * (b.length + 1) + j;
    const known = fits.get(key);
    if (known !== undefined) return known;
    const found =
      a[i] === '*' ? from(i + 1, j) || (j < b.length && from(i, j + 1))
      : b[j] === '*' ? from(i, j + 1) || (i < a.length && from(i + 1, j))
      : i === a.length || j === b.length ? i === a.length && j === b.length
      : a[i] === b[j] && from(i + 1, j + 1);
    fits.set(key, found);
    return found;
  };
  return from(0, 0);
}
