/** How a tile's planes lie in the file that is shared with user code, what is taken out of it, and what is masked. Code stands in that edits the file as a code process does. */
import assert from 'node:assert/strict';
import { ftruncateSync, readSync, writeSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { OperationError } from '../../lib/base/errors.ts';
import { toJsonNumber } from '../../lib/base/json-number.ts';
import type { CodeCall, CodeReply } from '../../lib/code/code-setup.ts';
import { makeSharedFile } from '../../lib/code/shared-file.ts';
import { CodeTile } from '../../lib/job/code-tile.ts';
import { allocateSamples, bytesPerSample, dtypes, type Dtype, type SampleArray } from '../../lib/raster/dtype.ts';
import type { ExpressionProgram } from '../../lib/raster/expression/program.ts';

interface InputOf {
  readonly dtype: Dtype;
  readonly bands: number;
  readonly masked: boolean;
  readonly nodata: number | undefined;
}

interface OutputOf {
  readonly dtype: Dtype;
  readonly bands: number;
  readonly nodata: number | undefined;
}

interface Case {
  readonly inputs: readonly InputOf[];
  readonly outputs: readonly OutputOf[];
  readonly halo: number;
  readonly columns: number;
  readonly rows: number;
  readonly masks: boolean;
  readonly seed: number;
}

function programOf({ inputs, outputs }: Case): ExpressionProgram {
  const json = (nodata: number | undefined): object => (nodata === undefined ? {} : { nodata: toJsonNumber(nodata) });
  return {
    sources: inputs.flatMap(({ dtype, bands, masked, nodata }, i) => Array.from({ length: bands }, (_, band) => ({ input: `i${String(i)}`, band: band + 1, dtype, masked, ...json(nodata) }))),
    targets: outputs.flatMap(({ dtype, bands, nodata }) => Array.from({ length: bands }, () => ({ dtype, yieldsNodata: true, ...json(nodata) }))),
    constants: [],
    registers: 0,
    validities: 1,
    steps: [],
    halo: 0,
    stages: [],
  };
}

/** Numbers that every type has, told by a seed: mulberry32, so that a failure can be had again. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) % 100;
  };
}

/** Samples of any type at a place of the file. */
function samplesAt(fd: number, offset: number, dtype: Dtype, count: number): SampleArray {
  const samples = allocateSamples(dtype, count);
  readSync(fd, new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength), 0, samples.byteLength, offset);
  return samples;
}

const nodataOf = fc.oneof(fc.constant(undefined), fc.integer({ min: 0, max: 5 }));
const cases: fc.Arbitrary<Case> = fc.record({
  inputs: fc.array(fc.record({ dtype: fc.constantFrom(...dtypes), bands: fc.integer({ min: 1, max: 3 }), masked: fc.boolean(), nodata: nodataOf }), { minLength: 1, maxLength: 4 }),
  outputs: fc.array(fc.record({ dtype: fc.constantFrom(...dtypes), bands: fc.integer({ min: 1, max: 3 }), nodata: nodataOf }), { maxLength: 3 }),
  halo: fc.integer({ min: 0, max: 5 }),
  columns: fc.integer({ min: 1, max: 17 }),
  rows: fc.integer({ min: 1, max: 17 }),
  masks: fc.boolean(),
  seed: fc.integer(),
});

void describe('a tile and user code', () => {
  // Catches: arrays that overlap or begin where a type can't, bands or inputs in another order, margins cut at the wrong side, masks of the wrong pixels, values left from the tile before.
  void it('gives planes with their margin, takes the middle of what comes back, and masks it', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async (given) => {
        const { inputs, outputs, halo, columns, rows, masks, seed } = given;
        const next = numbers(seed);
        const across = columns + 2 * halo;
        const pixels = across * (rows + 2 * halo);
        // Planes are made for the largest tile, so they are longer than this one wants.
        const sources = inputs.flatMap(({ dtype, bands, masked }) => {
          const validity = masked ? Uint8Array.from({ length: pixels + 7 }, () => (next() < 80 ? 1 : 0)) : undefined;
          return Array.from({ length: bands }, () => {
            const array = allocateSamples(dtype, pixels + 5);
            for (let i = 0; i < array.length; i++) array[i] = next();
            return { array, validity };
          });
        });
        const made = outputs.map(({ dtype, bands }) => {
          const samples = allocateSamples(dtype, bands * pixels);
          for (let i = 0; i < samples.length; i++) samples[i] = next() + 10;
          return samples;
        });
        const targets = outputs.flatMap(({ dtype, bands }) => Array.from({ length: bands }, () => allocateSamples(dtype, 20 * 20).fill(99)));
        const bytes = [...inputs.map(({ dtype, bands, masked }) => pixels * (bands * bytesPerSample(dtype) + (masked ? 1 : 0)) + 16), ...made.map((samples) => samples.byteLength + 8)].reduce((a, b) => a + b, 0);
        const file = makeSharedFile(bytes);
        const window = { column: 34, row: 51, columns, rows };
        let calls = 0;
        const call = async (message: CodeCall): Promise<CodeReply> => {
          calls++;
          assert.deepEqual({ column: message.column, row: message.row, window: message.window, probe: message.probe }, { column: 2, row: 3, window, probe: false });
          const places: [number, number][] = [];
          let source = 0;
          for (const [i, { dtype, bands, masked }] of inputs.entries()) {
            const at = message.inputs[i];
            assert.ok(at !== undefined);
            const found = samplesAt(file.fd, at.offset, dtype, bands * pixels);
            for (let band = 0; band < bands; band++) assert.deepEqual(found.slice(band * pixels, (band + 1) * pixels), sources[source + band]?.array.slice(0, pixels));
            assert.equal(at.validOffset !== null, masked);
            if (at.validOffset !== null) {
              assert.deepEqual(samplesAt(file.fd, at.validOffset, 'uint8', pixels), sources[source]?.validity?.slice(0, pixels));
              places.push([at.validOffset, pixels]);
            }
            places.push([at.offset, found.byteLength]);
            source += bands;
          }
          for (const [i, samples] of made.entries()) {
            const offset = message.outputs[i]?.offset ?? -1;
            writeSync(file.fd, new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength), 0, samples.byteLength, offset);
            places.push([offset, samples.byteLength]);
          }
          let end = 0;
          for (const [offset, length] of places.toSorted(([a], [b]) => a - b)) {
            assert.ok(offset % 8 === 0 && offset >= end, 'arrays begin at multiples of 8, one after another');
            end = offset + length;
          }
          assert.ok(end <= bytes);
          return Promise.resolve({ result: 5, outputs: [] });
        };
        try {
          const tile = new CodeTile({ sharedFd: file.fd, inputs, outputs, masks }, programOf(given), halo, call);
          assert.deepEqual(await tile.compute({ column: 2, row: 3, window }, sources, targets), { result: 5, outputs: [] });
        } finally {
          file.close();
        }
        assert.equal(calls, 1);

        const nodataOfSource = inputs.flatMap(({ bands, nodata }) => Array.from({ length: bands }, () => nodata));
        let index = 0;
        for (const [i, { bands, nodata }] of outputs.entries()) {
          for (let band = 0; band < bands; band++) {
            const target = targets[index++];
            for (let row = 0; row < rows; row++) {
              for (let column = 0; column < columns; column++) {
                const from = (row + halo) * across + column + halo;
                const empty = masks && nodata !== undefined && sources.some(({ array, validity }, s) => array[from] === nodataOfSource[s] || validity?.[from] === 0);
                assert.equal(target?.[row * columns + column], empty ? nodata : made[i]?.[band * pixels + from], `output ${String(i)}, band ${String(band)}, row ${String(row)}, column ${String(column)}`);
              }
            }
            assert.ok(target?.subarray(rows * columns).every((value) => value === 99), 'nothing is written behind the tile');
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  const plain: Case = { inputs: [{ dtype: 'float32', bands: 1, masked: false, nodata: Number.NaN }], outputs: [{ dtype: 'float64', bands: 1, nodata: -1 }], halo: 0, columns: 2, rows: 1, masks: true, seed: 0 };
  const tile = { column: 0, row: 0, window: { column: 0, row: 0, columns: 2, rows: 1 } };
  const sources = [{ array: Float32Array.of(Number.NaN, 4), validity: undefined }];

  // Catches: NaN compared with ==, which is never true.
  void it('masks where not-a-number is the nodata value', async () => {
    const file = makeSharedFile(1024);
    const targets = [new Float64Array(2)];
    const call = async ({ outputs: [at] }: CodeCall): Promise<CodeReply> => {
      writeSync(file.fd, new Uint8Array(Float64Array.of(7, 8).buffer), 0, 16, at?.offset ?? 0);
      return Promise.resolve({ outputs: [] });
    };
    await new CodeTile({ sharedFd: file.fd, inputs: plain.inputs, outputs: plain.outputs, masks: true }, programOf(plain), 0, call).compute(tile, sources, targets);
    file.close();
    assert.deepEqual(targets, [Float64Array.of(-1, 8)]);
  });

  // Catches: outputs that nobody has written taken for the tile's pixels.
  void it('leaves the targets alone when code is only asked what it makes, or when it fails', async () => {
    const file = makeSharedFile(1024);
    const targets = [Float64Array.of(3, 3)];
    const given = { sharedFd: file.fd, inputs: plain.inputs, outputs: plain.outputs, masks: true };
    const probes: boolean[] = [];
    const reply: CodeReply = { outputs: [{ dtype: 'int16', bands: 4 }] };
    const asked = new CodeTile(given, programOf(plain), 0, (call) => {
      probes.push(call.probe);
      return Promise.resolve(reply);
    });
    assert.deepEqual(await asked.compute(tile, sources, targets, true), reply);
    const failing = new CodeTile(given, programOf(plain), 0, () => Promise.reject(new OperationError('FUNCTION_FAILED', 'no')));
    await assert.rejects(failing.compute(tile, sources, targets), { code: 'FUNCTION_FAILED' });
    file.close();
    assert.deepEqual([probes, targets], [[true], [Float64Array.of(3, 3)]]);
  });

  // Catches: an endless loop, or zeros for pixels, when user code has cut the file that it got.
  void it('says that the shared file has become too short', async () => {
    const file = makeSharedFile(1024);
    const call = (): Promise<CodeReply> => {
      ftruncateSync(file.fd, 9);
      return Promise.resolve({ outputs: [] });
    };
    const cut = new CodeTile({ sharedFd: file.fd, inputs: plain.inputs, outputs: plain.outputs, masks: true }, programOf(plain), 0, call);
    await assert.rejects(cut.compute(tile, sources, [new Float64Array(2)]), { code: 'SHARED_FILE', message: /ends at byte 9; wanted 24/ });
    file.close();
  });
});
