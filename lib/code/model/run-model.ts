/** Applies a model to tiles. Runs in a code process. */
import { readFile } from 'node:fs/promises';
import type { Dtype } from '../../raster/dtype.ts';
import type { Window } from '../../raster/window.ts';
import type { CodeSetup } from '../code-setup.ts';
import { ChipInput, chipPlaces, type TileArray } from './chip-input.ts';
import { ChipOutput, type ChipExtent } from './chip-output.ts';
import { chipSpans, modelHalo, type ChipSpan } from './chips.ts';
import { modelFacts } from './model-facts.ts';
import { modelPlan, type ModelPlan } from './model-plan.ts';
import { ModelSession } from './model-session.ts';
import { problem } from './model-shape.ts';
import type { ModelSetup } from './model-setup.ts';

/** One tile, its arrays by the names of the job. */
export interface ModelCall {
  readonly inputs: Readonly<Record<string, TileArray>>;
  /** Written without their margin, but for a probe. */
  readonly outputs: Readonly<Record<string, TileArray>>;
  /** The tile on the grid, without its margin. */
  readonly info: { readonly window: Window };
  /** Only finds out what the model makes, from one batch of chips; outputs aren't looked at. */
  readonly probe?: boolean;
}

export interface ModelReply {
  /** What the model made, before it was stored as the job's sample type; in the order of the job's outputs. */
  readonly outputs: readonly { readonly dtype: Dtype; readonly bands: number }[];
}

interface Chip {
  readonly across: ChipSpan;
  readonly down: ChipSpan;
}

/**
 * Loads the model of a job.
 * @throws JobError as modelFacts, modelPlan and ModelSession.open do; MODEL_HALO when tiles have less margin than chips need
 * @returns a function that computes a tile. It rejects with OperationError MODEL_SHAPE, MODEL_FAILED; the model stays usable after that.
 * Errors say in `where.kind` what kind of failure they are for the worker.
 */
export async function createModel(setup: CodeSetup): Promise<(call: ModelCall) => Promise<ModelReply>> {
  const options = setup.model as unknown as ModelSetup;
  const facts = modelFacts(await readFile(setup.code));
  const plan = modelPlan(
    options,
    facts,
    setup.inputs,
    setup.outputs.map(({ name }) => name),
  );
  const halo = modelHalo(options, facts, setup.tileSize);
  if (setup.halo < halo) throw problem('MODEL_HALO', `chips need a margin of ${halo} pixels around tiles of ${setup.tileSize}, found ${setup.halo}`);
  const session = await ModelSession.open(setup.code, options);
  const side = setup.tileSize + 2 * setup.halo;
  const chip = plan.chip ?? { columns: side, rows: side };
  const applied = new AppliedModel(setup, options, plan, chip, session);
  return (call) => applied.compute(call);
}

class AppliedModel {
  private readonly setup: CodeSetup;
  private readonly options: ModelSetup;
  private readonly plan: ModelPlan;
  private readonly chip: { readonly columns: number; readonly rows: number };
  private readonly session: ModelSession;
  private readonly extent: ChipExtent;
  private readonly tensors: readonly ChipInput[];

  constructor(setup: CodeSetup, options: ModelSetup, plan: ModelPlan, chip: { readonly columns: number; readonly rows: number }, session: ModelSession) {
    this.setup = setup;
    this.options = options;
    this.plan = plan;
    this.chip = chip;
    this.session = session;
    const spare = plan.chip === undefined ? setup.halo : plan.blend === 'crop' ? Math.floor(options.overlap / 2) : 0;
    this.extent = { ...chip, spare };
    this.tensors = plan.inputs.map((input) => new ChipInput(input, setup.inputs, options.nodata, plan.batch, chip));
  }

  async compute({ inputs, outputs, info: { window }, probe = false }: ModelCall): Promise<ModelReply> {
    const { setup, plan } = this;
    const arrays = setup.inputs.map(({ name }) => inputs[name] as TileArray);
    const made = plan.outputs.map((planned, i) => {
      const output = setup.outputs[i] as CodeSetup['outputs'][number];
      return new ChipOutput(planned, output, outputs[output.name] as TileArray, window, setup.halo, plan.chip !== undefined && plan.blend === 'linear');
    });
    const chips = this.chips(window);
    let bands: readonly number[] = [];
    for (let first = 0; first < chips.length; first += plan.batch) {
      const batch = chips.slice(first, first + plan.batch);
      const given = await this.run(batch, arrays, window);
      bands = made.map((output, i) => output.madeBands(given[i]?.dims ?? [], plan.batch, this.extent));
      if (probe) break;
      for (const [place, { across, down }] of batch.entries()) {
        for (const [i, output] of made.entries()) {
          const { data, dims } = given[i] as (typeof given)[number];
          output.add(place, dims, data, plan.batch, this.extent, across, down);
        }
      }
    }
    if (!probe) for (const output of made) output.finish();
    return { outputs: plan.outputs.map(({ dtype }, i) => ({ dtype, bands: bands[i] ?? 0 })) };
  }

  /** The chips that contribute to a tile, row by row. */
  private chips({ column, row, columns, rows }: Window): Chip[] {
    const { plan, options, setup } = this;
    const axis = (first: number, size: number, length: number, chip: number): ChipSpan[] => {
      if (plan.chip === undefined) return [{ from: first - setup.halo, first, end: first + size, weights: undefined }];
      return chipSpans({ length, chip, overlap: options.overlap, blend: plan.blend }, first, first + size);
    };
    const across = axis(column, columns, setup.grid.columns, this.chip.columns);
    return axis(row, rows, setup.grid.rows, this.chip.rows).flatMap((down) => across.map((span) => ({ across: span, down })));
  }

  /** The model's outputs for up to a batch of chips; always a whole batch is run, as some models take nothing else, and what is too much is left. */
  private async run(batch: readonly Chip[], arrays: readonly TileArray[], window: Window) {
    const { setup, options, plan, chip } = this;
    const { halo, grid } = setup;
    for (const [place, { across, down }] of batch.entries()) {
      const columns = chipPlaces({ length: grid.columns, from: window.column - halo, size: window.columns + 2 * halo }, across.from, chip.columns, options.outside);
      const rows = chipPlaces({ length: grid.rows, from: window.row - halo, size: window.rows + 2 * halo }, down.from, chip.rows, options.outside);
      for (const tensor of this.tensors) tensor.fill(place, arrays, rows, columns);
    }
    const fed = this.tensors.map(({ data, dims }, i) => {
      const { name, type } = plan.inputs[i] as ModelPlan['inputs'][number];
      return { name, type, data, dims };
    });
    return this.session.run(
      fed,
      plan.outputs.map(({ name }) => name),
    );
  }
}
