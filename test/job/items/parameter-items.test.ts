import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { gridItems, gridSize } from '../../../lib/job/items/parameter-items.ts';
import { runPythonJson } from '../../support/gdal.ts';
import { createWorkspace } from '../../support/workspace.ts';
import { splitHere } from './split-in-test.ts';

void describe('sets of parameters', () => {
  const workspace = createWorkspace('parameter-items');
  after(() => workspace.remove());

  void it('of a grid are those of itertools.product, in its order', () => {
    const grid = { model: ['a', 'b', null], rate: [0.1, 0.01], seed: [3, 1, 2, 1], deep: [{ x: [1] }] };
    const expected = runPythonJson('import itertools, json, sys; g = json.loads(sys.argv[1]); print(json.dumps([dict(zip(g, v)) for v in itertools.product(*g.values())]))', [JSON.stringify(grid)]);
    assert.deepEqual([...gridItems(grid)].map(({ parameters }) => parameters), expected);
    assert.equal(gridSize(grid), 24n);
  });

  void it('are counted beyond what numbers hold, and made one by one', () => {
    const grid = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`p${String(i)}`, Array.from({ length: 1000 }, (_, j) => j)]));
    assert.equal(gridSize(grid), 10n ** 60n);
    const first = gridItems(grid).next().value;
    assert.equal(first?.parameters?.['p19'], 0);
  });

  void it('are items without an object, called by their index; two that are alike are two', async () => {
    const { found, items } = await splitHere(workspace, { items: { parameters: [{ a: 1 }, { a: 1 }, {}] } });
    assert.deepEqual(found.map(({ index, href, path, parameters }) => ({ index, href, path, parameters })), [
      { index: 0, href: null, path: '00000000', parameters: { a: 1 } },
      { index: 1, href: null, path: '00000001', parameters: { a: 1 } },
      { index: 2, href: null, path: '00000002', parameters: {} },
    ]);
    assert.deepEqual([items.count, items.bytes, items.repeated], [3, 0, 0]);
  });
});
