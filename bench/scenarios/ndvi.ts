/** NDVI of the scene against the programs that tilefan replaces. */
import { deflateScene, zstdScene } from '../inputs.ts';
import { compareNdvi, compareFiles } from '../compare.ts';
import { processColumns, quotient, type Results, type Scenario, type Step } from '../scenario.ts';
import { noGdal, noRios, outFolder, path, python, type Setting } from '../setting.ts';
import { contest, tilefanStep } from '../steps.ts';

/** The job that most scenarios run, in one place. */
export const ndviOperation = { expression: { out: '(scene[4] - scene[3]) / (scene[4] + scene[3])' } };
export const ndviOutput = { dtype: 'float32', nodata: -9999, overviews: 'average' };
export const zstd1 = { compression: 'zstd', level: 1 };

/** RIOS with its best mode; creation options are GDAL's. */
export function riosNdvi(setting: Setting, name: string, file: string, scene: string, options: readonly string[]): readonly Step[] {
  const { rios } = setting.peers;
  if (rios === undefined) return [];
  const output = `${outFolder}${file}.tif`;
  return [contest({ name, output, command: [python, path('peers/rios_ndvi.py'), scene, output, ...options], env: { RIOS_DIR: rios } })];
}

export const ndvi: Scenario = {
  name: 'ndvi',
  title: 'NDVI, 4 bands uint16 to float32 with overviews and statistics',
  columns: processColumns,
  prepare(setting) {
    const deflate = deflateScene(setting);
    const run = (name: string, scene: string, codec: object): ReturnType<typeof tilefanStep> =>
      tilefanStep({ name: `ndvi-${name.replaceAll(' ', '-')}`, inputs: { scene }, operation: ndviOperation, output: { ...ndviOutput, ...codec } }, `tilefan ${name}`);
    const absent: string[] = [];
    const zstd = setting.sceneZstd !== undefined || setting.peers.gdal ? zstdScene(setting) : undefined;
    if (zstd === undefined) absent.push(`the scene with zstd: ${noGdal}`);
    const ours = [run('deflate', deflate, { compression: 'deflate' }), run('zstd', deflate, zstd1), ...(zstd === undefined ? [] : [run('zstd to zstd', zstd, zstd1)])] as const;
    const theirs = [
      riosNdvi(setting, 'RIOS deflate', 'rios-deflate', deflate, ['COMPRESS=DEFLATE']),
      riosNdvi(setting, 'RIOS zstd', 'rios-zstd', deflate, ['COMPRESS=ZSTD', 'ZSTD_LEVEL=1']),
      zstd === undefined ? [] : riosNdvi(setting, 'RIOS zstd to zstd', 'rios-zstd-zstd', zstd, ['COMPRESS=ZSTD', 'ZSTD_LEVEL=1']),
    ];
    if (setting.peers.rios === undefined) absent.push(noRios);
    const others: Step[] = [];
    const rasterio = `${outFolder}rasterio-deflate.tif`;
    if (setting.peers.rasterio) others.push(contest({ name: 'rasterio deflate', output: rasterio, command: [python, path('peers/rasterio_ndvi.py'), deflate, rasterio, 'compress=deflate'] }));
    else absent.push(`rasterio: ${python} does not have it`);
    const gdal = `${outFolder}gdal-deflate.tif`;
    if (setting.peers.gdal) others.push(contest({ name: 'gdal_calc and COG deflate', output: gdal, command: [path('peers/gdal_ndvi.sh'), deflate, gdal, 'COMPRESS=DEFLATE'] }, { runs: 3 }));
    else absent.push(noGdal);
    const checks = [
      ...(setting.peers.gdal ? ours.map((step) => compareNdvi(step.name, deflate, step.file)) : []),
      ...(setting.peers.rios === undefined ? [] : [compareFiles('tilefan deflate, RIOS deflate', ours[0].file, `${outFolder}rios-deflate.tif`, 0)]),
    ];
    return Promise.resolve({ steps: [...ours.flatMap((step, i) => [step, ...(theirs[i] ?? [])]), ...others], checks, absent });
  },
  judge(results: Results) {
    const peak = quotient(results.largest('tilefan deflate', 'peak'), results.largest('RIOS deflate', 'peak'));
    return [
      { what: 'NDVI, deflate, against RIOS', value: results.ratio('tilefan deflate', 'RIOS deflate'), bound: '<=', target: 0.52 },
      { what: 'NDVI, deflate, size against RIOS', value: results.ratio('tilefan deflate', 'RIOS deflate', 'output'), bound: '<=', target: 1.02 },
      { what: 'NDVI, zstd 1, against RIOS', value: results.ratio('tilefan zstd', 'RIOS zstd'), bound: '<=', target: 0.6 },
      { what: 'NDVI, zstd to zstd 1, against RIOS', value: results.ratio('tilefan zstd to zstd', 'RIOS zstd to zstd'), bound: '<=', target: 0.45 },
      { what: 'NDVI, deflate, peak memory against RIOS', value: peak, bound: '<=', target: 0.2 },
    ];
  },
};
