/**
 * Histograms added up. A result is `{edges, counts}`, with the same edges in all tiles, or a map of counts by value, of which every tile has some; or an
 * object of such, for example one a band.
 */
import { differentShape, emptyObject, isArray, isObject, jsonOf, kindOf, numberOf, wrongKind, type ResultFold, type TilePlace, type ValuePath } from './result-values.ts';

/** A histogram with edges: bin i holds what is at least edges[i] and less than edges[i + 1]. */
export interface EdgedHistogram {
  readonly edges: readonly number[];
  readonly counts: readonly number[];
}

export function isEdged(value: unknown): value is EdgedHistogram {
  return isObject(value) && isArray(value['edges']) && isArray(value['counts']);
}

interface Bins {
  readonly kind: 'bins';
  readonly first: TilePlace;
  readonly edges: readonly number[];
  readonly counts: number[];
}

interface Counts {
  readonly kind: 'map';
  readonly first: TilePlace;
  readonly by: Map<string, Node>;
}

interface Count {
  readonly kind: 'count';
  readonly first: TilePlace;
  value: number;
}

type Node = Bins | Counts | Count;

const merge = 'histogram';

export class HistogramFold implements ResultFold {
  #root: Node | undefined;

  add(tile: TilePlace, value: unknown): void {
    if (value === null) return;
    if (!isObject(value)) throw wrongKind(merge, tile, [], '{edges, counts}, or an object of counts', value);
    this.#root = join(this.#root, tile, value, []);
  }

  finish(): unknown {
    return this.#root === undefined ? null : resultOf(this.#root);
  }
}

function join(node: Node | undefined, tile: TilePlace, value: unknown, path: ValuePath): Node {
  if (isEdged(value)) return joinBins(node, tile, value, path);
  if (isObject(value)) {
    const map = node ?? { kind: 'map', first: tile, by: new Map<string, Node>() };
    if (map.kind !== 'map') throw differs(map, tile, value, path);
    for (const [key, count] of Object.entries(value)) if (count !== null) map.by.set(key, join(map.by.get(key), tile, count, [...path, key]));
    return map;
  }
  const count = numberOf(value);
  if (count === undefined) throw wrongKind(merge, tile, path, 'a count, {edges, counts}, or an object of such', value);
  if (node === undefined) return { kind: 'count', first: tile, value: count };
  if (node.kind !== 'count') throw differs(node, tile, value, path);
  node.value += count;
  return node;
}

function joinBins(node: Node | undefined, tile: TilePlace, value: EdgedHistogram, path: ValuePath): Bins {
  const edges = value.edges.map((edge, i) => numbered(edge, tile, [...path, 'edges', i]));
  const counts = value.counts.map((count, i) => numbered(count, tile, [...path, 'counts', i]));
  if (counts.length !== edges.length - 1) {
    throw wrongKind(merge, tile, [...path, 'counts'], `one count less than there are edges (${String(edges.length - 1)})`, value.counts);
  }
  if (node === undefined) return { kind: 'bins', first: tile, edges, counts };
  if (node.kind !== 'bins') throw differs(node, tile, value, path);
  if (edges.length !== node.edges.length) {
    throw differentShape(merge, tile, node.first, [...path, 'edges'], kindOf(value.edges), `an array of ${String(node.edges.length)}`);
  }
  for (const [i, edge] of edges.entries()) {
    if (edge !== node.edges[i]) throw differentShape(merge, tile, node.first, [...path, 'edges', i], kindOf(edge), kindOf(node.edges[i]));
  }
  for (const [i, count] of counts.entries()) node.counts[i] = (node.counts[i] as number) + count;
  return node;
}

function numbered(value: unknown, tile: TilePlace, path: ValuePath): number {
  const number = numberOf(value);
  if (number === undefined) throw wrongKind(merge, tile, path, 'a number', value);
  return number;
}

function differs(node: Node, tile: TilePlace, value: unknown, path: ValuePath): Error {
  const wanted = { bins: 'a histogram with edges', map: 'an object of counts', count: 'a count' }[node.kind];
  return differentShape(merge, tile, node.first, path, isEdged(value) ? 'a histogram with edges' : kindOf(value), wanted);
}

function resultOf(node: Node): unknown {
  if (node.kind === 'count') return jsonOf(node.value);
  if (node.kind === 'bins') return { edges: node.edges.map(jsonOf), counts: node.counts.map(jsonOf) };
  const object = emptyObject();
  for (const key of sorted([...node.by.keys()])) object[key] = resultOf(node.by.get(key) as Node);
  return object;
}

/** Words for numbers as Python, JavaScript and JSON results (json-number.ts) make keys of them. */
const numberWords: Readonly<Record<string, number>> = { inf: Infinity, infinity: Infinity, '-inf': -Infinity, '-infinity': -Infinity };

/** Keys that are numbers by their value; then the others, NaN among them, as they came. */
export function sorted(keys: readonly string[]): readonly string[] {
  const numbers = keys.map((key) => ({ key, number: numberWords[key.toLowerCase()] ?? (key.trim() === '' ? NaN : Number(key)) }));
  const [others, ordered] = [numbers.filter(({ number }) => Number.isNaN(number)), numbers.filter(({ number }) => !Number.isNaN(number))];
  return [...ordered.toSorted((a, b) => (a.number < b.number ? -1 : Number(a.number > b.number))), ...others].map(({ key }) => key);
}
