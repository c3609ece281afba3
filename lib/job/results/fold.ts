/** How the results of all tiles become one value. Tiles come in one fixed order, so the digits don't depend on who finished first. */
import { DictFold } from './dict-fold.ts';
import { ElementwiseFold } from './elementwise-fold.ts';
import { HistogramFold } from './histogram-fold.ts';
import type { ResultFold } from './result-values.ts';

export type FoldName = 'sum' | 'min' | 'max' | 'mean' | 'histogram' | 'dict';

export function createFold(name: FoldName): ResultFold {
  switch (name) {
    case 'histogram':
      return new HistogramFold();
    case 'dict':
      return new DictFold();
    default:
      return new ElementwiseFold(name);
  }
}
