/** Sets of parameters as items. */
import { parameterItem, type FoundItem } from './found-item.ts';
import type { Json } from './item.ts';

export type ParameterGrid = Readonly<Record<string, readonly Json[]>>;

/** How many combinations a grid has. A BigInt: ten names of a thousand values are more than a number can count. */
export function gridSize(grid: ParameterGrid): bigint {
  return Object.values(grid).reduce((size, values) => size * BigInt(values.length), 1n);
}

/** All combinations, made one by one: in the order of the names, the last one varies fastest (as itertools.product of Python has them). */
export function* gridItems(grid: ParameterGrid): Generator<FoundItem, void, undefined> {
  const names = Object.entries(grid);
  const size = Number(gridSize(grid));
  for (let index = 0; index < size; index++) {
    const combination: [string, Json][] = [];
    let rest = index;
    for (const [name, values] of names.toReversed()) {
      combination.unshift([name, values[rest % values.length] ?? null]);
      rest = Math.floor(rest / values.length);
    }
    yield parameterItem(Object.fromEntries(combination));
  }
}

export function* listedParameters(list: readonly Readonly<Record<string, Json>>[]): Generator<FoundItem, void, undefined> {
  for (const parameters of list) yield parameterItem(parameters);
}
