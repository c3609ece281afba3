/** A million results: in bounded memory, none lost, none twice. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createReadStream, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { commitAll, ResultsBench } from './collected.ts';
import { withoutPyarrow, withTable } from './pyarrow.ts';

const across = 1000;
const tiles = across * across;
/** Above what a process has when it begins; all results together take more than twice as much. */
const mostGrownBytes = 150e6;

interface Figures {
  readonly tilesDone: number;
  readonly rows: number;
  readonly beforeBytes: number;
  readonly grownBytes: number;
  readonly seconds: number;
}

describe('a million results', () => {
  const bench = new ResultsBench();
  const plan = bench.plan({ across, down: across, batchColumns: 64, batchRows: 64 });
  before(async () => {
    await commitAll(bench.store, plan, (column, row) => ({ mean: (column * 31 + row * 17) / 7, count: column + row, name: `zone ${String((column * row) % 1000)}`, list: [column, row, 0.5] }));
  });
  after(async () => {
    await bench[Symbol.asyncDispose]();
  });

  function write(format: string, merge: string): Figures {
    const program = join(import.meta.dirname, 'write-million.ts');
    // With all the room of this machine V8 would put collecting garbage off, and the figure would tell nothing.
    const heap = format === 'hold' ? [] : ['--max-old-space-size=72', '--max-semi-space-size=8'];
    const { stdout, stderr, status } = spawnSync(process.execPath, [...heap, program, plan.state.run.href, String(across), bench.href(`r.${format}`), format, merge], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout) as Figures;
  }

  function bounded(t: { diagnostic(text: string): void }, format: string, merge: string): void {
    const { tilesDone, rows, beforeBytes, grownBytes, seconds } = write(format, merge);
    t.diagnostic(`${format} ${merge}: ${String(Math.round(grownBytes / 1e6))} MB above ${String(Math.round(beforeBytes / 1e6))} MB, ${seconds.toFixed(1)} s`);
    assert.deepEqual({ tilesDone, rows }, { tilesDone: tiles, rows: merge === 'list' ? tiles : 1 });
    assert.ok(grownBytes < mostGrownBytes, `memory grew by ${String(grownBytes)} bytes`);
  }

  it('held together would take more than that', (t) => {
    // What shows that the figure of the others means anything.
    const { grownBytes } = write('hold', 'list');
    t.diagnostic(`all of them in memory: ${String(Math.round(grownBytes / 1e6))} MB`);
    assert.ok(grownBytes > 1.5 * mostGrownBytes, `memory grew by ${String(grownBytes)} bytes`);
  });

  for (const format of ['csv', 'jsonl'] as const) {
    it(`${format} has each once, in order`, async (t) => {
      bounded(t, format, 'list');
      const seen = new Uint8Array(tiles);
      let last = -1;
      let lines = 0;
      for await (const line of createInterface({ input: createReadStream(bench.file(`r.${format}`)) })) {
        if (lines++ === 0 && format === 'csv') continue;
        const [, x, y] = (format === 'csv' ? /^(\d+),(\d+),/ : /^\{"column":(\d+),"row":(\d+),/).exec(line) ?? [];
        const [column, row] = [Number(x), Number(y)];
        const tile = row * across + column;
        assert.equal(seen[tile], 0, line);
        seen[tile] = 1;
        const order = ((row >> 6) * 16 + (column >> 6)) * 4096 + (row & 63) * 64 + (column & 63);
        assert.ok(order > last, line);
        last = order;
      }
      assert.ok(seen.every((each) => each === 1));
      rmSync(bench.file(`r.${format}`));
    });
  }

  it('parquet has each once', { skip: withoutPyarrow }, (t) => {
    bounded(t, 'parquet', 'list');
    const found = withTable(
      bench.file('r.parquet'),
      `import numpy as np
c, r = (table[n].to_numpy() for n in ('column', 'row'))
answer({'tiles': len(np.unique(r * ${String(across)} + c)), 'rows': table.num_rows, 'groups': file.num_row_groups > 5,
  'mean': bool((table['mean'].to_numpy() == (c * 31 + r * 17) / 7).all()), 'count': bool((table['count'].to_numpy() == c + r).all()), 'list': table['list'][123456].as_py()[:2] == [int(c[123456]), int(r[123456])]})`,
    );
    assert.deepEqual(found, { tiles, rows: tiles, groups: true, mean: true, count: true, list: true });
    rmSync(bench.file('r.parquet'));
  });

  it('become one value', (t) => {
    bounded(t, 'json', 'dict');
  });
});
