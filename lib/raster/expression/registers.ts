/** Linear-scan register allocation: a register is free again after the last step that reads it, so that few stay in the cache. */
import type { JsonNumber } from '../../base/json-number.ts';
import type { ExpressionProgram, Step } from './program.ts';
import { alwaysValid, firstValue } from './schedule.ts';

const valueReads = ['a', 'b', 'c', 'value'] as const;
const validityReads = ['valid', 'validA', 'validB'] as const;

/** Gives the virtual registers of scheduled steps real numbers. Constants keep theirs, for they live through all chunks. */
export function allocateRegisters(
  steps: readonly Step[],
  constants: JsonNumber[],
): Pick<ExpressionProgram, 'constants' | 'registers' | 'validities' | 'steps'> {
  const values = new Bank(steps, valueReads, constants.length, (register) => register >= firstValue);
  const validities = new Bank(steps, validityReads, alwaysValid + 1, (register) => register !== alwaysValid);
  const allocated = steps.map((step, at): Step => {
    const reads = { ...values.read(step, at), ...validities.read(step, at) };
    // A kernel reads a pixel before it writes it, so that the result may take the place of an operand.
    const out = 'out' in step ? { out: values.write(step.out, at) } : {};
    const validOut = 'validOut' in step && step.validOut !== undefined ? { validOut: validities.write(step.validOut, at) } : {};
    return { ...step, ...reads, ...out, ...validOut };
  });
  return { constants, registers: values.size, validities: validities.size, steps: allocated };
}

/** The registers of one kind. */
class Bank {
  size: number;
  private readonly free: number[] = [];
  private readonly places = new Map<number, number>();
  private readonly lastReads = new Map<number, number>();
  private readonly fields: readonly string[];
  private readonly isVirtual: (register: number) => boolean;

  constructor(steps: readonly Step[], fields: readonly string[], fixed: number, isVirtual: (register: number) => boolean) {
    this.size = fixed;
    this.fields = fields;
    this.isVirtual = isVirtual;
    steps.forEach((step, at) => {
      for (const [, register] of this.reads(step)) this.lastReads.set(register, at);
    });
  }

  /** The real numbers of what `step` reads; frees those that it is the last to read. */
  read(step: Step, at: number): Record<string, number> {
    const reads = this.reads(step);
    const real = reads.map(([field, register]) => [field, this.places.get(register) ?? register] as const);
    for (const register of new Set(reads.map(([, virtual]) => virtual))) {
      const place = this.places.get(register);
      if (place !== undefined && this.lastReads.get(register) === at) this.free.push(place);
    }
    return Object.fromEntries(real);
  }

  /** A real number for what the step at `at` writes. What nobody reads is free again at once. */
  write(register: number, at: number): number {
    const place = this.free.pop() ?? this.size++;
    this.places.set(register, place);
    if ((this.lastReads.get(register) ?? at) <= at) this.free.push(place);
    return place;
  }

  private reads(step: Step): (readonly [string, number])[] {
    return Object.entries(step).filter((entry): entry is [string, number] => {
      const [field, register] = entry as [string, unknown];
      return this.fields.includes(field) && typeof register === 'number' && this.isVirtual(register);
    });
  }
}
