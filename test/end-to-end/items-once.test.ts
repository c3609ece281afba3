/** Object jobs whose processes are killed, or that are stopped: each item counts once, and files are whole. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, describe, it } from 'node:test';
import sharp from 'sharp';
import { withoutImagePrograms } from '../images/oracle.ts';
import type { ItemRunRecord } from '../../lib/job/items/item-records.ts';
import { runCli, startCli, until, workersOf } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { codeEnv } from '../support/user-code.ts';
import { createWorkspace } from '../support/workspace.ts';
import { itemRecordOf, jsonLines, runItems } from './items-run.ts';

const skip = process.platform === 'linux' ? withoutGdal : 'needs /proc to find workers';
const space = createWorkspace('items-once');
after(() => space.remove());

/** Processes that these have started. */
function childrenOf(parents: readonly number[]): number[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  return lines.map((line) => line.trim().split(/\s+/).map(Number)).flatMap(([pid = 0, parent = 0]) => (parents.includes(parent) ? [pid] : []));
}

function killOneOf(pids: readonly number[]): boolean {
  const pid = pids[Math.floor(Math.random() * pids.length)];
  if (pid === undefined) return false;
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs until nothing is missing. While it runs, processes are killed at random times: as many workers, as many of their children, and once the run itself.
 * @returns the record of the end, and how many were killed
 */
async function runUnderFire(args: readonly string[], work: string, { workers, children }: { workers: number; children: number }): Promise<{ readonly record: ItemRunRecord; readonly killed: { readonly workers: number; readonly children: number } }> {
  const killed = { workers: 0, children: 0 };
  let runs = 1;
  for (;;) {
    const cli = startCli(['run', ...args, '--json'], { env: codeEnv });
    const progress = { ended: false };
    const end = cli.ended.finally(() => (progress.ended = true));
    if (runs === 1) await until('a worker', () => progress.ended || workersOf(work).length > 0);
    while (!progress.ended && (killed.workers < workers || killed.children < children)) {
      await sleep(300 + Math.random() * 700);
      if (progress.ended) break;
      const pids = workersOf(work).map(({ pid }) => pid);
      const ofCode = childrenOf(pids);
      if (killed.children < children && (killed.workers >= workers || Math.random() < 0.5)) killed.children += Number(killOneOf(ofCode));
      else if (killed.workers < workers) killed.workers += Number(killOneOf(pids));
      // In the middle of it, the run goes, too.
      if (runs === 1 && killed.workers >= 2) {
        cli.child.kill('SIGKILL');
        break;
      }
    }
    const result = await end;
    await until('the end of the workers', () => workersOf(work).length === 0, 30);
    assert.ok(runs++ < 12, `it does not come to an end: ${result.stderr}`);
    if (result.exitCode !== 0) continue;
    const record = itemRecordOf(result);
    if (record.batches.failed.length === 0) return { record, killed };
  }
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

void describe('object jobs whose processes are killed', { skip }, () => {
  // Catches: an item that is lost with its worker, one that counts twice, a file that is half there, a failure of one item's process that takes others along.
  void it('count each item of a Python function once', async (test) => {
    const folder = space.newFolder('python');
    const count = 240;
    writeFileSync(
      `${folder}/f.py`,
      `
import hashlib, time

def f(n, k):
    time.sleep(0.03)
    return {'n': n, 'k': k, 'square': n * n}

def g(item):
    result = f(**item.parameters)
    with open(item.folder + '/digits.bin', 'wb') as file: file.write(hashlib.sha256(b'%d' % result['n']).digest() * 4000)
    return result
`,
    );
    const job = {
      name: 'once',
      items: { parameterGrid: { k: ['a', 'b'], n: Array.from({ length: count / 2 }, (_, n) => n) } },
      operation: { module: 'f.py', function: 'g' },
      outputs: { prefix: 'out/' },
      results: { href: 'table.jsonl' },
      compute: { itemsPerTask: 30 },
      tolerateFailures: { percentage: 100 },
    };
    writeFileSync(`${folder}/job.json`, JSON.stringify(job));
    const work = `${folder}/work`;
    const { record, killed } = await runUnderFire([`${folder}/job.json`, '--work', work, '--run', 'r', '--workers', '2', '--threads', '1'], work, { workers: 4, children: 3 });
    assert.ok(killed.workers >= 2);
    const failures = record.failures === null ? [] : jsonLines(`${folder}/out/r-failures.jsonl`);
    assert.deepEqual([...new Set(failures.map(({ error }) => (error as { code: string }).code))].filter((code) => code !== 'FUNCTION_DIED'), [], 'only items whose process was killed have failed');
    assert.ok(failures.length <= killed.children, `${String(failures.length)} items failed, ${String(killed.children)} processes were killed`);

    const rows = jsonLines(`${folder}/table.jsonl`) as { index: number; value: { n: number; k: string; square: number } }[];
    assert.deepEqual([...rows, ...(failures as { index: number }[])].map(({ index }) => index).toSorted((a, b) => a - b), Array.from({ length: count }, (_, index) => index));
    for (const { index, value } of rows) {
      const n = index % (count / 2);
      assert.deepEqual(value, { n, k: index < count / 2 ? 'a' : 'b', square: n * n });
    }
    const files = jsonLines(`${folder}/out/r-outputs.jsonl`) as { path: string; size: number; sha256: string; source: string }[];
    assert.equal(files.length, rows.length);
    for (const [at, { path, size, sha256: sum }] of files.entries()) {
      const bytes = readFileSync(`${folder}/out/${path}`);
      const digest = createHash('sha256').update(String(rows[at]?.value.n)).digest();
      assert.ok(bytes.length === 32 * 4000 && bytes.equals(Buffer.concat(Array.from({ length: 4000 }, () => digest))), path);
      assert.deepEqual([size, sum], [bytes.length, sha256(bytes)]);
    }

    // What failed is done from its list.
    if (failures.length > 0) {
      writeFileSync(`${folder}/again.json`, JSON.stringify({ ...job, name: 'again', items: { manifest: 'out/r-failures.jsonl' }, results: { href: 'again.jsonl' } }));
      const again = await runItems([`${folder}/again.json`, '--work', work]);
      assert.deepEqual([again.items.total, again.items.failed], [failures.length, 0]);
      assert.deepEqual(jsonLines(`${folder}/again.jsonl`).map(({ value }) => (value as { n: number }).n), failures.map(({ parameters }) => (parameters as { n: number }).n));
    }
    test.diagnostic(`${String(killed.workers)} workers and ${String(killed.children)} code processes killed, ${String(failures.length)} items failed; ${String(record.items.computed)} computed, ${String(record.items.reused)} reused of ${String(count)}`);
  });

  // Catches: an image of which a copy is missing or cut off after its worker was killed while it wrote.
  void it('count each image once, and leave whole copies', { skip: withoutImagePrograms }, async (test) => {
    const folder = space.newFolder('images');
    const count = 120;
    mkdirSync(`${folder}/photos`);
    const noise = { type: 'gaussian', mean: 128, sigma: 30 } as const;
    const photo = await sharp({ create: { width: 1600, height: 1200, channels: 3, background: '#808080', noise } }).jpeg({ quality: 80 }).toBuffer();
    for (let i = 0; i < count; i++) writeFileSync(`${folder}/photos/${String(i).padStart(3, '0')}.jpg`, photo);
    const variants = { resized: { width: 1024, height: 768, quality: 90 }, thumbs: { width: 192, height: 192 } };
    writeFileSync(
      `${folder}/job.json`,
      JSON.stringify({ name: 'images', items: { prefix: 'photos/' }, operation: { images: variants }, outputs: { prefix: 'out/' }, results: { href: 'table.csv' }, compute: { itemsPerTask: 20 }, tolerateFailures: { percentage: 100 } }),
    );
    const work = `${folder}/work`;
    const { record, killed } = await runUnderFire([`${folder}/job.json`, '--work', work, '--run', 'r', '--workers', '2', '--threads', '1'], work, { workers: 3, children: 0 });
    assert.deepEqual([record.items.total, record.items.done, record.failures, record.files?.count], [count, count, null, 2 * count]);
    const rows = readFileSync(`${folder}/table.csv`, 'utf8').trim().split('\n').slice(1);
    assert.deepEqual(rows.map((row) => /^(\d+),file:.*\/(\d+)\.jpg,jpeg,1600,1200,1024,768,/.exec(row)?.slice(1).map(Number)), Array.from({ length: count }, (_, i) => [i, i]));
    const files = jsonLines(`${folder}/out/r-outputs.jsonl`) as { path: string; size: number; sha256: string }[];
    assert.equal(new Set(files.map(({ path }) => path)).size, 2 * count);
    for (const { path, size, sha256: sum } of files) {
      const bytes = readFileSync(`${folder}/out/${path}`);
      assert.deepEqual([bytes.length, sha256(bytes)], [size, sum], path);
    }
    // ImageMagick decodes a copy of each kind whole; all others have the same bytes, as they have the same source.
    assert.equal(new Set(files.map(({ sha256: sum }) => sum)).size, 2);
    execFileSync('identify', ['-regard-warnings', '-verbose', `${folder}/out/resized/007.jpg`, `${folder}/out/thumbs/100.jpg`], { stdio: 'ignore' });
    test.diagnostic(`${String(killed.workers)} workers killed; ${String(record.items.computed)} computed, ${String(record.items.reused)} reused of ${String(count)}`);
  });
});

void describe('object jobs that are stopped', { skip }, () => {
  // Catches: finished items that are done again after Ctrl-C, a run that doesn't end while an item takes its time, processes that stay.
  void it('go on where they were', async () => {
    const folder = space.newFolder('stopped');
    const work = `${folder}/work`;
    const count = 120;
    writeFileSync(
      `${folder}/f.py`,
      `
import os, time

def f(n, folder):
    log = os.open(folder + '/calls', os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, b'%d\\n' % n)
    os.close(log)
    # One that nobody waits for.
    if n == 60 and not os.path.exists(folder + '/go'): time.sleep(100)
    time.sleep(0.02)
    return n
`,
    );
    writeFileSync(
      `${folder}/job.json`,
      JSON.stringify({ name: 'stopped', items: { parameters: Array.from({ length: count }, (_, n) => ({ n })) }, operation: { module: 'f.py', function: 'f', parameters: { folder } }, results: { href: 'table.jsonl' } }),
    );
    const args = [`${folder}/job.json`, '--work', work, '--run', 'r', '--workers', '1', '--threads', '1'];
    const calls = (): number[] => (existsSync(`${folder}/calls`) ? readFileSync(`${folder}/calls`, 'utf8').trim().split('\n').map(Number) : []);
    const cli = startCli(['run', ...args, '--json'], { env: codeEnv });
    await until('the item that takes its time', () => calls().includes(60), 60);
    process.kill(cli.pid, 'SIGINT');
    const { exitCode, stdout, stderr } = await cli.ended;
    assert.equal(exitCode, 130, stderr);
    assert.match(stderr, /tilefan: stopped; what is finished is kept under .*--run r continues it/);
    assert.deepEqual(JSON.parse(stdout), { run: 'r', state: 'ABORTED', prefix: `file://${work}/runs/r/` });
    await until('the end of the workers', () => workersOf(work).length === 0, 10);
    assert.ok(!existsSync(`${folder}/table.jsonl`));

    writeFileSync(`${folder}/go`, '');
    const before = calls();
    const record = await runItems(args);
    assert.deepEqual([record.state, record.items.total, record.items.done, record.items.failed], ['SUCCEEDED', count, count, 0]);
    assert.deepEqual(jsonLines(`${folder}/table.jsonl`).map(({ index, value }) => [index, value]), Array.from({ length: count }, (_, n) => [n, n]));
    const again = calls().slice(before.length).filter((n) => before.includes(n));
    assert.deepEqual(again, [60], 'what was finished is not done again');
    // And once more: nothing is left to do.
    const { exitCode: third, stdout: text } = await runCli(['run', ...args], { env: codeEnv });
    assert.equal(third, 0);
    assert.match(text, /120 of 120 items/);
    assert.equal(calls().length, before.length + again.length + count - new Set(before).size);
  });
});
