/**
 * Runs a program over a window with its surroundings, in strips of rows from the top down: each stage makes the rows that the strip
 * still lacks, and only keeps those that the strips below will need again. Memory then goes with the width of the window and not with
 * its height.
 */
import { fromJsonNumber } from '../../base/json-number.ts';
import { allocateSamples, bytesPerSample, type Dtype, type SampleArray } from '../dtype.ts';
import type { FocalKernel, Inside } from '../focal/kernel.ts';
import { planKernel } from '../focal/make-kernel.ts';
import { SlidingRows } from '../focal/rows.ts';
import type { Window } from '../window.ts';
import { at, badProgram } from './faults.ts';
import type { ExpressionProgram, Stage } from './program.ts';
import { SourceRows } from './source-rows.ts';
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

/** Serves windows of one stride (columns and margins together); buffers are allocated once. */
export class WindowRunner {
  readonly stride: number;
  private readonly stages: readonly RunningStage[];
  private readonly results: readonly SlidingRows[];
  private readonly last: StepRunner;
  /** The strip of the targets, with the columns of the margins, which are computed and not kept. */
  private readonly strips: readonly SampleArray[];
  private readonly stripRows: number;

  constructor(program: ExpressionProgram, stride: number, last: StepRunner) {
    this.stride = stride;
    this.last = last;
    this.stripRows = stripRowsOf(program, stride);
    const results: SlidingRows[] = [];
    this.results = results;
    this.stages = program.stages.map((stage) => {
      const rows = new SlidingRows(stride, capacityOf(stage, this.stripRows));
      const running = startStage(program, stage, rows, results);
      results.push(rows);
      return running;
    });
    this.strips = program.targets.map(({ dtype }) => allocateSamples(dtype, stride * this.stripRows));
  }

  /** Bytes that one holds beside the runner of the last steps. */
  static bytes(program: ExpressionProgram, stride: number): number {
    const strip = stripRowsOf(program, stride);
    const stages = program.stages.reduce((sum, stage) => sum + stageBytes(program, stage, stride, strip), 0);
    return stages + program.targets.reduce((sum, { dtype }) => sum + bytesPerSample(dtype) * stride * strip, 0);
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

function stageBytes(program: ExpressionProgram, stage: Stage, stride: number, stripRows: number): number {
  const rows = SlidingRows.bytes(stride, capacityOf(stage, stripRows));
  switch (stage.do) {
    case 'source':
      return rows + SourceRows.bytes(at(program.sources, stage.source).dtype);
    case 'plane':
      return rows + StepRunner.bytes(stage, program.sources.length);
    case 'focal':
      return rows + planKernel(stage.operation, operandDtype(program, stage.of), stride).bytes;
  }
}

/** What is known of the numbers of a stage. */
function operandDtype(program: ExpressionProgram, stage: number): Dtype {
  const operand = at(program.stages, stage);
  return operand.do === 'source' ? at(program.sources, operand.source).dtype : 'float64';
}

function startStage(program: ExpressionProgram, stage: Stage, rows: SlidingRows, earlier: readonly SlidingRows[]): RunningStage {
  switch (stage.do) {
    case 'source':
      return startSource(program, stage, rows);
    case 'plane':
      return startPlane(program, stage, rows);
    case 'focal': {
      const kernel = planKernel(stage.operation, operandDtype(program, stage.of), rows.stride).make();
      return startFocal(stage, kernel, at(earlier, stage.of), rows);
    }
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
