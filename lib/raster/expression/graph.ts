/**
 * Checked expressions as one graph, in which equal things are the same node: common subexpressions are computed once, over all
 * the expressions of a program. Constants are folded.
 *
 * Validity is kept apart from value, as a conjunction: the set of conditions that must all hold for a pixel to have data. Most
 * expressions have one condition a band, and so the same set everywhere, which costs one step however long the expression is.
 */
import { toJsonNumber } from '../../base/json-number.ts';
import type { Dtype } from '../dtype.ts';
import { canLosePixels, type FocalOperation, type PlacedFocalOperation } from '../focal/operation.ts';
import type { CheckedNode } from './check.ts';
import { type BinaryOperation, binaryOperations, type UnaryOperation, unaryOperations } from './operations.ts';
import type { ProgramSource } from './program.ts';
import { binaryRange, containsZero, focalRange, type Range, rangeOfDtype, rangeOfNumber, squareRange, unaryRange, union } from './range.ts';

/** Ids of conditions in ascending order; empty means always valid. */
export type Conjunction = readonly number[];

export type Value =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'load'; readonly source: number }
  | { readonly kind: 'unary'; readonly operation: UnaryOperation; readonly a: number }
  | { readonly kind: 'binary'; readonly operation: BinaryOperation; readonly a: number; readonly b: number }
  | { readonly kind: 'where'; readonly c: number; readonly a: number; readonly b: number }
  | { readonly kind: 'choose'; readonly valid: Conjunction; readonly a: number; readonly b: number }
  | { readonly kind: 'isnodata'; readonly valid: Conjunction }
  | { readonly kind: 'focal'; readonly stage: number };

export type Condition =
  /** The stage's result is there. */
  | { readonly kind: 'focal'; readonly stage: number }
  | { readonly kind: 'mask'; readonly source: number }
  /** The loaded value differs from the source's nodata value. */
  | { readonly kind: 'differs'; readonly source: number }
  | { readonly kind: 'nonzero'; readonly a: number }
  | { readonly kind: 'either'; readonly a: Conjunction; readonly b: Conjunction }
  | { readonly kind: 'pick'; readonly c: number; readonly a: Conjunction; readonly b: Conjunction };

/** A plane that is made before the pixels that look at their neighbours in it; it only needs earlier ones. */
export type StageNode =
  | { readonly kind: 'source'; readonly source: number; readonly masked: boolean; readonly nodata: boolean }
  | { readonly kind: 'plane'; readonly value: number; readonly valid: Conjunction }
  | { readonly kind: 'focal'; readonly of: number; readonly operation: PlacedFocalOperation };

/** What a checked node became: the id of its value, when it is valid, and what its valid values can be. */
export interface Lowered {
  readonly value: number;
  /** Where one of these does not hold, the result is nodata. */
  readonly valid: Conjunction;
  /** Where one of these does not hold, isnodata and coalesce take it for nodata, too; empty unless the operation handles nodata. */
  readonly noticed: Conjunction;
  readonly range: Range;
}

/** What a division by zero gives: IEEE's infinities and NaN, or no data. */
export type DivisionRule = 'ieee' | 'nodata';

export interface SourceFacts {
  readonly dtype: Dtype;
  /** The value that means no data; undefined when there is none or the dtype can't hold it. */
  readonly nodata: number | undefined;
  readonly masked: boolean;
}

const commutative = new Set<BinaryOperation>(['add', 'multiply', 'equal', 'notEqual', 'and', 'or']);

export class Graph {
  readonly values: Value[] = [];
  readonly conditions: Condition[] = [];
  readonly sources: ProgramSource[] = [];
  private readonly known = new Map<string, number>();
  readonly stages: StageNode[] = [];
  private readonly describe: (input: string, band: number) => SourceFacts;
  private readonly place: (operation: FocalOperation) => PlacedFocalOperation;
  private readonly handlesNodata: boolean;

  /**
   * @param place completes a focal operation by what it needs to know of the ground
   * @param handlesNodata whether nodata of the sources only shows in isnodata and coalesce, and masks nothing
   */
  constructor(describe: (input: string, band: number) => SourceFacts, place: (operation: FocalOperation) => PlacedFocalOperation, handlesNodata: boolean) {
    this.describe = describe;
    this.place = place;
    this.handlesNodata = handlesNodata;
  }

  lower(node: CheckedNode, rule: DivisionRule): Lowered {
    switch (node.kind) {
      case 'number':
        return this.constant(node.value);
      case 'band':
        return this.band(node.input, node.band);
      case 'unary': {
        const a = this.lower(node.operand, rule);
        return { ...a, value: this.unary(node.operation, a.value), range: unaryRange(node.operation, a.range) };
      }
      case 'binary':
        return this.binary(node.operation, this.lower(node.left, rule), this.lower(node.right, rule), rule);
      case 'where':
        return this.where(this.lower(node.condition, rule), this.lower(node.whenTrue, rule), this.lower(node.whenFalse, rule));
      case 'isnodata': {
        const valid = known(this.lower(node.operand, rule));
        if (valid.length === 0) return this.constant(0);
        return { value: this.value({ kind: 'isnodata', valid }), valid: [], noticed: [], range: { lo: 0, hi: 1, nan: false } };
      }
      case 'focal':
        return this.focal(this.place(node.operation), this.lower(node.operand, rule));
      case 'coalesce':
        return node.operands.map((operand) => this.lower(operand, rule)).reduceRight((rest, first) => this.coalesce(first, rest));
    }
  }

  private constant(value: number): Lowered {
    return { value: this.value({ kind: 'constant', value }), valid: [], noticed: [], range: rangeOfNumber(value) };
  }

  private band(input: string, band: number): Lowered {
    let source = this.sources.findIndex((other) => other.input === input && other.band === band);
    const { dtype, nodata, masked } = this.describe(input, band);
    if (source < 0) source = this.sources.push({ input, band, dtype, masked, ...(nodata !== undefined && { nodata: toJsonNumber(nodata) }) }) - 1;
    const valid: number[] = [];
    if (masked) valid.push(this.condition({ kind: 'mask', source }));
    if (nodata !== undefined) valid.push(this.condition({ kind: 'differs', source }));
    const range = rangeOfDtype(dtype);
    const nanIsNodata = nodata !== undefined && nodata !== nodata;
    const value = this.value({ kind: 'load', source });
    if (this.handlesNodata) return { value, valid: [], noticed: ascending(valid), range };
    return { value, valid: ascending(valid), noticed: [], range: nanIsNodata ? { ...range, nan: false } : range };
  }

  private focal(operation: PlacedFocalOperation, operand: Lowered): Lowered {
    const of = this.stage(this.operandStage(operand));
    const stage = this.stage({ kind: 'focal', of, operation });
    const value = this.value({ kind: 'focal', stage });
    const loses = operand.valid.length > 0 || canLosePixels(operation);
    const valid = loses ? [this.condition({ kind: 'focal', stage })] : [];
    return { value, valid, noticed: operand.noticed, range: focalRange(operation, operand.range) };
  }

  /** A band that is looked at as it is doesn't have to be computed first. */
  private operandStage({ value, valid }: Lowered): StageNode {
    const node = this.values[value];
    if (node?.kind !== 'load') return { kind: 'plane', value, valid };
    const { source } = node;
    const own = valid.map((id) => this.conditions[id]).map((condition) => (condition?.kind === 'mask' || condition?.kind === 'differs') && condition.source === source ? condition.kind : 'other');
    if (own.includes('other')) return { kind: 'plane', value, valid };
    return { kind: 'source', source, masked: own.includes('mask'), nodata: own.includes('differs') };
  }

  private unary(operation: UnaryOperation, a: number): number {
    const operand = this.values[a];
    if (operand?.kind === 'constant') return this.value({ kind: 'constant', value: unaryOperations[operation](operand.value) });
    return this.value({ kind: 'unary', operation, a });
  }

  private binary(operation: BinaryOperation, a: Lowered, b: Lowered, rule: DivisionRule): Lowered {
    const squares = operation === 'multiply' && a.value === b.value;
    const range = squares ? squareRange(a.range) : binaryRange(operation, a.range, b.range, rule);
    let valid = conjunction(a.valid, b.valid);
    const divides = operation === 'divide' || operation === 'remainder';
    if (divides && rule === 'nodata' && containsZero(b.range)) {
      valid = conjunction(valid, [this.condition({ kind: 'nonzero', a: b.value })]);
    }
    return { value: this.binaryValue(operation, a.value, b.value), valid, noticed: conjunction(a.noticed, b.noticed), range };
  }

  private binaryValue(operation: BinaryOperation, a: number, b: number): number {
    const [left, right] = [this.values[a], this.values[b]];
    if (left?.kind === 'constant' && right?.kind === 'constant') {
      return this.value({ kind: 'constant', value: binaryOperations[operation](left.value, right.value) });
    }
    // A product is rounded correctly, and ten times faster than a power.
    if (operation === 'power' && right?.kind === 'constant' && right.value === 2) return this.binaryValue('multiply', a, a);
    if (operation === 'divide' && left?.kind === 'binary' && left.operation === 'subtract') {
      const same = right?.kind === 'binary' && right.operation === 'add' && hasOperands(right, left.a, left.b);
      if (same) return this.value({ kind: 'binary', operation: 'normalizedDifference', a: left.a, b: left.b });
    }
    const swap = commutative.has(operation) && a > b;
    return this.value({ kind: 'binary', operation, a: swap ? b : a, b: swap ? a : b });
  }

  /** The branch that is not taken is no operand: its nodata doesn't count. */
  private where(c: Lowered, a: Lowered, b: Lowered): Lowered {
    const test = this.values[c.value];
    if (test?.kind === 'constant') {
      const taken = test.value === 0 ? b : a;
      return { ...taken, valid: conjunction(taken.valid, c.valid), noticed: conjunction(taken.noticed, c.noticed) };
    }
    const value = a.value === b.value ? a.value : this.value({ kind: 'where', c: c.value, a: a.value, b: b.value });
    const valid = this.picked(c.value, c.valid, a.valid, b.valid);
    return { value, valid, noticed: this.picked(c.value, c.noticed, a.noticed, b.noticed), range: union(a.range, b.range) };
  }

  private picked(c: number, ofCondition: Conjunction, a: Conjunction, b: Conjunction): Conjunction {
    // What both branches need is needed anyway, and what the condition needs is known to hold.
    const shared = conjunction(ofCondition, a.filter((id) => b.includes(id)));
    const [restA, restB] = [without(a, shared), without(b, shared)];
    const either = restA.length + restB.length === 0 ? [] : [this.condition({ kind: 'pick', c, a: restA, b: restB })];
    return conjunction(shared, either);
  }

  private coalesce(first: Lowered, rest: Lowered): Lowered {
    const [there, restThere] = [known(first), known(rest)];
    if (there.length === 0) return first;
    const masksAll = first.noticed.length + rest.noticed.length === 0;
    const valid = this.either(there, rest.valid);
    // Whenever the rest is valid, so is the first: the rest never shows.
    if (masksAll && without(there, restThere).length === 0) return first;
    const value = this.value({ kind: 'choose', valid: there, a: first.value, b: rest.value });
    return { value, valid, noticed: masksAll ? [] : this.either(there, restThere), range: union(first.range, rest.range) };
  }

  private either(a: Conjunction, b: Conjunction): Conjunction {
    const shared = a.filter((id) => b.includes(id));
    const [restA, restB] = [without(a, shared), without(b, shared)];
    const either = restA.length === 0 || restB.length === 0 ? [] : [this.condition({ kind: 'either', a: restA, b: restB })];
    return conjunction(shared, either);
  }

  private stage(stage: StageNode): number {
    const key = `s${keyOf(stage)}`;
    const id = this.known.get(key) ?? this.stages.push(stage) - 1;
    this.known.set(key, id);
    return id;
  }

  private value(value: Value): number {
    const key = `v${keyOf(value)}`;
    const id = this.known.get(key) ?? this.values.push(value) - 1;
    this.known.set(key, id);
    return id;
  }

  private condition(condition: Condition): number {
    const key = `c${keyOf(condition)}`;
    const id = this.known.get(key) ?? this.conditions.push(condition) - 1;
    this.known.set(key, id);
    return id;
  }
}

function hasOperands({ a, b }: { readonly a: number; readonly b: number }, x: number, y: number): boolean {
  return (a === x && b === y) || (a === y && b === x);
}

/** Equal nodes have equal keys; -0, NaN and the infinities are told apart, which plain JSON does not do. */
function keyOf(node: Value | Condition | StageNode): string {
  return JSON.stringify(node.kind === 'constant' ? { ...node, value: toJsonNumber(node.value) } : node);
}

/** Everything that must hold for a pixel to have data. */
function known({ valid, noticed }: Lowered): Conjunction {
  return conjunction(valid, noticed);
}

function ascending(ids: Iterable<number>): Conjunction {
  return [...new Set(ids)].sort((a, b) => a - b);
}

function conjunction(a: Conjunction, b: Conjunction): Conjunction {
  return ascending([...a, ...b]);
}

function without(a: Conjunction, b: Conjunction): Conjunction {
  return a.filter((id) => !b.includes(id));
}
