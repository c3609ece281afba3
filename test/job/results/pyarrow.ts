/** pyarrow as the oracle for Parquet: a Python that has it is looked for in TILEFAN_PYARROW_PYTHON, .tools/venv and PATH. */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';

const candidates = [process.env['TILEFAN_PYARROW_PYTHON'], join(import.meta.dirname, '../../../.tools/venv/bin/python'), 'python3', '/usr/bin/python3'];

const found = candidates.find((python) => python !== undefined && python !== '' && spawnSync(python, ['-c', 'import pyarrow.parquet'], { stdio: 'ignore' }).status === 0);

/** Why there is no pyarrow here, for `skip`; false where there is. */
export const withoutPyarrow: string | false = found === undefined ? 'no Python with pyarrow: set TILEFAN_PYARROW_PYTHON, or pip install pyarrow into .tools/venv' : false;

/** Runs a program that prints one JSON document, with `table` being the file's table. */
export function withTable(file: string, program: string): unknown {
  const prelude = 'import json, sys\nimport pyarrow as pa\nimport pyarrow.parquet as pq\nfile = pq.ParquetFile(sys.argv[1])\ntable = file.read()\ndef answer(v): print(json.dumps(v))\n';
  return JSON.parse(execFileSync(found ?? '', ['-W', 'ignore', '-c', `${prelude}${program}`, file], { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 }));
}
