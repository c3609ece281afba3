import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { dtypes } from '../../lib/raster/dtype.ts';
import { pyramidLevels } from '../../lib/raster/pyramid.ts';
import { blockGrid, cogHeaderBytes, createBlockTable, needsBigTiff, nodataText, writeCogHeader, type CogImage } from '../../lib/tiff/cog-header.ts';
import { blockCount } from '../../lib/tiff/layout.ts';
import { openTiff } from '../../lib/tiff/open.ts';
import { countedObject } from './counted-object.ts';

const images = fc.record(
  {
    dtype: fc.constantFrom(...dtypes),
    bands: fc.integer({ min: 1, max: 9 }),
    blockSize: fc.constantFrom(128, 256, 1024),
    compression: fc.constantFrom('none', 'lzw', 'deflate', 'zstd'),
    nodata: fc.constantFrom(undefined, 0, 7, 100),
    metadata: fc.constantFrom('', 'x', '<GDALMetadata>\n</GDALMetadata>\n'),
    geo: fc.constantFrom({}, { modelPixelScale: [1, 1, 0], modelTiepoint: [0, 0, 0, 5, 6, 0], geoKeyDirectory: [1, 1, 0, 1, 1024, 0, 1, 1], geoAsciiParams: 'odd|' }),
    columns: fc.integer({ min: 1, max: 9000 }),
    rows: fc.integer({ min: 1, max: 9000 }),
  },
  { noNullPrototype: true },
).map(({ columns, rows, ...rest }): CogImage => ({ ...rest, predictor: 1, levels: pyramidLevels(columns, rows, rest.blockSize) }));

void describe('COG header', () => {
  void it('has the length that was promised, in both formats, and says of every block what it was told', async () => {
    await fc.assert(
      fc.asyncProperty(images, fc.constantFrom('classic', 'big'), async (image, format) => {
        const headerBytes = cogHeaderBytes(image, format);
        let at = headerBytes;
        const tables = image.levels.map((level) => createBlockTable(level, image.blockSize));
        for (const { offsets, lengths } of tables.toReversed()) {
          for (let i = 0; i < offsets.length; i++) {
            if (i % 5 === 3) continue;
            lengths[i] = 1 + (i % 300);
            offsets[i] = at;
            at += 1 + (i % 300);
          }
        }
        const header = writeCogHeader(image, format, tables);
        assert.equal(header.length, headerBytes);
        const file = new Uint8Array(at);
        file.set(header);
        const object = countedObject(file);
        const tiff = await openTiff(object, object.href);
        assert.equal(tiff.bigTiff, format === 'big');
        assert.deepEqual(tiff.ignored, []);
        assert.equal(tiff.nodata ?? undefined, image.nodata);
        assert.equal(tiff.gdalMetadata ?? '', image.metadata);
        assert.deepEqual(tiff.geo.tags, image.geo);
        const found = [tiff.main, ...tiff.overviews];
        assert.equal(found.length, image.levels.length);
        for (const [level, { layout }] of found.entries()) {
          const { across, down } = blockGrid(image.levels[level] ?? { columns: 0, rows: 0 }, image.blockSize);
          assert.deepEqual(
            [layout.width, layout.height, layout.bands, layout.dtype, layout.blockWidth, layout.blockHeight, layout.blocksAcross, layout.blocksDown, layout.interleave, layout.compression, layout.byteOrder],
            [image.levels[level]?.columns, image.levels[level]?.rows, image.bands, image.dtype, image.blockSize, image.blockSize, across, down, 'pixel', image.compression, 'little'],
          );
          const table = tables[level];
          const ranges = await tiff.blockRanges(found[level] ?? tiff.main, Array.from({ length: blockCount(layout) }, (_, i) => i));
          assert.deepEqual(ranges.map(({ offset }) => offset), Array.from(table?.offsets ?? []));
          assert.deepEqual(ranges.map(({ length }) => length), Array.from(table?.lengths ?? []));
        }
      }),
      { seed: 81, numRuns: 100 },
    );
  });

  void it('begins with the note to readers that GDAL defines, and with no claim that does not hold', () => {
    const image: CogImage = { dtype: 'uint8', bands: 1, blockSize: 128, compression: 'none', predictor: 1, nodata: undefined, geo: {}, metadata: '', levels: [{ columns: 1, rows: 1 }] };
    for (const [format, start] of [['classic', 8], ['big', 16]] as const) {
      const text = Buffer.from(writeCogHeader(image, format, [createBlockTable({ columns: 1, rows: 1 }, 128)])).toString('latin1');
      const match = /GDAL_STRUCTURAL_METADATA_SIZE=(\d{6}) bytes\n/.exec(text);
      assert.equal(match?.index, start);
      const note = text.slice(start + match[0].length, start + match[0].length + Number(match[1]));
      assert.match(note, /^LAYOUT=IFDS_BEFORE_DATA\nKNOWN_INCOMPATIBLE_EDITION=NO\n +$/);
      // The first directory begins where the header says, on a multiple of 8.
      const bytes = Buffer.from(text, 'latin1');
      const first = format === 'big' ? Number(bytes.readBigUInt64LE(8)) : bytes.readUInt32LE(4);
      assert.equal(first % 8, 0);
      assert.ok(first >= start + match[0].length + note.length);
    }
  });

  void it('turns to BigTIFF where 32 bits end', () => {
    assert.equal(needsBigTiff(2 ** 32 - 1), false);
    assert.equal(needsBigTiff(2 ** 32), true);
  });

  void it('writes nodata as text that is read as the same number', () => {
    assert.deepEqual([Number.NaN, Infinity, -Infinity, -9999, 0.1].map(nodataText), ['nan', 'inf', '-inf', '-9999', '0.1']);
    fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => Number(nodataText(value)) === value), { seed: 82 });
  });
});
