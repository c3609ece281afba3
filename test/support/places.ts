/** Places all over the Earth, each with CRSs that are at home there: where properties of grids draw rasters and grids. */

/** An EPSG code, or what GDAL understands besides. */
export type TestCrs = number | string;

export interface Place {
  readonly name: string;
  /** Degrees of EPSG:4326: longitude, latitude. */
  readonly centre: readonly [number, number];
  /** For grids and for rasters. */
  readonly epsg: readonly number[];
  /** For grids only: GDAL has no GeoKeys for them, so that a GeoTIFF of its making has none of them. */
  readonly gridEpsg: readonly number[];
  /** For rasters only: those that no job can say for its grid. */
  readonly others: readonly string[];
  /** Metres a pixel, or so. */
  readonly resolutions: readonly number[];
  /** Degrees of longitude come to all of them here, so that a raster in degrees goes around: at a pole, or all over the globe. */
  readonly around: 'pole' | 'globe' | null;
  /** The seam of a map or a pole is here, where gdalwarp by itself can miss parts of a source. */
  readonly seam: boolean;
}

/** MODIS: a sphere, and no EPSG code. */
const sinusoidal = '+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs';

function place(name: string, centre: readonly [number, number], epsg: readonly number[], more: Partial<Place> = {}): Place {
  return { name, centre, epsg, gridEpsg: [], others: [], resolutions: [3, 10, 37.5, 900], around: null, seam: more.around !== undefined, ...more };
}

export const places: readonly Place[] = [
  place('central Europe', [15.7, 45.2], [32_633, 32_634, 3857, 4326, 3035, 23_033], { others: [sinusoidal] }),
  place('New Zealand', [172.6, -43.5], [2193, 32_760, 3857, 4326, 4167]),
  place('Antarctica', [-58.4, -75.2], [3031, 4326, 32_721]),
  place('South Pole', [164, -89.99], [3031, 4326, 32_738], { resolutions: [37.5, 900, 9000], around: 'pole' }),
  place('Arctic', [33.3, 78.1], [3413, 3995, 3575, 32_636, 4326]),
  place('North Pole', [0, 90], [3413, 3995, 3575, 4326], { resolutions: [37.5, 900, 9000], around: 'pole' }),
  place('dateline', [180, 0.1], [32_601, 32_660, 3832, 4326, 3857], { seam: true }),
  place('dateline in the north', [179.99, 52.3], [32_601, 32_660, 3832, 4326, 3338, 3857], { seam: true }),
  place('Brazil at the equator', [-51.1, 0.02], [32_622, 32_722, 5880, 4674, 4326]),
  place('Texas', [-97.7, 30.3], [5070, 32_615, 4269, 2277, 4326, 26_714], { others: [sinusoidal] }),
  place('Australia', [149.1, -35.3], [3577, 28_355, 4326], { others: [sinusoidal] }),
  place('Japan', [139.7, 35.7], [6677, 32_654, 3857, 30_169]),
  place('Britain', [-1.3, 52.1], [27_700, 32_630, 4326, 3857]),
  place('Switzerland', [7.4, 46.9], [2056, 32_632, 4326]),
  place('South Africa', [18.6, -33.9], [2048, 32_734, 4326], { others: ['ESRI:102022'] }),
  place('globe', [0, 0], [4326, 6933, 3395, 3857], { gridEpsg: [8857], others: ['ESRI:54009', sinusoidal], resolutions: [120_000], around: 'globe' }),
];
