/** Starts the worker for functions and models over items, with the code stored under a run prefix as a run has it. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

import { bundleModule } from '../../../lib/code/bundle.ts';
import { startItemWorker, type ClosableItemWorker } from '../../../lib/job/items/function-items.ts';
import type { Item } from '../../../lib/job/items/item.ts';
import { itemJobSpec, type ItemJobSpec } from '../../../lib/job/items/item-spec.ts';
import type { PlanCode } from '../../../lib/job/plan.ts';
import { fileHref } from '../../../lib/store/href.ts';
import type { Store } from '../../../lib/store/store.ts';
import type { Workspace } from '../../support/workspace.ts';

export interface WorkerFixture {
  readonly store: Store;
  readonly workspace: Workspace;
  /** Name of the file with the code, and what is in it. */
  readonly code: readonly [string, string | Uint8Array];
  /** Of the job, but for the href of the code. */
  readonly operation?: object;
  readonly imageLimits?: object;
  readonly outputs?: string;
  readonly count?: number;
}

const megabytes = 2 ** 20;

export async function startWorker({ store, workspace, code: [name, source], operation = {}, imageLimits = {}, outputs, count = 1 }: WorkerFixture): Promise<ClosableItemWorker> {
  const folder = workspace.newFolder('run');
  const path = `${folder}/${name}`;
  writeFileSync(path, source);
  const isModel = name.endsWith('.onnx');
  const node = isModel || !name.endsWith('.py');
  const bytes = node && !isModel ? (await bundleModule(fileHref(path), store)).bytes : readFileSync(path);
  const stored = `${folder}/code/stored${isModel ? '.onnx' : node ? '.mjs' : '.py'}`;
  mkdirSync(`${folder}/code`);
  writeFileSync(stored, bytes);
  const code: PlanCode = { kind: isModel ? 'model' : 'module', runtime: node ? 'node' : 'python', href: fileHref(stored), sha256: createHash('sha256').update(bytes).digest('hex') };
  const job: ItemJobSpec = itemJobSpec.parse({
    items: { parameters: [{}] },
    operation: isModel ? { model: { href: fileHref(path), ...operation }, imageLimits } : { module: fileHref(path), function: 'f', ...operation },
    ...(outputs === undefined ? {} : { outputs: { prefix: outputs } }),
  });
  const memory = { process: 120 * megabytes, items: 100 * megabytes, code: count * 400 * megabytes, total: 1000 * megabytes, limit: 4096 * megabytes };
  return await startItemWorker(store, { job, code, memory }, { count, env: process.env });
}

export function objectItem(index: number, href: string, path: string, more: Partial<Item> = {}): Item {
  return { index, href, path, size: null, version: null, parameters: null, ...more };
}

export function parameterItem(index: number, parameters: NonNullable<Item['parameters']>): Item {
  return { index, href: null, path: String(index).padStart(8, '0'), size: null, version: null, parameters };
}
