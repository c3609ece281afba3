/** NDVI by a function in numpy, the same one for tilefan and for RIOS; and in TypeScript. */
import { compareNdvi, compareFiles } from '../compare.ts';
import { deflateScene } from '../inputs.ts';
import { processColumns, type Results, type Scenario } from '../scenario.ts';
import { noRios, outFolder, path } from '../setting.ts';
import { tilefanStep } from '../steps.ts';
import { ndviOutput, riosNdvi } from './ndvi.ts';

export const functions: Scenario = {
  name: 'functions',
  title: 'NDVI by a function of the user, deflate',
  columns: processColumns,
  prepare(setting) {
    const scene = deflateScene(setting);
    const run = (name: string, operation: object): ReturnType<typeof tilefanStep> => tilefanStep({ name: `function-${name}`, inputs: { scene }, operation, output: ndviOutput }, `tilefan ${name}`);
    const numpy = run('numpy', { module: path('functions/ndvi.py'), function: 'ndvi' });
    const typescript = run('typescript', { module: path('functions/ndvi.ts'), function: 'ndvi' });
    const theirs = riosNdvi(setting, 'RIOS numpy', 'rios-function', scene, ['COMPRESS=DEFLATE']);
    const checks = [
      compareNdvi('tilefan typescript', scene, typescript.file),
      ...(setting.peers.rios === undefined ? [] : [compareFiles('tilefan numpy, RIOS numpy', numpy.file, `${outFolder}rios-function.tif`, 0)]),
    ];
    return Promise.resolve({ steps: [numpy, ...theirs, typescript], checks, absent: setting.peers.rios === undefined ? [noRios] : [] });
  },
  judge(results: Results) {
    return [{ what: 'NDVI in numpy, against RIOS with the same function', value: results.ratio('tilefan numpy', 'RIOS numpy'), bound: '<=', target: 0.7 }];
  },
};
