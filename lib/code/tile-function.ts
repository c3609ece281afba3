/**
 * The types of functions over tiles that users write. They are all here and name nothing of ours, so that an editor understands them with
 * whatever options the user's own project has. docs/functions.md shows how they are used.
 */

/** A type of pixels, as numpy names it. */
export type PixelType = 'uint8' | 'int8' | 'uint16' | 'int16' | 'uint32' | 'int32' | 'float32' | 'float64';

/** An array of pixels; which kind follows from the raster's data type. */
export type Pixels = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array;

/**
 * The pixels of an input or an output on one tile: a typed array of bands * rows * cols values, band after band, row after row.
 * The value of band b (from 0), row r, column c is at `(b * rows + r) * cols + c`.
 */
export type TileArray<Values extends Pixels = Pixels> = Values & {
  /** Number of bands. */
  readonly bands: number;
  /** Rows of the tile, its margin (halo) on both sides included. */
  readonly rows: number;
  /** Columns of the tile, its margin on both sides included. */
  readonly cols: number;
  /** One band, counted from 1 as GDAL does: rows * cols values, a view and not a copy. @throws RangeError when there is no such band */
  band(number: number): Values;
  /** 1 where the pixel of all bands has data and 0 where it has not (rows * cols values), for inputs that have nodata or a mask; otherwise undefined. Made of the pixels as they are when it is first asked for. */
  readonly valid?: Uint8Array | undefined;
};

/** What may be assigned to an output: exactly bands * rows * cols values, converted to the output's data type. */
export type OutputValues = TileArray | Pixels | readonly number[];

/** A rectangle of the grid, in pixels, counted from the upper left corner. */
export interface TileWindow {
  readonly column: number;
  readonly row: number;
  readonly columns: number;
  readonly rows: number;
}

/** Six coefficients as GDAL has them: `x = g[0] + column * g[1] + row * g[2]`, `y = g[3] + column * g[4] + row * g[5]`. */
export type Geotransform = readonly [number, number, number, number, number, number];

/** Where a tile is and what surrounds it. */
export interface TileInfo {
  /** The tile's place among the tiles, from 0. */
  readonly tile: { readonly column: number; readonly row: number };
  /** Tiles of the whole grid. */
  readonly tiles: { readonly across: number; readonly down: number };
  /** Number of tiles of the whole grid. */
  readonly blockCount: number;
  /** Whether this is the tile of the upper left corner. Tiles are computed in any order. */
  readonly isFirst: boolean;
  /** Whether this is the tile of the lower right corner. */
  readonly isLast: boolean;
  /** The tile on the grid, without its margin. Tiles at the right and lower edges may be smaller. */
  readonly window: TileWindow;
  /** Margin on each side, in pixels. */
  readonly halo: number;
  /** The whole grid. */
  readonly grid: { readonly columns: number; readonly rows: number; readonly geotransform: Geotransform | null; readonly crs: string | null };
  /** Of the arrays: its origin is the corner of the margin. null for a grid without georeference. */
  readonly geotransform: Geotransform | null;
  /** The grid's CRS: WKT or `EPSG:n`. */
  readonly crs: string | null;
  /** The EPSG code of the CRS, where it has one. */
  readonly epsg: number | undefined;
  /**
   * Map coordinates of the pixels' centres, margin included: x for each column and y for each row. On a rotated grid, where x depends
   * on the row too, both have a value for each pixel (rows * cols). @throws Error for a grid without georeference
   */
  pixelCentres(): { readonly x: Float64Array; readonly y: Float64Array };
  /** Map coordinates of the centre of one pixel of the arrays, counted from 0. @throws Error for a grid without georeference */
  centreOf(row: number, col: number): { readonly x: number; readonly y: number };
  /** The file of an input (its first, when it has several) or output. @throws Error for an unknown name */
  fileOf(name: string): string;
  /** All files of an input, for example of a mosaic. @throws Error for an unknown name */
  filesOf(name: string): readonly string[];
  /** The nodata value of an input or output; undefined where it has none. @throws Error for an unknown name */
  nodataOf(name: string): number | undefined;
  /** A folder for the function's own files; it stays from tile to tile and is removed at the end of the batch. */
  readonly scratch: string;
}

/** What a function gets. */
export interface Tile<
  Inputs extends object = Record<string, TileArray>,
  Outputs extends object = Record<string, TileArray>,
  Parameters = Readonly<Record<string, unknown>>,
> {
  /** By the names of the job. The arrays are used again for the next tile: copy what is to be kept. */
  readonly inputs: Readonly<Inputs>;
  /** By the names of the job. Reading one makes it, filled with its nodata value (else 0); or assign values to it. Each has to be read or assigned. */
  readonly outputs: Outputs;
  readonly info: TileInfo;
  /** The job's `operation.parameters`. */
  readonly parameters: Parameters;
}

/**
 * A function over tiles. What it returns, if anything, is a result of the tile: JSON, in which typed arrays become arrays and NaN becomes null.
 *
 * ```ts
 * import type { TileArray, TileFunction } from 'tilefan';
 *
 * export const ndvi: TileFunction<{ red: TileArray; nir: TileArray }, { ndvi: TileArray }> = ({ inputs, outputs }) => {
 *   const { red, nir } = inputs;
 *   outputs.ndvi.forEach((_, i) => (outputs.ndvi[i] = (nir[i] - red[i]) / (nir[i] + red[i])));
 * };
 * ```
 */
export type TileFunction<
  Inputs extends object = Record<string, TileArray>,
  Outputs extends object = Record<string, TileArray>,
  Parameters = Readonly<Record<string, unknown>>,
  Result = unknown,
> = (tile: Tile<Inputs, Outputs, Parameters>) => Result | Promise<Result>;
