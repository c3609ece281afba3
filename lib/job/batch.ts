/**
 * One batch, as a worker does it: find out what is committed already, compute the other tiles, commit them in segments, and make the
 * overview levels that lie within the batch. Doing a batch again is harmless, also while another worker does it.
 */
import * as z from 'zod';
import { TryAgainError } from '../base/errors.ts';
import type { Store } from '../store/store.ts';
import { encodingOf, levelOwners, levelsOf, runFiles, tilingOf, type Plan, type PlanOutput } from './plan.ts';
import { QuarterReader, type StoredBlock } from './quarters.ts';
import { SegmentWriter } from './segment-writer.ts';
import { readSegmentIndex, segmentName, segmentPrefix } from './segment.ts';
import type { TileInputs } from './tile-inputs.ts';
import { inTile } from './tile-error.ts';
import type { DecodeTask, TileResult, TileTask } from './tile.ts';
import type { TileOutputResult } from './tile-output.ts';
import { rowOrder, tileWindow, zOrder } from './tiling.ts';
import { UpperLevels, type Quarter } from './upper-levels.ts';

/** A line of the manifest. `tiles` is a window of the grid of tiles: column, row, columns, rows. */
export const batchLine = z.strictObject({
  batch: z.int().nonnegative(),
  tiles: z.tuple([z.int().nonnegative(), z.int().nonnegative(), z.int().positive(), z.int().positive()]),
});
export type BatchLine = z.infer<typeof batchLine>;

/** What computes tiles: threads in a worker. */
export interface TileRunner {
  /** Tiles that may be under way at a time; more than there are threads, so that reading the next overlaps computing this one. */
  readonly inFlight: number;
  readonly threads: number;
  run(task: TileTask): Promise<TileResult>;
  /** Decodes blocks that several tiles need into the memory that comes with them. */
  decode(task: DecodeTask): Promise<void>;
}

/** A tile that is there. */
export interface FinishedTile {
  readonly column: number;
  readonly row: number;
  /** It was committed before. */
  readonly reused: boolean;
  /** Encoded bytes that were made now. */
  readonly bytes: number;
}

export interface BatchEnvironment {
  readonly plan: Plan;
  readonly store: Store;
  readonly inputs: TileInputs;
  /** Called when every tile is there, before the batch is declared complete; what it throws ends the batch. */
  readonly beforeComplete?: () => Promise<void>;
  readonly runner: TileRunner;
  /** Ends the batch early, with what is finished committed. */
  readonly signal: AbortSignal;
  /** Called when a tile has been computed, and when it turns out to be committed already. */
  readonly onTile: (tile: FinishedTile) => void;
}

export interface BatchSummary {
  /** Tiles computed and committed now, and tiles that were committed before. */
  readonly computed: number;
  readonly reused: number;
}

/**
 * @throws TryAgainError WORKER_STOPPED when the signal ended it; whatever a tile or the store throws, after the finished tiles are committed
 */
export async function runBatch(line: BatchLine, environment: BatchEnvironment): Promise<BatchSummary> {
  const { plan, inputs, onTile, signal } = environment;
  const outputs = await Promise.all(plan.outputs.map((output) => BatchOutput.open(line, output, environment)));
  const [column, row, columns, rows] = line.tiles;
  const total = columns * rows;
  if (outputs.every((output) => output.complete)) return { computed: 0, reused: total };
  const run = new BatchRun(outputs, environment);
  let reused = 0;
  try {
    inputs.expect((x, y) => outputs.some((output) => !output.has({ column: x, row: y })));
    for (const tile of (plan.order === 'z' ? zOrder : rowOrder)({ column, row, columns, rows })) {
      if (signal.aborted || run.failed) break;
      if (outputs.every((output) => output.has(tile))) {
        for (const output of outputs) await output.reuse(tile);
        reused++;
        onTile({ ...tile, reused: true, bytes: 0 });
      } else {
        await run.start(tile);
      }
    }
    await run.settle();
  } catch (error) {
    // What is finished is worth keeping, whatever went wrong; the first error is the one to report.
    await run.settle().catch(() => undefined);
    await run.commit(false).catch(() => undefined);
    throw error;
  }
  if (signal.aborted && run.computed + reused < total) {
    await run.commit(false);
    throw new TryAgainError('WORKER_STOPPED', `stopped after ${String(run.computed + reused)} of ${String(total)} tiles; they are committed`);
  }
  try {
    await environment.beforeComplete?.();
  } catch (error) {
    await run.commit(false);
    throw error;
  }
  await run.commit(true);
  return { computed: run.computed, reused };
}

/** The tiles under way, and the segments that their results go to. */
class BatchRun {
  readonly #outputs: readonly BatchOutput[];
  readonly #environment: BatchEnvironment;
  readonly #underWay = new Set<Promise<void>>();
  #committing: Promise<void> = Promise.resolve();
  #error: { readonly cause: unknown } | undefined;
  /** Tiles computed by this run. */
  computed = 0;

  constructor(outputs: readonly BatchOutput[], environment: BatchEnvironment) {
    this.#outputs = outputs;
    this.#environment = environment;
  }

  get failed(): boolean {
    return this.#error !== undefined;
  }

  /** Starts a tile; waits while enough are under way. */
  async start(tile: { column: number; row: number }): Promise<void> {
    while (this.#underWay.size >= this.#environment.runner.inFlight) await Promise.race(this.#underWay);
    // While this waited, the batch may have failed or been stopped.
    if (this.#error !== undefined || this.#environment.signal.aborted) return;
    const work: Promise<void> = this.#compute(tile)
      .catch((cause: unknown) => {
        this.#error ??= { cause };
      })
      .finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  async #compute({ column, row }: { column: number; row: number }): Promise<void> {
    const { plan, inputs, runner, onTile } = this.#environment;
    const window = tileWindow(tilingOf(plan), column, row);
    const task = await inputs.read(column, row, runner).catch((error: unknown) => {
      throw inTile(error, { column, row, window });
    });
    const rooms = this.#outputs.map((output) => output.takeRoom());
    const result = await runner.run({ ...task, rooms }).finally(() => {
      inputs.release(task);
    });
    for (const [i, output] of this.#outputs.entries()) await output.add(result, result.outputs[i] as TileOutputResult);
    this.computed++;
    onTile({ column, row, reused: false, bytes: result.outputs.reduce((sum, { bytes }) => sum + bytes.length, 0) });
    if (this.#outputs.some((output) => output.waitingBytes >= plan.segmentBytes)) await this.commit(false);
  }

  /** Waits for the tiles under way. @throws the first error that any of them met */
  async settle(): Promise<void> {
    await Promise.all(this.#underWay);
    await this.#committing;
    if (this.#error !== undefined) throw this.#error.cause;
  }

  /** Commits the open segments of all outputs together, one commit after the other. */
  async commit(complete: boolean): Promise<void> {
    const commit = this.#committing.then(async () => {
      await Promise.all(this.#outputs.map((output) => output.commit(complete)));
    });
    // Whoever waits for this commit sees its error; the next commit must not fail with it again.
    this.#committing = commit.catch(() => undefined);
    await commit;
  }
}

/** What a batch has of one output. */
class BatchOutput {
  /** The batch was finished by an earlier attempt. */
  readonly complete: boolean;
  readonly #committed: ReadonlyMap<string, StoredBlock | undefined>;
  readonly #upperDone: ReadonlySet<string>;
  readonly #writer: SegmentWriter;
  readonly #upper: UpperLevels | undefined;
  readonly #quarters: QuarterReader;
  readonly #tileLevel: number;

  private constructor(
    found: CommittedTiles,
    writer: SegmentWriter,
    upper: UpperLevels | undefined,
    quarters: QuarterReader,
    tileLevel: number,
  ) {
    this.complete = found.complete;
    this.#committed = found.tiles;
    this.#upperDone = found.upperBlocks;
    this.#writer = writer;
    this.#upper = upper;
    this.#quarters = quarters;
    this.#tileLevel = tileLevel;
  }

  static async open(line: BatchLine, output: PlanOutput, { plan, store }: BatchEnvironment): Promise<BatchOutput> {
    const folder = `${plan.state.run.href}${runFiles.segments(output.name)}`;
    const owners = levelOwners(plan, output);
    const found = await findCommitted(store, `${folder}${segmentPrefix(line.batch)}`, owners.tile);
    const writer = new SegmentWriter(store, (number) => `${folder}${segmentName(line.batch, number)}`, found.segments);
    const upper =
      owners.batch > owners.tile && output.overviews !== 'none'
        ? new UpperLevels(encodingOf(output), output.overviews, levelsOf(plan, output), owners.batch)
        : undefined;
    return new BatchOutput(found, writer, upper, new QuarterReader(store, plan, output, owners.tile), owners.tile);
  }

  /** Memory for the encoded bytes of a tile that serves no other any more. */
  takeRoom(): SharedArrayBuffer | undefined {
    return this.#writer.takeRoom();
  }

  get waitingBytes(): number {
    return this.#writer.bytes;
  }

  has({ column, row }: { column: number; row: number }): boolean {
    return this.#committed.has(key(column, row));
  }

  /** Takes a computed tile. */
  async add({ column, row }: TileResult, result: TileOutputResult): Promise<void> {
    this.#writer.addTile(column, row, result);
    if (this.#upper !== undefined) await this.#addUpper(column, row, result.remainder);
  }

  /** Takes a tile that is committed: only the levels above it need it once more. */
  async reuse({ column, row }: { column: number; row: number }): Promise<void> {
    if (this.#upper === undefined) return;
    const bytes = await this.#quarters.fetch(this.#committed.get(key(column, row)));
    await this.#addUpper(column, row, await this.#quarters.quarter(column, row, bytes));
  }

  async #addUpper(column: number, row: number, quarter: Quarter): Promise<void> {
    for await (const block of this.#upper?.add(this.#tileLevel + 1, column, row, quarter) ?? []) {
      if (block.bytes === undefined || this.#upperDone.has(upperKey(block))) continue;
      this.#writer.addBlock(block.level, block.column, block.row, block.bytes);
    }
  }

  async commit(complete: boolean): Promise<void> {
    if (complete ? this.complete : this.#writer.isEmpty) return;
    await this.#writer.commit(complete);
  }
}

interface CommittedTiles {
  readonly complete: boolean;
  /** For each tile its block of the highest level within tiles; undefined where that is nodata throughout. */
  readonly tiles: ReadonlyMap<string, StoredBlock | undefined>;
  /** Blocks of levels above the tiles. */
  readonly upperBlocks: ReadonlySet<string>;
  /** Number of the first free segment. */
  readonly segments: number;
}

function key(column: number, row: number): string {
  return `${String(column)}/${String(row)}`;
}

function upperKey({ level, column, row }: { level: number; column: number; row: number }): string {
  return `${String(level)}/${String(column)}/${String(row)}`;
}

/** Reads the indexes of the segments that earlier attempts of a batch have written. */
async function findCommitted(store: Store, prefix: string, tileLevel: number): Promise<CommittedTiles> {
  const tiles = new Map<string, StoredBlock | undefined>();
  const upperBlocks = new Set<string>();
  let complete = false;
  let segments = 0;
  for await (const stat of store.list(prefix)) {
    const index = await readSegmentIndex(store, stat);
    complete ||= index.complete;
    segments++;
    for (const { column, row } of index.tiles) if (!tiles.has(key(column, row))) tiles.set(key(column, row), undefined);
    for (const block of index.blocks) {
      const { level, column, row, offset, length } = block;
      if (level === tileLevel && tiles.has(key(column, row))) tiles.set(key(column, row), { href: stat.href, offset, length });
      else if (level > tileLevel) upperBlocks.add(upperKey(block));
    }
  }
  return { complete, tiles, upperBlocks, segments };
}
