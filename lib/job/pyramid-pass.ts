/**
 * The levels of the pyramid above the batches, made where the batches are merged: from each batch's blocks of its highest level, or, for a batch
 * that failed and was tolerated, from those of its tiles. Blocks are fetched in Z order, so memory holds a few, whatever the size of the grid.
 */
import type { Store } from '../store/store.ts';
import { blockGrid } from '../tiff/cog-header.ts';
import type { Collected } from './collect.ts';
import { encodingOf, levelOwners, levelsOf, tilingOf, type Plan, type PlanOutput } from './plan.ts';
import { QuarterReader, type StoredBlock } from './quarters.ts';
import { readSegmentIndex, type SegmentIndex } from './segment.ts';
import { SegmentWriter } from './segment-writer.ts';
import { batchOfTile, tileGrid, zOrder } from './tiling.ts';
import { UpperLevels } from './upper-levels.ts';

/** Blocks fetched ahead of the one that is decoded. */
const readAhead = 16;

export interface PyramidSegment {
  readonly href: string;
  readonly index: SegmentIndex;
}

/** Makes the levels above the batches, commits them as segments of their own, and gives these; none when there are no such levels. */
export async function makePyramid(store: Store, plan: Plan, output: PlanOutput, collected: Collected): Promise<PyramidSegment[]> {
  const owners = levelOwners(plan, output);
  if (owners.batch === owners.top || output.overviews === 'none') return [];
  const levels = levelsOf(plan, output);
  const found = await findBlocks(plan, output, collected);
  const folder = `${plan.state.run.href}pyramids/${output.name}/`;
  const hrefs: string[] = [];
  const hrefOf = (number: number): string => `${folder}${String(number).padStart(5, '0')}.seg`;
  // A call that was cut off may have left some; they would be the same, but numbers must not be guessed.
  await store.removePrefix(folder);
  const writer = new SegmentWriter(store, (number) => {
    hrefs.push(hrefOf(number));
    return hrefOf(number);
  }, 0);
  const upper = new UpperLevels(encodingOf(output), output.overviews, levels, owners.top);
  for await (const source of sources(store, plan, output, collected, found)) {
    for (const { level, column, row, bytes } of upper.add(source.level + 1, source.column, source.row, source.quarter)) {
      // What a failed batch had made itself before it failed is in its segments.
      if (bytes !== undefined && !found.has(blockKey(level, column, row))) writer.addBlock(level, column, row, bytes);
      if (writer.bytes >= plan.segmentBytes) await writer.commit(false);
    }
  }
  if (!writer.isEmpty) await writer.commit(true);
  return await readPyramid(store, hrefs);
}

/** The segments of a pyramid that an earlier call has made. */
export async function readPyramid(store: Store, hrefs: readonly string[]): Promise<PyramidSegment[]> {
  return await Promise.all(hrefs.map(async (href) => ({ href, index: await readSegmentIndex(store, await store.stat(href)) })));
}

function blockKey(level: number, column: number, row: number): string {
  return `${String(level)}/${String(column)}/${String(row)}`;
}

/** Where the blocks are that the pyramid is made from: all of the tiles' and the batches' highest levels, and those between. */
async function findBlocks(plan: Plan, output: PlanOutput, collected: Collected): Promise<Map<string, StoredBlock>> {
  const { tile, batch } = levelOwners(plan, output);
  const tiling = tilingOf(plan);
  const blocks = new Map<string, StoredBlock>();
  for await (const { stat, index } of collected.indexes()) {
    for (const { level, column, row, offset, length } of index.blocks) {
      if (level < tile || level > batch) continue;
      const scale = 2 ** (level - tile);
      const complete = collected.completeBatches.has(batchOfTile(tiling, column * scale, row * scale));
      // Of a complete batch only its highest level is of use.
      if (complete && level < batch) continue;
      const key = blockKey(level, column, row);
      if (!blocks.has(key)) blocks.set(key, { href: stat.href, offset, length });
    }
  }
  return blocks;
}

interface Source {
  readonly level: number;
  readonly column: number;
  readonly row: number;
}

/** The blocks to begin with, in Z order of the batches' highest level; where a batch isn't complete, the tiles' blocks under it. */
function* startingBlocks(plan: Plan, output: PlanOutput, { completeBatches }: Collected): Generator<Source, void, undefined> {
  const { tile, batch } = levelOwners(plan, output);
  const tiling = tilingOf(plan);
  const tiles = tileGrid(tiling);
  const { across, down } = blockGrid(levelsOf(plan, output)[batch] as { columns: number; rows: number }, output.blockSize);
  const scale = 2 ** (batch - tile);
  for (const { column, row } of zOrder({ column: 0, row: 0, columns: across, rows: down })) {
    if (completeBatches.has(batchOfTile(tiling, column * scale, row * scale))) {
      yield { level: batch, column, row };
      continue;
    }
    const columns = Math.min(scale, tiles.across - column * scale);
    const rows = Math.min(scale, tiles.down - row * scale);
    for (const place of zOrder({ column: column * scale, row: row * scale, columns, rows })) yield { level: tile, ...place };
  }
}

async function* sources(
  store: Store,
  plan: Plan,
  output: PlanOutput,
  collected: Collected,
  found: ReadonlyMap<string, StoredBlock>,
): AsyncGenerator<Source & { readonly quarter: Awaited<ReturnType<QuarterReader['quarter']>> }, void, undefined> {
  const { tile, batch } = levelOwners(plan, output);
  const readers = new Map([tile, batch].map((level) => [level, new QuarterReader(store, plan, output, level)]));
  const starting = startingBlocks(plan, output, collected);
  const ahead: { source: Source; bytes: Promise<Uint8Array | undefined> }[] = [];
  const fill = (): void => {
    while (ahead.length < readAhead) {
      const next = starting.next();
      if (next.done === true) return;
      const { level, column, row } = next.value;
      const reader = readers.get(level) as QuarterReader;
      const bytes = reader.fetch(found.get(blockKey(level, column, row)));
      // Whoever awaits it sees the error; until then it must not count as unhandled.
      bytes.catch(() => undefined);
      ahead.push({ source: next.value, bytes });
    }
  };
  for (fill(); ahead.length > 0; fill()) {
    const { source, bytes } = ahead.shift() as (typeof ahead)[number];
    const reader = readers.get(source.level) as QuarterReader;
    yield { ...source, quarter: await reader.quarter(source.column, source.row, await bytes) };
  }
}
