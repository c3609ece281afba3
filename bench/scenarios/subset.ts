/** A small scene, where starting counts. */
import { compareNdvi } from '../compare.ts';
import { subset } from '../inputs.ts';
import { processColumns, type Results, type Scenario } from '../scenario.ts';
import { noGdal, noRios } from '../setting.ts';
import { tilefanStep } from '../steps.ts';
import { ndviOperation, ndviOutput, riosNdvi } from './ndvi.ts';

const side = 3072;

export const subsetNdvi: Scenario = {
  name: 'subset',
  title: `NDVI of ${String(side)} x ${String(side)} px, deflate`,
  columns: processColumns,
  prepare(setting) {
    if (!setting.peers.gdal) return Promise.resolve({ steps: [], checks: [], absent: [noGdal] });
    const scene = subset(setting, side);
    const ours = tilefanStep({ name: 'subset-tilefan', inputs: { scene }, operation: ndviOperation, output: ndviOutput }, 'tilefan');
    return Promise.resolve({
      steps: [ours, ...riosNdvi(setting, 'RIOS', 'subset-rios', scene, ['COMPRESS=DEFLATE'])],
      checks: [compareNdvi('tilefan', scene, ours.file)],
      absent: setting.peers.rios === undefined ? [noRios] : [],
    });
  },
  judge(results: Results) {
    return [{ what: `NDVI of ${String(side)} px, deflate, against RIOS`, value: results.ratio('tilefan', 'RIOS'), bound: '<=', target: 0.6 }];
  },
};
