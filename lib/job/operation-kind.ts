/** The kinds of operation that a job can have, and which of them run a user's own code. */
import type { JobOperation } from './spec.ts';

export const operationKinds = ['expression', 'copy', 'module', 'model', 'command'] as const;
export type OperationKind = (typeof operationKinds)[number];

/** The kinds that a job names; a valid one names exactly one. */
export function namedKinds(operation: JobOperation): OperationKind[] {
  return operationKinds.filter((kind) => operation[kind] !== undefined);
}

/** Kinds that run in processes of their own. */
export type CodeKind = Exclude<OperationKind, 'expression' | 'copy'>;

/** The kind of a valid job's code; undefined for expressions and copies. */
export function codeKind(operation: JobOperation): CodeKind | undefined {
  const [kind] = namedKinds(operation);
  return kind === 'module' || kind === 'model' || kind === 'command' ? kind : undefined;
}

/** What interprets the code: Node for TypeScript, JavaScript and models, Python for Python; null for commands. */
export type CodeRuntime = 'node' | 'python';

const runtimes: Readonly<Record<string, CodeRuntime>> = { ts: 'node', mts: 'node', js: 'node', mjs: 'node', py: 'python', pkl: 'python' };

/** Endings that a module's href may have. */
export const moduleEndings: readonly string[] = Object.keys(runtimes);

/** @returns undefined for an ending that no module has */
export function runtimeOf(moduleHref: string): CodeRuntime | undefined {
  return runtimes[/\.([a-z]+)$/i.exec(moduleHref)?.[1]?.toLowerCase() ?? ''];
}

/** Where the code of an operation lies as the job has it; undefined for commands, expressions and copies. */
export function codeHref({ module, model }: JobOperation): string | undefined {
  return module ?? (typeof model === 'object' ? model.href : model);
}

/** What nodata means to an operation, its default filled in: functions see the values that there are, as those of RIOS do. */
export function nodataRule(operation: JobOperation): 'mask' | 'handle' {
  return operation.nodata ?? (codeKind(operation) === undefined ? 'mask' : 'handle');
}
