/** One item with the user's function, or images with a model. */
import type { CodeSetup } from '../code-setup.ts';
import type { ObjectItem, ParameterItem } from '../item-function.ts';
import type { CodeRequest, TileComputer } from './compute-tile.ts';
import { loadItemFunction, shownName } from './load-function.ts';
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
      if (!('images' in request)) throw wrongRequest(request);
      const { id, files } = request.images;
      return done(id, resultText(await predict(files), 'item'));
    },
  };
}

async function prepareFunction(setup: CodeSetup): Promise<TileComputer> {
  const run = await loadItemFunction(setup.code, setup.function);
  return {
    name: shownName(setup.function, run),
    compute: async (request) => {
      if (!('item' in request)) throw wrongRequest(request);
      const { id, index, folder, parameters, item: about } = request.item;
      const item = { ...about, index, folder, parameters } as ObjectItem | ParameterItem;
      return done(id, resultText(await (item.href === null ? run(item.parameters, item) : run(item)), 'item'));
    },
  };
}

function wrongRequest(request: CodeRequest): Error {
  return new Error(`a process for items was asked for a ${Object.keys(request).join()}`);
}

function done(id: number, result: string | undefined): string {
  return `{"done":{"id":${String(id)},${result === undefined ? '' : `"result":${result},`}"outputs":[]}}`;
}
