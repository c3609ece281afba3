/** 16 overlapping scenes, warped to Web Mercator into one COG, against gdalwarp and gdal_translate. */
import { compareFiles } from '../compare.ts';
import { deflateScene, pieces } from '../inputs.ts';
import { processColumns, type Results, type Scenario } from '../scenario.ts';
import { execute, noGdal, outFolder, path } from '../setting.ts';
import { contest, tilefanStep } from '../steps.ts';

interface Grid {
  readonly resolution: number;
  readonly bounds: readonly [number, number, number, number];
}

/** The resolution that gdalwarp would choose, to a tenth of a metre, and the extent in whole pixels. */
function mercatorGrid(scene: string): Grid {
  const vrt = `${outFolder}mercator.vrt`;
  execute('gdalwarp', ['-q', '-overwrite', '-of', 'VRT', '-t_srs', 'EPSG:3857', scene, vrt]);
  const { geoTransform, size } = JSON.parse(execute('gdalinfo', ['-json', '-nomd', vrt])) as { geoTransform: readonly number[]; size: readonly number[] };
  const [left = 0, dx = 1, , top = 0, , dy = -1] = geoTransform;
  const [columns = 1, rows = 1] = size;
  const resolution = Math.round(dx * 10) / 10;
  const snap = (value: number, round: (value: number) => number): number => Number((round(value / resolution) * resolution).toFixed(1));
  return { resolution, bounds: [snap(left, Math.floor), snap(top + rows * dy, Math.floor), snap(left + columns * dx, Math.ceil), snap(top, Math.ceil)] };
}

export const mosaic: Scenario = {
  name: 'mosaic',
  title: '16 scenes of 4 bands, bilinear, to EPSG:3857, deflate',
  columns: processColumns,
  prepare(setting) {
    if (!setting.peers.gdal) return Promise.resolve({ steps: [], checks: [], absent: [noGdal] });
    const scene = deflateScene(setting);
    const hrefs = pieces(setting);
    const { resolution, bounds } = mercatorGrid(scene);
    const ours = (name: string, errorThreshold: number): ReturnType<typeof tilefanStep> =>
      tilefanStep(
        {
          name: `mosaic-${name}`,
          inputs: { scenes: { hrefs, resampling: 'bilinear', ...(errorThreshold === 0 ? {} : { errorThreshold }) } },
          grid: { crs: 'EPSG:3857', resolution, bounds },
          operation: { copy: { out: 'scenes' } },
          output: { nodata: 0, overviews: 'average' },
        },
        `tilefan ${name}`,
      );
    const gdal = (name: string, errorThreshold: number): ReturnType<typeof contest> => {
      const output = `${outFolder}mosaic-gdal-${name}.tif`;
      return contest({ name: `gdalwarp and COG ${name}`, output, command: [path('peers/warp_mosaic.sh'), output, String(errorThreshold), String(resolution), bounds.join(' '), ...hrefs] });
    };
    const [exact, near] = [ours('exact', 0), ours('approximate', 0.125)];
    return Promise.resolve({
      steps: [exact, gdal('exact', 0), near, gdal('approximate', 0.125)],
      checks: [
        compareFiles('tilefan exact, gdalwarp -et 0', exact.file, `${outFolder}mosaic-gdal-exact.tif`, 0),
        compareFiles('tilefan approximate, gdalwarp -et 0.125', near.file, `${outFolder}mosaic-gdal-approximate.tif`),
        compareFiles('gdalwarp -et 0, gdalwarp -et 0.125', `${outFolder}mosaic-gdal-exact.tif`, `${outFolder}mosaic-gdal-approximate.tif`),
      ],
      absent: [],
    });
  },
  judge(results: Results) {
    return [
      { what: 'mosaic of 16 scenes, exact, against gdalwarp -et 0 and COG', value: results.ratio('tilefan exact', 'gdalwarp and COG exact'), bound: '<=', target: 1.15 },
      { what: 'mosaic of 16 scenes, error threshold 0.125, against gdalwarp and COG', value: results.ratio('tilefan approximate', 'gdalwarp and COG approximate'), bound: '<=', target: 1.15 },
    ];
  },
};
