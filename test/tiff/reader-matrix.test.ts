/**
 * Every combination of sample type, compression, predictor, interleave, organisation and byte order that GDAL writes, compared with what GDAL
 * reads, bit for bit. Would catch: a wrong predictor for any width, a swapped byte, a padded edge taken for pixels, a band mixed up.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Dtype, dtypes } from '../../lib/raster/dtype.ts';
import { openTiff } from '../../lib/tiff/open.ts';
import { withoutGdal } from '../support/gdal.ts';
import { countedFile } from './counted-object.ts';
import { expectedBytes, type FileSpec, withGdalFiles } from './gdal-files.ts';
import { readImage } from './read-image.ts';

type Sample = { readonly dtype: Dtype; readonly half?: boolean };

const samples: readonly Sample[] = [...dtypes.map((dtype) => ({ dtype })), { dtype: 'float32', half: true }];
const plain = ['NONE', 'PACKBITS'];
const predicted = ['LZW', 'DEFLATE', 'ZSTD'];
const lerc = ['LERC', 'LERC_DEFLATE', 'LERC_ZSTD'];

function specsOf(compression: string): FileSpec[] {
  const specs: FileSpec[] = [];
  // liblerc knows no float16: GDAL creates such a file and then fails to write its blocks.
  for (const { dtype, half = false } of samples.filter((sample) => sample.half !== true || !compression.startsWith('LERC'))) {
    const predictors = predicted.includes(compression) ? (dtype.startsWith('float') ? [1, 2, 3] : [1, 2]) : [1];
    for (const predictor of predictors) {
      for (const interleave of ['PIXEL', 'BAND']) {
        for (const organisation of ['TILED=YES', 'BLOCKYSIZE=7']) {
          for (const order of ['LITTLE', 'BIG']) {
            const options = [`COMPRESS=${compression}`, `INTERLEAVE=${interleave}`, organisation, `ENDIANNESS=${order}`];
            if (predictor > 1) options.push(`PREDICTOR=${predictor}`);
            if (half) options.push('NBITS=16');
            if (organisation === 'TILED=YES') options.push('BLOCKXSIZE=32', 'BLOCKYSIZE=16');
            // BigTIFF is another header, not another block: every third file is enough.
            if (specs.length % 3 === 0) options.push('BIGTIFF=YES');
            const name = [half ? 'float16' : dtype, predictor, interleave, organisation.slice(0, 5), order].join('-');
            specs.push({ name, dtype, width: 75, height: 41, bands: specs.length % 4 === 0 ? 1 : 3, options });
          }
        }
      }
    }
  }
  return specs;
}

for (const compression of [...plain, ...predicted, ...lerc]) {
  void test(`reads what GDAL reads: ${compression}`, { skip: withoutGdal }, async () => {
    await withGdalFiles(specsOf(compression), async (files) => {
      for (const file of files) {
        assert.equal(file.refused, undefined, file.name);
        const object = await countedFile(file.path);
        const tiff = await openTiff(object, object.href);
        const found = await readImage(object, tiff, tiff.main);
        const wanted = await expectedBytes(file.pixels[0] ?? '');
        assert.equal(Buffer.compare(new Uint8Array(found.buffer), wanted), 0, `${compression} ${file.name}`);
      }
    });
  });
}
