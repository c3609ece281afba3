/**
 * NDVI of a scene of 10980 x 10980 px and 4 bands, uint16, to float32 with overviews and statistics: tilefan against the programs that it
 * replaces, whole processes, in turn, medians.
 *
 *     node bench/ndvi.ts [--runs 5] [--scene FILE] [--size 10980] [--only NAME,…]
 *
 * RIOS takes part when RIOS_DIR names a checkout of it; rasterio and GDAL when /usr/bin/python3 has them.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeScene } from '../examples/make-scene.ts';
import { measure, median, type Contestant, type Measurement } from './measure.ts';

const python = '/usr/bin/python3';
const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '5' }, scene: { type: 'string' }, size: { type: 'string', default: '10980' }, only: { type: 'string' } },
});
mkdirSync(path('out/'), { recursive: true });
const scene = values.scene ?? ownScene(Number(values.size));
const contestants = [...tilefan(), ...peers()].filter(({ name }) => values.only === undefined || values.only.split(',').includes(name));
const results = new Map<string, { readonly measurements: Measurement[]; bytes: number }>();

for (let run = 0; run < Number(values.runs); run++) {
  for (const contestant of contestants) {
    if (contestant.output !== undefined) rmSync(contestant.output, { force: true });
    const measurement = await measure(contestant);
    const result = results.get(contestant.name) ?? { measurements: [], bytes: 0 };
    result.measurements.push(measurement);
    if (contestant.output !== undefined) result.bytes = statSync(contestant.output).size;
    results.set(contestant.name, result);
    process.stderr.write(`${contestant.name}: ${measurement.wallSeconds.toFixed(2)} s (load ${String(loadavg()[0]?.toFixed(1))})\n`);
  }
}
report();

function ownScene(size: number): string {
  const file = path(`data/scene-${String(size)}.tif`);
  if (!existsSync(file)) {
    process.stderr.write(`making ${file}\n`);
    makeScene(file, size);
  }
  return file;
}

function tilefan(): Contestant[] {
  const variants = { deflate: { compression: 'deflate' }, 'zstd-1': { compression: 'zstd', level: 1 } };
  return Object.entries(variants).map(([name, compression]) => {
    const output = path(`out/tilefan-${name}.tif`);
    const job = path(`out/tilefan-${name}.json`);
    writeFileSync(
      job,
      JSON.stringify({
        name: 'bench',
        inputs: { scene },
        operation: { expression: { ndvi: '(scene[4] - scene[3]) / (scene[4] + scene[3])' } },
        outputs: { ndvi: { href: output, dtype: 'float32', nodata: -9999, overviews: 'average', ...compression } },
      }),
    );
    return { name: `tilefan-${name}`, output, command: [process.execPath, path('../cli/tilefan.mjs'), 'run', job, '--work', path('out/work/')] };
  });
}

function peers(): Contestant[] {
  const has = (module: string): boolean => spawnSync(python, ['-c', `import ${module}`]).status === 0;
  const list: Contestant[] = [];
  const riosFolder = process.env['RIOS_DIR'];
  if (riosFolder === undefined) process.stderr.write('RIOS does not take part: RIOS_DIR is not set\n');
  else {
    for (const [name, options] of [['deflate', ['COMPRESS=DEFLATE']], ['zstd-1', ['COMPRESS=ZSTD', 'ZSTD_LEVEL=1']]] as const) {
      const output = path(`out/rios-${name}.tif`);
      list.push({ name: `rios-${name}`, output, command: [python, path('peers/rios_ndvi.py'), scene, output, ...options], env: { RIOS_DIR: riosFolder } });
    }
  }
  if (has('rasterio')) {
    const output = path('out/rasterio-deflate.tif');
    list.push({ name: 'rasterio-deflate', output, command: [python, path('peers/rasterio_ndvi.py'), scene, output, 'compress=deflate'] });
  } else process.stderr.write('rasterio does not take part: /usr/bin/python3 does not have it\n');
  if (has('osgeo')) {
    const output = path('out/gdal-deflate.tif');
    list.push({ name: 'gdal-deflate', output, command: [path('peers/gdal_ndvi.sh'), scene, output, 'COMPRESS=DEFLATE'] });
  } else process.stderr.write('GDAL does not take part: /usr/bin/python3 does not have osgeo\n');
  return list;
}

/** A table in Markdown; ratios are to RIOS with the same codec, where it took part. */
function report(): void {
  const lines = ['| | wall s, median (range) | CPU s | peak MB | output MB | wall, ratio to RIOS |', '|---|---|---|---|---|---|'];
  for (const [name, { measurements, bytes }] of results) {
    const walls = measurements.map(({ wallSeconds }) => wallSeconds);
    const codec = name.replace(/^[a-z]+-/, '');
    const rios = results.get(`rios-${codec}`)?.measurements.map(({ wallSeconds }) => wallSeconds);
    const ratio = rios === undefined ? '' : (median(walls) / median(rios)).toFixed(2);
    const cpu = median(measurements.map(({ cpuSeconds }) => cpuSeconds));
    const peak = Math.max(...measurements.map(({ peakMegabytes }) => peakMegabytes));
    lines.push(`| ${name} | ${median(walls).toFixed(2)} (${Math.min(...walls).toFixed(2)}–${Math.max(...walls).toFixed(2)}) | ${cpu.toFixed(1)} | ${peak.toFixed(0)} | ${(bytes / 1e6).toFixed(1)} | ${ratio} |`);
  }
  process.stdout.write(`${lines.join('\n')}\n`);
}
