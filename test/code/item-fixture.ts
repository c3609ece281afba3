/** Runs functions over items in a code process of their own, as a worker does. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { bundleModule } from '../../lib/code/bundle.ts';
import { CodeProcess, type CodeProcessOptions } from '../../lib/code/code-process.ts';
import type { CodeItem, CodeSetup, ItemCall, Json } from '../../lib/code/code-setup.ts';
import { makeSharedFile } from '../../lib/code/shared-file.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';

export interface ItemFixture {
  /** The source; its ending says what it is. */
  readonly source: string;
  readonly ending: '.ts' | '.py';
  readonly function?: string | null;
  readonly setup?: Partial<CodeSetup>;
  readonly options?: Partial<CodeProcessOptions>;
}

export interface ItemRun {
  readonly process: CodeProcess;
  readonly folder: string;
  /** Calls the function with an object `cat.txt`. */
  object(parameters?: Json, changes?: Partial<CodeItem>): Promise<unknown>;
  /** Calls the function with a set of parameters. */
  set(parameters: Json): Promise<unknown>;
  close(): Promise<void>;
}

const setupOfItems = { parameters: {}, lists: {}, serial: false, inputs: [], outputs: [], grid: { columns: 0, rows: 0, geotransform: null, crs: null }, tileSize: 0, halo: 0, tiles: { across: 0, down: 0 }, model: null, memoryBytes: null } as const;

/** Makes all of it ready; nothing runs before the first call. */
export async function openItems({ source, ending, function: name = 'f', setup = {}, options = {} }: ItemFixture): Promise<ItemRun> {
  const folder = mkdtempSync(join(tmpdir(), 'tilefan-items-'));
  const path = join(folder, `user${ending}`);
  writeFileSync(path, source);
  const bundle = await bundleModule(fileHref(path), new FileStore());
  const code = join(folder, 'code', `user${bundle.extension}`);
  mkdirSync(dirname(code));
  writeFileSync(code, bundle.bytes);
  writeFileSync(join(folder, 'cat.txt'), 'a cat');
  mkdirSync(join(folder, 'output'));
  const shared = makeSharedFile(1);
  const runner = new CodeProcess({
    setup: { ...setupOfItems, code, function: name, items: { model: null }, ...setup },
    runtime: ending === '.py' ? 'python' : 'node',
    sharedFd: shared.fd,
    scratch: join(folder, 'scratch'),
    credentials: false,
    timeoutSeconds: 60,
    env: process.env,
    ...options,
  });
  let id = 0;
  const call = async (item: CodeItem, parameters: Json): Promise<unknown> => {
    const request: ItemCall = { id: ++id, index: id - 1, item, parameters, folder: join(folder, 'output') };
    return (await runner.item(request)).result;
  };
  return {
    process: runner,
    folder,
    object: async (parameters = {}, changes = {}) => await call({ href: 's3://in/pets/cat.txt', path: 'pets/cat.txt', name: 'cat.txt', size: 5, file: join(folder, 'cat.txt'), ...changes }, parameters),
    set: async (parameters) => await call({ href: null, path: '00000007', name: '00000007', size: null, file: null }, parameters),
    async close() {
      await runner.close();
      shared.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Opens, runs `work`, and closes whatever happens. */
export async function withItems<Result>(fixture: ItemFixture, work: (run: ItemRun) => Promise<Result>): Promise<Result> {
  const run = await openItems(fixture);
  try {
    return await work(run);
  } finally {
    await run.close();
  }
}
