/**
 * Makes levels of the pyramid from blocks that are committed: what reduce does for the uppermost levels, and a task of a pass for those above its square. Blocks are
 * fetched in Z order, so memory holds a few, whatever the size of the grid.
 */
import { setImmediate } from 'node:timers/promises';
import type { ObjectReader } from '../store/store.ts';
import { BlockEncoder } from '../tiff/block-encoder.ts';
import { encodingOf, levelsOf, type Plan, type PlanOutput } from './plan.ts';
import type { StartingBlock } from './pyramid-sources.ts';
import { QuarterReader } from './quarters.ts';
import type { SegmentWriter } from './segment-writer.ts';
import { makeBlock, UpperLevels, type Quarter } from './upper-levels.ts';

/** Blocks fetched ahead of the one that is decoded. */
const readAhead = 16;

export interface PyramidWork {
  readonly store: ObjectReader;
  readonly plan: Plan;
  readonly output: PlanOutput;
  /** In Z order. */
  readonly starting: Iterator<StartingBlock, void, undefined>;
  /** The highest level to make. */
  readonly last: number;
  /** Blocks that are stored already, and need not be once more. */
  readonly exists: (level: number, column: number, row: number) => boolean;
  readonly writer: SegmentWriter;
  /** Told the href of each segment that is committed on the way. */
  readonly onSegment: (href: string) => void;
  /** Asked after each cell, with how many are done: false ends the work. */
  readonly goesOn: (cellsDone: number) => boolean;
}

/**
 * The last blocks wait in the writer: whoever calls commits them.
 * @returns how many cells are done with when `goesOn` ended the work early; undefined when everything is made
 */
export async function makeLevels({ store, plan, output, starting, last, exists, writer, onSegment, goesOn }: PyramidWork): Promise<number | undefined> {
  const { overviews } = output;
  if (overviews === 'none') return undefined;
  const encoder = new BlockEncoder(encodingOf(output));
  const upper = new UpperLevels(encoder.encoding, (planes, halve) => makeBlock(encoder, overviews, planes, halve), levelsOf(plan, output), last);
  for await (const { level, column, row, quarter, cellsDone } of quarters(store, plan, output, starting)) {
    for await (const block of upper.add(level + 1, column, row, quarter)) {
      if (block.bytes !== undefined && !exists(block.level, block.column, block.row)) writer.addBlock(block.level, block.column, block.row, block.bytes);
      if (writer.bytes >= plan.segmentBytes) onSegment(await writer.commit(false));
    }
    if (cellsDone === undefined) continue;
    // Decoding and encoding leave the event loop no turn of its own, and a signal would come too late.
    await setImmediate();
    if (upper.unfinished > 0 && !goesOn(cellsDone)) return cellsDone;
  }
  return undefined;
}

async function* quarters(
  store: ObjectReader,
  plan: Plan,
  output: PlanOutput,
  starting: Iterator<StartingBlock, void, undefined>,
): AsyncGenerator<StartingBlock & { readonly quarter: Quarter }, void, undefined> {
  const readers = new Map<number, QuarterReader>();
  const readerOf = (level: number): QuarterReader => {
    const reader = readers.get(level) ?? new QuarterReader(store, plan, output, level);
    readers.set(level, reader);
    return reader;
  };
  const ahead: { readonly block: StartingBlock; readonly bytes: Promise<Uint8Array | undefined> }[] = [];
  const fill = (): void => {
    while (ahead.length < readAhead) {
      const next = starting.next();
      if (next.done === true) return;
      const bytes = readerOf(next.value.level).fetch(next.value.stored);
      // Whoever awaits it sees the error; until then it must not count as unhandled.
      bytes.catch(() => undefined);
      ahead.push({ block: next.value, bytes });
    }
  };
  for (fill(); ahead.length > 0; fill()) {
    const { block, bytes } = ahead.shift() as (typeof ahead)[number];
    yield { ...block, quarter: await readerOf(block.level).quarter(block.column, block.row, await bytes) };
  }
}
