/** One tile in a shared file, as a compute thread leaves it for a command, and what the command made of it. */
import { readSync, writeSync } from 'node:fs';
import { toJsonNumber } from '../../../lib/base/json-number.ts';
import type { CodeCall, CodeReply, CodePrinted, CodeSetup, Json } from '../../../lib/code/code-setup.ts';
import { CommandRunner, type CommandRunnerOptions } from '../../../lib/code/command/command-runner.ts';
import { makeSharedFile } from '../../../lib/code/shared-file.ts';
import { allocateSamples, bytesPerSample, type Dtype, type SampleArray } from '../../../lib/raster/dtype.ts';
import type { Window } from '../../../lib/raster/window.ts';
import type { GeoTags, Geotransform } from '../../../lib/tiff/geo.ts';

export interface FixtureInput {
  readonly dtype: Dtype;
  readonly bands?: number;
  readonly nodata?: number;
  /** (bands, rows, columns), margin included. */
  readonly samples: SampleArray;
  /** (rows, columns). */
  readonly validity?: Uint8Array;
}

export interface FixtureOutput {
  readonly dtype: Dtype;
  readonly bands?: number;
  readonly nodata?: number;
}

export interface Fixture {
  readonly command: readonly string[];
  readonly window: Window;
  readonly halo?: number;
  readonly inputs?: Readonly<Record<string, FixtureInput>>;
  readonly outputs?: Readonly<Record<string, FixtureOutput>>;
  readonly parameters?: Readonly<Record<string, Json>>;
  readonly scratch: string;
  readonly probe?: boolean;
  readonly options?: Partial<Pick<CommandRunnerOptions, 'results' | 'timeoutSeconds' | 'env' | 'credentials'>>;
}

export interface TileRun {
  readonly reply: CodeReply;
  readonly outputs: Readonly<Record<string, SampleArray>>;
  readonly printed: CodePrinted;
}

/** EPSG:32633, pixels of 10 m by 20 m. */
export const gridGeotransform: Geotransform = [600_000, 10, 0, 5_000_000, 0, -20];
export const gridGeo: GeoTags = { modelPixelScale: [10, 20, 0], modelTiepoint: [0, 0, 0, 600_000, 5_000_000, 0], geoKeyDirectory: [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32_633] };

function align(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

/** Runs a tile through a runner of its own, which is closed afterwards, and tells `started` of the runner. */
export async function runTile(fixture: Fixture, started: (runner: CommandRunner) => void = () => undefined): Promise<TileRun> {
  const { command, window, halo = 0, inputs = {}, outputs = {}, parameters = {}, scratch, probe = false, options = {} } = fixture;
  const columns = window.columns + 2 * halo;
  const rows = window.rows + 2 * halo;
  let bytes = 0;
  const take = (size: number): number => {
    const offset = bytes;
    bytes += align(size);
    return offset;
  };
  const inputPlaces = Object.entries(inputs).map(([name, input]) => ({
    name,
    input,
    offset: take(input.samples.byteLength),
    validOffset: input.validity === undefined ? null : take(input.validity.length),
  }));
  const outputPlaces = Object.entries(outputs).map(([name, output]) => ({ name, output, offset: take((output.bands ?? 1) * columns * rows * bytesPerSample(output.dtype)) }));
  const shared = makeSharedFile(Math.max(8, bytes));
  for (const { input, offset, validOffset } of inputPlaces) {
    writeSync(shared.fd, new Uint8Array(input.samples.buffer, input.samples.byteOffset, input.samples.byteLength), 0, input.samples.byteLength, offset);
    if (input.validity !== undefined) writeSync(shared.fd, input.validity, 0, input.validity.length, validOffset);
  }
  const setup: CodeSetup = {
    code: '',
    function: null,
    parameters,
    lists: {},
    serial: false,
    inputs: inputPlaces.map(({ name, input }) => ({
      name,
      dtype: input.dtype,
      bands: input.bands ?? 1,
      nodata: input.nodata === undefined ? null : toJsonNumber(input.nodata),
      masked: input.validity !== undefined,
      files: [],
    })),
    outputs: outputPlaces.map(({ name, output }) => ({ name, dtype: output.dtype, bands: output.bands ?? 1, nodata: output.nodata === undefined ? null : toJsonNumber(output.nodata), file: '' })),
    grid: { columns: 4096, rows: 4096, geotransform: gridGeotransform, crs: 'EPSG:32633' },
    tileSize: 512,
    halo,
    tiles: { across: 8, down: 8 },
    model: null,
    memoryBytes: null,
  };
  const runner = new CommandRunner({ command, setup, geo: gridGeo, sharedFd: shared.fd, scratch, credentials: false, timeoutSeconds: 60, env: process.env, results: false, ...options });
  const call: CodeCall = { id: 1, column: 3, row: 2, window, inputs: inputPlaces.map(({ offset, validOffset }) => ({ offset, validOffset })), outputs: outputPlaces.map(({ offset }) => ({ offset })), probe };
  try {
    started(runner);
    const reply = await runner.call(call);
    const made = outputPlaces.map(({ name, output, offset }) => {
      const samples = allocateSamples(output.dtype, (output.bands ?? 1) * columns * rows);
      readSync(shared.fd, samples, 0, samples.byteLength, offset);
      return [name, samples] as const;
    });
    return { reply, outputs: Object.fromEntries(made), printed: runner.output() };
  } finally {
    await runner.close();
    shared.close();
  }
}
