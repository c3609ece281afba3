/** One item with the user's function, or images with a model. */
import type { CodeSetup, ImagesCall, ItemCall } from '../code-setup.ts';
import type { ObjectItem, ParameterItem } from '../item-function.ts';
import type { CodeRequest, TileComputer } from './compute-tile.ts';
import { loadItemFunction } from './load-function.ts';
import { resultText } from './tile-result.ts';

/** Loads what the setup names. @throws what the user's module throws; CodeError; JobError of a model */
export async function prepareItems(setup: CodeSetup): Promise<TileComputer> {
  const model = setup.items?.model ?? null;
  if (model === null) return await prepareFunction(setup);
  // Only here: its libraries are large, and functions can do without.
  const { loadImageModel } = await import('../model/image-model.ts');
  const predict = await loadImageModel(setup.code, model);
  return {
    name: undefined,
    compute: async (request) => {
      const { id, files } = requested<ImagesCall>(request, 'images');
      return done(id, resultText(await predict(files)));
    },
  };
}

async function prepareFunction(setup: CodeSetup): Promise<TileComputer> {
  const run = await loadItemFunction(setup.code, setup.function);
  return {
    name: setup.function ?? (run.name === '' || run.name === 'default' ? undefined : run.name),
    compute: async (request) => {
      const { id, index, folder, parameters, item: about } = requested<ItemCall>(request, 'item');
      const item = { ...about, index, folder, parameters } as ObjectItem | ParameterItem;
      return done(id, resultText(await (item.href === null ? run(item.parameters, item) : run(item))));
    },
  };
}

function requested<Call>(request: CodeRequest, kind: 'item' | 'images'): Call {
  if (!(kind in request)) throw new Error(`a function over items was asked for ${Object.keys(request).join()}`);
  return (request as Readonly<Record<string, unknown>>)[kind] as Call;
}

function done(id: number, result: string | undefined): string {
  return `{"done":{"id":${String(id)},${result === undefined ? '' : `"result":${result},`}"outputs":[]}}`;
}
