/** Photos that are uploaded, and the template that is built in: with files, with recorded events, and with a real S3 server. ImageMagick makes and measures them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { identify, withoutImagePrograms } from '../images/oracle.ts';
import { runCli, type CliOptions, type CliResult } from '../support/cli.ts';
import { startS3Server, whyNoS3Server, type S3Server } from '../support/s3-server.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('photos');
after(() => space.remove());

/** @param format as ImageMagick writes it, whatever the name ends in */
function draw(path: string, size: string, format = 'jpeg'): void {
  mkdirSync(dirname(path), { recursive: true });
  execFileSync('convert', ['-size', size, 'gradient:red-blue', `${format}:${path}`]);
}

/** Every file below a folder, by its path there. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
}

/** Without the lists, whose names have the run's. */
function imagesIn(folder: string): string[] {
  return filesIn(folder).filter((name) => !name.endsWith('.jsonl'));
}

interface Line {
  readonly event: string;
  readonly [field: string]: unknown;
}

function eventsOf({ stdout }: CliResult, event: string): Line[] {
  return stdout.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Line).filter((line) => line.event === event);
}

async function once(folder: string, more: readonly string[] = [], options?: CliOptions): Promise<CliResult> {
  return await runCli(['dev', join(folder, 'in'), '--work', join(folder, 'work'), '--once', '--json', ...more], options);
}

void describe('photos that are uploaded', { skip: withoutImagePrograms, concurrency: 2 }, () => {
  // Catches: copies that are too large or cut, a path that is lost or encoded, a type that is taken from the name, one bad file that keeps others from being done.
  void it('become copies under their paths, and a broken one fails alone and by name', async () => {
    const folder = space.newFolder('photos');
    const place = (name: string): string => join(folder, 'in/incoming/photos', name);
    draw(place('cat.jpg'), '2000x1500');
    draw(place('été 2026/a b+c%20/CAT.JPG'), '800x2400');
    draw(place('really-a-png.jpg'), '3000x1000', 'png');
    draw(place('small.jpeg'), '100x50');
    draw(place('broken.jpg'), '900x900');
    truncateSync(place('broken.jpg'), 3000);
    const result = await once(folder);
    assert.equal(result.exitCode, 70, result.stderr);
    const output = join(folder, 'work/output');
    const sizes = [
      ['cat.jpg', 'JPEG', [1024, 768], [192, 144]],
      ['really-a-png.jpg', 'PNG', [1024, 341], [192, 64]],
      ['small.jpeg', 'JPEG', [100, 50], [100, 50]],
      ['été 2026/a b+c%20/CAT.JPG', 'JPEG', [256, 768], [64, 192]],
    ] as const;
    assert.deepEqual(imagesIn(output), ['resized', 'thumbs'].flatMap((variant) => sizes.map(([name]) => `${variant}/${name}`)).toSorted());
    for (const [variant, at] of [['resized', 2], ['thumbs', 3]] as const) {
      const found = identify(sizes.map(([name]) => join(output, variant, name)));
      assert.deepEqual(found.map(({ format, width, height }) => [format, [width, height]]), sizes.map((size) => [size[1], [...size[at]]]));
    }
    const [failed, ...others] = eventsOf(result, 'Run:Failed');
    assert.deepEqual([others.length, eventsOf(result, 'Run:Succeeded').length], [0, 4]);
    assert.match(String(failed?.['cause']), /1 of 1 items failed; .*-failures\.jsonl lists them.*\n.*incoming\/photos\/broken\.jpg: /);
    const failures = readFileSync(join(output, `${String(failed?.['run'])}-failures.jsonl`), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as { href: string; path: string; error: { code: string } });
    assert.deepEqual(failures.map(({ href, path, error }) => [href.split('/').at(-1), path, error.code]), [['broken.jpg', 'broken.jpg', 'IMAGE_DAMAGED']]);
    // Catches: a restart that does everything anew.
    const again = await once(folder);
    assert.deepEqual([again.exitCode, eventsOf(again, 'Run:Started').length, eventsOf(again, 'Run:Duplicate').length], [0, 0, 5], again.stderr);
  });

  // Catches: a template of one's own that the one that is built in hides, and a place for outputs that nobody can choose.
  void it('go by the template of that name where there is one', async () => {
    const folder = space.newFolder('own');
    draw(join(folder, 'in/incoming/photos/a/cat.jpg'), '400x300');
    mkdirSync(join(folder, 'in/templates'));
    const template = { name: 'mine', items: { hrefs: ['s3://{bucket}/{key}'] }, operation: { images: { tiny: { width: 40 } } }, outputs: { prefix: 's3://{outputBucket}/{name}/' } };
    writeFileSync(join(folder, 'in/templates/photos.json'), JSON.stringify(template));
    const result = await once(folder, ['--output', join(folder, 'elsewhere')]);
    assert.equal(result.exitCode, 0, result.stderr);
    assert.deepEqual(imagesIn(join(folder, 'elsewhere')), ['mine/tiny/a/cat.jpg']);
    assert.deepEqual(identify([join(folder, 'elsewhere/mine/tiny/a/cat.jpg')]).map(({ width, height }) => [width, height]), [[40, 30]]);
    assert.ok(!existsSync(join(folder, 'work/output')));
  });

  // Catches: events of a bucket that mean nothing to a folder in its place, one upload that is told twice and done twice, and copies that are uploads again.
  void it('are done once for an event that comes twice', async () => {
    const folder = space.newFolder('replay');
    draw(join(folder, 'in/incoming/photos/Zoë 1/cat.jpg'), '400x300');
    const record = { eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', s3: { bucket: { name: 'some-bucket' }, object: { key: 'incoming/photos/Zo%C3%AB+1/cat.jpg', size: 1, versionId: 'v', sequencer: '1' } } };
    const event = { Records: [{ messageId: 'm', body: JSON.stringify({ Records: [record] }) }] };
    const file = join(folder, 'events.jsonl');
    writeFileSync(file, `${JSON.stringify(event)}\n${JSON.stringify(event)}\n`);
    const result = await runCli(['dev', join(folder, 'in'), '--work', join(folder, 'work'), '--replay', file, '--json']);
    assert.equal(result.exitCode, 0, result.stderr);
    assert.deepEqual([eventsOf(result, 'Run:Started').length, eventsOf(result, 'Run:Duplicate').length], [1, 1]);
    assert.deepEqual(imagesIn(join(folder, 'work/output')), ['resized/Zoë 1/cat.jpg', 'thumbs/Zoë 1/cat.jpg']);
  });

  // Catches: copies beside the uploads, each of which would be the next upload.
  void it('are refused a template whose copies would be uploads', async () => {
    const folder = space.newFolder('loop');
    draw(join(folder, 'in/incoming/photos/cat.jpg'), '40x30');
    mkdirSync(join(folder, 'in/templates'));
    writeFileSync(join(folder, 'in/templates/photos.json'), JSON.stringify({ name: 'loop', items: { hrefs: ['s3://{bucket}/{key}'] }, operation: { images: { a: { width: 4 } } }, outputs: { prefix: 's3://{bucket}/incoming/' } }));
    const result = await once(folder);
    assert.equal(result.exitCode, 64);
    assert.match(result.stderr, /incoming\/a\/ lies under .*incoming\/, where every new object starts a run/);
    assert.deepEqual(filesIn(join(folder, 'in')), ['incoming/photos/cat.jpg', 'templates/photos.json']);
  });
});

void describe('photos that are uploaded to a bucket', { skip: whyNoS3Server() ?? withoutImagePrograms }, () => {
  let server: S3Server;
  let client: S3Client;
  before(async () => {
    server = await startS3Server('tilefan-dev-input');
    mkdirSync(join(server.root, 'tilefan-dev-output'));
    client = new S3Client({ endpoint: server.endpoint, region: server.region, credentials: server.credentials, forcePathStyle: true });
  });
  after(async () => {
    client.destroy();
    await server.stop();
  });

  // Catches: keys that are encoded on the way, and a built-in template that only a folder has.
  void it('become copies in the output bucket', async () => {
    const folder = space.newFolder('bucket');
    draw(join(folder, 'cat.png'), '2000x1500', 'png');
    await client.send(new PutObjectCommand({ Bucket: server.bucket, Key: 'incoming/photos/día 1/cat+a%41.PNG', Body: readFileSync(join(folder, 'cat.png')) }));
    const args = ['dev', '--bucket', server.bucket, '--output', 's3://tilefan-dev-output/', '--work', join(folder, 'work'), '--once', '--json'];
    const result = await runCli(args, { env: server.env });
    assert.equal(result.exitCode, 0, result.stderr);
    const output = join(server.root, 'tilefan-dev-output');
    assert.deepEqual(imagesIn(output), ['resized/día 1/cat+a%41.PNG', 'thumbs/día 1/cat+a%41.PNG']);
    assert.deepEqual(identify(imagesIn(output).map((name) => join(output, name))).map(({ format, width, height }) => [format, width, height]), [['PNG', 1024, 768], ['PNG', 192, 144]]);
  });
});
