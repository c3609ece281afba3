/** Runs a model over a raster, tile by tile, as a worker's code process would be asked to. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type * as z from 'zod';
import { toJsonNumber } from '../../../lib/base/json-number.ts';
import type { CodeSetup } from '../../../lib/code/code-setup.ts';
import type { TileArray } from '../../../lib/code/model/chip-input.ts';
import { modelHalo } from '../../../lib/code/model/chips.ts';
import { modelFacts } from '../../../lib/code/model/model-facts.ts';
import { modelOptions } from '../../../lib/code/model/model-setup.ts';
import { createModel, type ModelReply } from '../../../lib/code/model/run-model.ts';
import { allocateSamples, type Dtype, type SampleArray } from '../../../lib/raster/dtype.ts';
import type { Window } from '../../../lib/raster/window.ts';

export interface Raster {
  readonly dtype: Dtype;
  readonly bands: number;
  readonly rows: number;
  readonly columns: number;
  /** (bands, rows, columns) */
  readonly samples: SampleArray;
  readonly nodata?: number;
  /** (rows, columns); the tiles bring it when it is there. */
  readonly valid?: Uint8Array;
}

export interface TiledJob {
  readonly model: Buffer;
  readonly options?: Omit<z.input<typeof modelOptions>, 'href'>;
  readonly inputs: Readonly<Record<string, Raster>>;
  readonly outputs: Readonly<Record<string, { readonly dtype: Dtype; readonly bands: number; readonly nodata?: number }>>;
  readonly tileSize: number;
  /** Default: what the model needs. */
  readonly halo?: number;
}

/** What lies beyond the grid in the arrays that the model gets: it must not look at it. */
const beyond = 113;

/** The outputs, whole: (bands, rows, columns). */
export async function runTiles(job: TiledJob): Promise<Record<string, SampleArray>> {
  return withModel(job, async (compute, setup) => {
    const { columns, rows } = setup.grid;
    const whole = Object.fromEntries(setup.outputs.map(({ name, dtype, bands }) => [name, allocateSamples(dtype, bands * rows * columns)]));
    for (let row = 0; row < rows; row += job.tileSize) {
      for (let column = 0; column < columns; column += job.tileSize) {
        const window = { column, row, columns: Math.min(job.tileSize, columns - column), rows: Math.min(job.tileSize, rows - row) };
        const { outputs } = await compute(window);
        for (const { name } of setup.outputs) copyTile(outputs[name] as TileArray, setup.halo, whole[name] as SampleArray, window, columns, rows);
      }
    }
    return whole;
  });
}

/** What the model says that it makes, from one tile. */
export async function probeTile(job: TiledJob): Promise<ModelReply> {
  return withModel(job, async (compute, { grid }) => {
    const { reply } = await compute({ column: 0, row: 0, columns: Math.min(job.tileSize, grid.columns), rows: Math.min(job.tileSize, grid.rows) }, true);
    return reply;
  });
}

type Compute = (window: Window, probe?: boolean) => Promise<{ reply: ModelReply; outputs: Record<string, TileArray> }>;

async function withModel<T>(job: TiledJob, use: (compute: Compute, setup: CodeSetup) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), 'tilefan-model-'));
  try {
    const code = path.join(folder, 'model.onnx');
    writeFileSync(code, job.model);
    const setup = setupOf(job, code);
    const model = await createModel(setup);
    return await use(async (window, probe = false) => {
      const inputs = Object.fromEntries(Object.entries(job.inputs).map(([name, raster]) => [name, cutTile(raster, window, setup.halo)]));
      const outputs = Object.fromEntries(setup.outputs.map(({ name, dtype, bands }) => [name, tileArray(dtype, bands, window, setup.halo)]));
      const reply = await model({ inputs, outputs, info: { window }, probe });
      return { reply, outputs };
    }, setup);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function setupOf({ model, options, inputs, outputs, tileSize, halo }: TiledJob, code: string): CodeSetup {
  const { rows, columns } = Object.values(inputs)[0] as Raster;
  // As it comes over the pipe.
  const setup = JSON.parse(JSON.stringify(modelOptions.parse({ href: code, ...options }))) as ReturnType<typeof modelOptions.parse>;
  return {
    code,
    function: null,
    parameters: {},
    lists: {},
    serial: false,
    inputs: Object.entries(inputs).map(([name, { dtype, bands, nodata, valid }]) => ({ name, dtype, bands, nodata: nodata === undefined ? null : toJsonNumber(nodata), masked: valid !== undefined, files: [] })),
    outputs: Object.entries(outputs).map(([name, { dtype, bands, nodata }]) => ({ name, dtype, bands, nodata: nodata === undefined ? null : toJsonNumber(nodata), file: `${name}.tif` })),
    grid: { columns, rows, geotransform: null, crs: null },
    tileSize,
    halo: halo ?? modelHalo(setup, modelFacts(model), tileSize),
    tiles: { across: Math.ceil(columns / tileSize), down: Math.ceil(rows / tileSize) },
    model: setup,
    memoryBytes: null,
  };
}

function tileArray(dtype: Dtype, bands: number, window: Window, halo: number): TileArray {
  const [rows, cols] = [window.rows + 2 * halo, window.columns + 2 * halo];
  return Object.assign(allocateSamples(dtype, bands * rows * cols), { bands, rows, cols });
}

function cutTile(raster: Raster, window: Window, halo: number): TileArray {
  const array = tileArray(raster.dtype, raster.bands, window, halo);
  const valid = raster.valid === undefined ? undefined : new Uint8Array(array.rows * array.cols).fill(1);
  array.fill(beyond);
  for (let y = 0; y < array.rows; y++) {
    for (let x = 0; x < array.cols; x++) {
      const [row, column] = [window.row - halo + y, window.column - halo + x];
      if (row < 0 || row >= raster.rows || column < 0 || column >= raster.columns) continue;
      for (let band = 0; band < raster.bands; band++) {
        array[(band * array.rows + y) * array.cols + x] = raster.samples[(band * raster.rows + row) * raster.columns + column] as number;
      }
      if (valid !== undefined) valid[y * array.cols + x] = raster.valid?.[row * raster.columns + column] ?? 1;
    }
  }
  return valid === undefined ? array : Object.assign(array, { valid });
}

function copyTile(array: TileArray, halo: number, whole: SampleArray, window: Window, columns: number, rows: number): void {
  for (let band = 0; band < array.bands; band++) {
    for (let y = 0; y < window.rows; y++) {
      for (let x = 0; x < window.columns; x++) {
        whole[(band * rows + window.row + y) * columns + window.column + x] = array[(band * array.rows + y + halo) * array.cols + x + halo] as number;
      }
    }
  }
}
