/** Windows of scenes that our own reader doesn't read: off the grid, in a VRT, or features. What fetches them is GDAL (lib/gdal). */
import { bytesPerSample } from '../raster/dtype.ts';
import { area, type Window } from '../raster/window.ts';
import { fillOf, nodataOf, type PlanInput, type PlanScene } from './plan.ts';

/** One window of one scene. */
export interface SceneWindow {
  readonly scene: PlanScene;
  /** Pixels of the grid. */
  readonly window: Window;
  /** Bands of the file, 1-based. */
  readonly bands: readonly number[];
  /** What pixels hold that the scene doesn't reach. */
  readonly init: number;
  /** Whether a plane of validity, a byte a pixel, is to follow the bands. */
  readonly validity: boolean;
  /** Whether that plane counts pixels as data that the scene doesn't reach. */
  readonly outsideIsData: boolean;
}

/** Brings scenes onto the grid. */
export interface WindowSource {
  /**
   * Fills `into` with (bands, rows, columns) samples of the scene's type in the machine's order, and the plane of validity.
   * @throws DataError or OperationError that names the scene
   */
  read(wanted: SceneWindow, into: Uint8Array): Promise<void>;
}

/** What to ask for a window of a scene. */
export function sceneWindow(input: PlanInput, scene: PlanScene, bands: readonly number[], window: Window): SceneWindow {
  const own = nodataOf(scene);
  // In a mosaic a scene without a nodata value has to say itself where it is.
  const validity = scene.reading.by !== 'burn' && (scene.masked || (input.rule !== null && own === undefined));
  const outside = input.rule === null ? fillOf(input) : (own ?? 0);
  return { scene, window, bands: bands.map((band) => (scene.bands[band] as number) + 1), init: outside, validity, outsideIsData: input.rule === null && input.fillIsData };
}

/** Bytes of the answer. */
export function sceneWindowBytes({ scene, window, bands, validity }: SceneWindow): number {
  return area(window) * (bands.length * bytesPerSample(scene.dtype) + (validity ? 1 : 0));
}
