/** Lists of items: CSV, JSON Lines and S3 Inventories, written by Python. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { runPython } from '../../support/gdal.ts';
import { createWorkspace } from '../../support/workspace.ts';
import { rejects } from '../../store/contract.ts';
import { splitHere } from './split-in-test.ts';

const workspace = createWorkspace('manifest-items');
after(() => workspace.remove());
let count = 0;

/** Writes a list, and gives its path. */
function list(content: string | Uint8Array, ending: string): string {
  const path = workspace.path(`list-${String(++count)}.${ending}`);
  writeFileSync(path, content);
  return path;
}

async function itemsOf(content: string | Uint8Array, ending = 'csv', more: object = {}): Promise<(readonly [string | null, string, number | null, unknown])[]> {
  const { found } = await splitHere(workspace, { items: { manifest: list(content, ending), ...more } });
  return found.map(({ href, path, size, parameters }) => [href, path, size, parameters]);
}

void describe('a list in CSV', () => {
  void it('is read as Python writes it: quotes, line breaks, UTF-8, a byte order mark, and gzip', async () => {
    const path = workspace.path('python.csv');
    runPython(
      `import csv, sys
with open(sys.argv[1], 'w', encoding='utf-8-sig', newline='') as f:
    w = csv.writer(f)
    w.writerow(['HREF', 'note', 'Größe'])
    w.writerow(['s3://b/a b+%41,"c".jpg', 'two\\nlines, "quoted"', 1.5])
    w.writerow(['s3://b/ü/日本.jpg', '', -3])
import gzip
gzip.open(sys.argv[1] + '.gz', 'wb').write(open(sys.argv[1], 'rb').read())`,
      [path],
    );
    for (const manifest of [path, `${path}.gz`]) {
      const { found } = await splitHere(workspace, { items: { manifest } });
      assert.deepEqual(found.map(({ href, path, parameters, version }) => [href, path, parameters, version]), [
        ['s3://b/a b+%41,"c".jpg', 'a b+%41,"c".jpg', { note: 'two\nlines, "quoted"', Größe: 1.5 }, null],
        ['s3://b/ü/日本.jpg', '日本.jpg', { note: null, Größe: -3 }, null],
      ]);
    }
  });

  void it('has numbers, true and false, and texts that only look like them', async () => {
    const cells = ['1', '-2.50', '1e3', '007', '1.', '0x10', '"5"', 'true', '"true"', '', '""', '1e999', '12345678901234567890', 'nan', ' 1'];
    const [item] = await itemsOf(`${cells.map((_, i) => `p${String(i)}`).join(',')}\n${cells.join(',')}\n`);
    assert.deepEqual(Object.values(item?.[3] as object), [1, -2.5, 1000, '007', '1.', '0x10', '5', true, 'true', null, '', '1e999', '12345678901234567890', 'nan', ' 1']);
    assert.deepEqual(item?.slice(0, 3), [null, '00000000', null]);
  });

  void it('may give bucket and key, path and size, and relative hrefs', async () => {
    assert.deepEqual(await itemsOf('bucket,key,path,size\nb,x/y.jpg,deep/y.jpg,12\nb,z.jpg,,\n'), [['s3://b/x/y.jpg', 'deep/y.jpg', 12, null], ['s3://b/z.jpg', 'z.jpg', null, null]]);
    assert.deepEqual((await itemsOf('href\r\nsub/a b.jpg\r\n'))[0]?.slice(0, 2), [`file://${workspace.folder}/sub/a%20b.jpg`, 'a b.jpg']);
  });

  void it('has each item once, and the same object with other parameters as another item', async () => {
    const { found, items } = await splitHere(workspace, { items: { manifest: list('href,a\ns3://b/x,1\ns3://b/x,2\ns3://b/x,1\ns3://b/y,1\n', 'csv') } });
    assert.deepEqual(found.map(({ index, path, parameters }) => [index, path, parameters]), [[0, 'x', { a: 1 }], [1, 'x.00000001', { a: 2 }], [2, 'y', { a: 1 }]]);
    assert.equal(items.repeated, 1);
  });

  // Catches: two items of a function that write the same files, as one is really called what the other was given.
  void it('is refused where the path of a repeated object is the name of another one, whichever comes first', async () => {
    const named = 'd3/x.jpg.00000001';
    const cases: readonly [readonly string[], string][] = [
      [['d1/x.jpg', 'd2/x.jpg', named], 'would both be written as "x.jpg.00000001", as an item whose path is taken gets its index behind it; wanted "path" in the row of each'],
      [[named, 'd1/y.jpg', 'd1/x.jpg', 'd2/x.jpg'], ''],
      [['d3/x.jpg.00000002', 'd1/x.jpg', 'd2/x.jpg'], 'items 0 and 2 ('],
    ];
    for (const [hrefs, words] of cases) {
      const split = splitHere(workspace, { items: { manifest: list(`href,k\n${hrefs.map((href, i) => `${href},${String(i)}\n`).join('')}`, 'csv') } });
      if (words === '') assert.deepEqual((await split).found.map(({ path }) => path), ['x.jpg.00000001', 'y.jpg', 'x.jpg', 'x.jpg.00000003']);
      else await rejects(split, 'ITEM_PATH_TWICE', 'DataError', words);
    }
  });

  void it('takes a base and a pattern', async () => {
    assert.deepEqual((await itemsOf('href\ns3://b/in/a/x.JPG\ns3://b/in/y.txt\n', 'csv', { base: 's3://b/in', match: '**/*.jpg' })).map(([, path]) => path), ['a/x.JPG']);
  });

  void it('is refused with the file and the line, what was wanted and what was found', async () => {
    const cases: readonly [string | Uint8Array, string, string][] = [
      ['s3://b/a.jpg\ns3://b/b.jpg\n', 'MANIFEST_ROW', 'line 1: wanted a header with the columns href, or bucket and key, or the names of parameters; found no header, but an object: s3://b/a.jpg'],
      ['url,a\ns3://b/a,1\n', 'MANIFEST_ROW', 'did you mean "href" by "url"?'],
      ['a,a\n1,2\n', 'MANIFEST_ROW', 'line 1: wanted a header with the columns href, or bucket and key, or the names of parameters; found "a" twice'],
      ['href,a\ns3://b/a,1\n"s3://b/\nb",1,2\n', 'MANIFEST_BROKEN', 'line 4'],
      ['href,a\n"s3://b/a,1\n', 'MANIFEST_BROKEN', 'Quote'],
      ['key\nx.jpg\n', 'MANIFEST_ROW', 'line 2: wanted a bucket with the key "x.jpg", found none'],
      ['bucket,key\nb,x\nb,\n', 'MANIFEST_ROW', 'line 3: wanted a key with the bucket, found none'],
      // Catches a function that is called without an object, for a list with a hole in it.
      ['href,a\ns3://b/x,1\n,2\n', 'MANIFEST_ROW', 'line 3: wanted an object, found nothing in the column href'],
      ['href,path,a\n"",x,2\n', 'MANIFEST_ROW', 'line 2: wanted an object, found nothing in the column href'],
      ['bucket,key,a\n,,2\n', 'MANIFEST_ROW', 'line 2: wanted an object, found nothing in the columns bucket and key'],
      ['href\nhttp://b/x\n', 'MANIFEST_ROW', 'line 2: Cannot use "http://b/x"'],
      ['href\ns3://b/x/\n', 'MANIFEST_ROW', 'line 2: wanted an object, found the folder s3://b/x/'],
      ['href,size\ns3://b/x,many\n', 'MANIFEST_ROW', 'line 2: size: wanted a number of bytes, found "many"'],
      ['href,path\ns3://b/x,../y\n', 'MANIFEST_ROW', 'without "..", found "../y"'],
      [Buffer.from('href\ns3://b/\xfc.jpg\n', 'latin1'), 'MANIFEST_BROKEN', 'is not UTF-8'],
      [gzipSync('href\ns3://b/x\n').subarray(0, 20), 'MANIFEST_BROKEN', "can't be unpacked as gzip"],
    ];
    for (const [content, code, words] of cases) {
      await rejects(itemsOf(content), code, 'DataError', words);
      await rejects(itemsOf(content), code, 'DataError', workspace.path(`list-${String(count)}.csv`));
    }
    for (const empty of ['', 'href,a\n']) await rejects(itemsOf(empty), 'ITEMS_NONE', 'JobError', '.csv has no rows; wanted a header');
    await rejects(itemsOf('\n', 'jsonl'), 'ITEMS_NONE', 'JobError', '.jsonl has no lines');
    await rejects(splitHere(workspace, { items: { manifest: workspace.path('gone.csv') } }), 'STORE_NOT_FOUND', 'InputUnavailableError', 'gone.csv');
    await rejects(splitHere(workspace, { items: { manifest: list('a\n1\n', 'csv') }, operation: { images: { s: {} } }, outputs: { prefix: 'out' } }), 'ITEM_WITHOUT_OBJECT', 'JobError', 'wants images');
  });
});

void describe('a list in JSON Lines', () => {
  void it('has objects, hrefs and parameters, in lines that end as they like', async () => {
    const lines = ['\uFEFF{"href":"s3://b/x.jpg","n":1,"deep":{"a":[1]}}', '', '"s3://b/y.jpg"', '{"bucket":"b","key":"z/ü.jpg","size":7}', '{"size":7,"path":"a"}'];
    assert.deepEqual(await itemsOf(lines.join('\r\n'), 'jsonl'), [
      ['s3://b/x.jpg', 'x.jpg', null, { n: 1, deep: { a: [1] } }],
      ['s3://b/y.jpg', 'y.jpg', null, null],
      ['s3://b/z/ü.jpg', 'ü.jpg', 7, null],
      [null, '00000003', null, { size: 7, path: 'a' }],
    ]);
  });

  void it('has sets of parameters where no field is the object, but none where that field is empty', async () => {
    assert.deepEqual((await itemsOf('{"href":"s3://b/x","n":1}\n{"n":2}\n', 'jsonl')).map(([href]) => href), ['s3://b/x', null]);
    for (const value of ['""', 'null']) await rejects(itemsOf(`{"n":1}\n{"href":${value},"n":2}\n`, 'jsonl'), 'MANIFEST_ROW', 'DataError', 'line 2: wanted an object, found nothing in the field href');
  });

  void it('may be items that failed: they keep their path, and are read as they are now', async () => {
    const failed = [
      { index: 7, item: 's3://b/in/a/x.jpg', path: 'a/x.jpg', parameters: null, ok: false, error: { code: 'IMAGE_BROKEN', message: 'm', where: {} } },
      { index: 9, href: null, path: '00000009', size: null, version: null, parameters: { a: 1 }, error: { code: 'E' } },
      { index: 11, href: 's3://b/y', path: 'y', size: 3, version: '"old"', parameters: { b: [2] }, error: { code: 'E' } },
    ];
    const { found } = await splitHere(workspace, { items: { manifest: list(failed.map((line) => JSON.stringify(line)).join('\n'), 'jsonl') } });
    assert.deepEqual(found, [
      { index: 0, href: 's3://b/in/a/x.jpg', path: 'a/x.jpg', size: null, version: null, parameters: null },
      { index: 1, href: null, path: '00000009', size: null, version: null, parameters: { a: 1 } },
      { index: 2, href: 's3://b/y', path: 'y', size: 3, version: null, parameters: { b: [2] } },
    ]);
  });

  void it('is refused with the line', async () => {
    await rejects(itemsOf('{"href":"s3://b/x"}\n{"href":\n', 'jsonl'), 'MANIFEST_BROKEN', 'DataError', 'line 2 is not JSON');
    await rejects(itemsOf('[1]\n', 'jsonl'), 'MANIFEST_ROW', 'DataError', 'line 1: wanted an object with href, or bucket and key, or parameters; found [1]');
    await rejects(itemsOf('{}\n', 'jsonl'), 'MANIFEST_ROW', 'DataError', 'found none of them');
    await rejects(itemsOf('{"href":3}\n', 'jsonl'), 'MANIFEST_ROW', 'DataError', 'href: wanted a text, found 3');
    await rejects(itemsOf(Buffer.from('"s3://b/\xfc"\n', 'latin1'), 'jsonl'), 'MANIFEST_BROKEN', 'DataError', 'is not UTF-8');
    await rejects(itemsOf(`"${'x'.repeat(9 * 2 ** 20)}`, 'jsonl'), 'MANIFEST_BROKEN', 'DataError', 'line 1 has more than');
  });
});

/** An inventory as S3 lays it out, in a folder; the rows are what S3 has of each object. */
const writeInventory = `
import csv, gzip, hashlib, io, json, os, sys, urllib.parse
folder, rows, change = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
os.makedirs(folder + '/2026-11-01T01-00Z'); os.makedirs(folder + '/data')
files = []
for n in range(2):
    text = io.StringIO()
    w = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator='\\n')
    for key, size, latest, marker in rows[n::2]:
        w.writerow(['src', urllib.parse.quote_plus(key, safe='/'), 'v', latest, marker, size, '2026-11-01T00:00:00.000Z', 'STANDARD'])
    data = gzip.compress(text.getvalue().encode())
    name = f'f{n}.csv.gz'
    open(folder + '/data/' + name, 'wb').write(data)
    files.append({'key': 'inventories/src/all/data/' + name, 'size': len(data), 'MD5checksum': hashlib.md5(data).hexdigest()})
manifest = {'sourceBucket': 'src', 'destinationBucket': 'arn:aws:s3:::dest', 'version': '2016-11-30', 'creationTimestamp': '1514944800000', 'fileFormat': 'CSV',
  'fileSchema': 'Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, StorageClass', 'files': files}
manifest.update(change)
json.dump(manifest, open(folder + '/2026-11-01T01-00Z/manifest.json', 'w'))
`;

void describe('an S3 Inventory', () => {
  type Row = readonly [string, number | '', string, string];
  function inventory(rows: readonly Row[], change: object = {}): string {
    const folder = workspace.path(`inventory-${String(++count)}`);
    mkdirSync(folder);
    runPython(writeInventory, [folder, JSON.stringify(rows), JSON.stringify(change)]);
    return `${folder}/2026-11-01T01-00Z/manifest.json`;
  }
  const rows: Row[] = [
    ['photos/a b+c%.jpg', 10, 'true', 'false'],
    ['photos/ü/"日本",x.jpg', 20, 'true', 'false'],
    ['photos/', 0, 'true', 'false'],
    ['photos/old.jpg', 30, 'false', 'false'],
    ['photos/deleted.jpg', '', 'true', 'true'],
    ['other/x.jpg', 40, 'true', 'false'],
    ['empty.txt', 0, 'true', 'false'],
  ];

  void it('has the objects that are there, by their keys', async () => {
    const { found } = await splitHere(workspace, { items: { manifest: inventory(rows) } });
    assert.deepEqual(Object.fromEntries(found.map(({ href, path, size }) => [path, [href, size]])), {
      'empty.txt': ['s3://src/empty.txt', 0],
      'other/x.jpg': ['s3://src/other/x.jpg', 40],
      'photos/a b+c%.jpg': ['s3://src/photos/a b+c%.jpg', 10],
      'photos/ü/"日本",x.jpg': ['s3://src/photos/ü/"日本",x.jpg', 20],
    });
    assert.equal(found.length, 4);
  });

  void it('may be narrowed by a base and a pattern', async () => {
    const { found } = await splitHere(workspace, { items: { manifest: inventory(rows), base: 's3://src/photos/', match: '**/*.jpg' } });
    assert.deepEqual(found.map(({ path }) => path).toSorted(), ['a b+c%.jpg', 'ü/"日本",x.jpg']);
  });

  void it('is refused where it is another format, or not what its manifest says', async () => {
    const refused = (change: object, code: string, words: string): Promise<void> => rejects(splitHere(workspace, { items: { manifest: inventory(rows, change) } }), code, 'DataError', words);
    // One message for all that is missing, in our words.
    await refused({ sourceBucket: 5, fileFormat: null }, 'INVENTORY_BROKEN', "wanted its manifest.json; sourceBucket: wanted string, found 5; fileFormat: wanted string, found null");
    await refused({ fileFormat: 'ORC' }, 'INVENTORY_FORMAT', 'in the format ORC; wanted CSV');
    await refused({ fileFormat: 'Parquet' }, 'INVENTORY_FORMAT', 'in the format Parquet; wanted CSV');
    await refused({ fileSchema: 'Bucket, Name' }, 'INVENTORY_BROKEN', 'wanted a column Key, found Bucket, Name');
    await refused({ fileSchema: 'Bucket, Key' }, 'MANIFEST_ROW', 'line 1: wanted 2 columns (Bucket, Key), found 8');
    await refused({ files: [{ key: 'a/data/f0.csv.gz', MD5checksum: '0'.repeat(32) }] }, 'INVENTORY_BROKEN', 'should have the MD5 000');
    await refused({ files: [{ key: 'a/data/f0.csv.gz', size: 1 }] }, 'INVENTORY_BROKEN', 'should have 1 bytes, and has');
    await refused({ files: 3 }, 'INVENTORY_BROKEN', 'files: ');
    await rejects(splitHere(workspace, { items: { manifest: list('nothing', 'json') } }), 'INVENTORY_BROKEN', 'DataError', 'is not JSON');
  });
});
