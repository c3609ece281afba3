/** What a tile costs beside the function itself and the copy of its output: printed, not asserted, because machines differ and this one is shared. */
import assert from 'node:assert/strict';
import { it } from 'node:test';

import { PythonHost, withoutPython } from './support/host.ts';

const side = 2048;
const bands = 4;
const tiles = 15;

/** The median; the first tiles touch pages for the first time. */
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

it('prints what a tile of 2048 px and 4 bands of uint16 costs above the copy of its output', { skip: withoutPython }, async (t) => {
  const own = 'import numpy\nbuffer = None\ndef f(info, inputs, outputs):\n    global buffer, other\n    if buffer is None:\n        buffer = inputs.a.copy(); other = buffer.copy()\n';
  const kinds = {
    'nothing at all': { code: own, outputs: [] },
    'a copy within the process': { code: `${own}    numpy.copyto(other, buffer)\n`, outputs: [] },
    'an output': { code: `${own}    outputs.x = buffer\n`, outputs: [{ name: 'x', bands, dtype: 'uint16' as const }] },
  };
  const bytes = side * side * bands * 2;
  const hosts = await Promise.all(Object.values(kinds).map(async (kind) => await new PythonHost({ ...kind, inputs: [{ name: 'a', bands }], tileSize: side, grid: { columns: side, rows: side }, sharedBytes: 2 * bytes }).ready()));
  try {
    const times: number[][] = hosts.map(() => []);
    // One after another, so that what else the machine does hits all of them.
    for (let i = 0; i < tiles; i++) {
      for (const [k, host] of hosts.entries()) {
        const call = host.call({});
        const start = performance.now();
        const reply = await host.ask({ call });
        times[k]?.push(performance.now() - start);
        assert.ok(reply !== undefined && 'done' in reply);
      }
    }
    t.diagnostic(`a tile of ${String(side)} px, ${String(bands)} bands of uint16, with a function that makes ${Object.keys(kinds).map((kind, k) => `${kind}: ${median(times[k] ?? []).toFixed(2)} ms`).join('; ')} (medians of ${String(tiles)})`);
  } finally {
    for (const host of hosts) await host.close();
  }
});
