/** What reading and encoding take by themselves, with the same codecs: GDAL reads all bands, and encodes a ready NDVI, on two threads each. */
import { deflateScene, rawNdvi } from '../inputs.ts';
import { compareFiles } from '../compare.ts';
import { processColumns, type Results, type Scenario, type Verdict } from '../scenario.ts';
import { noGdal, outFolder, path, python } from '../setting.ts';
import { contest, tilefanStep } from '../steps.ts';
import { ndviOperation, ndviOutput, zstd1 } from './ndvi.ts';

export const floor: Scenario = {
  name: 'floor',
  title: 'NDVI beside reading and encoding alone',
  columns: processColumns,
  prepare(setting) {
    if (!setting.peers.gdal) return Promise.resolve({ steps: [], checks: [], absent: [noGdal] });
    const scene = deflateScene(setting);
    const raw = rawNdvi(setting);
    const run = (name: string, codec: object): ReturnType<typeof tilefanStep> =>
      tilefanStep({ name: `floor-${name}`, inputs: { scene }, operation: ndviOperation, output: { ...ndviOutput, ...codec } }, `tilefan ${name}`);
    const encode = (name: string, ...options: readonly string[]): ReturnType<typeof contest> => {
      const output = `${outFolder}floor-gdal-${name}.tif`;
      return contest({ name: `GDAL encodes ${name}`, output, command: [path('peers/encode_cog.sh'), raw, output, 'PREDICTOR=3', ...options] });
    };
    const [deflate, zstd] = [run('deflate', { compression: 'deflate' }), run('zstd', zstd1)];
    return Promise.resolve({
      steps: [
        contest({ name: 'GDAL reads', command: [python, path('peers/read_all.py'), scene, '2'] }),
        encode('deflate', 'COMPRESS=DEFLATE'),
        deflate,
        encode('zstd', 'COMPRESS=ZSTD', 'LEVEL=1'),
        zstd,
      ],
      checks: [compareFiles('tilefan deflate, gdal_calc', deflate.file, raw, 0), compareFiles('tilefan zstd, gdal_calc', zstd.file, raw, 0)],
      absent: [],
    });
  },
  judge(results: Results) {
    return ['deflate', 'zstd'].map((codec): Verdict => {
      const [read, encode, ours] = ['GDAL reads', `GDAL encodes ${codec}`, `tilefan ${codec}`].map((step) => results.median(step));
      const value = read === undefined || encode === undefined || ours === undefined ? undefined : ours / (read + encode);
      return { what: `NDVI, ${codec}, against reading and encoding by GDAL`, value, bound: '<=', target: 0.95 };
    });
  },
};
