/** Runs whose tiles have given results, without any pixels: a plan with what results need of one, and segments as workers leave them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runFiles, tilingOf, type Plan } from '../../../lib/job/plan.ts';
import { readResults } from '../../../lib/job/results/read-results.ts';
import type { TileResult } from '../../../lib/job/results/batch-results.ts';
import { collectResults } from '../../../lib/job/results/collected-results.ts';
import { SegmentWriter } from '../../../lib/job/segment-writer.ts';
import { encodeIndex, segmentName } from '../../../lib/job/segment.ts';
import type { JobResults } from '../../../lib/job/spec.ts';
import { batchOfTile, rowOrder, tileGrid, batchCount, batchWindow } from '../../../lib/job/tiling.ts';
import { FileStore } from '../../../lib/store/file-store.ts';
import { fileHref } from '../../../lib/store/href.ts';
import type { Store } from '../../../lib/store/store.ts';

export interface RunOptions {
  /** Tiles across and down; a tile has 100 px. */
  readonly across: number;
  readonly down: number;
  readonly batchColumns: number;
  readonly batchRows: number;
  readonly results?: JobResults;
  readonly tolerated?: number;
}

/** The parts of a plan that have to do with results. */
export function planOf(href: string, { across, down, batchColumns, batchRows, results, tolerated = 0 }: RunOptions): Plan {
  const part = {
    state: { run: { id: 'run-1', href } },
    // The last column and row of tiles are narrower than the others.
    grid: { columns: across * 100 - 30, rows: down * 100 - 60 },
    tileSize: 100,
    batchColumns,
    batchRows,
    outputs: [],
    job: { results, tolerateFailures: { percentage: tolerated } },
  };
  return part as unknown as Plan;
}

/** A folder with a store; removed when the scope ends. */
export class ResultsBench {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'tilefan-results-'));
  readonly store = new FileStore();

  plan(options: RunOptions): Plan {
    return planOf(fileHref(`${this.folder}/run/`), options);
  }

  file(name: string): string {
    return path.join(this.folder, name);
  }

  href(name: string): string {
    return fileHref(this.file(name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What a tile gave: its place, and a value; without one it gave nothing. */
export interface Given {
  readonly column: number;
  readonly row: number;
  readonly value?: unknown;
}

/** Commits one segment of a batch. */
export async function commitSegment(store: Store, plan: Plan, batch: number, number: number, tiles: readonly Given[], complete = false): Promise<void> {
  const writer = new SegmentWriter(store, (n) => `${plan.state.run.href}${runFiles.collected}${segmentName(batch, n)}`, number);
  const encoder = new TextEncoder();
  for (const { column, row, value } of tiles) {
    const bytes = value === undefined ? new Uint8Array(0) : encoder.encode(JSON.stringify(value));
    const blocks = value === undefined ? [] : [{ level: 0, column, row, offset: 0, length: bytes.length }];
    writer.addTile(column, row, { bytes, blocks, statistics: [], remainder: undefined });
  }
  await writer.commit(complete);
}

/** Commits all tiles, each batch in one segment; the bytes are put at once, which a million of them make worth while. */
export async function commitAll(store: Store, plan: Plan, valueOf: (column: number, row: number) => unknown): Promise<void> {
  const tiling = tilingOf(plan);
  for (let batch = 0; batch < batchCount(tiling); batch++) {
    const tiles = [...rowOrder(batchWindow(tiling, batch))];
    const texts = tiles.map(({ column, row }) => JSON.stringify(valueOf(column, row)));
    const data = Buffer.from(texts.join(''));
    let offset = 0;
    const blocks = tiles.map((tile, i) => {
      const block = { level: 0, ...tile, offset, length: Buffer.byteLength(texts[i] ?? '') };
      offset += block.length;
      return block;
    });
    const index = encodeIndex({ complete: true, tiles: tiles.map((tile) => ({ ...tile, statistics: [] })), blocks, dataBytes: data.length });
    await store.put(`${plan.state.run.href}${runFiles.collected}${segmentName(batch, 0)}`, Buffer.concat([data, index]), { createFolders: true });
  }
}

/** All results in the order in which they are read. */
export async function readAll(store: Store, plan: Plan): Promise<TileResult[]> {
  const { segments } = await collectResults(store, plan, undefined);
  const all: TileResult[] = [];
  for await (const chunk of readResults(store, tilingOf(plan), segments)) all.push(...chunk);
  return all;
}

/** All tiles in the order that is promised: batch by batch, and row by row in each. */
export function promisedOrder(plan: Plan): { column: number; row: number }[] {
  const tiling = tilingOf(plan);
  const { across, down } = tileGrid(tiling);
  return [...rowOrder({ column: 0, row: 0, columns: across, rows: down })].toSorted(
    (a, b) => batchOfTile(tiling, a.column, a.row) - batchOfTile(tiling, b.column, b.row) || a.row - b.row || a.column - b.column,
  );
}
