/** Arrays handed to a Python program and back, raw, so that an oracle sees the very bits. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { viewSamples, type Dtype, type SampleArray } from '../../lib/raster/dtype.ts';
import { runPythonJson } from './gdal.ts';

export interface NumpyArray {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly samples: SampleArray;
}

/** What a program finds: `arrays` and `facts` of the caller's, `folder` for files, and `out`, whose arrays go back. */
const prelude = `
import json, sys, warnings, numpy as np
warnings.simplefilter('ignore')
np.seterr(all='ignore')
folder = sys.argv[1]
given = json.load(open(folder + '/given.json'))
facts = given['facts']
arrays = {name: np.fromfile(a['file'], dtype=a['dtype']).reshape(a['shape']) for name, a in given['arrays'].items()}
out = {}
`;

const finish = `
answer = {}
for name, a in out.items():
    file = '%s/out-%d.bin' % (folder, len(answer))
    np.ascontiguousarray(a).tofile(file)
    answer[name] = {'file': file, 'dtype': str(a.dtype), 'shape': list(a.shape)}
print(json.dumps(answer))
`;

/**
 * Runs a Python program once over any number of arrays.
 * @param program statements; `\${name}` is no substitution, facts are data
 */
export function runWithArrays(program: string, arrays: Readonly<Record<string, NumpyArray>>, facts: unknown = null): Record<string, NumpyArray> {
  const folder = mkdtempSync(path.join(tmpdir(), 'tilefan-arrays-'));
  try {
    const described = Object.fromEntries(
      Object.entries(arrays).map(([name, { dtype, shape, samples }], i) => {
        const file = path.join(folder, `in-${i}.bin`);
        const length = shape.reduce((product, side) => product * side, 1);
        writeFileSync(file, new Uint8Array(samples.buffer, samples.byteOffset, length * samples.BYTES_PER_ELEMENT));
        return [name, { file, dtype, shape }];
      }),
    );
    writeFileSync(path.join(folder, 'given.json'), JSON.stringify({ arrays: described, facts }));
    const answer = runPythonJson(prelude + program + finish, [folder]) as Record<string, { file: string; dtype: Dtype; shape: number[] }>;
    return Object.fromEntries(
      Object.entries(answer).map(([name, { file, dtype, shape }]) => {
        const bytes = new Uint8Array(readFileSync(file));
        const length = shape.reduce((product, side) => product * side, 1);
        return [name, { dtype, shape, samples: viewSamples(dtype, bytes.buffer, 0, length) }];
      }),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The bits of samples, for comparing NaN and -0 too. */
export function bitsOf(samples: SampleArray, length = samples.length): Buffer {
  return Buffer.from(samples.buffer, samples.byteOffset, length * samples.BYTES_PER_ELEMENT);
}

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
