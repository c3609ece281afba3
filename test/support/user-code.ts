/** What the tests of user code have in common: which Python runs it, jobs over functions, and what a run has left of a failure. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { batchRecord, type BatchRecord } from '../../lib/job/records.ts';
import type { CliResult } from './cli.ts';
import { gdalPython } from './gdal.ts';

/** User code is run by the Python that is the oracle too, whatever is first on the PATH. */
export const codeEnv: Readonly<Record<string, string>> = { TILEFAN_PYTHON: gdalPython };

/** Lines of standard error that are no events: what a user reads. */
export function messageOfCli({ stderr }: CliResult): string {
  return stderr.split('\n').filter((line) => !line.startsWith('{')).join('\n');
}

/** Asserts exit code and words; the message is one sentence, without a stack trace of ours. */
export function assertSays(result: CliResult, exitCode: number, says: readonly (string | RegExp)[]): void {
  const message = messageOfCli(result);
  assert.equal(result.exitCode, exitCode, result.stderr);
  for (const part of says) {
    if (typeof part === 'string') assert.ok(message.includes(part), `wanted ${JSON.stringify(part)} in: ${message}`);
    else assert.match(message, part);
  }
  assert.doesNotMatch(message, /\n\s+at .*\.ts/, 'a stack trace of ours is nothing for users');
}

/** The record of a batch. */
export function batchRecordOf(run: string, batch = 0): BatchRecord {
  return batchRecord.parse(JSON.parse(readFileSync(`${run}/results/${String(batch)}.json`, 'utf8')));
}

/** Processes whose environment has this text, for example a folder that only one test uses; Linux only. Zombies don't count. */
export function processesWith(text: string): { readonly pid: number; readonly command: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        const environment = readFileSync(`/proc/${name}/environ`, 'utf8');
        const state = / ([A-Z]) /.exec(readFileSync(`/proc/${name}/stat`, 'utf8').replace(/^.*\)/, ''))?.[1];
        return environment.includes(text) && state !== 'Z' ? [{ pid: Number(name), command: readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ') }] : [];
      } catch {
        return [];
      }
    });
}

/** Shared files that have a name; they should never keep one. */
export function sharedFiles(): string[] {
  return existsSync('/dev/shm') ? readdirSync('/dev/shm').filter((name) => name.startsWith('tilefan')) : [];
}
