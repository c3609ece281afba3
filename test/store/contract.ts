/** What every store promises, whatever lies behind it. One suite, run against files and against a real S3 server. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import fc from 'fast-check';

import { TilefanError } from '../../lib/base/errors.ts';
import { minPartBytes, type ClosableStore, type ObjectStat, type Part, type Piece } from '../../lib/store/store.ts';

export interface Place {
  /** A prefix that ends in `/`, with nothing under it. */
  readonly root: string;
  /** A new store on the same place, as another process would have it. */
  open(): ClosableStore;
  remove(): Promise<void>;
}

export function storeContract(name: string, skip: string | undefined, makePlace: () => Promise<Place>): void {
  // node:test swallows the reason of a skipped suite in some reporters; it is to be seen.
  if (skip !== undefined) console.log(`# skipped: ${name} store contract: ${skip}`);
  void describe(`${name} store`, { skip: skip ?? false }, () => {
    let place: Place;
    let store: ClosableStore;
    let count = 0;
    /** A fresh prefix for each test. */
    const fresh = (): string => `${place.root}t${++count}/`;

    before(async () => {
      place = await makePlace();
      store = place.open();
    });
    after(async () => {
      await store.close();
      await place.remove();
    });
    const put = async (href: string, body: Uint8Array | readonly Uint8Array[]): Promise<string> => await store.put(href, body, { createFolders: true });

    void it('gives back what was put, in one piece or many', async () => {
      const root = fresh();
      const large = pattern(3_000_001, 7);
      for (const [key, pieces] of Object.entries({
        empty: [],
        one: [pattern(10, 1)],
        small: [pattern(10, 1), pattern(0, 1), pattern(5, 2)],
        large: [large.subarray(0, 1_500_000), large.subarray(1_500_000, 1_500_001), large.subarray(1_500_001)],
      })) {
        assert.equal(await put(`${root}${key}`, pieces), 'written');
        const wanted = Buffer.concat(pieces);
        assert.deepEqual(Buffer.from(await store.readAll(`${root}${key}`)), wanted);
        assert.equal((await store.stat(`${root}${key}`)).size, wanted.length);
      }
    });

    void it('replaces an object: readers see the new bytes, and another version', async () => {
      const href = `${fresh()}o`;
      await put(href, Buffer.from('old!'));
      const { version } = await store.stat(href);
      const target = new Uint8Array(4);
      await store.readInto(href, 0, target, version);
      await put(href, Buffer.from('new!'));
      await store.readInto(href, 0, target);
      assert.equal(Buffer.from(target).toString(), 'new!');
      assert.notEqual((await store.stat(href)).version, version);
      await rejects(store.readInto(href, 0, target, version), 'STORE_CHANGED', 'DataError', href);
    });

    void it('notices that another process replaced an object that is being read', async () => {
      const href = `${fresh()}o`;
      const other = place.open();
      await put(href, Buffer.from('old!'));
      const { version: old } = await store.stat(href);
      const target = new Uint8Array(4);
      await store.readInto(href, 0, target, old);
      await other.put(href, Buffer.from('new!'));
      const { version } = await store.stat(href);
      await store.readInto(href, 0, target, version);
      assert.equal(Buffer.from(target).toString(), 'new!');
      await other.put(href, Buffer.from('last'));
      // Files: the bytes may still be there in the open file. Then they must be the right ones.
      await store.readInto(href, 0, target, version).catch(async (error: unknown) => await rejects(Promise.reject(error), 'STORE_CHANGED', 'DataError'));
      assert.equal(Buffer.from(target).toString(), 'new!');
      await rejects(store.readInto(href, 0, target, old), 'STORE_CHANGED', 'DataError');
      await other.close();
    });

    void it('writes only if absent: one of many writers wins, and its bytes stay', async () => {
      const href = `${fresh()}o`;
      const bodies = Array.from({ length: 12 }, (_, writer) => pattern(200_000, writer));
      const other = place.open();
      const answers = await Promise.all(bodies.map((body, writer) => (writer % 2 ? store : other).put(href, body, { ifAbsent: true, createFolders: true })));
      assert.equal(answers.filter((answer) => answer === 'written').length, 1);
      const winner = bodies[answers.indexOf('written')];
      assert.deepEqual(Buffer.from(await store.readAll(href)), Buffer.from(winner ?? []));
      assert.equal(await store.put(href, Buffer.from('late'), { ifAbsent: true }), 'exists');
      assert.equal((await store.readAll(href)).length, 200_000);
      await other.close();
    });

    void it('fills a target from any range, also on a SharedArrayBuffer', async () => {
      const href = `${fresh()}o`;
      const bytes = pattern(100_000, 3);
      await put(href, bytes);
      for (const [offset, length] of [[0, 1], [0, 100_000], [99_999, 1], [777, 65_536], [5, 0]] as const) {
        const target = new Uint8Array(new SharedArrayBuffer(length + 2)).subarray(1, 1 + length);
        await store.readInto(href, offset, target);
        assert.deepEqual(Buffer.from(target), Buffer.from(bytes.subarray(offset, offset + length)));
      }
    });

    void it('puts bytes that lie on a SharedArrayBuffer', async () => {
      const href = `${fresh()}o`;
      const shared = new Uint8Array(new SharedArrayBuffer(2_000_000));
      shared.set(pattern(2_000_000, 5));
      await put(href, [shared.subarray(0, 1_200_000), shared.subarray(1_200_000)]);
      assert.deepEqual(Buffer.from(await store.readAll(href)), Buffer.from(shared));
      await put(href, shared);
      assert.deepEqual(Buffer.from(await store.readAll(href)), Buffer.from(shared));
    });

    void it('says where an object ends when a range reaches further', async () => {
      const href = `${fresh()}o`;
      await put(href, pattern(10, 1));
      await rejects(store.readInto(href, 5, new Uint8Array(6)), 'STORE_TRUNCATED', 'DataError', 'ends at byte 10');
      await rejects(store.readInto(href, 100, new Uint8Array(6)), 'STORE_TRUNCATED', 'DataError', '100');
      await put(`${href}-empty`, []);
      await rejects(store.readInto(`${href}-empty`, 0, new Uint8Array(1)), 'STORE_TRUNCATED', 'DataError');
    });

    void it('refuses to read a large object whole', async () => {
      const href = `${fresh()}o`;
      await put(href, pattern(1001, 1));
      await rejects(store.readAll(href, 1000), 'STORE_TOO_LARGE', 'DataError', '1001');
      assert.equal((await store.readAll(href, 1001)).length, 1001);
    });

    void it('names what is missing', async () => {
      const href = `${fresh()}no such object.tif`;
      for (const attempt of [() => store.stat(href), () => store.readAll(href), () => store.readInto(href, 0, new Uint8Array(1))]) {
        await rejects(attempt(), 'STORE_NOT_FOUND', 'InputUnavailableError', 'no such object.tif');
      }
    });

    void it('refuses an href that names no object', async () => {
      await rejects(store.put(place.root, new Uint8Array(1)), 'HREF_NOT_AN_OBJECT', 'JobError');
      await rejects(store.assemble(place.root), 'HREF_NOT_AN_OBJECT', 'JobError');
      await rejects(store.stat('gs://bucket/key'), 'HREF_UNKNOWN_SCHEME', 'JobError', 'gs://');
    });

    void it('lists in the order of UTF-8 bytes of the href, with facts', async () => {
      const root = fresh();
      // Chosen so that the order of folders, of escapes and of UTF-16 units would each give another result.
      const keys = ['a!', 'a/b', 'a/b.c', 'a-b', 'a0', 'ab/c/d', 'ab/c.d', 'b c', 'b+c', 'b%20c', 'b#', 'b?x', 'é', '～', '😀', 'Z', '.hidden'];
      for (const key of keys) await put(joined(root, key), Buffer.from(key));
      const found = await all(store.list(root));
      assert.deepEqual(found.map(({ href }) => href), keys.map((key) => joined(root, key)).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
      for (const each of found) assert.deepEqual(each, await store.stat(each.href));
    });

    void it('lists by any prefix of the href, and nothing where nothing is', async () => {
      const root = fresh();
      for (const key of ['1-1.seg', '1-2.seg', '10-1.seg', 'sub/1-1.seg']) await put(`${root}${key}`, new Uint8Array(1));
      const names = async (prefix: string): Promise<string[]> => (await all(store.list(prefix))).map(({ href }) => href.slice(root.length));
      assert.deepEqual(await names(`${root}1-`), ['1-1.seg', '1-2.seg']);
      assert.deepEqual(await names(`${root}1`), ['1-1.seg', '1-2.seg', '10-1.seg']);
      assert.deepEqual(await names(`${root}su`), ['sub/1-1.seg']);
      assert.deepEqual(await names(`${root}sub/`), ['sub/1-1.seg']);
      assert.deepEqual(await names(`${root}none/`), []);
      assert.deepEqual(await names(`${root}1-1.seg/`), []);
    });

    void it('removes a prefix and nothing beside it', async () => {
      const root = fresh();
      for (const key of ['run/a', 'run/b/c', 'run/d e+f%', 'run-2/a', 'run.json']) await put(joined(root, key), new Uint8Array(1));
      await rejects(store.removePrefix(`${root}run`), 'HREF_NOT_A_PREFIX', 'JobError');
      assert.equal(await store.removePrefix(`${root}run/`), 3);
      assert.deepEqual((await all(store.list(root))).map(({ href }) => href), [`${root}run-2/a`, `${root}run.json`]);
      assert.equal(await store.removePrefix(`${root}run/`), 0);
    });

    void it('assembles an object from bytes and ranges, stored in any order, visible only when complete', async () => {
      const root = fresh();
      const source = pattern(14_000_000, 11);
      await put(`${root}segment 1+é.seg`, source);
      const range = (offset: number, length: number): Piece => ({ kind: 'range', href: joined(root, 'segment 1+é.seg'), offset, length });
      const parts = layOut([
        [{ kind: 'bytes', bytes: pattern(minPartBytes, 1) }],
        [range(1000, minPartBytes + 1)],
        [range(0, 300_000), range(300_000, 5_000_000), { kind: 'bytes', bytes: pattern(77, 2) }, range(13_999_990, 10)],
        [range(3, 9)],
      ]);
      const href = `${root}result.tif`;
      const assembly = await store.assemble(href, { contentType: 'image/tiff' });
      assert.deepEqual(await assembly.stored(), new Set());
      for (const part of parts.toReversed()) await assembly.put(part);
      assert.deepEqual(await assembly.stored(), new Set([1, 2, 3, 4]));
      assert.deepEqual((await all(store.list(`${root}result`))), []);
      await rejects(store.stat(href), 'STORE_NOT_FOUND', 'InputUnavailableError');
      const done = await assembly.complete(parts);
      assert.deepEqual(done, await store.stat(href));
      assert.equal(Buffer.compare(await store.readAll(href), expected(parts, source)), 0);
      assert.deepEqual(await assembly.complete(parts), done, 'completing twice is harmless');
      await assembly.abort();
      assert.deepEqual((await all(store.list(root))).map((each) => each.href), [href, joined(root, 'segment 1+é.seg')], 'nothing is left behind');
    });

    void it('goes on with an assembly in another process, and replaces an object that was there', async () => {
      const href = `${fresh()}result.tif`;
      await put(href, Buffer.from('the old one'));
      const parts = layOut([[{ kind: 'bytes', bytes: pattern(minPartBytes, 1) }], [{ kind: 'bytes', bytes: pattern(minPartBytes + 5, 2) }], [{ kind: 'bytes', bytes: pattern(5, 3) }]]);
      const [first, second, third] = parts;
      assert.ok(first && second && third);
      const begun = await store.assemble(href);
      await begun.put(first);
      await begun.put(third);
      const other = place.open();
      const assembly = await other.assemble(href, { token: begun.token });
      assert.equal(assembly.token, begun.token);
      assert.deepEqual(await assembly.stored(), new Set([1, 3]));
      await rejects(assembly.complete(parts), 'STORE_INCOMPLETE', 'DataError', 'these parts are not stored: 2');
      assert.equal(Buffer.from(await store.readAll(href)).toString(), 'the old one');
      await assembly.put(second);
      await assembly.put(second);
      const done = await assembly.complete(parts);
      assert.equal(Buffer.compare(await store.readAll(href), expected(parts)), 0);
      // The first process, whose answer was lost, does the same.
      await rejects(begun.stored(), 'STORE_ASSEMBLY_GONE', 'OutputError');
      assert.deepEqual(await begun.complete(parts), done);
      await other.close();
    });

    void it('gives up an assembly, and then says that it is gone', async () => {
      const href = `${fresh()}result.tif`;
      const assembly = await store.assemble(href, { createFolders: true });
      const parts = layOut([[{ kind: 'bytes', bytes: pattern(5, 1) }]]);
      for (const part of parts) await assembly.put(part);
      await assembly.abort();
      await assembly.abort();
      await rejects(assembly.stored(), 'STORE_ASSEMBLY_GONE', 'OutputError', 'result.tif');
      for (const part of parts) await rejects(assembly.put(part), 'STORE_ASSEMBLY_GONE', 'OutputError');
      await rejects(assembly.complete(parts), 'STORE_ASSEMBLY_GONE', 'OutputError');
      await rejects(store.stat(href), 'STORE_NOT_FOUND', 'InputUnavailableError');
    });

    void it('refuses parts that S3 would refuse, and a source that is too short', async () => {
      const root = fresh();
      await put(`${root}s`, pattern(10, 1));
      const assembly = await store.assemble(`${root}result.tif`);
      const bytes = (length: number): Piece => ({ kind: 'bytes', bytes: new Uint8Array(length) });
      const bad = async (part: Part): Promise<void> => await rejects(assembly.put(part), 'STORE_BAD_PART', 'OperationError', `Part ${part.number} `);
      await bad({ number: 0, offset: 0, length: 1, pieces: [bytes(1)] });
      await bad({ number: 10_001, offset: 0, length: 1, pieces: [bytes(1)] });
      await bad({ number: 1, offset: 0, length: 2, pieces: [bytes(1)] });
      await bad({ number: 1, offset: 0, length: 0, pieces: [] });
      await bad({ number: 1, offset: -1, length: 1, pieces: [bytes(1)] });
      const whole = async (parts: readonly Part[]): Promise<void> => await rejects(assembly.complete(parts), 'STORE_BAD_PART', 'OperationError');
      await whole([]);
      await whole(layOut([[bytes(minPartBytes - 1)], [bytes(1)]]));
      await whole(layOut([[bytes(minPartBytes)], [bytes(1)]]).toReversed());
      await whole([{ number: 1, offset: 5, length: 1, pieces: [bytes(1)] }]);
      await rejects(assembly.put({ number: 1, offset: 0, length: 11, pieces: [{ kind: 'range', href: `${root}s`, offset: 0, length: 11 }] }), 'STORE_TRUNCATED', 'DataError');
      assert.deepEqual(await assembly.stored(), new Set());
      await assembly.abort();
    });

    void it('reassembles the same bytes however they are cut', async () => {
      const root = fresh();
      const source = pattern(8_000_000, 13);
      await put(`${root}source`, source);
      const piece = fc.oneof(
        fc.integer({ min: 1, max: 2_000_000 }).map((length): Piece => ({ kind: 'bytes', bytes: pattern(length, length) })),
        fc.tuple(fc.integer({ min: 0, max: 7_000_000 }), fc.integer({ min: 1, max: 1_000_000 })).map(([offset, length]): Piece => ({ kind: 'range', href: `${root}source`, offset, length })),
      );
      const part = fc.tuple(fc.array(piece, { maxLength: 4 }), fc.nat({ max: 2_000_000 })).map(([pieces, more]): Piece[] => [...pieces, { kind: 'range', href: `${root}source`, offset: more, length: minPartBytes + (more % 99) }]);
      const last = fc.array(piece, { minLength: 1, maxLength: 3 });
      await fc.assert(
        fc.asyncProperty(fc.array(part, { maxLength: 2 }), last, fc.boolean(), async (heads, tail, again) => {
          const parts = layOut([...heads, tail]);
          const assembly = await store.assemble(`${root}result`);
          await Promise.all((again ? [...parts, ...parts] : parts).map((each) => assembly.put(each)));
          await assembly.complete(parts);
          assert.equal(Buffer.compare(await store.readAll(`${root}result`), expected(parts, source)), 0);
        }),
        { numRuns: 8 },
      );
    });

    /** File hrefs are URLs, S3 hrefs are literal: the same key is spelled differently. */
    function joined(root: string, key: string): string {
      return root.startsWith('file:') ? root + key.split('/').map(encodeURIComponent).join('/').replaceAll('%2B', '+').replaceAll('%40', '@') : root + key;
    }
  });
}

/** Bytes that differ from place to place and from seed to seed. */
export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (seed * 2654435761 + 12345) >>> 0;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

/** Numbers and offsets for the pieces of each part. */
export function layOut(parts: readonly (readonly Piece[])[]): Part[] {
  let offset = 0;
  return parts.map((pieces, index) => {
    const length = pieces.reduce((sum, piece) => sum + (piece.kind === 'bytes' ? piece.bytes.length : piece.length), 0);
    const part: Part = { number: index + 1, offset, length, pieces };
    offset += length;
    return part;
  });
}

/** The object that the parts make, when all ranges are of `source`. */
export function expected(parts: readonly Part[], source: Uint8Array = new Uint8Array(0)): Buffer {
  return Buffer.concat(parts.flatMap(({ pieces }) => pieces.map((piece) => (piece.kind === 'bytes' ? piece.bytes : source.subarray(piece.offset, piece.offset + piece.length)))));
}

export async function all(list: AsyncIterable<ObjectStat>): Promise<ObjectStat[]> {
  const found: ObjectStat[] = [];
  for await (const each of list) found.push(each);
  return found;
}

/** Asserts class, code and the words that a user needs. */
export async function rejects(work: Promise<unknown>, code: string, name: string, words = ''): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert.ok(error instanceof TilefanError, `not of the error tree: ${String(error)}`);
    assert.deepEqual({ code: error.code, name: error.name }, { code, name }, error.message);
    assert.ok(error.message.includes(words.startsWith('file:') ? decodeURI(words.slice('file://'.length)) : words), `${error.message} lacks ${words}`);
    return true;
  });
}
