/** The processes that run a plan's code, one for each compute thread, and all that they need: a copy of the code, a file for the arrays, scratch folders. */
import { createHash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../base/errors.ts';
import type { CodeRunner } from '../code/code-setup.ts';
import { CodeProcess } from '../code/code-process.ts';
import { CommandRunner } from '../code/command/command-runner.ts';
import { inTemporaryFolder, makeCodeFolder, removeScratchFolder } from '../code/scratch-folder.ts';
import { makeSharedFile, type SharedFile } from '../code/shared-file.ts';
import type { ExpressionProgram } from '../raster/expression/program.ts';
import { basename, displayHref } from '../store/href.ts';
import type { ObjectReader } from '../store/store.ts';
import { codeArrayBytes } from './memory.ts';
import { mostCodeBytes } from './store-code.ts';
import { codeHref } from './operation-kind.ts';
import { codeSetupOf } from './plan-code-setup.ts';
import type { Plan, PlanCode } from './plan.ts';
import { parseDuration } from './quantities.ts';

/** What a compute thread calls. */
export interface CodeSlot {
  /** Descriptor of the file that the arrays go through. */
  readonly sharedFd: number;
  readonly runner: CodeRunner;
}

export class CodeRunners {
  readonly slots: readonly CodeSlot[];
  readonly #root: string;
  readonly #files: readonly SharedFile[];
  #closing: Promise<void> | undefined;

  private constructor(root: string, slots: readonly CodeSlot[], files: readonly SharedFile[]) {
    this.#root = root;
    this.slots = slots;
    this.#files = files;
  }

  /**
   * Makes ready; processes start when they are called first.
   * @param count of the threads that call
   * @throws DataError CODE_CHANGED when the code under the run prefix is not what was planned; OutputError SHARED_FILE_NO_ROOM, SCRATCH_UNUSABLE
   */
  static async start(reader: ObjectReader, plan: Plan, program: ExpressionProgram, count: number, env: NodeJS.ProcessEnv = process.env): Promise<CodeRunners> {
    const { code, job } = plan;
    if (code === null) throw new Error('the plan has no code');
    const root = await makeCodeFolder();
    const files: SharedFile[] = [];
    try {
      const path = await localCopy(reader, code, codeHref(job.operation), join(root, 'code'));
      const setup = codeSetupOf(plan, path, count, env);
      const timeoutSeconds = parseDuration(job.operation.tileTimeout);
      const slots: CodeSlot[] = [];
      for (let i = 0; i < count; i++) {
        const file = makeSharedFile(sharedBytes(plan, program));
        files.push(file);
        const common = { setup, sharedFd: file.fd, scratch: join(root, `scratch-${String(i)}`), credentials: job.operation.credentials, timeoutSeconds, env };
        const runner = code.runtime === null ? new CommandRunner({ ...common, command: job.operation.command ?? [], geo: plan.grid.geo, results: job.results !== undefined }) : new CodeProcess({ ...common, runtime: code.runtime });
        slots.push({ sharedFd: file.fd, runner });
      }
      return new CodeRunners(root, slots, files);
    } catch (error) {
      for (const file of files) file.close();
      await rm(root, { recursive: true, force: true });
      throw error;
    }
  }

  /** Ends all processes and removes what they had. Once: a descriptor that is closed again may be another file's by then. */
  async close(): Promise<void> {
    await (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    await Promise.all(this.slots.map(({ runner }) => runner.close()));
    for (const file of this.#files) file.close();
    await removeScratchFolder(this.#root);
  }
}

/** Arrays begin at multiples of 8. */
const paddingBytes = 8;

function sharedBytes({ tileSize, halo, inputs, outputs }: Plan, program: ExpressionProgram): number {
  return Math.max(1, codeArrayBytes(program, tileSize, halo) + paddingBytes * (2 * inputs.length + outputs.length));
}

/** The code as a file of its own name: what tracebacks show. @param folder among temporary files @throws DataError CODE_CHANGED; OutputError SCRATCH_UNUSABLE */
export async function localCopy(reader: ObjectReader, { href, sha256 }: PlanCode, source: string | undefined, folder: string): Promise<string> {
  if (href === null || source === undefined) return '';
  const bytes = await reader.readAll(href, mostCodeBytes);
  const found = createHash('sha256').update(bytes).digest('hex');
  if (sha256 !== null && found !== sha256) throw new DataError('CODE_CHANGED', `${displayHref(href)} is not the code that the run was planned with: wanted SHA-256 ${sha256}, found ${found}`, { where: { href } });
  const ending = /\.[a-z]+$/.exec(href)?.[0] ?? '';
  const name = basename(source);
  const path = join(folder, name.endsWith(ending) ? name : `${name}${ending}`);
  await inTemporaryFolder(async () => {
    await mkdir(folder, { recursive: true });
    await writeFile(path, bytes, { mode: 0o400 });
  });
  return path;
}
