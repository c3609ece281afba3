/** Runs code of a user's on tiles as a worker does: bundled, in a code process of its own, with pixels through a shared file. */
import { mkdirSync, mkdtempSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { toJsonNumber } from '../../lib/base/json-number.ts';
import { bundleModule } from '../../lib/code/bundle.ts';
import { CodeProcess, type CodeProcessOptions } from '../../lib/code/code-process.ts';
import type { CodeCall, CodePrinted, CodeReply, CodeSetup, Json } from '../../lib/code/code-setup.ts';
import { makeSharedFile } from '../../lib/code/shared-file.ts';
import { allocateSamples, bytesPerSample, type Dtype, type SampleArray } from '../../lib/raster/dtype.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';

export interface InputFixture {
  readonly dtype: Dtype;
  readonly bands?: number;
  readonly nodata?: number;
  readonly files?: readonly string[];
  readonly samples: SampleArray;
  readonly valid?: Uint8Array;
}

export interface OutputFixture {
  readonly dtype: Dtype;
  readonly bands?: number;
  readonly nodata?: number;
}

export interface FunctionFixture {
  /** The source; its ending says what it is. */
  readonly source: string;
  readonly ending?: '.ts' | '.js' | '.py';
  readonly function?: string | null;
  readonly parameters?: Json;
  readonly lists?: Readonly<Record<string, readonly string[]>>;
  readonly inputs?: Readonly<Record<string, InputFixture>>;
  readonly outputs?: Readonly<Record<string, OutputFixture>>;
  readonly rows?: number;
  readonly columns?: number;
  readonly halo?: number;
  readonly setup?: Partial<CodeSetup>;
  readonly options?: Partial<CodeProcessOptions>;
}

export interface FunctionRun {
  readonly process: CodeProcess;
  readonly scratch: string;
  readonly folder: string;
  /** Runs the tile; each time with another id. */
  call(changes?: Partial<CodeCall>): Promise<CodeReply>;
  printed(): CodePrinted;
  /** What lies in the shared file for an output. */
  output(name: string): SampleArray;
  /** Overwrites an input. */
  input(name: string, samples: SampleArray): void;
  close(): Promise<void>;
}

/** Makes all of it ready; nothing runs before the first call. */
export async function openFunction(fixture: FunctionFixture): Promise<FunctionRun> {
  const { source, ending = '.ts', function: name = 'f', parameters = {}, lists = {}, inputs = {}, outputs = {}, rows = 2, columns = 3, halo = 0 } = fixture;
  const folder = mkdtempSync(join(tmpdir(), 'tilefan-function-'));
  const path = join(folder, `user${ending}`);
  writeFileSync(path, source);
  const bundle = await bundleModule(fileHref(path), new FileStore());
  const code = join(folder, 'code', `user${bundle.extension}`);
  mkdirSync(dirname(code));
  writeFileSync(code, bundle.bytes);

  const plane = (rows + 2 * halo) * (columns + 2 * halo);
  let bytes = 0;
  const take = (size: number): number => {
    const offset = bytes;
    bytes += Math.ceil(size / 8) * 8;
    return offset;
  };
  const inputPlaces = Object.entries(inputs).map(([key, input]) => ({ key, input, offset: take(input.samples.byteLength), validOffset: input.valid === undefined ? null : take(plane) }));
  const outputPlaces = Object.entries(outputs).map(([key, { dtype, bands = 1 }]) => ({ key, dtype, length: bands * plane, offset: take(bands * plane * bytesPerSample(dtype)) }));
  const shared = makeSharedFile(Math.max(8, bytes));
  for (const { input, offset, validOffset } of inputPlaces) {
    write(shared.fd, offset, input.samples);
    if (input.valid !== undefined && validOffset !== null) write(shared.fd, validOffset, input.valid);
  }
  const scratch = join(folder, 'scratch');
  const setup: CodeSetup = {
    code,
    function: name,
    parameters,
    lists,
    serial: false,
    inputs: Object.entries(inputs).map(([key, { dtype, bands = 1, nodata, files = [], valid }]) => ({ name: key, dtype, bands, nodata: nodata === undefined ? null : toJsonNumber(nodata), masked: valid !== undefined, files })),
    outputs: Object.entries(outputs).map(([key, { dtype, bands = 1, nodata }]) => ({ name: key, dtype, bands, nodata: nodata === undefined ? null : toJsonNumber(nodata), file: `/out/${key}.tif` })),
    grid: { columns: 100, rows: 80, geotransform: [600_000, 10, 0, 5_000_000, 0, -20], crs: 'EPSG:32633' },
    tileSize: Math.max(rows, columns),
    halo,
    tiles: { across: 5, down: 4 },
    model: null,
    memoryBytes: null,
    ...fixture.setup,
  };
  const runner = new CodeProcess({
    setup,
    runtime: ending === '.py' ? 'python' : 'node',
    sharedFd: shared.fd,
    scratch,
    credentials: false,
    timeoutSeconds: 60,
    env: process.env,
    ...fixture.options,
  });
  let id = 0;
  return {
    process: runner,
    scratch,
    folder,
    call: async (changes = {}) =>
      await runner.call({
        id: ++id,
        column: 0,
        row: 0,
        window: { column: 0, row: 0, columns, rows },
        inputs: inputPlaces.map(({ offset, validOffset }) => ({ offset, validOffset })),
        outputs: outputPlaces.map(({ offset }) => ({ offset })),
        probe: false,
        ...changes,
      }),
    printed: () => runner.output(),
    output(key) {
      const place = outputPlaces.find((known) => known.key === key);
      if (place === undefined) throw new Error(`no output ${key}`);
      const samples = allocateSamples(place.dtype, place.length);
      readSync(shared.fd, new Uint8Array(samples.buffer), 0, samples.byteLength, place.offset);
      return samples;
    },
    input(key, samples) {
      const place = inputPlaces.find((known) => known.key === key);
      if (place === undefined) throw new Error(`no input ${key}`);
      write(shared.fd, place.offset, samples);
    },
    async close() {
      await runner.close();
      shared.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Opens, runs `work`, and closes whatever happens. */
export async function withFunction<Result>(fixture: FunctionFixture, work: (run: FunctionRun) => Promise<Result>): Promise<Result> {
  const run = await openFunction(fixture);
  try {
    return await work(run);
  } finally {
    await run.close();
  }
}

function write(fd: number, offset: number, samples: ArrayBufferView): void {
  writeSync(fd, new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength), 0, samples.byteLength, offset);
}
