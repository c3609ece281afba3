/** The Python host as a worker drives it: over its own descriptors, with a shared file, and arrays in and out. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync, unlinkSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import type { CodeCall, CodeFailure, CodeInput, CodeMessage, CodeOutput, CodeReply, CodeSetup, Json } from '../../../lib/code/code-setup.ts';
import { bytesPerSample, viewSamples, type Dtype, type SampleArray } from '../../../lib/raster/dtype.ts';

export const python = process.env['TILEFAN_TEST_PYTHON'] ?? '/usr/bin/python3';
export const packageFolder = fileURLToPath(new URL('../../../python', import.meta.url));
const host = join(packageFolder, 'tilefan/host.py');

/** Why tests can't run a Python function here; false where they can. */
export const withoutPython: string | false = missing(['numpy']);
export const withoutCloudpickle: string | false = missing(['numpy', 'cloudpickle']);

function missing(modules: readonly string[]): string | false {
  const tried = spawnSync(python, ['-c', `import ${modules.join(', ')}`], { encoding: 'utf8' });
  if (tried.status === 0) return false;
  return `needs ${modules.join(' and ')} for ${python} (apt-get install python3-numpy python3-cloudpickle, or set TILEFAN_TEST_PYTHON): ${tried.error?.message ?? tried.stderr.trim().split('\n').at(-1) ?? ''}`;
}

export interface HostOptions {
  /** Source of the module, or bytes of a pickle. */
  readonly code: string | Uint8Array;
  /** Name of the file that the source is put into. */
  readonly file?: string;
  readonly function?: string | null;
  readonly parameters?: Json;
  readonly lists?: Readonly<Record<string, readonly string[]>>;
  readonly serial?: boolean;
  readonly inputs?: readonly (Partial<CodeInput> & { readonly name: string })[];
  readonly outputs?: readonly (Partial<CodeOutput> & { readonly name: string })[];
  readonly grid?: Partial<CodeSetup['grid']>;
  readonly tileSize?: number;
  readonly halo?: number;
  readonly memoryBytes?: number | null;
  readonly program?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly sharedBytes?: number;
}

/** What a tile is given, and what it is expected to make. */
export interface TileOptions {
  readonly column?: number;
  readonly row?: number;
  readonly arrays?: readonly SampleArray[];
  /** A mask for each input that has one. */
  readonly valid?: readonly (Uint8Array | null)[];
  readonly probe?: boolean;
}

export interface TileAnswer {
  readonly reply: CodeReply;
  readonly arrays: readonly SampleArray[];
}

export class PythonHost {
  readonly setup: CodeSetup;
  readonly child: ChildProcess;
  readonly folder: string;
  stdout = '';
  stderr = '';
  stdoutBytes = 0;
  readonly #fd: number;
  readonly #requests: Writable;
  readonly #lines: AsyncIterator<string>;
  readonly #exit: Promise<unknown>;
  #calls = 0;

  constructor(options: HostOptions) {
    this.folder = mkdtempSync(join(tmpdir(), 'tilefan-host-'));
    const code = join(this.folder, options.file ?? 'user.py');
    writeFileSync(code, options.code);
    // Where a worker has it: in memory, if there is such a place.
    const shared = join(existsSync('/dev/shm') ? mkdtempSync('/dev/shm/tilefan-test-') : this.folder, 'shared');
    this.#fd = openSync(shared, 'w+');
    ftruncateSync(this.#fd, options.sharedBytes ?? 4_000_000);
    unlinkSync(shared);
    if (shared.startsWith('/dev/shm/')) rmSync(dirname(shared), { recursive: true });
    this.setup = setupOf(options, code);
    const [program = python, ...args] = options.program ?? [python, '-B', '-s', host];
    this.child = spawn(program, args, { cwd: this.folder, env: { ...process.env, ...options.env }, stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', this.#fd], detached: true });
    this.#exit = once(this.child, 'close');
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.stdoutBytes += chunk.length;
      this.stdout = (this.stdout + chunk.toString()).slice(-20_000);
    });
    this.child.stderr?.on('data', (chunk: Buffer) => (this.stderr = (this.stderr + chunk.toString()).slice(-20_000)));
    this.#requests = this.child.stdio[3] as Writable;
    this.#requests.on('error', () => undefined);
    this.#lines = createInterface({ input: this.child.stdio[4] as Readable })[Symbol.asyncIterator]();
  }

  /** Sends anything, and gives the next reply; undefined when the process has ended. */
  async ask(message: unknown): Promise<CodeMessage | undefined> {
    this.#requests.write(`${JSON.stringify(message)}\n`);
    const { done, value } = await this.#lines.next();
    return done === true ? undefined : (JSON.parse(value) as CodeMessage);
  }

  /** The reply to the setup. */
  async start(): Promise<CodeMessage | undefined> {
    return await this.ask(this.setup);
  }

  /** The failure that the setup is answered with. */
  async refusal(): Promise<CodeFailure> {
    const reply = await this.start();
    if (reply !== undefined && 'error' in reply) return reply.error;
    throw new Error(`the host is ready, or gone: ${JSON.stringify(reply)} ${this.stderr}`);
  }

  async ready(): Promise<this> {
    const reply = await this.start();
    if (reply !== undefined && 'ready' in reply) return this;
    throw new Error(`the host refused: ${JSON.stringify(reply)} ${this.stderr}`);
  }

  /** One tile's call, its arrays written. */
  call({ column = 0, row = 0, arrays = [], valid = [], probe = false }: TileOptions): CodeCall {
    const { tileSize, halo, grid } = this.setup;
    const window = { column: column * tileSize, row: row * tileSize, columns: Math.min(tileSize, grid.columns - column * tileSize), rows: Math.min(tileSize, grid.rows - row * tileSize) };
    const pixels = (window.columns + 2 * halo) * (window.rows + 2 * halo);
    let at = 0;
    const take = (bytes: number): number => {
      const offset = at;
      at += Math.ceil(bytes / 8) * 8;
      return offset;
    };
    const inputs = this.setup.inputs.map(({ dtype, bands }, i) => {
      const offset = take(pixels * bands * bytesPerSample(dtype));
      const array = arrays[i];
      if (array !== undefined) writeSync(this.#fd, new Uint8Array(array.buffer, array.byteOffset, array.byteLength), 0, array.byteLength, offset);
      const mask = valid[i] ?? null;
      const validOffset = mask === null ? null : take(pixels);
      if (mask !== null && validOffset !== null) writeSync(this.#fd, mask, 0, mask.length, validOffset);
      return { offset, validOffset };
    });
    const outputs = this.setup.outputs.map(({ dtype, bands }) => ({ offset: take(pixels * bands * bytesPerSample(dtype)) }));
    return { id: this.#calls++, column, row, window, inputs, outputs, probe };
  }

  /** @throws Error when the tile fails */
  async tile(options: TileOptions = {}): Promise<TileAnswer> {
    const call = this.call(options);
    const reply = await this.ask({ call });
    if (reply === undefined || !('done' in reply)) throw new Error(`the tile failed: ${JSON.stringify(reply)?.slice(0, 2000) ?? ""} ${this.stderr}`);
    return { reply: reply.done, arrays: options.probe === true ? [] : this.#read(call) };
  }

  async failure(options: TileOptions = {}): Promise<CodeFailure> {
    const reply = await this.ask({ call: this.call(options) });
    if (reply !== undefined && 'error' in reply) return reply.error;
    throw new Error(`the tile did not fail: ${JSON.stringify(reply)?.slice(0, 500) ?? ""}`);
  }

  #read({ window, outputs }: CodeCall): SampleArray[] {
    const { halo } = this.setup;
    return this.setup.outputs.map(({ dtype, bands }, i) => {
      const length = (window.columns + 2 * halo) * (window.rows + 2 * halo) * bands;
      const bytes = new Uint8Array(length * bytesPerSample(dtype));
      readSync(this.#fd, bytes, 0, bytes.length, outputs[i]?.offset ?? 0);
      return viewSamples(dtype, bytes.buffer, 0, length);
    });
  }

  get ended(): Promise<unknown> {
    return this.#exit;
  }

  /** Closes the pipe of requests, as a worker does that is done. */
  hangUp(): void {
    this.#requests.end();
  }

  async close(): Promise<void> {
    this.hangUp();
    const late = setTimeout(() => this.child.kill('SIGKILL'), 5000);
    await this.#exit;
    clearTimeout(late);
    closeSync(this.#fd);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function setupOf(options: HostOptions, code: string): CodeSetup {
  const grid = { columns: 8, rows: 8, geotransform: [600_000, 10, 0, 5_000_000, 0, -10], crs: 'EPSG:32633', ...options.grid };
  const tileSize = options.tileSize ?? 8;
  return {
    code,
    function: options.function === undefined ? 'f' : options.function,
    parameters: options.parameters ?? {},
    lists: options.lists ?? {},
    serial: options.serial ?? false,
    inputs: (options.inputs ?? []).map((input) => ({ dtype: 'uint16', bands: 1, nodata: null, masked: false, files: [`/data/${input.name}.tif`], ...input })),
    outputs: (options.outputs ?? []).map((output) => ({ dtype: 'float32' as Dtype, bands: 1, nodata: null, file: `/out/${output.name}.tif`, ...output })),
    grid,
    tileSize,
    halo: options.halo ?? 0,
    tiles: { across: Math.ceil(grid.columns / tileSize), down: Math.ceil(grid.rows / tileSize) },
    model: null,
    memoryBytes: options.memoryBytes ?? null,
  };
}

/** Runs `use` with a host that is ready, and ends the host whatever happens. */
export async function withHost<Answer>(options: HostOptions, use: (host: PythonHost) => Promise<Answer>): Promise<Answer> {
  const started = new PythonHost(options);
  try {
    await started.ready();
    return await use(started);
  } finally {
    await started.close();
  }
}

/** What a host answers to a setup that it can't do anything with. */
export async function refusalOf(options: HostOptions): Promise<CodeFailure> {
  const started = new PythonHost(options);
  try {
    return await started.refusal();
  } finally {
    await started.close();
  }
}
