/**
 * The cases of the conformance corpus, as data: corpus.py makes a file of each, the test reads it and compares with what GDAL reads.
 *
 * The whole product of the axes would be some 400,000 files. Taken are: every sample type with every coding, twice, with one or the other
 * half of {pixel, band} x {little, big}; and along with them the other axes, so chosen that every value of one meets every value of any other.
 */

import { type Case } from './case.ts';
import { otherCases } from './other-cases.ts';

interface Sample {
  readonly name: string;
  readonly dtype: Case['dtype'];
  readonly bits?: number;
}

const samples: readonly Sample[] = [
  ...(['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'float32', 'float64'] as const).map((dtype) => ({ name: dtype, dtype })),
  { name: 'float16', dtype: 'float32', bits: 16 },
  { name: 'bit', dtype: 'uint8', bits: 1 },
  { name: 'int64', dtype: 'int64' },
  { name: 'uint64', dtype: 'uint64' },
];

interface Coding {
  readonly compression: string;
  readonly predictor: 1 | 2 | 3;
}

const codings: readonly Coding[] = [
  ...['NONE', 'PACKBITS', 'LERC', 'LERC_DEFLATE', 'LERC_ZSTD'].map((compression) => ({ compression, predictor: 1 as const })),
  ...['LZW', 'DEFLATE', 'ZSTD'].flatMap((compression) => ([1, 2, 3] as const).map((predictor) => ({ compression, predictor }))),
];

function goTogether({ dtype, bits }: Sample, { compression, predictor }: Coding): boolean {
  // liblerc knows neither float16 nor single bits nor integers of 64 bits; libtiff predicts no single bits, and with predictor 3 only floating point.
  if ((bits !== undefined || dtype.endsWith('int64')) && compression.startsWith('LERC')) return false;
  if (bits === 1) return predictor === 1;
  return predictor !== 3 || dtype.startsWith('float');
}

const axes = {
  organisation: {
    'strips-1': ['BLOCKYSIZE=1'],
    'strips-7': ['BLOCKYSIZE=7'],
    'one-strip': ['BLOCKYSIZE=100000'],
    'strips-default': [],
    'tiles-16': ['TILED=YES', 'BLOCKXSIZE=16', 'BLOCKYSIZE=16'],
    'tiles-32x16': ['TILED=YES', 'BLOCKXSIZE=32', 'BLOCKYSIZE=16'],
    'tiles-16x48': ['TILED=YES', 'BLOCKXSIZE=16', 'BLOCKYSIZE=48'],
    'tiles-256': ['TILED=YES', 'BLOCKXSIZE=256', 'BLOCKYSIZE=256'],
  },
  size: { '75x41': [75, 41], '64x48': [64, 48], '1x1': [1, 1], '1x37': [1, 37], '37x1': [37, 1], '17x16': [17, 16], '33x5': [33, 5] },
  bands: { '1-band': 1, '2-bands': 2, '3-bands': 3, '5-bands': 5 },
  header: { classic: [], bigtiff: ['BIGTIFF=YES'] },
  extra: { plain: '', nodata: '', mask: '', sparse: '', 'sparse-nodata': '', overviews: '', 'mask-overviews': '', 'nodata-overviews': '' },
} as const;

type AxisName = keyof typeof axes;
type Row = { readonly [A in AxisName]: keyof (typeof axes)[A] };
const axisNames = Object.keys(axes) as AxisName[];

/** Marsaglia's xorshift: the corpus must be the same on every machine. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Of some rows drawn at random, the one with most pairs of values that are not in `seen` yet; its pairs go into `seen`. */
function nextRow(fixed: readonly string[], seen: Set<string>, draw: (below: number) => number): Row {
  let best: { row: Row; fresh: string[] } | undefined;
  for (let i = 0; i < 40; i++) {
    const row = Object.fromEntries(
      axisNames.map((axis) => {
        const values = Object.keys(axes[axis]);
        return [axis, values[draw(values.length)]];
      }),
    ) as Row;
    const values = [...fixed, ...Object.values(row)];
    const pairs = values.flatMap((a, place) => values.slice(place + 1).map((b) => `${a} ${b}`));
    const fresh = pairs.filter((pair) => !seen.has(pair));
    if (best === undefined || fresh.length > best.fresh.length) best = { row, fresh };
  }
  if (best === undefined) throw new Error('nothing was drawn');
  for (const pair of best.fresh) seen.add(pair);
  return best.row;
}

function productCases(): Case[] {
  const cases: Case[] = [];
  const seen = new Set<string>();
  const draw = generator(20_260);
  for (const sample of samples) {
    for (const coding of codings.filter((one) => goTogether(sample, one))) {
      const halves = [[['PIXEL', 'LITTLE'], ['BAND', 'BIG']], [['PIXEL', 'BIG'], ['BAND', 'LITTLE']]] as const;
      // Only three types have predictor 3: two files each would not meet all values of the other axes.
      const chosen = coding.predictor === 3 ? halves.flat() : (halves[(cases.length / 2) % 2] ?? []);
      for (const [interleave, order] of chosen) {
        const codingName = `${coding.compression.toLowerCase()}-${coding.predictor}`;
        const row = nextRow([sample.name, codingName, interleave, order], seen, draw);
        const name = [sample.name, codingName, interleave.toLowerCase(), order.toLowerCase(), ...Object.values(row)].join('.');
        const options = [`COMPRESS=${coding.compression}`, `INTERLEAVE=${interleave}`, `ENDIANNESS=${order}`, ...axes.organisation[row.organisation], ...axes.header[row.header]];
        if (coding.predictor > 1) options.push(`PREDICTOR=${coding.predictor}`);
        if (sample.bits !== undefined) options.push(`NBITS=${sample.bits}`);
        const [width, height] = axes.size[row.size];
        const base = { name, dtype: sample.dtype, ...(sample.bits !== undefined && { bits: sample.bits }), width, height, bands: axes.bands[row.bands], options };
        cases.push(withExtra(base, row.extra, coding));
      }
    }
  }
  return cases;
}

function withExtra(base: Case, extra: Row['extra'], { compression }: Coding): Case {
  const float = base.dtype.startsWith('float');
  // The usual nodata of such files: beyond 2^53.
  const integer = base.dtype === 'int64' ? '-9223372036854775808' : base.dtype === 'uint64' ? '18446744073709551615' : '0';
  // libtiff 4.5 writes LERC blocks with NaN in several bands by pixel that it can't read itself.
  const nan = float && !compression.startsWith('LERC') && base.width % 2 === 1;
  return {
    ...base,
    ...(extra.includes('nodata') && { nodata: nan ? 'nan' : float ? '-10000' : integer }),
    ...(nan && !extra.startsWith('sparse') && { pattern: 'nan' as const }),
    ...(extra.startsWith('sparse') && { pattern: 'corner' as const, options: [...base.options, 'SPARSE_OK=TRUE'] }),
    ...(extra.startsWith('mask') && { mask: 'inside' as const }),
    ...(extra.endsWith('overviews') && base.width > 16 && base.height > 16 && { overviews: [2, 4] }),
  };
}

/** Sample type, coding, interleave, byte order, organisation, size, bands, header, extra: the parts of a name, with dots between. */
export const products: readonly Case[] = productCases();

export const cases: readonly Case[] = [...products, ...otherCases];
