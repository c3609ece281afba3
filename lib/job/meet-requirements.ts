/** Whether what a job's code needs is where it is going to run. */
import { tmpdir } from 'node:os';
import { codeEnvironment } from '../code/code-environment.ts';
import { findPython } from '../code/find-python.ts';
import type { CodeRuntime } from './operation-kind.ts';

/**
 * @param code its runtime, whose Python is the one that is asked; whether it is over items; whether it may act as the worker on AWS
 * @param env the worker's
 * @throws JobError REQUIREMENT_MISSING that lists all that are not met
 */
export async function meetRequirements(
  requirements: readonly string[],
  code: { readonly runtime: CodeRuntime | null; readonly items: boolean; readonly credentials: boolean },
  env: NodeJS.ProcessEnv,
): Promise<void> {
  if (requirements.length === 0) return;
  const { runtime, items, credentials } = code;
  // Loaded for jobs that have some.
  const { checkRequirements } = await import('../code/requirements/check-requirements.ts');
  const python = runtime === 'python' ? (await findPython(env, items ? 'wanted' : 'needed')).python : (env['TILEFAN_PYTHON'] ?? 'python3');
  await checkRequirements(requirements, { python, env: codeEnvironment(env, { scratch: tmpdir(), credentials }) });
}
