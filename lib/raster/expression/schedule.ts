/** The order of the steps: each value and each validity is computed before its first use, and what tests a value comes right after it. */
import type { Condition, Conjunction, Graph, Value } from './graph.ts';
import type { CopyStep, Step } from './program.ts';

/** The validity register that is always 1. */
export const alwaysValid = 0;

/**
 * Steps whose registers are still virtual: every value and every validity has a number of its own. Constants are numbered first,
 * as they are met; other values get numbers from `firstValue` on.
 */
export const firstValue = 1 << 24;

export class Schedule {
  readonly steps: Step[] = [];
  readonly constants: number[] = [];
  private readonly graph: Graph;
  private readonly valueRegisters = new Map<number, number>();
  private readonly validityRegisters = new Map<string, number>([['', alwaysValid]]);
  private nextValue = firstValue;
  private nextValidity = alwaysValid + 1;

  constructor(graph: Graph) {
    this.graph = graph;
  }

  store(target: number, value: number, valid: Conjunction): void {
    const register = this.value(value);
    if (valid.length === 0) this.steps.push({ do: 'store', target, value: register });
    else this.steps.push({ do: 'store', target, value: register, valid: this.conjunction(valid) });
  }

  copy(step: Omit<CopyStep, 'do'>): void {
    this.steps.push({ do: 'copy', ...step });
  }

  /** Into the plane of a stage. */
  keep(value: number, valid: Conjunction): void {
    const register = this.value(value);
    if (valid.length === 0) this.steps.push({ do: 'keep', value: register });
    else this.steps.push({ do: 'keep', value: register, valid: this.conjunction(valid) });
  }

  private value(id: number): number {
    const known = this.valueRegisters.get(id);
    if (known !== undefined) return known;
    const node = this.graph.values[id];
    if (node === undefined) throw new RangeError(`no value ${String(id)}`);
    const register = node.kind === 'constant' ? this.constants.push(node.value) - 1 : this.compute(node);
    this.valueRegisters.set(id, register);
    return register;
  }

  private compute(node: Exclude<Value, { kind: 'constant' }>): number {
    switch (node.kind) {
      case 'load':
        return this.load(node.source);
      case 'focal':
        return this.emit((out) => ({ do: 'focal', stage: node.stage, out }));
      case 'unary': {
        const a = this.value(node.a);
        return this.emit((out) => ({ do: 'unary', operation: node.operation, a, out }));
      }
      case 'binary': {
        const [a, b] = [this.value(node.a), this.value(node.b)];
        return this.emit((out) => ({ do: 'binary', operation: node.operation, a, b, out }));
      }
      case 'where': {
        const [c, a, b] = [this.value(node.c), this.value(node.a), this.value(node.b)];
        return this.emit((out) => ({ do: 'where', c, a, b, out }));
      }
      case 'choose': {
        const [a, b, valid] = [this.value(node.a), this.value(node.b), this.conjunction(node.valid)];
        return this.emit((out) => ({ do: 'choose', valid, a, b, out }));
      }
      case 'isnodata': {
        const valid = this.conjunction(node.valid);
        return this.emit((out) => ({ do: 'isnodata', valid, out }));
      }
    }
  }

  /** The comparison with nodata is made while the value is at hand. */
  private load(source: number): number {
    const condition = this.graph.conditions.findIndex((other) => other.kind === 'differs' && other.source === source);
    const out = this.nextValue++;
    if (condition < 0) {
      this.steps.push({ do: 'load', source, out });
      return out;
    }
    const validOut = this.nextValidity++;
    this.validityRegisters.set(String(condition), validOut);
    this.steps.push({ do: 'load', source, out, validOut });
    return out;
  }

  private emit(step: (out: number) => Step): number {
    const out = this.nextValue++;
    this.steps.push(step(out));
    return out;
  }

  /** A conjunction is built from the left, so that those with a common beginning share it. */
  private conjunction(ids: Conjunction): number {
    const key = ids.join();
    const known = this.validityRegisters.get(key);
    if (known !== undefined) return known;
    const last = ids.at(-1);
    if (last === undefined) return alwaysValid;
    let register: number;
    if (ids.length === 1) {
      register = this.condition(last);
    } else {
      const [validA, validB] = [this.conjunction(ids.slice(0, -1)), this.conjunction([last])];
      register = this.nextValidity++;
      this.steps.push({ do: 'both', validA, validB, validOut: register });
    }
    this.validityRegisters.set(key, register);
    return register;
  }

  private condition(id: number): number {
    const condition: Condition | undefined = this.graph.conditions[id];
    if (condition === undefined) throw new RangeError(`no condition ${String(id)}`);
    if (condition.kind === 'differs') {
      this.value(this.loadOf(condition.source));
      return this.validityRegisters.get(String(id)) ?? alwaysValid;
    }
    const step = this.test(condition);
    const validOut = this.nextValidity++;
    this.steps.push({ ...step, validOut });
    return validOut;
  }

  private test(condition: Exclude<Condition, { kind: 'differs' }>) {
    switch (condition.kind) {
      case 'mask':
        return { do: 'mask', source: condition.source } as const;
      case 'focal':
        return { do: 'focalMask', stage: condition.stage } as const;
      case 'nonzero':
        return { do: 'nonzero', a: this.value(condition.a) } as const;
      case 'either':
        return { do: 'either', validA: this.conjunction(condition.a), validB: this.conjunction(condition.b) } as const;
      case 'pick': {
        const c = this.value(condition.c);
        return { do: 'pick', c, validA: this.conjunction(condition.a), validB: this.conjunction(condition.b) } as const;
      }
    }
  }

  private loadOf(source: number): number {
    return this.graph.values.findIndex((value) => value.kind === 'load' && value.source === source);
  }
}
