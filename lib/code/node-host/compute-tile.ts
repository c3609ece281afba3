/** One tile with the user's function, or with a model; or results of tiles merged. */
import type { CodeCall, CodeSetup, ImagesCall, ItemCall, MergeCall } from '../code-setup.ts';
import type { Tile } from '../tile-function.ts';
import { CodeError, MergeFailure } from './code-error.ts';
import { loadFunction, loadMerge, shownName } from './load-function.ts';
import { InputReader } from './tile-inputs.ts';
import { gridInfo, tileInfo } from './tile-info.ts';
import { OutputWriter } from './tile-outputs.ts';
import { numbersOf, resultText } from './tile-result.ts';

export interface TileComputer {
  /** What the function is called, for messages. */
  readonly name: string | undefined;
  /** @returns the reply, as a line of JSON */
  compute(request: CodeRequest): Promise<string>;
}

/** Each process gets requests of one kind. */
export type CodeRequest = { readonly call: CodeCall } | { readonly merge: MergeCall } | { readonly item: ItemCall } | { readonly images: ImagesCall };

/** Loads what the setup names. @throws what the user's module throws; CodeError */
export async function prepareTiles(setup: CodeSetup, sharedFd: number): Promise<TileComputer> {
  if (setup.merges === true) return await prepareMerge(setup);
  const model = setup.model === null ? undefined : await loadModel(setup);
  const run = model === undefined ? await loadFunction(setup.code, setup.function) : undefined;
  const inputs = new InputReader(setup, sharedFd);
  const outputs = new OutputWriter(setup, sharedFd);
  const grid = gridInfo(setup);
  const scratch = process.env['TILEFAN_SCRATCH'] ?? process.cwd();
  // What a function leaves in its parameters would depend on the order of the tiles, which only a serial run has.
  const parameters = (setup.serial ? setup.parameters : deepFreeze(setup.parameters)) as Tile['parameters'];
  return {
    name: run === undefined ? (setup.function ?? undefined) : shownName(setup.function, run),
    compute: async (request) => {
      if (!('call' in request)) throw new Error('a function over tiles was asked to merge');
      const { call } = request;
      const written = outputs.open(call);
      const tile = { inputs: inputs.read(call) as Tile['inputs'], outputs: written.values as Tile['outputs'], info: tileInfo(setup, grid, call, scratch), parameters };
      const applied = await model?.({ ...tile, probe: call.probe });
      const result = resultText(await run?.(tile));
      // What a model makes is known from its own answer: of a probe, it writes nothing.
      const made = applied !== undefined && call.probe ? applied.outputs : written.finish();
      return `{"done":{"id":${String(call.id)},${result === undefined ? '' : `"result":${result},`}"outputs":${JSON.stringify(made)}}}`;
    },
  };
}

async function prepareMerge(setup: CodeSetup): Promise<TileComputer> {
  const merge = await loadMerge(setup.code, setup.function);
  return {
    name: shownName(setup.function, merge),
    compute: async (request) => {
      if (!('merge' in request)) throw new Error('a function that merges was asked for a tile');
      const { id, values } = request.merge;
      let merged = numbersOf(values[0]);
      for (const [index, value] of values.entries()) {
        if (index === 0) continue;
        try {
          // Each goes on with what came of the last.
          // oxlint-disable-next-line no-await-in-loop
          merged = await merge(merged, numbersOf(value));
          if (merged === undefined) throw new CodeError('output', 'returned nothing; it has to return what comes of its two results');
        } catch (error) {
          throw new MergeFailure(index, error);
        }
      }
      return `{"done":{"id":${String(id)},"result":${resultText(merged) ?? 'null'},"outputs":[]}}`;
    },
  };
}

type Model = Awaited<ReturnType<typeof import('../model/run-model.ts').createModel>>;

async function loadModel(setup: CodeSetup): Promise<Model> {
  // Only here: its library is large, and functions can do without.
  const { createModel } = await import('../model/run-model.ts');
  return await createModel(setup);
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}
