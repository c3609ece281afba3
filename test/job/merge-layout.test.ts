import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MergeLayout, planParts } from '../../lib/job/merge-layout.ts';
import { blocksAsValues, type SegmentBlock } from '../../lib/job/segment.ts';
import { pyramidLevels } from '../../lib/raster/pyramid.ts';
import { checkParts } from '../../lib/store/parts.ts';
import { maxPartBytes, maxParts, minPartBytes, type Part, type Piece } from '../../lib/store/store.ts';
import type { CogImage } from '../../lib/tiff/cog-header.ts';
import { blockCount } from '../../lib/tiff/layout.ts';
import { openTiff, type TiffSource } from '../../lib/tiff/open.ts';
import { seededRandom } from '../support/arrays.ts';
import { countedObject } from '../tiff/counted-object.ts';

const blockSize = 128;

function image(columns: number, rows: number): CogImage {
  return { dtype: 'uint8', bands: 1, blockSize, compression: 'none', predictor: 1, nodata: 0, geo: {}, metadata: '', levels: pyramidLevels(columns, rows, blockSize) };
}

interface Segment {
  readonly href: string;
  readonly bytes: Uint8Array;
  readonly blocks: readonly SegmentBlock[];
}

/** Blocks of all levels dealt out to segments: some left out (sparse), some twice with other bytes (a repeated batch), in any order. */
function deal({ levels }: CogImage, count: number, seed: number): Segment[] {
  const random = seededRandom(seed);
  const pieces: { segment: number; sort: number; level: number; column: number; row: number; bytes: Uint8Array }[] = [];
  const add = (level: number, column: number, row: number): void => {
    const bytes = Uint8Array.from({ length: 1 + Math.floor(random() * 40) }, () => Math.floor(random() * 256));
    pieces.push({ segment: Math.floor(random() * count), sort: random(), level, column, row, bytes });
  };
  for (const [level, size] of levels.entries()) {
    for (let row = 0; row * blockSize < size.rows; row++) {
      for (let column = 0; column * blockSize < size.columns; column++) {
        if (random() < 0.15) continue;
        add(level, column, row);
        if (random() < 0.2) add(level, column, row);
      }
    }
  }
  return Array.from({ length: count }, (_, segment) => {
    const mine = pieces.filter((piece) => piece.segment === segment).toSorted((a, b) => a.sort - b.sort);
    let offset = 0;
    const blocks = mine.map(({ level, column, row, bytes }) => {
      const block = { level, column, row, offset, length: bytes.length };
      offset += bytes.length;
      return block;
    });
    return { href: `file:///seg/${segment}`, bytes: Buffer.concat(mine.map(({ bytes }) => bytes)), blocks };
  });
}

function pieceBytes(piece: Piece): number {
  return piece.kind === 'bytes' ? piece.bytes.length : piece.length;
}

function join(pieces: readonly Piece[], segments: readonly Segment[]): Uint8Array {
  return Buffer.concat(
    pieces.map((piece) => {
      if (piece.kind === 'bytes') return piece.bytes;
      const bytes = segments.find(({ href }) => href === piece.href)?.bytes.subarray(piece.offset, piece.offset + piece.length);
      assert.equal(bytes?.length, piece.length, 'a range within its segment');
      return bytes;
    }),
  );
}

void describe('layout of a merge', () => {
  void it('puts every block where the header says, first ones of duplicates, overviews before larger levels', async () => {
    const shapes = fc.record({ columns: fc.integer({ min: 1, max: 1500 }), rows: fc.integer({ min: 1, max: 1500 }), count: fc.integer({ min: 1, max: 9 }), seed: fc.nat() }, { noNullPrototype: true });
    await fc.assert(
      fc.asyncProperty(shapes, async ({ columns, rows, count, seed }) => {
        const cog = image(columns, rows);
        const segments = deal(cog, count, seed);
        const layout = new MergeLayout(cog);
        // Some are segments of the levels above, which are added last and lie first.
        const isUpper = (_: Segment, i: number): boolean => (seed >> i) % 2 === 1;
        const batches = segments.filter((each, i) => !isUpper(each, i));
        const upper = segments.filter(isUpper);
        for (const { href, bytes, blocks } of batches) layout.add(href, bytes.length, blocksAsValues(blocks));
        for (const { href, bytes, blocks } of upper) layout.addUpper(href, bytes.length, blocksAsValues(blocks));
        const inOrder = [...batches, ...upper];
        const wantedOf = (level: number, column: number, row: number): { href: string; offset: number; length: number } | undefined =>
          inOrder.flatMap(({ href, blocks }) => blocks.filter((block) => block.level === level && block.column === column && block.row === row).map(({ offset, length }) => ({ href, offset, length })))[0];
        for (const [level, { columns: width, rows: height }] of cog.levels.entries()) {
          for (let row = 0; row * blockSize < height; row++) {
            for (let column = 0; column * blockSize < width; column++) {
              assert.deepEqual(layout.locate(level, column, row), wantedOf(level, column, row));
              assert.equal(layout.has(level, column, row), wantedOf(level, column, row) !== undefined);
            }
          }
        }
        const { pieces, bytes: size, bigTiff } = layout.finish();
        const file = join(pieces, segments);
        assert.equal(file.length, size);
        assert.equal(bigTiff, false);
        const object = countedObject(file);
        const tiff = await openTiff(object, object.href);
        assert.deepEqual([tiff.main, ...tiff.overviews].map(({ layout: { width, height } }) => ({ columns: width, rows: height })), cog.levels);
        const firsts: number[] = [];
        for (const [level, of] of [tiff.main, ...tiff.overviews].entries()) {
          const { blocksAcross } = of.layout;
          const indices = Array.from({ length: blockCount(of.layout) }, (_, i) => i);
          const ranges = await tiff.blockRanges(of, indices);
          for (const [index, { offset, length }] of ranges.entries()) {
            const wanted = inOrder.flatMap((segment) => segment.blocks.filter((block) => block.level === level && block.row * blocksAcross + block.column === index).map((block) => segment.bytes.subarray(block.offset, block.offset + block.length)))[0];
            assert.equal(length, wanted?.length ?? 0);
            if (wanted !== undefined) assert.equal(Buffer.compare(file.subarray(offset, offset + length), wanted), 0, `block ${index} of level ${level}`);
          }
          const first = ranges.find(({ length }) => length > 0);
          if (first !== undefined) firsts.push(first.offset);
        }
        assert.deepEqual(firsts, firsts.toSorted((a, b) => b - a), 'each overview begins before the next larger level');
      }),
      { seed: 51, numRuns: 150 },
    );
  });

  void it('adds nothing where the segments are in order already, and leaves out a segment with nothing new', () => {
    const cog = image(256, 128);
    const layout = new MergeLayout(cog);
    const blocks = [{ level: 1, column: 0, row: 0, offset: 0, length: 10 }, { level: 0, column: 0, row: 0, offset: 10, length: 20 }, { level: 0, column: 1, row: 0, offset: 30, length: 30 }];
    layout.add('file:///a', 60, blocksAsValues(blocks));
    layout.add('file:///b', 60, blocksAsValues(blocks));
    const { pieces } = layout.finish();
    assert.deepEqual(pieces.map(({ kind }) => kind), ['bytes', 'range']);
    assert.deepEqual(pieces[1], { kind: 'range', href: 'file:///a', offset: 0, length: 60 });
  });

  void it('makes a file of a header alone when every block is nodata', async () => {
    const { pieces, bytes } = new MergeLayout(image(300, 300)).finish();
    assert.equal(pieces.length, 1);
    const object = countedObject(join(pieces, []));
    assert.equal(object.requests.length, 0);
    const tiff = await openTiff(object, object.href);
    assert.ok((await tiff.blockRanges(tiff.main, [0, 8])).every(({ length }) => length === 0));
    assert.equal(bytes, tiff.size);
    assert.equal(planParts(pieces).length, 1);
  });

  void it('refuses blocks that the image does not have', () => {
    for (const block of [{ level: 2, column: 0, row: 0 }, { level: 0, column: 2, row: 0 }, { level: 0, column: 0, row: 1 }, { level: 1, column: 1, row: 0 }]) {
      assert.throws(() => { new MergeLayout(image(256, 128)).add('file:///s', 10, blocksAsValues([{ ...block, offset: 0, length: 10 }])); }, { code: 'SEGMENT_BLOCK' });
    }
  });

  void it('becomes a BigTIFF when the last byte lies beyond 4 GiB, and not before', async () => {
    const cog = image(1280, 128);
    const headerOnly = new MergeLayout(cog).finish().bytes;
    const open = async (total: number) => {
      const layout = new MergeLayout(cog);
      const data = total - headerOnly;
      const each = Math.floor(data / 10);
      for (let column = 0; column < 10; column++) {
        const length = column === 9 ? data - 9 * each : each;
        layout.add(`file:///${column}`, length, blocksAsValues([{ level: 0, column, row: 0, offset: length - 1000, length: 1000 }]));
      }
      const { pieces, bytes, bigTiff } = layout.finish();
      const [header] = pieces;
      assert.ok(header?.kind === 'bytes');
      // A file of that size of which only the header exists.
      const source: TiffSource = {
        stat: (href) => Promise.resolve({ href, size: bytes, version: '1' }),
        readInto: (_, offset, target) => {
          target.fill(0);
          target.set(header.bytes.subarray(offset, offset + target.length));
          return Promise.resolve();
        },
      };
      const tiff = await openTiff(source, 'file:///big.tif');
      const ranges = await tiff.blockRanges(tiff.main, Array.from({ length: 10 }, (_, i) => i));
      return { bytes, bigTiff, tiff, ranges };
    };
    const limit = 2 ** 32;
    const small = await open(limit - 1);
    assert.deepEqual([small.bigTiff, small.tiff.bigTiff, small.bytes], [false, false, limit - 1]);
    const big = await open(limit);
    assert.deepEqual([big.bigTiff, big.tiff.bigTiff], [true, true]);
    const huge = await open(30 * limit + 12_345);
    assert.equal(huge.bigTiff, true);
    for (const { bytes, ranges } of [small, big, huge]) {
      const last = ranges.at(-1);
      assert.equal((last?.offset ?? 0) + 1000, bytes, 'the last block ends with the file');
      // Ten segments of the same size, apart from what the last one has over.
      const step = (ranges[1]?.offset ?? 0) - (ranges[0]?.offset ?? 0);
      assert.ok(step > 4e8);
      assert.deepEqual(ranges.slice(0, 9).map(({ offset }) => offset), Array.from({ length: 9 }, (_, i) => (ranges[0]?.offset ?? 0) + i * step));
    }
  });
});

/** Ranges that touch joined, bytes as their numbers: what the pieces say, however they are cut. */
function joined(pieces: readonly Piece[]): string[] {
  const runs: { href: string; offset: number; length: number }[] = [];
  for (const piece of pieces) {
    const next = piece.kind === 'range' ? { href: piece.href, offset: piece.offset, length: piece.length } : { href: `bytes ${piece.bytes.byteOffset}`, offset: 0, length: piece.bytes.length };
    if (next.length === 0) continue;
    const last = runs.at(-1);
    if (last !== undefined && piece.kind === 'range' && last.href === next.href && last.offset + last.length === next.offset) last.length += next.length;
    else runs.push(next);
  }
  return runs.map(({ href, offset, length }) => `${href} ${offset} ${length}`);
}

const mib = 2 ** 20;
const lengths = fc.oneof(
  fc.nat({ max: 5000 }),
  fc.integer({ min: minPartBytes - 2, max: minPartBytes + 2 }),
  fc.integer({ min: mib, max: 40 * mib }),
  fc.integer({ min: 2 * minPartBytes - 2, max: 2 * minPartBytes + 2 }),
  fc.integer({ min: maxPartBytes - minPartBytes - 2, max: maxPartBytes + minPartBytes + 2 }),
  fc.integer({ min: 2 * maxPartBytes - 3, max: 2 * maxPartBytes + 3 }),
);

function piecesOf(sizes: readonly number[], header: number): Piece[] {
  return [{ kind: 'bytes', bytes: new Uint8Array(header) }, ...sizes.map((length, i): Piece => ({ kind: 'range', href: `s3://w/${i}`, offset: i, length }))];
}

void describe('parts of an upload', () => {
  void it('hold the pieces in order, each byte once, within the sizes of S3', () => {
    fc.assert(
      fc.property(fc.array(lengths, { maxLength: 60 }), fc.constantFrom(1, 500, 70_000, 6 * mib), (sizes, header) => {
        const pieces = piecesOf(sizes, header);
        const parts = planParts(pieces);
        // Numbers, offsets, sums, the smallest and the largest part: what every store demands.
        assert.equal(checkParts('s3://out/x.tif', parts), pieces.reduce((sum, piece) => sum + pieceBytes(piece), 0));
        assert.deepEqual(parts.map(({ number }) => number), parts.map((_, i) => i + 1));
        assert.deepEqual(joined(parts.flatMap((part) => part.pieces)), joined(pieces));
      }),
      { seed: 52, numRuns: 500 },
    );
  });

  void it('copy large ranges within S3: little of them passes through here', () => {
    const through = (parts: readonly Part[]): number => parts.filter(({ pieces }) => pieces.length > 1 || pieces[0]?.kind === 'bytes').reduce((sum, { length }) => sum + length, 0);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 16 * mib, max: 200 * mib }), { minLength: 1, maxLength: 40 }), (sizes) => {
        assert.ok(through(planParts(piecesOf(sizes, 90_000))) <= minPartBytes, 'only the header and what fills its part');
      }),
      { seed: 53, numRuns: 100 },
    );
  });

  void it('are no more than pieces, apart from those above 5 GiB, so 9000 segments fit into an upload', () => {
    fc.assert(
      fc.property(fc.array(lengths, { maxLength: 60 }), (sizes) => {
        const total = sizes.reduce((sum, size) => sum + size, 0);
        assert.ok(planParts(piecesOf(sizes, 10)).length <= sizes.length + 1 + Math.ceil(total / maxPartBytes));
      }),
      { seed: 54, numRuns: 300 },
    );
    const random = seededRandom(5);
    const segments = Array.from({ length: 9000 }, (_, i) => (i % 2 === 0 ? 6 * mib + Math.floor(random() * 60 * mib) : Math.floor(random() * mib)));
    assert.ok(planParts(piecesOf(segments, 5e6)).length <= maxParts);
  });
});
