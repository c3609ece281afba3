/**
 * sum, min, max and mean of numbers, or of arrays and objects of numbers, each with its own counterparts. null means that a tile has nothing to say in that
 * place, and is passed over; NaN is a number, and makes NaN of what it meets, as in numpy.
 */
import { differentShape, emptyObject, isArray, isObject, jsonOf, kindOf, numberOf, wrongKind, type ResultFold, type TilePlace } from './result-values.ts';

type Merge = 'sum' | 'min' | 'max' | 'mean';

interface Leaf {
  readonly kind: 'number';
  readonly first: TilePlace;
  /** The sum so far, or the least or greatest. */
  value: number;
  /** What the sum lost by rounding so far. */
  lost: number;
  count: number;
}

interface List {
  readonly kind: 'array';
  readonly first: TilePlace;
  readonly items: Node[];
}

interface Fields {
  readonly kind: 'object';
  readonly first: TilePlace;
  readonly fields: Map<string, Node>;
}

/** Undefined where there was nothing but null so far. */
type Node = Leaf | List | Fields | undefined;

export class ElementwiseFold implements ResultFold {
  readonly #merge: Merge;
  #root: Node;
  /** The way to what is looked at. */
  readonly #path: (string | number)[] = [];

  constructor(merge: Merge) {
    this.#merge = merge;
  }

  add(tile: TilePlace, value: unknown): void {
    this.#root = this.#join(this.#root, tile, value);
  }

  finish(): unknown {
    return this.#resultOf(this.#root);
  }

  #join(node: Node, tile: TilePlace, value: unknown): Node {
    if (value === null) return node;
    if (isArray(value)) {
      const list = node ?? { kind: 'array', first: tile, items: new Array<Node>(value.length).fill(undefined) };
      if (list.kind !== 'array' || list.items.length !== value.length) throw this.#differs(list, tile, value);
      for (let i = 0; i < value.length; i++) {
        this.#path.push(i);
        list.items[i] = this.#join(list.items[i], tile, value[i]);
        this.#path.pop();
      }
      return list;
    }
    if (isObject(value)) return this.#joinFields(node, tile, value);
    const number = numberOf(value);
    if (number === undefined) throw wrongKind(this.#merge, tile, this.#path, 'a number, or arrays or objects of numbers', value);
    if (node === undefined) return { kind: 'number', first: tile, value: number, lost: 0, count: 1 };
    if (node.kind !== 'number') throw this.#differs(node, tile, value);
    this.#addTo(node, number);
    return node;
  }

  #joinFields(node: Node, tile: TilePlace, value: Readonly<Record<string, unknown>>): Node {
    const keys = Object.keys(value);
    if (node === undefined) {
      const fields: Fields = { kind: 'object', first: tile, fields: new Map(keys.map((key) => [key, undefined])) };
      return this.#joinFields(fields, tile, value);
    }
    if (node.kind !== 'object') throw this.#differs(node, tile, value);
    for (const key of keys) {
      this.#path.push(key);
      if (!node.fields.has(key)) throw differentShape(this.#merge, tile, node.first, this.#path, 'there', 'not there');
      node.fields.set(key, this.#join(node.fields.get(key), tile, value[key]));
      this.#path.pop();
    }
    if (keys.length !== node.fields.size) {
      const missing = [...node.fields.keys()].find((key) => !Object.hasOwn(value, key)) ?? '';
      throw differentShape(this.#merge, tile, node.first, [...this.#path, missing], 'not there', 'there');
    }
    return node;
  }

  #addTo(leaf: Leaf, number: number): void {
    leaf.count++;
    switch (this.#merge) {
      case 'min':
        leaf.value = Math.min(leaf.value, number);
        return;
      case 'max':
        leaf.value = Math.max(leaf.value, number);
        return;
      default: {
        // Neumaier, Zeitschrift für Angewandte Mathematik und Mechanik 54 (1974): what each addition loses is added up beside it.
        const sum = leaf.value + number;
        if (Number.isFinite(sum)) leaf.lost += Math.abs(leaf.value) >= Math.abs(number) ? leaf.value - sum + number : number - sum + leaf.value;
        leaf.value = sum;
      }
    }
  }

  #resultOf(node: Node): unknown {
    if (node === undefined) return null;
    if (node.kind === 'array') return node.items.map((item) => this.#resultOf(item));
    if (node.kind === 'object') {
      const object = emptyObject();
      for (const [key, field] of node.fields) object[key] = this.#resultOf(field);
      return object;
    }
    const value = Number.isFinite(node.value) ? node.value + node.lost : node.value;
    return jsonOf(this.#merge === 'mean' ? value / node.count : value);
  }

  #differs(node: Exclude<Node, undefined>, tile: TilePlace, value: unknown): Error {
    const wanted = node.kind === 'array' ? `an array of ${String(node.items.length)}` : node.kind === 'object' ? 'an object' : 'a number';
    return differentShape(this.#merge, tile, node.first, this.#path, kindOf(value), wanted);
  }
}
