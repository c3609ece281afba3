/** Whole runs in this process: split, every batch of the manifest, reduce. No state machine, no threads, no other processes. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { runBatch, batchLine, type BatchLine, type BatchSummary, type TileRunner } from '../../lib/job/batch.ts';
import type { RunState } from '../../lib/job/events.ts';
import { programOf } from '../../lib/job/operation.ts';
import { readPlan, tilingOf, type Plan } from '../../lib/job/plan.ts';
import { split } from '../../lib/job/split.ts';
import { TileInputs } from '../../lib/job/tile-inputs.ts';
import { tileGrid } from '../../lib/job/tiling.ts';
import { tileSetupOf } from '../../lib/job/tile-setup.ts';
import { TileProcessor, type BlockTask, type DecodeTask, type TileResult, type TileTask } from '../../lib/job/tile.ts';
import type { MadeBlock } from '../../lib/job/upper-levels.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import type { Store } from '../../lib/store/store.ts';
import { bitsOf, runWithArrays, type NumpyArray } from '../support/arrays.ts';
import { strictPyramid } from '../support/strict-pyramid.ts';

/** A temporary folder with a store; removed when the scope ends. */
export class Bench {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'tilefan-run-'));
  readonly store = new FileStore();
  readonly env: Record<string, string> = { TILEFAN_WORK: `${this.folder}/work`, TILEFAN_LOCAL_THREADS: '1', TILEFAN_STARTUP_SECONDS: '0.1' };

  file(name: string): string {
    return path.join(this.folder, name);
  }

  async split(job: object, run = 'run-1'): Promise<RunState> {
    return await split({ input: { job: job as Record<string, unknown>, run }, execution: 'unused' }, { store: this.store, env: this.env });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The lines of a state's manifest. */
export function manifestOf(state: RunState): BatchLine[] {
  const text = readFileSync(state.manifest.key, 'utf8');
  return text.trimEnd().split('\n').map((line) => batchLine.parse(JSON.parse(line)));
}

/** Runs tiles one after another, as one thread does, and counts them. */
export class InlineRunner implements TileRunner {
  readonly inFlight = 3;
  readonly threads = 1;
  readonly #processor: TileProcessor;
  #last: Promise<unknown> = Promise.resolve();
  tiles = 0;

  constructor(processor: TileProcessor) {
    this.#processor = processor;
  }

  run(task: TileTask): Promise<TileResult> {
    this.tiles++;
    const result = this.#last.then(() => this.#processor.process(task));
    this.#last = result.catch(() => undefined);
    return result;
  }

  async decode(task: DecodeTask): Promise<void> {
    await this.#processor.decode(task);
  }

  async makeBlock(task: BlockTask): Promise<MadeBlock> {
    const made = this.#last.then(() => this.#processor.makeBlock(task));
    this.#last = made.catch(() => undefined);
    return await made;
  }
}

/** A plan with what its batches need. */
export async function openRun(store: Store, state: RunState): Promise<{ plan: Plan; inputs: TileInputs; runner: InlineRunner }> {
  const plan = await readPlan(store, state.run.href);
  const program = programOf(plan);
  const { across, down } = tileGrid(tilingOf(plan));
  const inputs = new TileInputs(store, plan, program, { column: 0, row: 0, columns: across, rows: down }, undefined);
  return { plan, inputs, runner: new InlineRunner(new TileProcessor(tileSetupOf(plan, program, inputs.inputs, await inputs.stripRows()))) };
}

export interface BatchOptions {
  /** Batches to run; default all. */
  readonly only?: (line: BatchLine) => boolean;
  readonly signal?: AbortSignal;
  readonly onTile?: (tile: { column: number; row: number; reused: boolean }) => void;
}

/** Runs the batches of a run one after another. */
export async function runBatches(store: Store, state: RunState, { only = () => true, signal = new AbortController().signal, onTile = () => undefined }: BatchOptions = {}): Promise<BatchSummary> {
  const { plan, inputs, runner } = await openRun(store, state);
  const total = { computed: 0, reused: 0 };
  for (const line of manifestOf(state)) {
    if (!only(line)) continue;
    const { computed, reused } = await runBatch(line, { plan, store, inputs, runner, signal, onTile });
    total.computed += computed;
    total.reused += reused;
  }
  return total;
}

/** What numpy has to find in a file. */
export interface Expectation {
  /** An href or a path. */
  readonly file: string;
  /** Statements over `arrays` that set `want`: (bands, rows, cols), of the output's type. */
  readonly want: string;
  readonly nodata: number | 'nan' | null;
  readonly overviews: 'nearest' | 'average' | 'mode' | 'none';
  readonly levels?: number;
  readonly statistics?: boolean;
}

const check = `
from osgeo import gdal
from osgeo_utils.samples.validate_cloud_optimized_geotiff import validate
gdal.UseExceptions()
problems = []
for e in facts:
    say = lambda text: problems.append('%s: %s' % (e['file'], text))
    scope = dict(np=np, arrays=arrays)
    exec(e['want'], scope)
    level = [b for b in scope['want']]
    nodata = float('nan') if e['nodata'] == 'nan' else e['nodata']
    ds = gdal.Open(e['file'])
    if ds.RasterCount != len(level): say('%d bands' % ds.RasterCount); continue
    found = ds.GetRasterBand(1).GetNoDataValue()
    if not (found == nodata or (found != found and nodata is not None and nodata != nodata)): say('nodata %r' % found)
    _, errors, _ = validate(e['file'], full_check=True)
    problems.extend('%s: %s' % (e['file'], m) for m in errors)
    count = ds.GetRasterBand(1).GetOverviewCount()
    if 'levels' in e and count + 1 != e['levels']: say('%d overviews' % count)
    if e['overviews'] == 'none' and count: say('has overviews')
    for n in range(count + 1):
        if n: level = [strict(b, e['overviews'], nodata) for b in level]
        for i, b in enumerate(level):
            band = ds.GetRasterBand(i + 1) if n == 0 else ds.GetRasterBand(i + 1).GetOverview(n - 1)
            got = band.ReadAsArray()
            if got.shape != b.shape: say('level %d is %r, wanted %r' % (n, got.shape, b.shape)); continue
            if got.dtype != b.dtype: say('level %d is %s, wanted %s' % (n, got.dtype, b.dtype)); continue
            same = got == b
            if b.dtype.kind == 'f': same |= np.isnan(got) & np.isnan(b)
            if not same.all():
                y, x = np.argwhere(~same)[0]
                say('level %d band %d: %d pixels differ, first column %d row %d: wanted %r, found %r' % (n, i + 1, (~same).sum(), x, y, b[y, x], got[y, x]))
    if e.get('statistics', True):
        for i, b in enumerate(scope['want']):
            v = b[~np.isnan(b)] if b.dtype.kind == 'f' else b.ravel()
            if nodata is not None and nodata == nodata: v = v[v != nodata]
            m = ds.GetRasterBand(i + 1).GetMetadata()
            if int(m['STATISTICS_VALID_COUNT']) != v.size: say('count %s, wanted %d' % (m['STATISTICS_VALID_COUNT'], v.size))
            if v.size == 0: continue
            v = v.astype(np.longdouble)
            want = dict(MINIMUM=v.min(), MAXIMUM=v.max(), MEAN=v.mean(), STDDEV=v.std())
            for key, value in want.items():
                got = float(m['STATISTICS_' + key])
                if abs(got - value) > 1e-12 * max(abs(value), v.std(), 1e-300): say('%s of band %d: wanted %r, found %r' % (key, i + 1, value, got))
    elif 'STATISTICS_MEAN' in ds.GetRasterBand(1).GetMetadata(): say('has statistics')
    ds = None
out['problems'] = np.frombuffer(json.dumps(problems).encode(), np.uint8)
`;

/** What is wrong with finished files, in one Python process: pixels of every level, nodata, statistics, validity as a COG. */
export function problemsOf(arrays: Readonly<Record<string, NumpyArray>>, expectations: readonly Expectation[]): string[] {
  const facts = expectations.map((each) => ({ ...each, file: each.file.startsWith('file:') ? fileURLToPath(each.file) : each.file }));
  const { problems } = runWithArrays(strictPyramid + check, arrays, facts);
  return JSON.parse(bitsOf(problems?.samples ?? new Uint8Array()).toString()) as string[];
}

/** How a file of given pixels is to be written. */
export interface InputFile {
  readonly name: string;
  readonly array: string;
  readonly options?: readonly string[];
  readonly nodata?: number;
  /** Python over `ds` before it is closed, with `a` the pixels. */
  readonly script?: string;
}

const create = `
from osgeo import gdal, osr
gdal.UseExceptions()
gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', 'YES')
types = {'uint8': gdal.GDT_Byte, 'uint16': gdal.GDT_UInt16, 'int16': gdal.GDT_Int16, 'uint32': gdal.GDT_UInt32, 'int32': gdal.GDT_Int32, 'float32': gdal.GDT_Float32, 'float64': gdal.GDT_Float64}
srs = osr.SpatialReference(); srs.ImportFromEPSG(32618)
for f in facts['files']:
    a = arrays[f['array']]
    ds = gdal.GetDriverByName('GTiff').Create('%s/%s' % (facts['folder'], f['name']), a.shape[2], a.shape[1], a.shape[0], types[str(a.dtype)], f.get('options', []))
    ds.SetGeoTransform((300000, 30, 0, 4500000, 0, -30)); ds.SetSpatialRef(srs)
    for i in range(a.shape[0]):
        if f.get('nodata') is not None: ds.GetRasterBand(i + 1).SetNoDataValue(f['nodata'])
    if 'SPARSE_OK=TRUE' not in f.get('options', []):
        for i in range(a.shape[0]): ds.GetRasterBand(i + 1).WriteArray(a[i])
    exec(f.get('script', ''))
    ds = None
`;

/** Writes GeoTIFFs (UTM zone 18, 30 m) with GDAL. */
export function writeInputs(folder: string, arrays: Readonly<Record<string, NumpyArray>>, files: readonly InputFile[]): void {
  runWithArrays(create, arrays, { folder, files });
}

export function hrefOfFile(file: string): string {
  return pathToFileURL(file).href;
}
