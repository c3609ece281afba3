/**
 * One batch, as a worker does it: find out what is committed already, compute the other tiles, commit them in segments, and make the
 * overview levels that lie within the batch. Doing a batch again is harmless, also while another worker does it.
 */
import * as z from 'zod';
import { OperationError, OutOfMemoryError, TryAgainError, type TilefanError } from '../base/errors.ts';
import type { Store } from '../store/store.ts';
import { encodingOf, levelOwners, levelsOf, runFiles, tilingOf, type Plan, type PlanOutput } from './plan.ts';
import { QuarterReader, type StoredBlock } from './quarters.ts';
import { SegmentWriter } from './segment-writer.ts';
import { readSegmentIndex, segmentName, segmentPrefix } from './segment.ts';
import type { TileInputs } from './tile-inputs.ts';
import { inTile } from './tile-error.ts';
import type { BlockTask, DecodeTask, TileResult, TileTask } from './tile.ts';
import type { TileOutputResult } from './tile-output.ts';
import { rowOrder, tileWindow, zOrder } from './tiling.ts';
import { UpperLevels, type MadeBlock, type Quarter } from './upper-levels.ts';

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
  /** Encodes and halves a block of a level above the tiles; its planes are used up. */
  makeBlock(task: BlockTask): Promise<MadeBlock>;
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
  const opened = await Promise.all(plan.outputs.map((_, index) => BatchOutput.open(line, index, environment)));
  const values = plan.job.results === undefined ? undefined : await BatchValues.open(line, environment);
  const outputs: readonly CommittedTiles[] = values === undefined ? opened : [...opened, values];
  const [column, row, columns, rows] = line.tiles;
  const total = columns * rows;
  if (outputs.every((output) => output.complete)) return { computed: 0, reused: total };
  // What a serial function has kept in its memory is gone with its process: then it begins anew, and what is there already isn't written twice.
  const { serial } = plan.job.operation;
  const has = (tile: { column: number; row: number }): boolean => !serial && outputs.every((output) => output.has(tile));
  const run = new BatchRun(opened, values, environment);
  let reused = 0;
  try {
    inputs.expect((x, y) => !has({ column: x, row: y }));
    for (const tile of (plan.order === 'z' ? zOrder : rowOrder)({ column, row, columns, rows })) {
      if (signal.aborted || run.failed) break;
      if (has(tile)) {
        for (const output of opened) await output.reuse(tile);
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
  await run.commit(run.tolerated.length === 0);
  if (run.tolerated.length > 0) throw failedTiles(run.tolerated, total);
  return { computed: run.computed, reused };
}

/** Failed tiles that are named in a message, at most. */
const namedTiles = 5;

/** One error for tiles whose failure didn't keep the others of the batch from being computed: the first, and which others there are. */
function failedTiles(failures: readonly TilefanError[], total: number): TilefanError {
  const [first, ...others] = failures.toSorted((a, b) => tileOrder(a) - tileOrder(b)) as [TilefanError, ...TilefanError[]];
  if (others.length === 0) return first;
  const named = others.slice(0, namedTiles).map(({ where }) => `tile ${String(where['tile'])}`);
  const more = others.length > namedTiles ? ` and ${String(others.length - namedTiles)} more` : '';
  return new OperationError(first.code, `${first.message}; ${String(failures.length)} of ${String(total)} tiles failed, also ${named.join(', ')}${more}`, {
    cause: first,
    where: { ...first.where, failedTiles: [first, ...others].slice(0, recordedTiles).map(briefly) },
  });
}

/** What a record has of each failed tile: all that is known of the first one, and the end of what the others printed. */
function briefly({ message, code, where }: TilefanError): object {
  const end = (of: string): string => (typeof where[of] === 'string' ? where[of].slice(-printedCharacters) : '');
  return { tile: where['tile'], window: where['window'], code, message, function: where['function'], file: where['file'], line: where['line'], traceback: end('traceback'), stdout: end('stdout'), stderr: end('stderr') };
}

const printedCharacters = 500;

/** Failed tiles in the record of a batch, at most. */
const recordedTiles = 100;

function tileOrder({ where }: TilefanError): number {
  const [column = 0, row = 0] = Array.isArray(where['tile']) ? (where['tile'] as number[]) : [];
  return row * 2 ** 20 + column;
}

/** The tiles under way, and the segments that their results go to. */
class BatchRun {
  readonly #outputs: readonly BatchOutput[];
  readonly #values: BatchValues | undefined;
  readonly #environment: BatchEnvironment;
  /** Whether the user's code may fail on a tile without keeping the others from being computed. */
  readonly #tolerant: boolean;
  readonly #underWay = new Set<Promise<void>>();
  #committing: Promise<void> = Promise.resolve();
  #error: { readonly cause: unknown } | undefined;
  /** Fulfilled when the tile that was started last has been given to the runner. */
  #given: Promise<void> = Promise.resolve();
  /** Tiles computed by this run. */
  computed = 0;
  /** What came of tiles that the user's code failed on, where that is tolerated. */
  readonly tolerated: TilefanError[] = [];

  constructor(outputs: readonly BatchOutput[], values: BatchValues | undefined, environment: BatchEnvironment) {
    const { code, job } = environment.plan;
    this.#outputs = outputs;
    this.#values = values;
    this.#environment = environment;
    this.#tolerant = code !== null && !job.operation.serial && job.tolerateFailures.percentage > 0;
  }

  get failed(): boolean {
    return this.#error !== undefined;
  }

  get #all(): readonly CommittedTiles[] {
    return this.#values === undefined ? this.#outputs : [...this.#outputs, this.#values];
  }

  /** Starts a tile; waits while enough are under way. */
  async start(tile: { column: number; row: number }): Promise<void> {
    while (this.#underWay.size >= this.#environment.runner.inFlight) await Promise.race(this.#underWay);
    const { plan, signal } = this.#environment;
    // While this waited, the batch may have failed or been stopped.
    if (this.#error !== undefined || signal.aborted) return;
    const work: Promise<void> = this.#compute(tile)
      .catch((cause: unknown) => {
        // Code that is ended because the worker has to go has not failed.
        if (signal.aborted && plan.code !== null) this.#error ??= { cause: new TryAgainError('WORKER_STOPPED', 'the worker was stopped while user code was at work', { cause }) };
        else if (this.#tolerant && (cause instanceof OperationError || cause instanceof OutOfMemoryError) && cause.where['tile'] !== undefined) this.tolerated.push(cause);
        else this.#error ??= { cause };
      })
      .finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  async #compute({ column, row }: { column: number; row: number }): Promise<void> {
    const { plan, inputs, runner, onTile } = this.#environment;
    const window = tileWindow(tilingOf(plan), column, row);
    const before = this.#given;
    const given = Promise.withResolvers<void>();
    this.#given = given.promise;
    const task = await inputs.read(column, row, runner).catch((error: unknown) => {
      given.resolve();
      throw inTile(error, { column, row, window });
    });
    const rooms = this.#outputs.map((output) => output.takeRoom());
    if (plan.job.operation.serial) await before;
    // The runner takes what it is given in that order.
    const running = runner.run({ ...task, rooms });
    given.resolve();
    const result = await running.finally(() => {
      inputs.release(task);
    });
    for (const [i, output] of this.#outputs.entries()) await output.add(result, result.outputs[i] as TileOutputResult);
    this.#values?.add(result);
    this.computed++;
    onTile({ column, row, reused: false, bytes: result.outputs.reduce((sum, { bytes }) => sum + bytes.length, 0) });
    if (this.#all.some((output) => output.waitingBytes >= plan.segmentBytes)) await this.commit(false);
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
      await Promise.all(this.#all.map((output) => output.commit(complete)));
    });
    // Whoever waits for this commit sees its error; the next commit must not fail with it again.
    this.#committing = commit.catch(() => undefined);
    await commit;
  }
}

/** What a batch keeps of its tiles in segments of their own: an output's blocks, or the values that a function returned. */
interface CommittedTiles {
  /** The batch was finished by an earlier attempt. */
  readonly complete: boolean;
  /** Bytes that wait to be committed. */
  readonly waitingBytes: number;
  /** Whether a tile is committed. */
  has(tile: { column: number; row: number }): boolean;
  commit(complete: boolean): Promise<void>;
}

/** What the functions of a batch returned, tile by tile: a block of JSON for each that returned something (docs/results.md). */
class BatchValues implements CommittedTiles {
  readonly complete: boolean;
  readonly #committed: FoundTiles['tiles'];
  readonly #writer: SegmentWriter;

  private constructor({ complete, tiles }: FoundTiles, writer: SegmentWriter) {
    this.complete = complete;
    this.#committed = tiles;
    this.#writer = writer;
  }

  static async open(line: BatchLine, { plan, store }: BatchEnvironment): Promise<BatchValues> {
    const folder = `${plan.state.run.href}${runFiles.collected}`;
    const found = await findCommitted(store, `${folder}${segmentPrefix(line.batch)}`, 0);
    return new BatchValues(found, new SegmentWriter(store, (number) => `${folder}${segmentName(line.batch, number)}`, found.segments));
  }

  get waitingBytes(): number {
    return this.#writer.bytes;
  }

  has({ column, row }: { column: number; row: number }): boolean {
    return this.#committed.has(key(column, row));
  }

  add({ column, row, value }: TileResult): void {
    const bytes = value === undefined ? new Uint8Array(0) : new TextEncoder().encode(value);
    const blocks = value === undefined ? [] : [{ level: 0, column, row, offset: 0, length: bytes.length }];
    this.#writer.addTile(column, row, { bytes, blocks, statistics: [], remainder: undefined });
  }

  async commit(complete: boolean): Promise<void> {
    if (complete ? this.complete : this.#writer.isEmpty) return;
    await this.#writer.commit(complete);
  }
}

/** What a batch has of one output. */
class BatchOutput implements CommittedTiles {
  /** The batch was finished by an earlier attempt. */
  readonly complete: boolean;
  readonly #committed: ReadonlyMap<string, StoredBlock | undefined>;
  readonly #upperDone: ReadonlySet<string>;
  readonly #writer: SegmentWriter;
  readonly #upper: UpperLevels | undefined;
  readonly #quarters: QuarterReader;
  readonly #tileLevel: number;

  private constructor(
    found: FoundTiles,
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

  /** @param index of the output */
  static async open(line: BatchLine, index: number, { plan, store, runner }: BatchEnvironment): Promise<BatchOutput> {
    const output = plan.outputs[index] as PlanOutput;
    const folder = `${plan.state.run.href}${runFiles.segments(output.name)}`;
    const owners = levelOwners(plan, output);
    const found = await findCommitted(store, `${folder}${segmentPrefix(line.batch)}`, owners.tile);
    const writer = new SegmentWriter(store, (number) => `${folder}${segmentName(line.batch, number)}`, found.segments);
    const upper =
      owners.batch > owners.tile && output.overviews !== 'none'
        ? new UpperLevels(encodingOf(output), (planes, halve) => runner.makeBlock({ output: index, planes, halve }), levelsOf(plan, output), owners.batch)
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

interface FoundTiles {
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
async function findCommitted(store: Store, prefix: string, tileLevel: number): Promise<FoundTiles> {
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
