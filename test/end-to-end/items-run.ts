/** Runs over items through the command line, as the tests of object jobs start them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { itemRunRecord, type ItemRunRecord } from '../../lib/job/items/item-records.ts';
import { runCli, type CliOptions, type CliResult } from '../support/cli.ts';
import { codeEnv } from '../support/user-code.ts';

/** @throws Error with what the child said when it didn't end well */
export function itemRecordOf({ exitCode, signal, stdout, stderr }: CliResult): ItemRunRecord {
  if (exitCode !== 0) throw new Error(`the run ended with ${String(exitCode ?? signal)}: ${stderr}`);
  return itemRunRecord.parse(JSON.parse(stdout));
}

/** A run that must end well. */
export async function runItems(args: readonly string[], { env, ...options }: CliOptions = {}): Promise<ItemRunRecord> {
  return itemRecordOf(await runCli(['run', ...args, '--json'], { ...options, env: { ...codeEnv, ...env } }));
}

export interface FailedItems {
  readonly record: ItemRunRecord;
  /** What a person reads. */
  readonly message: string;
}

/** A run that must end with items that failed. */
export async function failItems(args: readonly string[], { env, ...options }: CliOptions = {}): Promise<FailedItems> {
  const { exitCode, stdout, stderr } = await runCli(['run', ...args, '--json'], { ...options, env: { ...codeEnv, ...env } });
  assert.equal(exitCode, 70, stderr);
  const { state, record } = JSON.parse(stdout) as { readonly state: string; readonly record: unknown };
  assert.equal(state, 'FAILED');
  const message = stderr.split('\n').filter((line) => !line.startsWith('{')).join('\n');
  assert.doesNotMatch(message, /\n\s+at .*\.ts/, 'a stack trace of ours is nothing for users');
  return { record: itemRunRecord.parse(record), message };
}

/** Lines of JSON, each as it lies there. */
export function jsonLines(path: string): Record<string, unknown>[] {
  return readFileSync(path, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line) as Record<string, unknown>);
}
