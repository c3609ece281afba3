/** Stands for a worker in tests: starts a code process on the code and scratch folder that it is given, says its number, and waits to be killed. */
import { CodeProcess } from '../../lib/code/code-process.ts';
import { makeSharedFile } from '../../lib/code/shared-file.ts';

const [runtime = 'node', code = '', scratch = '', name = 'f'] = process.argv.slice(2);
const shared = makeSharedFile(8);
const runner = new CodeProcess({
  setup: {
    code,
    function: name,
    parameters: {},
    lists: {},
    serial: false,
    inputs: [],
    outputs: [],
    grid: { columns: 1, rows: 1, geotransform: null, crs: null },
    tileSize: 1,
    halo: 0,
    tiles: { across: 1, down: 1 },
    model: null,
    memoryBytes: null,
  },
  runtime: runtime === 'python' ? 'python' : 'node',
  sharedFd: shared.fd,
  scratch,
  credentials: false,
  timeoutSeconds: 600,
  env: process.env,
});
process.stdout.write(`${JSON.stringify(await runner.call({ id: 0, column: 0, row: 0, window: { column: 0, row: 0, columns: 1, rows: 1 }, inputs: [], outputs: [], probe: false }))}\n`);
if (process.env['LEAVE'] === 'exit') process.exit(0);
void runner.call({ id: 1, column: 1, row: 0, window: { column: 0, row: 0, columns: 1, rows: 1 }, inputs: [], outputs: [], probe: false });
