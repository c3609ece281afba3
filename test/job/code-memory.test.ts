/** Memory that processes with user code may take, as they see it themselves. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { after, before, describe, it } from 'node:test';
import { OneTile } from '../../lib/job/one-tile.ts';
import { readPlan, type Plan } from '../../lib/job/plan.ts';
import { prepareCode } from '../../lib/job/prepare-code.ts';
import { split } from '../../lib/job/split.ts';
import { gdalPython, withoutGdal } from '../support/gdal.ts';
import { makeFiles } from '../support/raster-oracle.ts';
import { Bench } from './pipeline.ts';

const bench = new Bench();
after(() => bench[Symbol.asyncDispose]());
const threads = 3;
const workers = 2;
const machine = { ...process.env, TILEFAN_PYTHON: gdalPython, TILEFAN_LOCAL_THREADS: String(threads), TILEFAN_LOCAL_WORKERS: String(workers) };
const { signal } = new AbortController();
const gib = 2 ** 30;

async function planOf(module: string, name: string, compute: object): Promise<Plan> {
  const job = { inputs: { a: bench.file('a.tif') }, operation: { module: bench.file(module), function: 'f' }, results: { href: bench.file(`${name}.json`) }, compute };
  const state = await split({ input: { job, run: name }, execution: 'unused' }, { store: bench.store, env: { ...bench.env, TILEFAN_LOCAL_THREADS: String(threads) }, prepareCode: (store, plan) => prepareCode(store, plan, { env: machine, signal }) });
  return await readPlan(bench.store, state.run.href);
}

/** What the function has found its limit to be, in bytes. */
async function limitOf(plan: Plan): Promise<number> {
  const tile = await OneTile.open(bench.store, plan, { column: 0, row: 0 }, machine);
  try {
    return Number((await tile.compute()).value);
  } finally {
    await tile.close();
  }
}

void describe('memory of user code', { skip: withoutGdal }, () => {
  before(() => {
    writeFileSync(bench.file('f.py'), 'import resource\ndef f(info, inputs, outputs):\n    return resource.getrlimit(resource.RLIMIT_DATA)[0]\n');
    writeFileSync(bench.file('f.ts'), "import { getHeapStatistics } from 'node:v8';\nexport const f = () => getHeapStatistics().heap_size_limit;\n");
    makeFiles(`ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 200, 150, 1, gdal.GDT_Byte)\nds = None`, [bench.file('a.tif')]);
  });

  // Catches: processes that may each take the whole machine, so that one that runs away takes all programs with it, and a heap that takes minutes to fill.
  void it('is a part of the machine that all of them fit into', async () => {
    const memory = Math.min(totalmem(), process.constrainedMemory() || Infinity);
    const share = Math.max(gib, (memory * 3) / 4 / (threads * workers));
    const python = await limitOf(await planOf('f.py', 'shared-py', {}));
    assert.ok(Math.abs(python - share) < 2 ** 21, `${String(python)} of ${String(memory)}`);
    // The heap's limit has some room for young objects beside what was asked for.
    const node = await limitOf(await planOf('f.ts', 'shared-ts', {}));
    assert.ok(node > 0.9 * Math.min(share, 4 * gib) && node < Math.min(share, 4 * gib) + gib / 2, String(node));
  });

  // Catches: a limit that a job can't raise, or one that is taken for the machine's.
  void it('is what the job says', async () => {
    const plan = await planOf('f.py', 'said-py', { memory: '20 GiB', cpu: 4 });
    const limit = await limitOf(plan);
    assert.ok(limit > 15 * gib && limit < 20 * gib, String(limit));
  });
});
