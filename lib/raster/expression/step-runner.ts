/** Runs the steps of a program, chunk by chunk, over registers that are allocated once. */
import { fromJsonNumber, toJsonNumber } from '../../base/json-number.ts';
import { dtypeFacts, isFloat, type Dtype, type SampleArray } from '../dtype.ts';
import type { SlidingRows } from '../focal/rows.ts';
import { KernelSpace } from '../kernels.ts';
import { quantize } from '../quantize.ts';
import { binaryKernels, isCompiled } from './binary-kernels.ts';
import { chunkPixels } from './chunk.ts';
import { at, badProgram } from './faults.ts';
import type { CopyStep, ProgramSource, ProgramTarget, Step, Steps } from './program.ts';
import { both, differs, either, invert, isSet, pick } from './select-kernels.ts';
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

/** What steps read and write. Pixels are counted as they lie in the sources. */
export interface Planes {
  readonly sources: readonly SourcePlane[];
  readonly targets: readonly SampleArray[];
  /** The pixel that is the first of the targets. */
  readonly targetsFrom: number;
  /** Results of focal stages, by stage. */
  readonly stages: readonly SlidingRows[];
  /** What `keep` fills. */
  readonly kept?: SlidingRows | undefined;
}

/** The chunk at hand. */
interface Chunk {
  readonly planes: Planes;
  from: number;
  n: number;
}

type BoundStep = (chunk: Chunk) => void;

/** The planes that the steps of a program speak of. */
export interface Bands {
  readonly sources: readonly ProgramSource[];
  readonly targets: readonly ProgramTarget[];
}

export class StepRunner {
  private readonly bands: Bands;
  /** Where registers lie, for the compiled loops. */
  private readonly space: KernelSpace;
  private readonly registers: readonly Float64Array[];
  private readonly validities: readonly ValidityRegister[];
  /** A register that no step owns, for values on their way into a target. */
  private readonly outgoing: Float64Array;
  private readonly steps: readonly BoundStep[];
  /** These take no registers and so need no chunks. */
  private readonly copies: readonly CopyStep[];

  constructor({ constants, registers, validities, steps }: Steps, bands: Bands) {
    this.bands = bands;
    this.space = new KernelSpace(StepRunner.bytes({ constants, registers, validities, steps }), 0);
    this.outgoing = this.allocate('float64') as Float64Array;
    this.registers = Array.from({ length: registers }, (_, i) => {
      const constant = constants[i];
      return (this.allocate('float64') as Float64Array).fill(constant === undefined ? 0 : fromJsonNumber(constant));
    });
    this.validities = Array.from({ length: validities }, () => {
      const bytes = (this.allocate('uint8') as Uint8Array).fill(1);
      return { bytes, words: new Int32Array(bytes.buffer, bytes.byteOffset, chunkPixels / 4), full: true };
    });
    this.copies = steps.filter((step) => step.do === 'copy');
    this.steps = steps.filter((step) => step.do !== 'copy').map((step) => this.bind(step));
    this.copies.forEach((step) => checkCopy(step, bands));
  }

  /** Bytes that one holds, at most. */
  static bytes({ registers, validities, steps }: Steps): number {
    // Beside the registers, those of samples and masks that come and go.
    const staged = steps.reduce((sum, step) => sum + (step.do === 'load' || step.do === 'store' ? 8 : step.do === 'mask' ? 1 : 0), 0);
    return chunkPixels * (8 * (registers + 1) + validities + staged);
  }

  /** A register, or what comes and goes. */
  private allocate(dtype: Dtype): SampleArray {
    const made = this.space.allocate(dtype, chunkPixels);
    if (KernelSpace.of(made) !== this.space) throw badProgram('it needs more registers than one memory has');
    return made;
  }

  /** Runs over the pixels from `from` to before `to`. */
  run(planes: Planes, from: number, to: number): void {
    for (const step of this.copies) copy(step, this.bands, planes, from, to);
    if (this.steps.length === 0) return;
    const chunk: Chunk = { planes, from, n: 0 };
    for (; chunk.from < to; chunk.from += chunkPixels) {
      chunk.n = Math.min(chunkPixels, to - chunk.from);
      for (const step of this.steps) step(chunk);
    }
  }

  private bind(step: Exclude<Step, CopyStep>): BoundStep {
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
        const [out, a, b] = [this.register(step.out), this.register(step.a), this.register(step.b)];
        if (isCompiled(step.operation)) {
          const compiled = this.space.kernels[`binary_${step.operation}`];
          return () => compiled(out.byteOffset, a.byteOffset, b.byteOffset, chunkPixels);
        }
        const kernel = binaryKernels[step.operation];
        return () => kernel(out, a, b);
      }
      case 'where': {
        const [out, c, a, b] = [this.register(step.out), this.register(step.c), this.register(step.a), this.register(step.b)];
        const { where } = this.space.kernels;
        return () => where(out.byteOffset, c.byteOffset, a.byteOffset, b.byteOffset, chunkPixels);
      }
      case 'choose': {
        const [out, a, b, valid] = [this.register(step.out), this.register(step.a), this.register(step.b), this.validity(step.valid)];
        const { choose } = this.space.kernels;
        return () => choose(out.byteOffset, valid.bytes.byteOffset, a.byteOffset, b.byteOffset, chunkPixels);
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
      case 'focal':
        return this.bindFocal(step);
      case 'focalMask':
        return this.bindFocalMask(step);
      case 'keep':
        return this.bindKeep(step);
    }
  }

  /** Source and mask chunks are copied beside the registers, where the compiled loops find them; and shared memory would be searched sample by sample. */
  private bindLoad(step: Extract<Step, { do: 'load' }>): BoundStep {
    const out = this.register(step.out);
    const { dtype, nodata } = at(this.bands.sources, step.source);
    const staged = this.allocate(dtype);
    const fetch = ({ planes: { sources }, from, n }: Chunk): void => {
      staged.set(at(sources, step.source).array.subarray(from, from + n));
    };
    if (step.validOut === undefined) {
      const read = this.space.kernels[`read_${dtype}`];
      return (chunk) => {
        fetch(chunk);
        read(staged.byteOffset, chunkPixels, out.byteOffset);
      };
    }
    const valid = this.validity(step.validOut);
    if (nodata === undefined) throw badProgram(`source ${String(step.source)} has no nodata value`);
    const value = fromJsonNumber(nodata);
    const readValid = this.space.kernels[`readValid_${dtype}`];
    return (chunk) => {
      fetch(chunk);
      valid.full = readValid(staged.byteOffset, chunkPixels, out.byteOffset, value, valid.bytes.byteOffset) === 1;
    };
  }

  private bindMask(step: Extract<Step, { do: 'mask' }>): BoundStep {
    const valid = this.validity(step.validOut);
    const staged = new Uint8Array(chunkPixels);
    return ({ planes: { sources }, from, n }) => {
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
    const target = at(this.bands.targets, step.target);
    const nodata = target.nodata === undefined ? 0 : fromJsonNumber(target.nodata);
    const whole = isFloat(target.dtype) ? undefined : dtypeFacts(target.dtype);
    const { outgoing, space } = this;
    const { roundWithin, fill } = space.kernels;
    const write = this.bindWrite(target.dtype);
    return ({ planes: { targets, targetsFrom }, from, n }) => {
      let from64 = value;
      if (whole !== undefined) {
        const { min, max } = whole;
        if (roundWithin(outgoing.byteOffset, from64.byteOffset, min, max, chunkPixels) === 0) quantize(outgoing, 0, from64, 0, from64.length, min, max, nodata);
        from64 = outgoing;
      }
      if (!valid.full) {
        fill(outgoing.byteOffset, valid.bytes.byteOffset, from64.byteOffset, nodata, chunkPixels);
        from64 = outgoing;
      }
      const samples = write(from64);
      at(targets, step.target).set(n === chunkPixels ? samples : samples.subarray(0, n), from - targetsFrom);
    };
  }

  /** Makes samples of the values of a register, which fit them. */
  private bindWrite(dtype: Dtype): (values: Float64Array) => SampleArray {
    if (dtype === 'float64') return (values) => values;
    const samples = this.allocate(dtype);
    const write = this.space.kernels[`write_${dtype}`];
    return (values) => {
      write(values.byteOffset, chunkPixels, samples.byteOffset);
      return samples;
    };
  }

  private bindFocal(step: Extract<Step, { do: 'focal' }>): BoundStep {
    const out = this.register(step.out);
    return ({ planes, from, n }) => {
      const rows = at(planes.stages, step.stage);
      const start = from - rows.first * rows.stride;
      out.set(rows.values.subarray(start, start + n));
    };
  }

  private bindFocalMask(step: Extract<Step, { do: 'focalMask' }>): BoundStep {
    const valid = this.validity(step.validOut);
    return ({ planes, from, n }) => {
      const rows = at(planes.stages, step.stage);
      const start = from - rows.first * rows.stride;
      const validity = rows.validity.subarray(start, start + n);
      valid.full = !validity.includes(0);
      if (valid.full) valid.bytes.fill(1);
      else valid.bytes.set(validity);
    };
  }

  private bindKeep(step: Extract<Step, { do: 'keep' }>): BoundStep {
    const value = this.register(step.value);
    const valid = this.validity(step.valid ?? 0);
    return ({ planes, from, n }) => {
      const { kept } = planes;
      if (kept === undefined) throw badProgram('a stage keeps what no plane is there for');
      const start = from - kept.first * kept.stride;
      kept.values.set(n === chunkPixels ? value : value.subarray(0, n), start);
      kept.validity.set(n === chunkPixels ? valid.bytes : valid.bytes.subarray(0, n), start);
    };
  }

  private register(index: number): Float64Array {
    return at(this.registers, index);
  }

  private validity(index: number): ValidityRegister {
    return at(this.validities, index);
  }
}

/** A target whose nodata value was changed since the program was made would not be a copy any more. */
function checkCopy({ source, target, nodata }: CopyStep, { sources, targets }: Bands): void {
  const [from, to] = [at(sources, source), at(targets, target)];
  const stored = to.nodata === undefined || to.dtype !== 'float32' ? to.nodata : toJsonNumber(Math.fround(fromJsonNumber(to.nodata)));
  if (from.dtype !== to.dtype || (nodata && from.nodata !== stored)) {
    throw badProgram(`source ${String(source)} can't be copied into target ${String(target)}`);
  }
}

/** The bits as they are; masked pixels get the nodata value. */
function copy({ source, target, masked }: CopyStep, { targets: described }: Bands, { sources, targets, targetsFrom }: Planes, from: number, to: number): void {
  const { array, validity } = at(sources, source);
  const out = at(targets, target);
  out.set(array.subarray(from, to), from - targetsFrom);
  if (!masked || validity === undefined) return;
  const nodata = fromJsonNumber(at(described, target).nodata ?? 0);
  const staged = new Uint8Array(Math.min(to - from, copiedPixels));
  for (let start = from; start < to; start += copiedPixels) {
    const n = Math.min(copiedPixels, to - start);
    staged.set(validity.subarray(start, start + n));
    const first = staged.indexOf(0);
    if (first < 0 || first >= n) continue;
    for (let i = first; i < n; i++) if (staged[i] === 0) out[start - targetsFrom + i] = nodata;
  }
}

/** Pixels of a mask that are looked at together. */
const copiedPixels = 16_384;
