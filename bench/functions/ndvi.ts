/** NDVI in TypeScript, as a user would write it. */
import type { TileFunction } from '../../index.ts';

export const ndvi: TileFunction = ({ inputs, outputs }) => {
  const { scene } = inputs;
  const { out } = outputs;
  const red = scene.band(3);
  const nir = scene.band(4);
  for (let i = 0; i < out.length; i++) {
    const total = nir[i] + red[i];
    out[i] = total > 0 ? (nir[i] - red[i]) / total : -9999;
  }
};
