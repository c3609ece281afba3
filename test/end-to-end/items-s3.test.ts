/** Object jobs against a real S3 server: listing, copies, files, tables and lists of failures, with keys that no file would have. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import sharp from 'sharp';
import { identify, withoutImagePrograms } from '../images/oracle.ts';
import { startCli, until, workersOf } from '../support/cli.ts';
import { withoutGdal } from '../support/gdal.ts';
import { startS3Server, whyNoS3Server, type S3Server } from '../support/s3-server.ts';
import { codeEnv } from '../support/user-code.ts';
import { createWorkspace } from '../support/workspace.ts';
import { failItems, jsonLines, runItems } from './items-run.ts';

const skip = withoutGdal || withoutImagePrograms || (whyNoS3Server() ?? false);
const space = createWorkspace('items-s3');
after(() => space.remove());

void describe('object jobs over S3', { skip }, () => {
  let server: S3Server;
  /** The folder that is the bucket. */
  let bucket: string;
  let photo: Buffer;
  before(async () => {
    server = await startS3Server('tilefan-items');
    bucket = join(server.root, server.bucket);
    photo = await sharp({ create: { width: 640, height: 480, channels: 3, background: '#678', noise: { type: 'gaussian', mean: 128, sigma: 30 } } }).jpeg().toBuffer();
  });
  after(async () => {
    await server.stop();
  });

  function put(key: string, bytes: Uint8Array | string): void {
    mkdirSync(dirname(join(bucket, key)), { recursive: true });
    writeFileSync(join(bucket, key), bytes);
  }

  async function upload(key: string, text: string): Promise<void> {
    const client = new S3Client({ endpoint: server.endpoint, region: server.region, credentials: server.credentials, forcePathStyle: true });
    await client.send(new PutObjectCommand({ Bucket: server.bucket, Key: key, Body: text }));
    client.destroy();
  }

  /** Arguments for a job that lies in the bucket, so that relative hrefs count from there. */
  function job(name: string, document: object): string[] {
    put(`${name}.json`, JSON.stringify({ name, ...document }));
    return [`s3://${server.bucket}/${name}.json`, '--work', `s3://${server.bucket}/work`];
  }

  const variants = { resized: { width: 320, height: 320 }, thumbs: { width: 64, height: 64 } };

  // Catches: keys that are encoded once too often on their way through a listing, a list that lacks half of a page, a broken object that isn't named.
  void it('make copies of images below a prefix, and do again what failed', async () => {
    const keys = ['a/b c/ü.jpg', 'UPPER.JPG', '100% +&=1.jpg', 'q?.jpg', 'deep/er/est/x.jpg', ...Array.from({ length: 40 }, (_, i) => `many/${String(i)}.jpg`)];
    for (const key of keys) put(`in/${key}`, photo);
    put('in/broken.jpg', photo.subarray(0, 5000));
    put('in/empty.jpg', '');
    put('in/readme.txt', 'no photo');
    put('inner/other.jpg', photo);
    const document = { items: { prefix: 'in/', match: '**/*.jpg' }, operation: { images: variants }, outputs: { prefix: `s3://${server.bucket}/out/` }, results: { href: 'tables/photos.jsonl' } };
    const { record, message } = await failItems([...job('photos', document), '--run', 'r', '--workers', '2'], { env: server.env });
    assert.deepEqual([record.items.total, record.items.done, record.items.failed, record.files?.count], [47, 45, 2, 90]);
    assert.match(message, /s3:\/\/tilefan-items\/in\/broken\.jpg: .*truncated or damaged/);
    assert.match(message, /s3:\/\/tilefan-items\/in\/empty\.jpg: .*empty file/);
    assert.deepEqual(identify(['a/b c/ü.jpg', 'UPPER.JPG', 'deep/er/est/x.jpg'].map((key) => join(bucket, 'out/thumbs', key))).map(({ format, width, height }) => [format, width, height]), [0, 1, 2].map(() => ['JPEG', 64, 48]));
    const files = jsonLines(join(bucket, 'out/r-outputs.jsonl')) as { href: string; path: string; size: number; sha256: string; source: string }[];
    assert.deepEqual(files.map(({ path }) => path).toSorted(), keys.flatMap((key) => [`resized/${key}`, `thumbs/${key}`]).toSorted());
    for (const { href, path, size, sha256, source } of files) {
      const bytes = readFileSync(join(bucket, 'out', path));
      assert.deepEqual([href, size, sha256, source], [`s3://tilefan-items/out/${path}`, bytes.length, createHash('sha256').update(bytes).digest('hex'), `s3://tilefan-items/in/${path.slice(path.indexOf('/') + 1)}`]);
    }
    assert.equal(jsonLines(join(bucket, 'tables/photos.jsonl')).length, 45);

    put('in/broken.jpg', photo);
    put('in/empty.jpg', photo);
    const again = await runItems(job('again', { ...document, items: { manifest: 'out/r-failures.jsonl' }, results: undefined }), { env: server.env });
    assert.deepEqual([again.items.total, again.items.done], [2, 2]);
    assert.ok(existsSync(join(bucket, 'out/thumbs/broken.jpg')) && existsSync(join(bucket, 'out/resized/empty.jpg')));
  });

  // Catches: a function that gets no file of an object in S3, files that go to the disk, a table that doesn't get to the bucket, a second step that can't read it.
  void it('give a function each object, and put what it writes', async () => {
    put('texts/a.txt', 'one');
    put('texts/b c/ü.txt', 'zwei');
    put('f.py', "import os\ndef f(item):\n    text = open(item.file).read()\n    os.makedirs(item.folder + '/up per')\n    open(item.folder + '/up per/text.txt', 'w').write(text.upper())\n    return {'text': text, 'href': item.href, 'size': item.size}\ndef g(text, href, size): return text + '!' + href.rsplit('/', 1)[-1]\n");
    const record = await runItems([...job('texts', { items: { prefix: `s3://${server.bucket}/texts/` }, operation: { module: 'f.py', function: 'f' }, outputs: { prefix: 'made/{run}/' }, results: { href: 'tables/texts.csv' } }), '--run', 'f1'], { env: server.env });
    assert.deepEqual([record.items.done, record.files?.href, record.results?.href], [2, 's3://tilefan-items/made/f1/f1-outputs.jsonl', 's3://tilefan-items/tables/texts.csv']);
    assert.equal(readFileSync(join(bucket, 'made/f1/b c/ü.txt/up per/text.txt'), 'utf8'), 'ZWEI');
    assert.equal(readFileSync(join(bucket, 'tables/texts.csv'), 'utf8'), 'index,item,text,href,size\n0,s3://tilefan-items/texts/a.txt,one,s3://tilefan-items/texts/a.txt,3\n1,s3://tilefan-items/texts/b c/ü.txt,zwei,s3://tilefan-items/texts/b c/ü.txt,4\n');
    await runItems(job('step', { items: { from: 'run:f1' }, operation: { module: 'f.py', function: 'g' }, results: { href: 'tables/step.jsonl' } }), { env: server.env });
    assert.deepEqual(jsonLines(join(bucket, 'tables/step.jsonl')).map(({ value }) => value), ['one!a.txt', 'zwei!ü.txt']);
  });

  // Catches: an object that is gone or replaced after it was listed, and ends the batch or is taken for what it was.
  void it('name an object that is gone by the time it is its turn', async () => {
    // Through the server: what is put into its folder has no ETag.
    for (const name of ['a', 'b', 'c']) await upload(`gone/${name}.txt`, name);
    put('slow.py', 'import os, time\ndef f(item, folder):\n    open(folder + "/begun", "w")\n    while not os.path.exists(folder + "/go"): time.sleep(0.05)\n    return item.name\n');
    const folder = space.newFolder();
    const args = job('gone', { items: { prefix: 'gone/' }, operation: { module: 'slow.py', function: 'f', parameters: { folder } }, results: { href: 'tables/gone.jsonl' }, compute: { itemsPerTask: 1 } });
    const cli = startCli(['run', ...args, '--run', 'g', '--workers', '1', '--threads', '1', '--json'], { env: { ...codeEnv, ...server.env } });
    // The first item holds the only worker; or the trial of the code does, and then it is as well.
    await until('the first item', () => existsSync(`${folder}/begun`) && existsSync(join(bucket, 'work/runs/g/plan.json')), 60).finally(() => {
      rmSync(join(bucket, 'gone/c.txt'));
    });
    await upload('gone/b.txt', 'another');
    writeFileSync(`${folder}/go`, '');
    const { exitCode, stdout, stderr } = await cli.ended;
    assert.equal(exitCode, 70, stderr);
    const { record } = JSON.parse(stdout) as { record: { errors: { item: string; code: string }[]; items: { done: number } } };
    assert.deepEqual([record.items.done, record.errors.map(({ item, code }) => [item, code])], [1, [['s3://tilefan-items/gone/b.txt', 'STORE_CHANGED'], ['s3://tilefan-items/gone/c.txt', 'STORE_NOT_FOUND']]], stderr);
  });

  // Catches: uploads that are left open, and copies that are lost, when a run over S3 is killed and gone on with.
  void it('go on where they were killed', async () => {
    for (let i = 0; i < 60; i++) put(`killed/${String(i)}.jpg`, photo);
    const args = [...job('killed', { items: { prefix: 'killed/' }, operation: { images: variants }, outputs: { prefix: 'killed-out/' }, compute: { itemsPerTask: 10 } }), '--run', 'k', '--workers', '1', '--threads', '1'];
    const cli = startCli(['run', ...args], { env: server.env });
    const collected = join(bucket, 'work/runs/k/collected');
    await until('a batch', () => existsSync(collected) && readdirSync(collected).length >= 2, 60);
    cli.child.kill('SIGKILL');
    await cli.ended;
    await until('the end of the workers', () => workersOf(`s3://${server.bucket}/work`).length === 0, 10);
    const record = await runItems(args, { env: server.env });
    assert.deepEqual([record.items.total, record.items.done, record.files?.count], [60, 60, 120]);
    assert.equal(readdirSync(join(bucket, 'killed-out/thumbs')).length, 60);
  });
});
