/** NDVI in TypeScript, as a user would write it. */
import type { TileArray, TileFunction } from '../../index.ts';

export const ndvi: TileFunction<{ scene: TileArray<Uint16Array> }, { out: TileArray<Float32Array> }> = ({ inputs, outputs }) => {
  const { out } = outputs;
  const red = inputs.scene.band(3);
  const nir = inputs.scene.band(4);
  for (const [i, below] of red.entries()) {
    const above = nir[i] ?? 0;
    const total = above + below;
    out[i] = total > 0 ? (above - below) / total : -9999;
  }
};
