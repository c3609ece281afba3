/** A mean over 5 x 5 pixels against RIOS with scipy. */
import { compareFocal } from '../compare.ts';
import { deflateScene } from '../inputs.ts';
import { processColumns, type Results, type Scenario } from '../scenario.ts';
import { noRios, outFolder, path, python } from '../setting.ts';
import { contest, tilefanStep } from '../steps.ts';

export const focal: Scenario = {
  name: 'focal',
  title: 'Mean of 5 x 5 pixels, uint16, deflate',
  columns: processColumns,
  prepare(setting) {
    const scene = deflateScene(setting);
    const { rios, scipy } = setting.peers;
    const ours = tilefanStep(
      { name: 'focal-tilefan', inputs: { scene }, operation: { expression: { out: 'focal_mean(scene[4], 5)' } }, output: { dtype: 'uint16', nodata: 0, overviews: 'average' } },
      'tilefan',
    );
    const output = `${outFolder}focal-rios.tif`;
    const theirs = rios === undefined || !scipy ? [] : [contest({ name: 'RIOS', output, command: [python, path('peers/rios_focal.py'), scene, output], env: { RIOS_DIR: rios } })];
    const checks = scipy
      ? [compareFocal('tilefan, scipy', scene, ours.file, 'whole'), ...theirs.map(() => compareFocal('RIOS, scipy, away from nodata and edges', scene, output, 'inner'))]
      : [];
    return Promise.resolve({ steps: [ours, ...theirs], checks, absent: [...(rios === undefined ? [noRios] : []), ...(scipy ? [] : [`scipy: ${python} does not have it`])] });
  },
  judge(results: Results) {
    return [{ what: 'focal mean 5 x 5, against RIOS with scipy', value: results.ratio('tilefan', 'RIOS'), bound: '<=', target: 0.4 }];
  },
};
