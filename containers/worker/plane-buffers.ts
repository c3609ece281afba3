import type { Plane } from '../../lib/raster/pyramid.ts';

/** The memory of planes that go to another thread for good, so that nothing is copied. */
export function planeBuffers(planes: readonly Plane[] = []): ArrayBuffer[] {
  return planes.map(({ samples }) => samples.buffer as ArrayBuffer);
}
