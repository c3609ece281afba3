/** Runs a compiled program over planes of pixels. */
import { OperationError } from '../../base/errors.ts';
import { fromJsonNumber } from '../../base/json-number.ts';
import { type Dtype, fitsDtype, isFloat, type SampleArray, sampleArrays } from '../dtype.ts';
import { at, badPlanes } from './faults.ts';
import type { ExpressionProgram, ProgramSource, ProgramTarget } from './program.ts';
import { type SourcePlane, StepRunner } from './step-runner.ts';
import { type HaloWindow, WindowRunner } from './window-runner.ts';

export type { SourcePlane } from './step-runner.ts';
export type { HaloWindow } from './window-runner.ts';

/** What a program needs to run, allocated once. One evaluator serves one thread; it is no larger for higher planes. */
export class Evaluator {
  private readonly program: ExpressionProgram;
  private readonly runner: StepRunner;
  /** For windows of the stride that was seen last; tiles of a run nearly all have the same. */
  private windows: WindowRunner | undefined;

  /** @throws OperationError EXPRESSION_NODATA_MISSING, EXPRESSION_PROGRAM: the program was not made or completed as it should. */
  constructor(program: ExpressionProgram) {
    this.program = program;
    program.targets.forEach(checkTarget);
    this.runner = new StepRunner(program, program);
  }

  /**
   * Bytes that an evaluator of this program holds, at most.
   * @param window the widest that `runWindow` will be called for; without it, what `run` needs
   */
  static bytes(program: ExpressionProgram, window?: Pick<HaloWindow, 'columns' | 'margin'>): number {
    const steps = StepRunner.bytes(program);
    return window === undefined ? steps : steps + WindowRunner.bytes(program, window.columns + 2 * window.margin);
  }

  /**
   * Computes the first `pixels` pixels of every target. `sources` and `targets` are in the order of the program's. Targets may not
   * share memory with sources. Only for programs without a halo.
   * @throws OperationError EXPRESSION_PLANES: the planes are not those of the program, or the program looks at neighbours.
   */
  run(sources: readonly SourcePlane[], targets: readonly SampleArray[], pixels: number): void {
    if (this.program.stages.length > 0) throw badPlanes('the program looks at the neighbours of a pixel; wanted a window, found a number of pixels');
    this.checkPlanes(sources, targets, pixels, pixels);
    this.runner.run({ sources, targets, targetsFrom: 0, stages: [] }, 0, pixels);
  }

  /**
   * Computes a window of every target, rows x columns, from planes of the sources that are larger by `margin` on each side: contiguous,
   * (rows + 2 * margin) x (columns + 2 * margin). The margin is at least the program's halo. What lies outside of `inside` is missing
   * for focal operations, whatever the planes say there. The result does not depend on how an image is cut into windows.
   * @throws OperationError EXPRESSION_PLANES: the planes are not those of the program, or the margin is too small.
   */
  runWindow(window: HaloWindow, sources: readonly SourcePlane[], targets: readonly SampleArray[]): void {
    const { columns, rows, margin } = window;
    if (margin < this.program.halo) throw badPlanes(`wanted a margin of ${String(this.program.halo)} pixels or more, found ${String(margin)}`);
    const stride = columns + 2 * margin;
    this.checkPlanes(sources, targets, stride * (rows + 2 * margin), columns * rows);
    if (this.windows?.stride !== stride) this.windows = new WindowRunner(this.program, stride, this.runner);
    this.windows.run(window, sources, targets);
  }

  private checkPlanes(sources: readonly SourcePlane[], targets: readonly SampleArray[], read: number, written: number): void {
    const { program } = this;
    if (sources.length !== program.sources.length || targets.length !== program.targets.length) {
      const wanted = `${String(program.sources.length)} sources and ${String(program.targets.length)} targets`;
      throw badPlanes(`wanted ${wanted}, found ${String(sources.length)} and ${String(targets.length)}`);
    }
    sources.forEach((plane, i) => checkSource(plane, at(program.sources, i), read));
    targets.forEach((array, i) => checkPlane(array, at(program.targets, i).dtype, `target ${String(i + 1)}`, written));
  }
}

function checkTarget({ dtype, nodata, yieldsNodata }: ProgramTarget, i: number): void {
  const name = `output band ${String(i + 1)}`;
  if (nodata === undefined) {
    if (!yieldsNodata) return;
    throw new OperationError('EXPRESSION_NODATA_MISSING', `${name} (${dtype}) can meet pixels without data and has no nodata value`);
  }
  // A float target rounds its nodata value, as GDAL does.
  if (isFloat(dtype) || fitsDtype(fromJsonNumber(nodata), dtype)) return;
  throw new OperationError('EXPRESSION_NODATA_MISSING', `${name}: the nodata value ${String(nodata)} does not fit ${dtype}`);
}

function checkSource({ array, validity }: SourcePlane, { input, band, dtype, masked }: ProgramSource, pixels: number): void {
  const name = `source ${input}[${String(band)}]`;
  checkPlane(array, dtype, name, pixels);
  if (validity === undefined) return;
  if (!masked) throw badPlanes(`${name} has a validity plane, and the program does not expect one`);
  checkPlane(validity, 'uint8', `validity of ${name}`, pixels);
}

function checkPlane(array: SampleArray, dtype: Dtype, name: string, pixels: number): void {
  if (!(array instanceof sampleArrays[dtype])) throw badPlanes(`${name}: wanted ${dtype}, found ${array.constructor.name}`);
  if (array.length < pixels) throw badPlanes(`${name}: wanted ${String(pixels)} samples, found ${String(array.length)}`);
}
