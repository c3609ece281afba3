/** A process that runs two hanging workers locally, to be killed by a test. Arguments: folder of the work prefix, folder of the notes. */
import { pathToFileURL, fileURLToPath } from 'node:url';
import { runLocally } from '../../local/run-locally.ts';
import { done, splitInto } from './local-run.ts';

const [folder = '', notes = ''] = process.argv.slice(2);
const work = `${pathToFileURL(folder).href}/`;
await runLocally({
  input: {},
  runId: 'run-1',
  workers: 2,
  work,
  workerCommand: [process.execPath, fileURLToPath(new URL('fake-worker.mjs', import.meta.url))],
  functions: { split: splitInto(work, { batches: 2 }), reduce: done },
  env: { TILEFAN_TEST_SCRIPT: JSON.stringify({ default: [{ hang: true }] }), TILEFAN_TEST_NOTES: notes },
});
