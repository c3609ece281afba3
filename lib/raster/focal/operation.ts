/** Operations that look at the neighbours of a pixel: what there is, and how far each looks. Plain data, as it lies in a program. */

export const statisticNames = ['mean', 'median', 'min', 'max', 'std'] as const;

/** Statistics over a window of pixels around each pixel. */
export type FocalStatistic = (typeof statisticNames)[number];

/** Width and height of the ground that a pixel covers, both positive, in the units of the heights unless `scale` says otherwise. */
export interface PixelSize {
  readonly x: number;
  readonly y: number;
}

/** A window of odd sides, in pixels. */
export interface FocalSize {
  readonly columns: number;
  readonly rows: number;
}

/** An operation as it is written: what it needs to know of the ground is added when it is compiled. */
export type FocalOperation =
  | (FocalSize & { readonly name: FocalStatistic })
  /** Weights row by row, laid over the neighbours as they are written (a correlation). */
  | (FocalSize & { readonly name: 'convolve'; readonly weights: readonly number[] })
  | SteepnessOperation
  | { readonly name: 'aspect' };

/** An operation that depends on how steep the ground is. Aspect does not: gdaldem takes pixels for squares there. */
export type SteepnessOperation =
  /** `scale` is how many ground units one unit of height is long (gdaldem's -s). */
  | { readonly name: 'slope' | 'slopePercent'; readonly scale: number }
  | { readonly name: 'hillshade'; readonly azimuth: number; readonly altitude: number; readonly z: number; readonly scale: number };

/** An operation ready to run. */
export type PlacedFocalOperation = Exclude<FocalOperation, SteepnessOperation> | (SteepnessOperation & { readonly pixelSize: PixelSize });

/** As far as a window may reach: sums over more pixels would no longer be exact, and a halo would be larger than many tiles. */
export const maximumFocalSize = 255;

/** Pixels to the left and right, and above and below, that an operation looks at. */
export function reachOf(operation: FocalOperation | PlacedFocalOperation): FocalSize {
  if (!('columns' in operation)) return { columns: 1, rows: 1 };
  return { columns: (operation.columns - 1) / 2, rows: (operation.rows - 1) / 2 };
}

/** Whether the result needs the size of a pixel on the ground. */
export function needsPixelSize(operation: FocalOperation): operation is SteepnessOperation {
  return operation.name === 'slope' || operation.name === 'slopePercent' || operation.name === 'hillshade';
}

/** Whether a pixel with data can lose it: at the edge of the image, beside pixels without data, or on flat ground. */
export function canLosePixels({ name }: FocalOperation): boolean {
  return !statisticNames.some((statistic) => statistic === name);
}
