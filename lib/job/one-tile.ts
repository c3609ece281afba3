/** One tile of a plan by itself, in this process: how code is tried before the fan-out, and how a tile is looked at again. */
import type { CodePrinted, CodeReply } from '../code/code-setup.ts';
import { allocateSamples, type SampleArray } from '../raster/dtype.ts';
import type { Window } from '../raster/window.ts';
import type { Store } from '../store/store.ts';
import { CodeRunners, type CodeSlot } from './code-runners.ts';
import { programOf } from './operation.ts';
import { needsGdal, tilingOf, type Plan } from './plan.ts';
import { TileInputs } from './tile-inputs.ts';
import { tileSetupOf } from './tile-setup.ts';
import { TileProcessor, type TileTask } from './tile.ts';
import { tileWindow } from './tiling.ts';

/** A tile that was computed and not written anywhere. */
export interface ComputedTile {
  readonly window: Window;
  /** Pixels of each output, band by band, (rows, columns). */
  readonly outputs: readonly { readonly name: string; readonly bands: readonly SampleArray[] }[];
  /** What the code returned; undefined when it returned nothing. */
  readonly value: unknown;
}

export class OneTile {
  readonly #plan: Plan;
  readonly #inputs: TileInputs;
  readonly #processor: TileProcessor;
  readonly #runners: CodeRunners | undefined;
  readonly #windows: { close(): Promise<unknown> } | undefined;
  readonly #tile: { readonly column: number; readonly row: number };

  private constructor(plan: Plan, tile: { readonly column: number; readonly row: number }, inputs: TileInputs, processor: TileProcessor, runners: CodeRunners | undefined, windows: { close(): Promise<unknown> } | undefined) {
    this.#plan = plan;
    this.#tile = tile;
    this.#inputs = inputs;
    this.#processor = processor;
    this.#runners = runners;
    this.#windows = windows;
  }

  /** @throws what the store, GDAL and the code's processes throw when they can't be made ready */
  static async open(store: Store, plan: Plan, tile: { readonly column: number; readonly row: number }, env?: NodeJS.ProcessEnv): Promise<OneTile> {
    const program = programOf(plan);
    const { GdalWindows } = await import('./gdal-windows.ts');
    const windows = needsGdal(plan) ? await GdalWindows.start(store, plan, 1) : undefined;
    const inputs = new TileInputs(store, plan, program, { ...tile, columns: 1, rows: 1 }, windows);
    const runners = plan.code === null ? undefined : await CodeRunners.start(store, plan, program, 1, env);
    const slot = runners?.slots[0];
    const setup = tileSetupOf(plan, program, inputs.inputs, await inputs.stripRows());
    const own = slot === undefined || setup.code === undefined ? setup : { ...setup, code: { ...setup.code, sharedFd: slot.sharedFd } };
    const processor = new TileProcessor(own, undefined, slot === undefined ? undefined : async (call) => await slot.runner.call(call));
    return new OneTile(plan, tile, inputs, processor, runners, windows);
  }

  /** Starts what runs the code, if that is a process of its own. */
  async load(): Promise<void> {
    await this.#slot?.runner.load?.();
  }

  /** Asks the code what it makes of the tile, without taking it. */
  async probe(): Promise<CodeReply> {
    return await this.#processor.probe(await this.#read());
  }

  async compute(): Promise<ComputedTile> {
    const result = await this.#processor.process(await this.#read());
    const window = tileWindow(tilingOf(this.#plan), this.#tile.column, this.#tile.row);
    let band = 0;
    const outputs = this.#plan.outputs.map(({ name, bands, dtype }) => ({
      name,
      bands: Array.from({ length: bands }, () => (this.#processor.targets[band++] ?? allocateSamples(dtype, 0)).subarray(0, window.columns * window.rows)),
    }));
    return { window, outputs, value: result.value === undefined ? undefined : (JSON.parse(result.value) as unknown) };
  }

  /** What the code printed. */
  get printed(): CodePrinted | undefined {
    return this.#slot?.runner.output();
  }

  async close(): Promise<void> {
    await this.#runners?.close();
    await this.#windows?.close();
  }

  get #slot(): CodeSlot | undefined {
    return this.#runners?.slots[0];
  }

  async #read(): Promise<TileTask> {
    const { column, row } = this.#tile;
    return await this.#inputs.read(column, row, { threads: 1, decode: async (task) => await this.#processor.decode(task) });
  }
}
