/** Runs a compiled program over planes of pixels. */
import { fromJsonNumber } from '../../base/json-number.ts';
import { OperationError } from '../../base/errors.ts';
import { allocateSamples, type Dtype, dtypeFacts, fitsDtype, isFloat, type SampleArray, sampleArrays } from '../dtype.ts';
import { binaryKernels } from './binary-kernels.ts';
import { chunkPixels } from './chunk.ts';
import type { ExpressionProgram, ProgramSource, ProgramTarget, Step } from './program.ts';
import { both, choose, differs, either, fillInvalid, invert, isNumber, isSet, pick, where } from './select-kernels.ts';
import { quantize, roundWithin, store } from './store-kernels.ts';
import { unaryKernels } from './unary-kernels.ts';

/** One plane that is read: contiguous, row-major, at least as many samples as pixels are run over. */
export interface SourcePlane {
  readonly array: SampleArray;
  /** 0 where there is no data, whatever `array` says there. Only for sources that the program calls masked. */
  readonly validity?: Uint8Array | undefined;
}

/** Validity of one chunk: a byte a pixel, the same seen as words, and whether all of it is valid, which spares later steps. */
interface ValidityRegister {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  full: boolean;
}

/** The chunk at hand. */
interface Chunk {
  readonly sources: readonly SourcePlane[];
  readonly targets: readonly SampleArray[];
  from: number;
  n: number;
}

type BoundStep = (chunk: Chunk) => void;

/** What a program needs to run, allocated once. One evaluator serves one thread; it is no larger for larger planes. */
export class Evaluator {
  private readonly program: ExpressionProgram;
  private readonly registers: readonly Float64Array[];
  private readonly validities: readonly ValidityRegister[];
  /** A register that no step owns, for values on their way into a target. */
  private readonly outgoing = new Float64Array(chunkPixels);
  private readonly pair = new Float64Array(2);
  private readonly steps: readonly BoundStep[];

  /** @throws OperationError EXPRESSION_NODATA_MISSING, EXPRESSION_PROGRAM: the program was not made or completed as it should. */
  constructor(program: ExpressionProgram) {
    this.program = program;
    program.targets.forEach(checkTarget);
    this.registers = Array.from({ length: program.registers }, (_, i) => {
      const constant = program.constants[i];
      return new Float64Array(chunkPixels).fill(constant === undefined ? 0 : fromJsonNumber(constant));
    });
    this.validities = Array.from({ length: program.validities }, () => {
      const bytes = new Uint8Array(chunkPixels).fill(1);
      return { bytes, words: new Int32Array(bytes.buffer), full: true };
    });
    this.steps = program.steps.map((step) => this.bind(step));
  }

  /** Bytes that an evaluator of this program holds, at most. */
  static bytes({ registers, validities, sources }: ExpressionProgram): number {
    return chunkPixels * (8 * (registers + 1) + validities + 9 * sources.length);
  }

  /**
   * Computes the first `pixels` pixels of every target. `sources` and `targets` are in the order of the program's. Targets may not
   * share memory with sources.
   * @throws OperationError EXPRESSION_PLANES: the planes are not those of the program.
   */
  run(sources: readonly SourcePlane[], targets: readonly SampleArray[], pixels: number): void {
    this.checkPlanes(sources, targets, pixels);
    const chunk: Chunk = { sources, targets, from: 0, n: 0 };
    for (; chunk.from < pixels; chunk.from += chunkPixels) {
      chunk.n = Math.min(chunkPixels, pixels - chunk.from);
      for (const step of this.steps) step(chunk);
    }
  }

  private bind(step: Step): BoundStep {
    switch (step.do) {
      case 'load':
        return this.bindLoad(step);
      case 'mask':
        return this.bindMask(step);
      case 'unary': {
        const kernel = unaryKernels[step.operation];
        const [out, a] = [this.register(step.out), this.register(step.a)];
        return () => kernel(out, a);
      }
      case 'binary': {
        const kernel = binaryKernels[step.operation];
        const [out, a, b] = [this.register(step.out), this.register(step.a), this.register(step.b)];
        return () => kernel(out, a, b);
      }
      case 'where': {
        const [out, c, a, b] = [this.register(step.out), this.register(step.c), this.register(step.a), this.register(step.b)];
        return () => where(out, c, a, b, this.pair);
      }
      case 'choose': {
        const [out, a, b, valid] = [this.register(step.out), this.register(step.a), this.register(step.b), this.validity(step.valid)];
        return () => choose(out, valid.bytes, a, b);
      }
      case 'isnodata': {
        const [out, valid] = [this.register(step.out), this.validity(step.valid)];
        return () => invert(out, valid.bytes);
      }
      case 'nonzero': {
        const [out, a] = [this.validity(step.validOut), this.register(step.a)];
        return () => {
          out.full = !a.includes(0);
          if (out.full) out.bytes.fill(1);
          else differs(out.bytes, a, 0);
        };
      }
      case 'both':
      case 'either':
      case 'pick':
        return this.bindJoin(step);
      case 'store':
        return this.bindStore(step);
    }
  }

  /** Source and mask chunks are staged in private memory, because the engine converts and searches shared memory sample by sample. */
  private bindLoad(step: Extract<Step, { do: 'load' }>): BoundStep {
    const out = this.register(step.out);
    const { dtype, nodata } = at(this.program.sources, step.source);
    const staged = allocateSamples(dtype, chunkPixels);
    const read = ({ sources, from, n }: Chunk): void => {
      staged.set(at(sources, step.source).array.subarray(from, from + n));
      out.set(staged);
    };
    if (step.validOut === undefined) return read;
    const valid = this.validity(step.validOut);
    if (nodata === undefined) throw badProgram(`source ${String(step.source)} has no nodata value`);
    const value = fromJsonNumber(nodata);
    return (chunk) => {
      read(chunk);
      // Array.includes finds NaN.
      valid.full = !staged.includes(value);
      if (valid.full) valid.bytes.fill(1);
      else if (value === value) differs(valid.bytes, out, value);
      else isNumber(valid.bytes, out);
    };
  }

  private bindMask(step: Extract<Step, { do: 'mask' }>): BoundStep {
    const valid = this.validity(step.validOut);
    const staged = new Uint8Array(chunkPixels);
    return ({ sources, from, n }) => {
      const { validity } = at(sources, step.source);
      if (validity !== undefined) staged.set(validity.subarray(from, from + n));
      valid.full = validity === undefined || !staged.includes(0);
      if (valid.full) valid.bytes.fill(1);
      else isSet(valid.bytes, staged);
    };
  }

  private bindJoin(step: Extract<Step, { do: 'both' | 'either' | 'pick' }>): BoundStep {
    const [out, a, b] = [this.validity(step.validOut), this.validity(step.validA), this.validity(step.validB)];
    const join = this.joinOf(step, out, a, b);
    const enough = step.do === 'either' ? () => a.full || b.full : () => a.full && b.full;
    return () => {
      out.full = enough();
      if (out.full) out.bytes.fill(1);
      else join();
    };
  }

  private joinOf(step: Extract<Step, { do: 'both' | 'either' | 'pick' }>, out: ValidityRegister, a: ValidityRegister, b: ValidityRegister) {
    if (step.do === 'both') return () => both(out.words, a.words, b.words);
    if (step.do === 'either') return () => either(out.words, a.words, b.words);
    const c = this.register(step.c);
    return () => pick(out.bytes, c, a.bytes, b.bytes);
  }

  private bindStore(step: Extract<Step, { do: 'store' }>): BoundStep {
    const value = this.register(step.value);
    const valid = this.validity(step.valid ?? 0);
    const target = at(this.program.targets, step.target);
    const nodata = target.nodata === undefined ? 0 : fromJsonNumber(target.nodata);
    const whole = isFloat(target.dtype) ? undefined : dtypeFacts(target.dtype);
    const { outgoing } = this;
    return ({ targets, from, n }) => {
      let from64 = value;
      if (whole !== undefined) {
        const { min, max } = whole;
        if (!roundWithin(outgoing, from64, min, max)) quantize(outgoing, from64, min, max, nodata);
        from64 = outgoing;
      }
      if (!valid.full) {
        fillInvalid(outgoing, valid.bytes, from64, nodata);
        from64 = outgoing;
      }
      store(at(targets, step.target), from, from64, n);
    };
  }

  private register(index: number): Float64Array {
    return at(this.registers, index);
  }

  private validity(index: number): ValidityRegister {
    return at(this.validities, index);
  }

  private checkPlanes(sources: readonly SourcePlane[], targets: readonly SampleArray[], pixels: number): void {
    const { program } = this;
    if (sources.length !== program.sources.length || targets.length !== program.targets.length) {
      const wanted = `${String(program.sources.length)} sources and ${String(program.targets.length)} targets`;
      throw badPlanes(`wanted ${wanted}, found ${String(sources.length)} and ${String(targets.length)}`);
    }
    sources.forEach((plane, i) => checkSource(plane, at(program.sources, i), pixels));
    targets.forEach((array, i) => checkPlane(array, at(program.targets, i).dtype, `target ${String(i + 1)}`, pixels));
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

function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw badProgram(`no number ${String(index)} among ${String(list.length)}`);
  return found;
}

function badProgram(message: string): OperationError {
  return new OperationError('EXPRESSION_PROGRAM', `the compiled expression is damaged: ${message}`);
}

function badPlanes(message: string): OperationError {
  return new OperationError('EXPRESSION_PLANES', message);
}
