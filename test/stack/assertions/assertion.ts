/** An assertion about packaged templates that comes with the mistake it catches: what breaks the template must make it fail. */
import { createResolver, type Resolve } from '../../support/iam-template-values.ts';
import { ofType, type JsonObject, type Resource, type Template } from '../../support/packaged-stack.ts';
import type { Json } from '../../../local/engine.ts';

export interface StackView {
  readonly template: Template;
  readonly resolve: Resolve;
  /** Resources of a type: logical id, properties with all references resolved, and the resource as it is. */
  all(type: string): readonly (readonly [id: string, properties: JsonObject, resource: Resource])[];
}

export interface Assertion {
  /** What holds, as a sentence. */
  readonly holds: string;
  /** Sentences about what is wrong. */
  readonly problems: (stack: StackView) => string[];
  /** Mistakes, each made in a copy of a template, that must be noticed. Where a template has nothing to break, `undefined`: another variant has. */
  readonly mistakes: readonly ((template: Mutable) => boolean)[];
}

/** A template to be broken. */
export interface Mutable {
  readonly Resources: Record<string, { Type: string; Properties: Record<string, Json>; [field: string]: Json }>;
  readonly [section: string]: Json;
}

export function viewOf(template: Template): StackView {
  const resolve = createResolver(template);
  return {
    template,
    resolve,
    all: (type) => ofType(template, type).map(([id, resource]) => [id, (resolve((resource.Properties as Json | undefined) ?? {}) ?? {}) as JsonObject, resource] as const),
  };
}

/** A mistake: changes the first resource of a type that fits. False where there is none. */
export function breaking(type: string, change: (properties: Record<string, Json>, resource: Mutable['Resources'][string]) => void, fits: (id: string, properties: Record<string, Json>) => boolean = () => true): (template: Mutable) => boolean {
  return ({ Resources }) => {
    const [, found] = Object.entries(Resources).find(([id, resource]) => resource.Type === type && fits(id, resource.Properties)) ?? [];
    if (found === undefined) return false;
    change(found.Properties, found);
    return true;
  };
}

/** The value at a path of names; undefined where it ends before. */
export function at(value: Json | undefined, ...path: readonly (string | number)[]): Json | undefined {
  let here: Json | undefined = value;
  for (const name of path) {
    if (typeof here !== 'object' || here === null) return undefined;
    here = (here as Readonly<Record<string | number, Json>>)[name];
  }
  return here;
}

/** A list, or none. */
export function list(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : value === undefined || value === null ? [] : [value];
}
