/** Makes the corpus in a temporary folder, with what GDAL reads from it. */

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { gdalPython } from '../support/gdal.ts';
import { type Case } from './case.ts';

/** What GDAL says of one file. */
export interface GdalRecord {
  readonly name: string;
  /** GDAL's own words where it can't make or read the file. */
  readonly problem?: string;
  readonly bands: number;
  readonly geotransform: readonly number[] | null;
  readonly epsg: number | null;
  readonly pixelIsPoint: boolean;
  readonly groundControlPoints: number;
  /** Text for NaN and the infinities. */
  readonly nodata: number | string | null;
  /** Of the first band: 1 all valid, 2 for the dataset, 4 alpha, 8 nodata. */
  readonly maskFlags: number;
  readonly descriptions: readonly string[];
  readonly scales: readonly (number | null)[];
  readonly offsets: readonly (number | null)[];
  readonly units: readonly string[];
  readonly colors: readonly string[];
  readonly table: readonly (readonly number[])[] | null;
  /** Columns and rows of the image and its overviews. */
  readonly levels: readonly (readonly [number, number])[];
}

export interface CorpusFile {
  readonly case: Case;
  readonly path: string;
  readonly gdal: GdalRecord;
  /** Samples and masks of every level, as corpus.py wrote them. */
  readonly dump: Uint8Array;
}

const run = promisify(execFile);

/** Makes the files, hands them to `use` and removes them. @throws Error with the names of the files that GDAL couldn't make. */
export async function withCorpus(cases: readonly Case[], use: (files: readonly CorpusFile[]) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tilefan-corpus-'));
  try {
    await writeFile(path.join(folder, 'cases.json'), JSON.stringify(cases));
    const script = path.join(import.meta.dirname, 'corpus.py');
    const { stdout } = await run(gdalPython, ['-W', 'ignore', script, folder], { maxBuffer: 64 * 1024 * 1024 });
    const records = JSON.parse(stdout) as GdalRecord[];
    const failed = records.filter(({ problem }) => problem !== undefined);
    if (failed.length > 0) throw new Error(failed.map(({ name, problem }) => `${name}: ${problem}`).join('\n'));
    const files = cases.map(async (one, i): Promise<CorpusFile> => {
      const gdal = records[i];
      if (gdal?.name !== one.name) throw new Error(`corpus.py left out ${one.name}`);
      const dump = one.refused === undefined ? await readFile(path.join(folder, `${one.name}.bin`)) : new Uint8Array(0);
      return { case: one, path: path.join(folder, `${one.name}.tif`), gdal, dump };
    });
    await use(await Promise.all(files));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
