/**
 * Runs a program over a window with its surroundings, in strips of rows from the top down: each stage makes the rows that the strip
 * still lacks, and only keeps those that the strips below will need again. Memory then goes with the width of the window and not with
 * its height.
 */
import { fromJsonNumber } from '../../base/json-number.ts';
import { allocateSamples, bytesPerSample, type SampleArray } from '../dtype.ts';
import type { FocalKernel, Inside } from '../focal/kernel.ts';
import { SlidingRows } from '../focal/rows.ts';
import type { Window } from '../window.ts';
import { at, badProgram } from './faults.ts';
import type { ExpressionProgram, Stage } from './program.ts';
import { RowStore } from './row-store.ts';
import { SourceRows } from './source-rows.ts';
import { planStages, type StagePlan, surelyFits } from './stage-rows.ts';
import { type Planes, type SourcePlane, StepRunner } from './step-runner.ts';

/** A window of a plane that has surroundings. */
export interface HaloWindow {
  /** Of the targets. */
  readonly columns: number;
  readonly rows: number;
  /** Pixels that the sources have more on each of the four sides. */
  readonly margin: number;
  /** The part of the sources' planes that lies within the image; what is outside counts as missing. */
  readonly inside: Window;
}

/** Pixels of a strip, about: few enough that what one stage makes is still in the cache when the next reads it. */
const stripPixels = 16_384;
/** Rows of a strip, at least, so that moving kept rows up stays cheap beside computing new ones. */
const leastStripRows = 8;

/** One stage, and the rows of it that are there. */
interface RunningStage {
  readonly rows: SlidingRows;
  readonly margin: number;
  /** Forgets the last window. */
  restart(inside: Inside): void;
  /** Makes the rows from `rows.last` to before `to`. */
  extend(planes: Planes, to: number): void;
}

/** A target that is filled straight from the rows of a stage. */
interface DirectTarget {
  readonly target: number;
  readonly rows: SlidingRows;
  readonly store: RowStore;
}

/** Serves windows of one stride (columns and margins together); buffers are allocated once. */
export class WindowRunner {
  readonly stride: number;
  private readonly stages: readonly RunningStage[];
  private readonly results: readonly SlidingRows[];
  private readonly last: StepRunner;
  /** The strip of the targets, with the columns of the margins, which are computed and not kept. */
  private readonly strips: readonly SampleArray[];
  /** What the last steps do, where they only store. */
  private readonly direct: readonly DirectTarget[] | undefined;
  private readonly stripRows: number;

  constructor(program: ExpressionProgram, stride: number, last: StepRunner) {
    this.stride = stride;
    this.last = last;
    this.stripRows = stripRowsOf(program, stride);
    const results: SlidingRows[] = [];
    this.results = results;
    const { stages, stores } = planStages(program, stride);
    this.stages = stages.map((plan) => {
      const rows = new SlidingRows(stride, capacityOf(plan.stage, this.stripRows), plan.forms);
      const running = startStage(program, plan, rows, results);
      results.push(rows);
      return running;
    });
    this.direct = stores?.map((each) => {
      const store = new RowStore(at(program.targets, each.target), stride, each.masked, surelyFits(program, each));
      return { target: each.target, rows: at(results, each.stage), store };
    });
    this.strips = stores === undefined ? program.targets.map(({ dtype }) => allocateSamples(dtype, stride * this.stripRows)) : [];
  }

  /** Bytes that one holds beside the runner of the last steps. */
  static bytes(program: ExpressionProgram, stride: number): number {
    const strip = stripRowsOf(program, stride);
    const { stages, stores } = planStages(program, stride);
    const held = stages.reduce((sum, plan) => sum + stageBytes(program, plan, stride, strip), 0);
    if (stores !== undefined) return held + stores.length * RowStore.bytes(stride);
    return held + program.targets.reduce((sum, { dtype }) => sum + bytesPerSample(dtype) * stride * strip, 0);
  }

  run({ columns, rows, margin, inside }: HaloWindow, sources: readonly SourcePlane[], targets: readonly SampleArray[]): void {
    const { stride, stages, results } = this;
    const bounds: Inside = {
      left: Math.max(0, inside.column),
      right: Math.min(stride, inside.column + inside.columns),
      top: Math.max(0, inside.row),
      bottom: Math.min(rows + 2 * margin, inside.row + inside.rows),
    };
    for (const stage of stages) {
      stage.restart(bounds);
      stage.rows.restart(margin - stage.margin);
    }
    for (let top = 0; top < rows; top += this.stripRows) {
      const bottom = Math.min(rows, top + this.stripRows);
      for (const stage of stages) {
        // One row more is kept: running sums drop the row that has just gone out of reach.
        stage.rows.dropAbove(margin + top - stage.margin - 1);
        stage.extend({ sources, targets: [], targetsFrom: 0, stages: results }, margin + bottom + stage.margin);
      }
      if (this.direct !== undefined) {
        // A row is full or not by its columns inside; beyond them nothing has data.
        const beyond = bounds.left > margin || bounds.right < margin + columns;
        for (const { target, rows: found, store } of this.direct) {
          for (let row = top; row < bottom; row++) {
            const full = !beyond && found.isFull(margin + row);
            store.store(at(targets, target), row * columns, found, found.offset(margin + row) + margin, columns, full);
          }
        }
        continue;
      }
      const from = (margin + top) * stride;
      // Without margins the targets lie as the sources do.
      if (margin === 0) {
        this.last.run({ sources, targets, targetsFrom: 0, stages: results }, from, (margin + bottom) * stride);
        continue;
      }
      this.last.run({ sources, targets: this.strips, targetsFrom: from, stages: results }, from, (margin + bottom) * stride);
      for (const [i, target] of targets.entries()) cut(at(this.strips, i), stride, margin, target, top * columns, columns, bottom - top);
    }
  }
}

function cut(strip: SampleArray, stride: number, margin: number, target: SampleArray, first: number, columns: number, rows: number): void {
  for (let row = 0; row < rows; row++) {
    const start = row * stride + margin;
    target.set(strip.subarray(start, start + columns), first + row * columns);
  }
}

function stripRowsOf({ stages }: ExpressionProgram, stride: number): number {
  const margin = Math.max(0, ...stages.map((stage) => stage.margin));
  return Math.max(leastStripRows, margin, Math.ceil(stripPixels / stride));
}

function capacityOf({ margin }: Stage, stripRows: number): number {
  return stripRows + 2 * margin + 1;
}

function stageBytes(program: ExpressionProgram, { stage, forms, kernel }: StagePlan, stride: number, stripRows: number): number {
  const rows = SlidingRows.bytes(stride, capacityOf(stage, stripRows), forms);
  switch (stage.do) {
    case 'source':
      return rows + SourceRows.bytes(at(program.sources, stage.source).dtype);
    case 'plane':
      return rows + StepRunner.bytes(stage);
    case 'focal':
      return rows + (kernel?.bytes ?? 0);
  }
}

function startStage(program: ExpressionProgram, { stage, kernel }: StagePlan, rows: SlidingRows, earlier: readonly SlidingRows[]): RunningStage {
  switch (stage.do) {
    case 'source':
      return startSource(program, stage, rows);
    case 'plane':
      return startPlane(program, stage, rows);
    case 'focal':
      if (kernel === undefined) throw badProgram('a focal stage has no kernel');
      return startFocal(stage, kernel.make(), at(earlier, stage.of), rows);
  }
}

function startSource(program: ExpressionProgram, stage: Extract<Stage, { do: 'source' }>, rows: SlidingRows): RunningStage {
  const { dtype, nodata } = at(program.sources, stage.source);
  if (stage.nodata && nodata === undefined) throw badProgram(`source ${String(stage.source)} has no nodata value`);
  const reader = new SourceRows(dtype, stage.nodata && nodata !== undefined ? fromJsonNumber(nodata) : undefined, stage.masked);
  let inside: Inside = { left: 0, right: 0, top: 0, bottom: 0 };
  return {
    rows,
    margin: stage.margin,
    restart: (bounds) => {
      inside = bounds;
    },
    extend: ({ sources }, to) => {
      reader.read(at(sources, stage.source), rows, to, inside);
    },
  };
}

function startPlane(program: ExpressionProgram, stage: Extract<Stage, { do: 'plane' }>, rows: SlidingRows): RunningStage {
  const runner = new StepRunner(stage, program);
  const masks = stage.steps.some((step) => step.do === 'keep' && step.valid !== undefined);
  let inside: Inside = { left: 0, right: 0, top: 0, bottom: 0 };
  return {
    rows,
    margin: stage.margin,
    restart: (bounds) => {
      inside = bounds;
    },
    extend: (planes, to) => {
      const from = rows.last;
      if (to <= from) return;
      runner.run({ ...planes, kept: rows }, from * rows.stride, to * rows.stride);
      if (masks) rows.markRows(from, to, inside.left, inside.right);
      else rows.full.fill(1, from - rows.first, to - rows.first);
      rows.last = to;
    },
  };
}

function startFocal(stage: Extract<Stage, { do: 'focal' }>, kernel: FocalKernel, operand: SlidingRows, rows: SlidingRows): RunningStage {
  let inside: Inside = { left: 0, right: 0, top: 0, bottom: 0 };
  return {
    rows,
    margin: stage.margin,
    restart: (bounds) => {
      inside = bounds;
      kernel.restart(bounds);
    },
    extend: (_, to) => {
      const { left, right, top, bottom } = inside;
      for (; rows.last < to; rows.last++) {
        const row = rows.last;
        const start = rows.offset(row);
        if (row < top || row >= bottom) {
          rows.validity.fill(0, start, start + rows.stride);
          rows.full[row - rows.first] = 0;
          continue;
        }
        kernel.compute(row, operand, rows);
        if (left > 0) rows.validity.fill(0, start, start + left);
        if (right < rows.stride) rows.validity.fill(0, start + right, start + rows.stride);
      }
    },
  };
}
