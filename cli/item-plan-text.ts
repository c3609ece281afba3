/** `tilefan plan` of an object job: what a run would do. Items are listed as in a run; nothing remains of it. */
import type { ItemPlan } from '../lib/job/items/item-plan.ts';
import { itemWeight } from '../lib/job/items/item-batches.ts';
import { itemBatchLine, itemsFile, readItems } from '../lib/job/items/item.ts';
import { itemCosts } from '../lib/job/items/split-items.ts';
import { itemOperationKind } from '../lib/job/items/item-validate.ts';
import { runFiles } from '../lib/job/plan.ts';
import type { Settings } from '../lib/job/settings.ts';
import { displayHref } from '../lib/store/href.ts';
import type { ObjectReader } from '../lib/store/store.ts';
import { itemsText, operationText } from './item-job-file.ts';
import { bytesText, countText, secondsText } from './text.ts';

/** What a task has to do. */
export interface BatchSize {
  readonly items: number;
  /** Of the objects whose size is known. */
  readonly bytes: number;
  /** Seconds of one thread, by the guess that batches were made by. */
  readonly weight: number;
}

export async function batchSizes(reader: ObjectReader, run: string, plan: ItemPlan): Promise<BatchSize[]> {
  const cost = itemCosts[itemOperationKind(plan.job.operation)];
  const lines = new TextDecoder().decode(await reader.readAll(`${run}${runFiles.manifest(0)}`)).trimEnd().split('\n');
  const sizes: BatchSize[] = [];
  for (const line of lines) {
    const { items: range } = itemBatchLine.parse(JSON.parse(line));
    let bytes = 0;
    let weight = 0;
    for await (const { href, size } of readItems(reader, `${run}${itemsFile}`, range)) {
      bytes += size ?? 0;
      weight += itemWeight(cost, href === null ? undefined : size);
    }
    sizes.push({ items: range.count, bytes, weight });
  }
  return sizes;
}

export function itemPlanText(plan: ItemPlan, sizes: readonly BatchSize[], { startupSeconds, maxConcurrency, size }: Settings): string {
  const { job, items, memory, threads } = plan;
  const { outputs, results } = job;
  const weights = sizes.map(({ weight }) => weight);
  const total = weights.reduce((sum, each) => sum + each, 0);
  const seconds = sizes.length * startupSeconds + total / threads;
  const range = (values: readonly number[], text: (value: number) => string): string => {
    const [least, most] = [text(values.reduce((a, b) => Math.min(a, b), Infinity)), text(values.reduce((a, b) => Math.max(a, b), 0))];
    return least === most ? least : `${least} to ${most}`;
  };
  const lines: [string, string][] = [
    ['items', `${items.count.toLocaleString('en')}: ${itemsText(job)}${items.repeated > 0 ? ` (${countText(items.repeated, 'repetition')} left out)` : ''}`],
    ['bytes', items.bytes === 0 ? 'not known, or none' : `${bytesText(items.bytes)}, ${bytesText(Math.round(items.bytes / items.count))} an item`],
    ['operation', operationText(job)],
    ['batches', `${String(sizes.length)}, each of ${range(sizes.map((each) => each.items), String)} items, ${range(sizes.map(({ bytes }) => bytes), bytesText)}`],
    ['weight', `${range(weights, secondsText)} of one thread a batch, ${secondsText(total)} altogether (a guess, which batches are made by)`],
    ['tasks', `${String(size.cpu)} vCPU and ${bytesText(size.memoryMiB * 2 ** 20)} each, ${String(Math.min(maxConcurrency, sizes.length))} at a time, about ${secondsText(seconds)} of tasks altogether, starting them included`],
    ['memory', `${bytesText(memory.total)} for a worker with ${countText(threads, 'thread')}, of ${bytesText(memory.limit)} (items ${bytesText(memory.items)}${memory.code > 0 ? `, code ${bytesText(memory.code)}` : ''})`],
    ...(outputs === undefined ? [] : [['files', `below ${displayHref(outputs.prefix)}`] as [string, string]]),
    ...(results === undefined ? [] : [['results', displayHref(results.href)] as [string, string]]),
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, text]) => `${name.padEnd(width)}  ${text}\n`).join('');
}
