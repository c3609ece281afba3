/**
 * Every target of speed and memory, with the peers that this machine has, in turn, whole processes, medians:
 *
 *     RIOS_DIR=CHECKOUT node bench/all.ts [--runs 5] [--size 10980 | --scene-deflate FILE --scene-zstd FILE] [--only NAME,…] [--out FILE.jsonl]
 *     node bench/all.ts --report FILE.jsonl
 *
 * bench/README.md says what it takes and how long.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { report } from './report.ts';
import { RoundFile, runScenario } from './round.ts';
import type { Scenario } from './scenario.ts';
import { findPeers, outFolder, type Setting } from './setting.ts';
import { floor } from './scenarios/floor.ts';
import { focal } from './scenarios/focal.ts';
import { functions } from './scenarios/functions.ts';
import { memory } from './scenarios/memory.ts';
import { mosaic } from './scenarios/mosaic.ts';
import { ndvi } from './scenarios/ndvi.ts';
import { s3 } from './scenarios/s3.ts';
import { scaling } from './scenarios/scaling.ts';
import { startup } from './scenarios/startup.ts';
import { subsetNdvi } from './scenarios/subset.ts';
import { threads } from './scenarios/threads.ts';

const scenarios: readonly Scenario[] = [ndvi, floor, subsetNdvi, threads, focal, functions, mosaic, startup, s3, memory, scaling];

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    size: { type: 'string', default: '10980' },
    only: { type: 'string' },
    'scene-deflate': { type: 'string' },
    'scene-zstd': { type: 'string' },
    tiles: { type: 'string', default: '1000000' },
    out: { type: 'string', default: `${outFolder}round-${new Date().toISOString().slice(0, 16).replaceAll(':', '')}.jsonl` },
    report: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
});

const known = scenarios.map(({ name }) => name);
const wanted = values.only?.split(',') ?? known;
const unknown = wanted.filter((name) => !known.includes(name));
const numbers = [values.runs, values.size, values.tiles].map(Number);
const missing = [values['scene-deflate'], values['scene-zstd'], values.report].filter((file) => file !== undefined && !existsSync(file));
if (unknown.length > 0 || numbers.some((number) => !Number.isInteger(number) || number < 1) || missing.length > 0) {
  const wrong = [...unknown.map((name) => `there is no scenario ${name}`), ...missing.map((file) => `there is no file ${String(file)}`)].join(', ');
  process.stderr.write(`usage: node bench/all.ts [--runs 5] [--size 10980] [--scene-deflate FILE] [--scene-zstd FILE] [--tiles 1000000] [--only ${known.join(',')}] [--out FILE.jsonl]\n${wrong}\n`);
  process.exit(64);
}

if (values.list) {
  for (const { name, title } of scenarios) process.stdout.write(`${name.padEnd(10)} ${title}\n`);
} else if (values.report === undefined) await runAll();
else process.stdout.write(report(new RoundFile(values.report), scenarios));

async function runAll(): Promise<void> {
  const absolute = (file: string | undefined): string | undefined => (file === undefined ? undefined : resolve(file));
  const [runs = 5, size = 10_980, tiles = 1_000_000] = numbers;
  const setting: Setting = { runs, size, tiles, sceneDeflate: absolute(values['scene-deflate']), sceneZstd: absolute(values['scene-zstd']), peers: findPeers() };
  mkdirSync(outFolder, { recursive: true });
  mkdirSync(dirname(values.out), { recursive: true });
  const file = new RoundFile(values.out);
  file.begin(setting);
  process.stderr.write(`results go to ${values.out}; the same command with --out ${values.out} goes on after an interruption\n`);
  for (const scenario of scenarios) if (wanted.includes(scenario.name)) await runScenario(file, scenario, setting);
  process.stdout.write(report(file, scenarios));
}
