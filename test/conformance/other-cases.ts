/** The cases that are no part of a product: codecs for pictures, COGs, colours, alpha, georeferences, and what is refused. */

import { type Case, type Header } from './case.ts';

const tiled = ['TILED=YES', 'BLOCKXSIZE=32', 'BLOCKYSIZE=16'];
const striped = ['BLOCKYSIZE=16'];
const picture = { dtype: 'uint8', width: 75, height: 41 } as const;
const plain = { dtype: 'uint16', width: 40, height: 30, bands: 1, options: ['COMPRESS=DEFLATE'] } as const;

function pictures(): Case[] {
  const cases: Case[] = [];
  for (const [place, blocks] of Object.entries({ tiled, striped })) {
    for (const order of ['LITTLE', 'BIG']) {
      const options = [...blocks, `ENDIANNESS=${order}`];
      const name = `${place}-${order.toLowerCase()}`;
      cases.push(
        { ...picture, name: `jpeg-grey-${name}`, bands: 1, options: [...options, 'COMPRESS=JPEG'] },
        { ...picture, name: `jpeg-rgb-${name}`, bands: 3, options: [...options, 'COMPRESS=JPEG', 'PHOTOMETRIC=RGB', 'JPEG_QUALITY=90'] },
        { ...picture, name: `jpeg-ycbcr-${name}`, bands: 3, options: [...options, 'COMPRESS=JPEG', 'PHOTOMETRIC=YCBCR'], mask: 'inside', overviews: [2] },
        { ...picture, name: `jpeg-5-bands-${name}`, bands: 5, options: [...options, 'COMPRESS=JPEG', 'INTERLEAVE=BAND'] },
        { ...picture, name: `webp-lossless-rgb-${name}`, bands: 3, options: [...options, 'COMPRESS=WEBP', 'WEBP_LOSSLESS=YES'] },
        { ...picture, name: `webp-lossless-rgba-${name}`, bands: 4, alpha: 'rgbA', options: [...options, 'COMPRESS=WEBP', 'WEBP_LOSSLESS=YES', 'PHOTOMETRIC=RGB', 'ALPHA=YES'] },
        { ...picture, name: `webp-lossy-${name}`, bands: 3, options: [...options, 'COMPRESS=WEBP', 'WEBP_LEVEL=60'], mask: 'inside' },
        { ...picture, name: `lerc-lossy-${name}`, dtype: 'float32', bands: 2, options: [...options, 'COMPRESS=LERC_ZSTD', 'MAX_Z_ERROR=0.5'] },
        { ...picture, name: `lerc-nan-${name}`, dtype: 'float32', bands: 1, pattern: 'nan', nodata: 'nan', options: [...options, 'COMPRESS=LERC'] },
      );
    }
  }
  return cases;
}

function cogs(): Case[] {
  const sides = { width: 90, height: 70, driver: 'COG' as const };
  const options = ['BLOCKSIZE=32', 'OVERVIEW_RESAMPLING=NEAREST'];
  const cases: Case[] = [];
  for (const compression of ['NONE', 'LZW', 'DEFLATE', 'ZSTD', 'LERC', 'LERC_DEFLATE']) {
    const predictors = ['LZW', 'DEFLATE', 'ZSTD'].includes(compression) ? ['NO', 'YES'] : ['NO'];
    for (const predictor of predictors) {
      const own = [...options, `COMPRESS=${compression}`, ...(predictor === 'YES' ? ['PREDICTOR=YES'] : [])];
      const name = `cog-${compression.toLowerCase()}-${predictor.toLowerCase()}`;
      cases.push(
        { ...sides, name: `${name}-uint16-mask`, dtype: 'uint16', bands: 2, options: own, mask: 'inside' },
        { ...sides, name: `${name}-float32-nodata`, dtype: 'float32', bands: 1, options: [...own, 'BIGTIFF=YES'], nodata: '-10000' },
        { ...sides, name: `${name}-sparse`, dtype: 'int16', bands: 3, options: [...own, 'SPARSE_OK=TRUE'], pattern: 'corner', nodata: '0' },
      );
    }
  }
  cases.push(
    { ...sides, name: 'cog-jpeg-mask', dtype: 'uint8', bands: 3, options: [...options, 'COMPRESS=JPEG'], mask: 'inside' },
    { ...sides, name: 'cog-jpeg-alpha-becomes-mask', dtype: 'uint8', bands: 4, alpha: 'rgbA', options: [...options, 'COMPRESS=JPEG'], header: { colors: ['RedBand', 'GreenBand', 'BlueBand', 'AlphaBand'] } },
    { ...sides, name: 'cog-webp-alpha', dtype: 'uint8', bands: 4, alpha: 'rgbA', options: [...options, 'COMPRESS=WEBP', 'QUALITY=100'], header: { colors: ['RedBand', 'GreenBand', 'BlueBand', 'AlphaBand'] } },
  );
  return cases;
}

function masks(): Case[] {
  return [
    { ...plain, name: 'mask-and-nodata', mask: 'inside', nodata: '0' },
    { ...plain, name: 'mask-in-strips-big-endian', mask: 'inside', options: ['BLOCKYSIZE=7', 'ENDIANNESS=BIG'], bands: 3 },
    // GDAL takes a .msk for the image's mask. A worker would have to ask the store for it with every file, so it is left alone: docs/decisions/tiff-reader.md.
    { ...plain, name: 'mask-beside', mask: 'beside' },
    { ...plain, name: 'sparse-nothing-written', pattern: 'empty', options: [...tiled, 'SPARSE_OK=TRUE', 'COMPRESS=ZSTD'], nodata: '7' },
    { ...plain, name: 'nodata-nan-of-integers', nodata: 'nan' },
    { ...plain, name: 'nodata-outside-the-type', nodata: '-9999' },
    { ...plain, name: 'nodata-infinite', dtype: 'float64', nodata: 'inf' },
    { ...plain, name: 'nodata-lowest-float', dtype: 'float32', nodata: '-3.4028234663852886e38' },
    { ...plain, name: 'nodata-fraction', dtype: 'float32', nodata: '0.1' },
    { ...plain, name: 'nodata-of-int8', dtype: 'int8', nodata: '-128' },
    { ...plain, name: 'nodata-largest-int64', dtype: 'int64', nodata: '9223372036854775807' },
    { ...plain, name: 'nodata-small-int64', dtype: 'int64', nodata: '-9999', options: ['ENDIANNESS=BIG'] },
    { ...plain, name: 'nodata-odd-uint64', dtype: 'uint64', nodata: '9007199254740995', bands: 2 },
    { ...plain, name: 'mask-int64', dtype: 'int64', mask: 'inside', nodata: '-9223372036854775808' },
    { ...plain, name: 'nodata-65-bands', bands: 65, nodata: '0', options: ['COMPRESS=LZW', 'PREDICTOR=2', 'TILED=YES', 'BLOCKXSIZE=16', 'BLOCKYSIZE=16'] },
  ];
}

function colors(): Case[] {
  const rgb = ['PHOTOMETRIC=RGB'];
  const byte = { dtype: 'uint8', width: 40, height: 30 } as const;
  const table = Array.from({ length: 256 }, (_, i) => [i, 255 - i, (i * 7) % 256, 255]);
  return [
    { ...byte, name: 'colors-grey-alpha', bands: 2, alpha: 'gA', options: ['ALPHA=YES'] },
    { ...byte, name: 'colors-rgba', bands: 4, alpha: 'rgbA', options: [...rgb, 'ALPHA=YES'] },
    { ...byte, name: 'colors-rgba-by-band', bands: 4, alpha: 'rgbA', options: [...rgb, 'ALPHA=YES', 'INTERLEAVE=BAND', 'COMPRESS=LZW'] },
    { ...byte, name: 'colors-rgba-premultiplied', bands: 4, alpha: 'rgbA', options: [...rgb, 'ALPHA=PREMULTIPLIED'] },
    { ...byte, name: 'colors-rgb-and-another', bands: 4, options: [...rgb, 'ALPHA=NO'] },
    { ...byte, name: 'colors-rgba-16-bits', dtype: 'uint16', bands: 4, alpha: 'rgbA', options: [...rgb, 'ALPHA=YES'] },
    { ...byte, name: 'colors-rgb-alpha-another', bands: 5, alpha: 'rgbA.', options: [...rgb, 'ALPHA=YES'] },
    { ...byte, name: 'colors-rgb-another-alpha', bands: 5, alpha: 'rgb.A', options: rgb, header: { colors: ['RedBand', 'GreenBand', 'BlueBand', 'Undefined', 'AlphaBand'] } },
    { ...byte, name: 'colors-four-grey-and-alpha', bands: 5, alpha: '....A', options: [], header: { colors: ['GrayIndex', 'Undefined', 'Undefined', 'Undefined', 'AlphaBand'] } },
    { ...byte, name: 'colors-alpha-with-nodata', bands: 4, alpha: 'rgbA', nodata: '0', options: [...rgb, 'ALPHA=YES'] },
    { ...byte, name: 'colors-alpha-with-mask', bands: 4, alpha: 'rgbA', mask: 'inside', options: [...rgb, 'ALPHA=YES'] },
    { ...byte, name: 'colors-blue-green-red', bands: 3, options: [], header: { colors: ['BlueBand', 'GreenBand', 'RedBand'] } },
    { ...byte, name: 'colors-hue', bands: 3, options: [], header: { colors: ['HueBand', 'SaturationBand', 'LightnessBand'] } },
    { ...byte, name: 'colors-grey-4', bands: 4, options: [] },
    { ...byte, name: 'colors-cmyk-16-bits', dtype: 'uint16', bands: 4, options: ['PHOTOMETRIC=CMYK'] },
    { ...byte, name: 'colors-cmyk-alpha', dtype: 'uint16', bands: 5, alpha: 'cmykA', options: ['PHOTOMETRIC=CMYK', 'ALPHA=YES'] },
    { ...byte, name: 'colors-lab-16-bits', dtype: 'uint16', bands: 3, options: ['PHOTOMETRIC=CIELAB'] },
    { ...byte, name: 'colors-icc-lab', bands: 3, options: ['PHOTOMETRIC=ICCLAB'] },
    { ...byte, name: 'colors-white-is-zero', bands: 1, options: ['PHOTOMETRIC=MINISWHITE'] },
    { ...byte, name: 'colors-white-is-zero-bit', bits: 1, bands: 1, options: ['PHOTOMETRIC=MINISWHITE', 'NBITS=1'] },
    { ...byte, name: 'colors-white-is-zero-16-bits', dtype: 'uint16', bands: 1, options: ['PHOTOMETRIC=MINISWHITE'] },
    { ...byte, name: 'colors-table', bands: 1, options: ['COMPRESS=LZW'], header: { table } },
    { ...byte, name: 'colors-table-short', bands: 1, options: ['COMPRESS=LZW'], header: { table: table.slice(0, 5) } },
    { ...byte, name: 'colors-table-nodata', bands: 1, nodata: '3', options: ['ENDIANNESS=BIG'], header: { table } },
    { ...byte, name: 'colors-table-dark', bands: 1, options: [], header: { table: table.map(() => [0, 0, 0, 255]) } },
    { ...byte, name: 'colors-table-bit', bits: 1, bands: 1, options: ['NBITS=1'], header: { table: [[200, 0, 0, 255], [0, 200, 9, 255]] } },
    { ...byte, name: 'colors-table-16-bits', dtype: 'uint16', bands: 1, options: ['BIGTIFF=YES'], header: { table } },
    { ...byte, name: 'colors-table-2-bands', bands: 2, options: ['PHOTOMETRIC=PALETTE'], header: { table } },
  ];
}

function headers(): Case[] {
  const utm = { epsg: 32_633 };
  const geo: Readonly<Record<string, Header>> = {
    'north-up': { ...utm, geotransform: [600_000.5, 10, 0, 5_000_040, 0, -20] },
    'north-up-point': { ...utm, geotransform: [600_000.5, 10, 0, 5_000_040, 0, -20], pixelIsPoint: true },
    'south-up': { ...utm, geotransform: [600_000, 10, 0, 5_000_040, 0, 10] },
    'south-up-point': { ...utm, geotransform: [600_000, 10, 0, 5_000_040, 0, 10], pixelIsPoint: true },
    'east-left': { ...utm, geotransform: [600_000, -10, 0, 5_000_040, 0, -10] },
    rotated: { ...utm, geotransform: [600_000, 8, 3, 5_000_040, 2, -9] },
    'rotated-point': { ...utm, geotransform: [600_000, 8, 3, 5_000_040, 2, -9], pixelIsPoint: true },
    'quarter-turn': { ...utm, geotransform: [600_000, 0, 10, 5_000_040, 10, 0] },
    'no-width': { geotransform: [600_000, 0, 0, 5_000_040, 0, -10] },
    'no-size': { ...utm, geotransform: [600_000, 0, 0, 5_000_040, 0, 0] },
    tiny: { epsg: 4326, geotransform: [-180, 1e-9, 0, 90, 0, -1e-9] },
    'transform-without-crs': { geotransform: [5, 2, 0, 7, 0, -2] },
    'crs-without-transform': { ...utm },
    'control-points': { points: [[1, 2, 0, 3, 4], [5, 6, 0, 7, 8], [5, 9, 0, 10, 8], [8, 9, 0, 20, 8]] },
    'one-control-point': { points: [[1, 2, 0, 3, 4]] },
    nothing: {},
  };
  const bands = { descriptions: ['a <b> & "c"', 'ß near infrared'], scales: [0.0001, 2], offsets: [-0.1, 0], units: ['m/s', '°C'] };
  return [
    ...Object.entries(geo).map(([name, header]): Case => ({ ...plain, name: `geo-${name}`, header })),
    { ...plain, name: 'geo-big', header: { ...utm, geotransform: [600_000, 8, 3, 5_000_040, 2, -9] }, options: ['ENDIANNESS=BIG', 'BIGTIFF=YES'] },
    { ...plain, name: 'bands-described', bands: 2, header: bands },
    { ...plain, name: 'bands-described-cog', bands: 2, driver: 'COG', header: bands, options: ['BLOCKSIZE=32'] },
  ];
}

function refusals(): Case[] {
  const unsupported = (message: string): Pick<Case, 'refused'> => ({ refused: { code: 'TIFF_UNSUPPORTED', message } });
  return [
    { ...plain, name: 'refused-complex64', dtype: 'complex64', ...unsupported('SampleFormat is 6: samples of 64 bits, SampleFormat 6 (complex floating point)') },
    { ...plain, name: 'refused-complexint16', dtype: 'complexint16', ...unsupported('SampleFormat is 5: samples of 32 bits, SampleFormat 5 (complex integer)') },
    { ...plain, name: 'refused-12-bits', bits: 12, options: ['NBITS=12'], ...unsupported('BitsPerSample is 12: samples of 12 bits') },
    { ...plain, name: 'refused-4-bits', dtype: 'uint8', bits: 4, options: ['NBITS=4'], ...unsupported('BitsPerSample is 4: samples of 4 bits') },
    { ...plain, name: 'refused-24-bits', dtype: 'uint32', bits: 24, options: ['NBITS=24'], ...unsupported('BitsPerSample is 24: samples of 24 bits') },
    { ...plain, name: 'refused-lzma', options: ['COMPRESS=LZMA'], ...unsupported('Compression is 34925 (LZMA); can be read: none (1)') },
    { ...plain, name: 'refused-fax', dtype: 'uint8', bits: 1, options: ['COMPRESS=CCITTFAX4', 'NBITS=1'], ...unsupported('Compression is 4 (CCITT fax 4)') },
    { ...plain, name: 'refused-cmyk', dtype: 'uint8', bands: 4, options: ['PHOTOMETRIC=CMYK'], ...unsupported('PhotometricInterpretation is 5 (CMYK) with samples of 8 bits, which GDAL turns into RGBA') },
    { ...plain, name: 'refused-lab', dtype: 'uint8', bands: 3, options: ['PHOTOMETRIC=CIELAB', 'COMPRESS=LZW'], ...unsupported('PhotometricInterpretation is 8 (CIELab) with samples of 8 bits') },
    { ...plain, name: 'refused-jpeg-rgba', dtype: 'uint8', bands: 4, options: ['COMPRESS=JPEG'], ...unsupported('is 7 (JPEG) with 4 uint8 of 8 bits a pixel; JPEG can be read with 1 or 3') },
  ];
}

export const otherCases: readonly Case[] = [...pictures(), ...cogs(), ...masks(), ...colors(), ...headers(), ...refusals()];
