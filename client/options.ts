/** Options of callers, checked before anything is done: plain JavaScript, and `as any`, let everything through. */
import { JobError } from '../lib/base/errors.ts';
import { nearestName } from '../lib/base/nearest.ts';
import { checkConfig } from '../cli/config-file.ts';
import type { MapOptions, RunOptions } from './types.ts';

/** Those that a config may have, too, and that have the same form there. */
const configured = ['where', 'region', 'profile', 'stage', 'stateMachine', 'folder', 'work', 'workers', 'threads', 'capacity', 'cpu', 'memory', 'ephemeralStorage', 'architecture', 'image', 'maxConcurrency'] as const satisfies readonly (keyof RunOptions)[];

/** Records, so that the compiler misses none. */
const ofRun: Readonly<Record<Exclude<keyof RunOptions, (typeof configured)[number]>, true>> = { run: true, signal: true, onProgress: true, cancelOnInterrupt: true };
const ofMap: Readonly<Record<Exclude<keyof MapOptions, keyof RunOptions>, true>> = { name: true, parameters: true, requirements: true, credentials: true, timeout: true, outputs: true, results: true, tolerate: true };

export const runOptions: readonly string[] = [...configured, ...Object.keys(ofRun)];
export const mapOptions: readonly string[] = [...runOptions, ...Object.keys(ofMap)];

/** @throws JobError OPTION_UNKNOWN that says which there are; CONFIG_INVALID for values of another form */
export async function checkOptions(options: object, known: readonly string[]): Promise<void> {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const near = nearestName(name, known);
    throw new JobError('OPTION_UNKNOWN', `there is no option ${name}${near === undefined ? '' : `; did you mean ${near}?`}; known are ${known.toSorted().join(', ')}`);
  }
  const said = Object.entries(options).filter(([name, value]) => value !== undefined && (configured as readonly string[]).includes(name));
  if (said.length > 0) await checkConfig(Object.fromEntries(said), 'the options are not');
}
