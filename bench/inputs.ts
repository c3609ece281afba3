/** The rasters that scenarios work on: made once, kept in bench/data. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { makeScene } from '../examples/make-scene.ts';
import { execute, noGdal, path, type Setting } from './setting.ts';

const dataFolder = path('data/');

/** A file that is made unless it is there; one that was broken off is made again. */
export function made(name: string, make: (part: string) => void): string {
  const file = `${dataFolder}${name}`;
  if (existsSync(file)) return file;
  process.stderr.write(`making ${file}\n`);
  mkdirSync(dataFolder, { recursive: true });
  const part = `${dataFolder}part-${name}`;
  rmSync(part, { force: true });
  make(part);
  renameSync(part, file);
  return file;
}

/** GDAL's own encoder, for inputs that are nobody's in particular. */
function cog(setting: Setting, from: string, to: string, compression: string): void {
  if (!setting.peers.gdal) throw new Error(`no COG of the scene can be made. ${noGdal}`);
  const options = ['BLOCKSIZE=512', `COMPRESS=${compression}`, 'PREDICTOR=2', 'OVERVIEW_RESAMPLING=AVERAGE', 'NUM_THREADS=2', 'BIGTIFF=IF_SAFER'];
  execute('gdal_translate', ['-q', '-of', 'COG', ...options.flatMap((option) => ['-co', option]), from, to]);
}

function sourceScene({ size }: Setting): string {
  return made(`scene-${String(size)}.tif`, (part) => { makeScene(part, size); });
}

/** 4 bands uint16, nodata 0, deflate with predictor 2, blocks of 512 px, overviews where GDAL is there to make them. */
export function deflateScene(setting: Setting): string {
  if (setting.sceneDeflate !== undefined) return setting.sceneDeflate;
  const source = sourceScene(setting);
  return setting.peers.gdal ? made(`scene-${String(setting.size)}-deflate.tif`, (part) => { cog(setting, source, part, 'DEFLATE'); }) : source;
}

/** The same with zstd. */
export function zstdScene(setting: Setting): string {
  if (setting.sceneZstd !== undefined) return setting.sceneZstd;
  const source = sourceScene(setting);
  return made(`scene-${String(setting.size)}-zstd.tif`, (part) => { cog(setting, source, part, 'ZSTD'); });
}

/** A name for what is made out of a scene, which may be anybody's. */
function derived(setting: Setting, what: string): string {
  return setting.sceneDeflate === undefined ? `${String(setting.size)}-${what}` : `${setting.sceneDeflate.replaceAll(/[^A-Za-z0-9]+/g, '-').replace(/^-/, '')}-${what}`;
}

/** The middle of the scene, where it has no swath edge, with `side` pixels on a side at most. */
export function subset(setting: Setting, side: number): string {
  const scene = deflateScene(setting);
  const { columns, rows } = sizeOf(scene);
  const width = Math.min(side, columns);
  const height = Math.min(side, rows);
  const [left, top] = [(columns - width) >> 1, (rows - height) >> 1];
  return made(`${derived(setting, `subset-${String(side)}`)}.tif`, (part) => {
    const options = ['BLOCKSIZE=512', 'COMPRESS=DEFLATE', 'PREDICTOR=2', 'OVERVIEW_RESAMPLING=AVERAGE', 'NUM_THREADS=2'];
    execute('gdal_translate', ['-q', '-of', 'COG', '-srcwin', ...[left, top, width, height].map(String), ...options.flatMap((option) => ['-co', option]), scene, part]);
  });
}

/** 4 x 4 scenes that overlap by a twentieth of their side. */
export function pieces(setting: Setting, scene = deflateScene(setting), label = 'piece'): readonly string[] {
  const { columns, rows } = sizeOf(scene);
  const cut = (side: number, index: number): readonly [number, number] => {
    const margin = Math.ceil(side / 160);
    const from = Math.max(0, Math.floor((side * index) / 4) - margin);
    return [from, Math.min(side, Math.floor((side * (index + 1)) / 4) + margin) - from];
  };
  return Array.from({ length: 16 }, (_, i) => {
    const [left, width] = cut(columns, i % 4);
    const [top, height] = cut(rows, i >> 2);
    return made(`${derived(setting, `${label}-${String(i).padStart(2, '0')}`)}.tif`, (part) => {
      const options = ['TILED=YES', 'BLOCKXSIZE=512', 'BLOCKYSIZE=512', 'COMPRESS=DEFLATE', 'PREDICTOR=2'];
      execute('gdal_translate', ['-q', '-srcwin', ...[left, top, width, height].map(String), ...options.flatMap((option) => ['-co', option]), scene, part]);
    });
  });
}

/** The image of an NDVI without compression, for what encoding alone takes. */
export function rawNdvi(setting: Setting): string {
  const scene = deflateScene(setting);
  return made(`${derived(setting, 'ndvi-raw')}.tif`, (part) => {
    execute('/usr/bin/python3', ['-m', 'osgeo_utils.gdal_calc', '--quiet', '--overwrite', '-A', scene, '--A_band=3', '-B', scene, '--B_band=4', `--outfile=${part}`, '--type=Float32', '--NoDataValue=-9999', '--hideNoData', '--co', 'TILED=YES', '--co', 'BLOCKXSIZE=512', '--co', 'BLOCKYSIZE=512', '--co', 'BIGTIFF=IF_SAFER', '--calc=where((A+B)==0,-9999,(B.astype(float32)-A)/maximum(B.astype(float32)+A,1))']);
  });
}

/** A raster of many bands of 8 bytes a sample, out of the scene's bands. */
export function wideRaster(setting: Setting, side: number): string {
  const source = subset(setting, side);
  return made(`${derived(setting, `wide-${String(side)}`)}.tif`, (part) => {
    const bands = Array.from({ length: 10 }, (_, i) => ['-b', String((i % 4) + 1)]).flat();
    const options = ['TILED=YES', 'BLOCKXSIZE=512', 'BLOCKYSIZE=512', 'INTERLEAVE=BAND', 'COMPRESS=ZSTD', 'ZSTD_LEVEL=1', 'PREDICTOR=3', 'BIGTIFF=IF_SAFER', 'NUM_THREADS=2'];
    execute('gdal_translate', ['-q', '-ot', 'Float64', ...bands, ...options.flatMap((option) => ['-co', option]), source, part]);
  });
}

/** The scene's band 4 with pixels of 97 m, off its grid. */
export function coarseRaster(setting: Setting, side: number): string {
  const source = subset(setting, side);
  return made(`${derived(setting, `coarse-${String(side)}`)}.tif`, (part) => {
    execute('gdal_translate', ['-q', '-b', '4', '-tr', '97', '97', '-r', 'average', '-co', 'TILED=YES', '-co', 'COMPRESS=DEFLATE', source, part]);
  });
}

export function sizeOf(file: string): { readonly columns: number; readonly rows: number } {
  const { size } = JSON.parse(execute('gdalinfo', ['-json', '-nomd', file])) as { readonly size: readonly [number, number] };
  return { columns: size[0], rows: size[1] };
}
