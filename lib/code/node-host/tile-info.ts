/** `info`: where a tile is and what surrounds it. */
import { fromJsonNumber } from '../../base/json-number.ts';
import type { CodeCall, CodeSetup } from '../code-setup.ts';
import type { Geotransform, TileInfo } from '../tile-function.ts';
import { CodeError } from './code-error.ts';
import { unknownName } from './named-values.ts';

/** What of the info is the same for all tiles. */
export interface GridInfo {
  readonly grid: TileInfo['grid'];
  readonly epsg: number | undefined;
}

export function gridInfo({ grid }: CodeSetup): GridInfo {
  const geotransform = grid.geotransform === null ? null : (grid.geotransform as unknown as Geotransform);
  return { grid: Object.freeze({ columns: grid.columns, rows: grid.rows, geotransform, crs: grid.crs }), epsg: epsgOf(grid.crs) };
}

export function tileInfo(setup: CodeSetup, { grid, epsg }: GridInfo, call: CodeCall, scratch: string): TileInfo {
  const { window } = call;
  const { halo, tiles } = setup;
  const rows = window.rows + 2 * halo;
  const cols = window.columns + 2 * halo;
  const geotransform = grid.geotransform === null ? null : moved(grid.geotransform, window.column - halo, window.row - halo);
  const at = (): Geotransform => {
    if (geotransform === null) throw new CodeError('function', 'the grid has no georeference, so its pixels have no map coordinates');
    return geotransform;
  };
  return {
    tile: { column: call.column, row: call.row },
    tiles: { across: tiles.across, down: tiles.down },
    blockCount: tiles.across * tiles.down,
    isFirst: call.column === 0 && call.row === 0,
    isLast: call.column === tiles.across - 1 && call.row === tiles.down - 1,
    window,
    halo,
    grid,
    geotransform,
    crs: grid.crs,
    epsg,
    pixelCentres: () => pixelCentres(at(), rows, cols),
    centreOf: (row, col) => centreOf(at(), row, col),
    fileOf: (name) => filesOf(setup, name)[0] ?? '',
    filesOf: (name) => filesOf(setup, name),
    nodataOf: (name) => {
      const { nodata } = rasterOf(setup, name);
      return nodata === null ? undefined : fromJsonNumber(nodata);
    },
    scratch,
  };
}

function moved([x, xByColumn, xByRow, y, yByColumn, yByRow]: Geotransform, column: number, row: number): Geotransform {
  return [x + column * xByColumn + row * xByRow, xByColumn, xByRow, y + column * yByColumn + row * yByRow, yByColumn, yByRow];
}

/** GDAL's formula, at the middle of the pixel: https://gdal.org/en/stable/tutorials/geotransforms_tut.html */
function centreOf(g: Geotransform, row: number, col: number): { x: number; y: number } {
  const [c, r] = [col + 0.5, row + 0.5];
  return { x: g[0] + c * g[1] + r * g[2], y: g[3] + c * g[4] + r * g[5] };
}

function pixelCentres(g: Geotransform, rows: number, cols: number): { x: Float64Array; y: Float64Array } {
  if (g[2] === 0 && g[4] === 0) {
    return { x: Float64Array.from({ length: cols }, (_, col) => centreOf(g, 0, col).x), y: Float64Array.from({ length: rows }, (_, row) => centreOf(g, row, 0).y) };
  }
  const x = new Float64Array(rows * cols);
  const y = new Float64Array(rows * cols);
  for (let i = 0; i < x.length; i++) {
    const centre = centreOf(g, Math.floor(i / cols), i % cols);
    x[i] = centre.x;
    y[i] = centre.y;
  }
  return { x, y };
}

function filesOf(setup: CodeSetup, name: string): readonly string[] {
  const found = rasterOf(setup, name);
  return 'files' in found ? found.files : [found.file];
}

/** An input or output by its name; of a list, its first. */
function rasterOf(setup: CodeSetup, name: string): CodeSetup['inputs'][number] | CodeSetup['outputs'][number] {
  const rasters = [...setup.inputs, ...setup.outputs];
  const wanted = setup.lists[name]?.[0] ?? name;
  const found = rasters.find((raster) => raster.name === wanted);
  if (found === undefined) throw unknownName('input or output', name, rasters.map((raster) => raster.name));
  return found;
}

/** The code at the end of a WKT, which is that of the whole CRS, or that of `EPSG:n`. */
function epsgOf(crs: string | null): number | undefined {
  const code = /^EPSG:(\d+)$/i.exec(crs ?? '')?.[1] ?? /(?:ID|AUTHORITY)\["EPSG",\s*"?(\d+)"?\]\s*\]\s*$/.exec(crs ?? '')?.[1];
  return code === undefined ? undefined : Number(code);
}
