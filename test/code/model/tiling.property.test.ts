/** Tiling must not show: any tile size gives what one tile over the whole raster gives. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { chipPlaces } from '../../../lib/code/model/chip-input.ts';
import { chipSpans, modelHalo } from '../../../lib/code/model/chips.ts';
import { modelFacts } from '../../../lib/code/model/model-facts.ts';
import { modelOptions } from '../../../lib/code/model/model-setup.ts';
import { bitsOf } from '../../support/arrays.ts';
import { convolution, identity, lessMean, noise } from './networks.ts';
import { runTiles } from './tiles.ts';

const chips = fc
  .record({ chip: fc.integer({ min: 8, max: 40 }), share: fc.double({ min: 0, max: 0.99, noNaN: true }), blend: fc.constantFrom('none', 'crop', 'linear') })
  .map(({ chip, share, blend }) => {
    const overlap = blend === 'none' ? 0 : Math.max(1, Math.floor(share * chip));
    return { chip, overlap, blend } as const;
  });

describe('tiles', () => {
  it('of any size, margin and batch give the same bits', async () => {
    // The mean of a chip in each pixel: a chip that lies elsewhere, sees other pixels or is added in another order changes bits.
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          chips,
          rows: fc.integer({ min: 1, max: 60 }),
          columns: fc.integer({ min: 1, max: 60 }),
          tileSize: fc.integer({ min: 1, max: 50 }),
          more: fc.integer({ min: 0, max: 3 }),
          batch: fc.integer({ min: 1, max: 5 }),
          outside: fc.constantFrom('nodata', 'reflect'),
          activation: fc.constantFrom('none', 'softmax', 'argmax'),
        }),
        async ({ chips, rows, columns, tileSize, more, batch, outside, activation }) => {
          const least = Math.max(4, tileSize);
          const options = { ...chips, outside, activation, nodata: -1 };
          const x = { ...noise(2, rows, columns, { dtype: 'float32', seed: rows * 100 + columns }), nodata: 17 };
          const job = { model: lessMean(), inputs: { x }, outputs: { y: { dtype: 'float32', bands: activation === 'argmax' ? 1 : 2 } } } as const;
          const halo = modelHalo(modelOptions.parse({ href: 'x', ...options }), modelFacts(job.model), least);
          const tiled = await runTiles({ ...job, options: { ...options, batch }, tileSize: least, halo: halo + more });
          const whole = await runTiles({ ...job, options, tileSize: Math.max(rows, columns) });
          assert.deepEqual(bitsOf(tiled['y'] ?? new Uint8Array()), bitsOf(whole['y'] ?? new Uint8Array()));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('of any size give the same over whole tiles, if the margin is what the model looks at', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 4, max: 30 }), fc.integer({ min: 1, max: 4 }), async (rows, columns, tileSize, halo) => {
        const job = { model: convolution(2, 2).model, inputs: { x: noise(2, rows, columns) }, outputs: { y: { dtype: 'float32', bands: 2 } } } as const;
        const tiled = await runTiles({ ...job, tileSize, halo });
        const whole = await runTiles({ ...job, tileSize: Math.max(rows, columns), halo: 1 });
        assert.deepEqual(tiled, whole);
      }),
      { numRuns: 30 },
    );
  });
});

describe('the margin of tiles', () => {
  const facts = modelFacts(identity());
  const haloOf = (options: object, tileSize: number) => modelHalo(modelOptions.parse({ href: 'x', ...options }), facts, tileSize);

  it('is enough for every chip of every tile, and not more than the one that needs most', () => {
    fc.assert(
      fc.property(chips, fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 6 }), (chips, tileSize, more) => {
        const halo = haloOf(chips, tileSize);
        // Long enough that the lattice meets tiles in all the ways that there are, with tiles to spare at both ends.
        const length = tileSize * (Math.ceil((2 * chips.chip) / tileSize) * 2 + chips.chip + more);
        const axis = { ...chips, length };
        let most = 0;
        for (let first = 0; first < length; first += tileSize) {
          const covered = new Float64Array(tileSize);
          for (const span of chipSpans(axis, first, first + tileSize)) {
            chipPlaces({ length, from: first - halo, size: tileSize + 2 * halo }, span.from, chips.chip, 'nodata');
            if (span.from >= 0) most = Math.max(most, first - span.from);
            if (span.from + chips.chip <= length) most = Math.max(most, span.from + chips.chip - first - tileSize);
            for (let x = span.first; x < span.end; x++) covered[x - first] = (covered[x - first] as number) + (span.weights?.[x - span.first] ?? 1);
          }
          // Each pixel is given once, or in shares that make one.
          for (const sum of covered) assert.ok(Math.abs(sum - 1) < 1e-9, `wanted shares that make 1, found ${sum}`);
        }
        assert.equal(halo, most);
      }),
      { numRuns: 300 },
    );
  });

  it('is 0 where chips end where tiles do, half of the overlap where centres do, and a step more for means', () => {
    assert.equal(haloOf({ chip: 256 }, 1024), 0);
    assert.equal(haloOf({ chip: 1024 }, 256), 768);
    assert.equal(haloOf({ chip: 300 }, 1024), 296);
    assert.equal(haloOf({ chip: 320, overlap: 64 }, 1024), 32);
    assert.equal(haloOf({ chip: 321, overlap: 65 }, 1024), 33);
    assert.equal(haloOf({ chip: 320, overlap: 64, blend: 'linear' }, 1024), 288);
  });

  it('is left to the job for models that take whole tiles, and comes from the model for those that want one size', () => {
    assert.equal(haloOf({}, 1024), 0);
    const fixed = modelFacts(identity([1, 3, 512, 512]));
    assert.equal(modelHalo(modelOptions.parse({ href: 'x', overlap: 128 }), fixed, 1024), 384 - 128 + 64);
  });
});
