/** Copies of photographs by whole runs: what comes out is judged by ImageMagick and exiftool. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { exifOf, identify, withoutImagePrograms } from '../images/oracle.ts';
import { runCli } from '../support/cli.ts';
import { createWorkspace, realFile } from '../support/workspace.ts';
import { failItems, jsonLines, runItems } from './items-run.ts';

const space = createWorkspace('items ü');
after(() => space.remove());

const variants = { resized: { fit: 'inside', width: 1024, height: 768, quality: 90 }, thumbs: { width: 192, height: 192 } };

/** The job of the documentation, in a folder of its own. */
function jobIn(folder: string, more: object = {}): string[] {
  const job = { name: 'photos', items: { prefix: 'photos/', match: '**/*.{jpg,png}' }, operation: { images: variants }, outputs: { prefix: 'copies/' }, results: { href: 'photos.csv' }, ...more };
  writeFileSync(`${folder}/photos.json`, JSON.stringify(job));
  return [`${folder}/photos.json`, '--work', `${folder}/work`];
}

/** Files, each with the folders above it. */
function writeAll(folder: string, files: Readonly<Record<string, Uint8Array | string>>): void {
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
}

/** All files below a folder, by their paths. */
function filesBelow(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1)).toSorted() : [];
}

/** A photo of a red corner (top left), green (top right) and blue (bottom left) on white, upright. */
async function corners(width: number, height: number): Promise<Buffer> {
  const part = { width: width / 4, height: height / 4, channels: 3 } as const;
  const red = { create: { ...part, background: '#f00' } };
  const green = { create: { ...part, background: '#0f0' } };
  const blue = { create: { ...part, background: '#00f' } };
  return await sharp({ create: { width, height, channels: 3, background: '#fff' } })
    .composite([{ input: red, gravity: 'northwest' }, { input: green, gravity: 'northeast' }, { input: blue, gravity: 'southwest' }])
    .png()
    .toBuffer();
}

/** The same photo as a camera would write it that was held in another way: turning it as its orientation says makes it upright. */
async function asHeld(upright: Buffer, orientation: number): Promise<Buffer> {
  // The turn that undoes the one of the orientation; 5 and 7 are their own inverses.
  const turns = { 1: [0, false], 2: [0, true], 3: [180, false], 4: [180, true], 5: [90, true], 6: [270, false], 7: [270, true], 8: [90, false] } as const;
  const [angle, mirrored] = turns[orientation as keyof typeof turns];
  const turned = await sharp(upright).rotate(angle).png().toBuffer();
  return await sharp(turned).flop(mirrored).jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).withMetadata({ orientation }).toBuffer();
}

/** Which of red, green, blue and white a pixel is. */
async function colourAt(path: string, x: number, y: number): Promise<string> {
  const { data } = await sharp(path).extract({ left: x, top: y, width: 1, height: 1 }).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return [...data].map((sample) => (sample > 128 ? 'f' : '0')).join('');
}

/** A valid PNG of one bit a pixel, as PNG (third edition) 5 has it: some kilobytes that become gigabytes of samples. */
function whitePng(side: number): Buffer {
  const chunk = (type: string, data: Uint8Array): Buffer => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', header), chunk('IDAT', deflateSync(Buffer.alloc(side * (1 + Math.ceil(side / 8))), { level: 6 })), chunk('IEND', Buffer.alloc(0))]);
}

/** An archive with one file, made by Python. */
function zipOf(bytes: Uint8Array): Buffer {
  const folder = space.newFolder('zip');
  writeFileSync(`${folder}/photo.jpg`, bytes);
  execFileSync('/usr/bin/python3', ['-m', 'zipfile', '-c', `${folder}/photos.zip`, `${folder}/photo.jpg`]);
  return readFileSync(`${folder}/photos.zip`);
}

void describe('copies of photographs', { skip: withoutImagePrograms, concurrency: 2 }, () => {
  let photo: Buffer;
  before(async () => {
    photo = await asHeld(await corners(640, 480), 1);
  });

  // Catches: a photo on its side, a size that was worked out before turning, an orientation that viewers apply once more.
  void it('stand upright, whatever the orientation of the camera', async () => {
    const folder = space.newFolder('turned');
    const upright = await corners(1600, 1000);
    for (let orientation = 1; orientation <= 8; orientation++) writeAll(folder, { [`photos/${String(orientation)}.jpg`]: await asHeld(upright, orientation) });
    const stored = identify([`${folder}/photos/1.jpg`, `${folder}/photos/6.jpg`]);
    assert.deepEqual(stored.map(({ width, height, orientation }) => [width, height, orientation]), [[1600, 1000, 'TopLeft'], [1000, 1600, 'RightTop']]);
    const record = await runItems(jobIn(folder));
    assert.deepEqual([record.state, record.items.total, record.files?.count], ['SUCCEEDED', 8, 16]);
    const names = ['1', '2', '3', '4', '5', '6', '7', '8'];
    for (const [variant, width, height] of [['resized', 1024, 640], ['thumbs', 192, 120]] as const) {
      const paths = names.map((name) => `${folder}/copies/${variant}/${name}.jpg`);
      assert.deepEqual(identify(paths).map((found) => [found.format, found.width, found.height, found.orientation]), names.map(() => ['JPEG', width, height, 'Undefined']));
      for (const path of paths) {
        const x = Math.floor(width / 12);
        const y = Math.floor(height / 12);
        const found = [await colourAt(path, x, y), await colourAt(path, width - x, y), await colourAt(path, x, height - y), await colourAt(path, width - x, height - y)];
        assert.deepEqual(found, ['f00', '0f0', '00f', 'fff'], path);
        assert.ok(!Object.keys(exifOf(path)).some((tag) => /orientation|^IFD0:|^GPS:/i.test(tag)), path);
      }
    }
    assert.match(readFileSync(`${folder}/photos.csv`, 'utf8'), /^index,item,format,width,height,variants\.resized\.width,.*\n0,file:.*\/1\.jpg,jpeg,1600,1000,1024,640,/);
  });

  // Catches: the example of the documentation not being what it does to a photograph of a camera.
  void it('are those of the example, of a real photograph', { skip: existsSync(realFile('photo.jpg')) ? false : `needs ${realFile('photo.jpg')}` }, async () => {
    const folder = space.newFolder('real');
    mkdirSync(`${folder}/photos`);
    copyFileSync(realFile('photo.jpg'), `${folder}/photos/cat.jpg`);
    const { width, height } = identify([`${folder}/photos/cat.jpg`])[0] ?? assert.fail('no photo');
    await runItems(jobIn(folder));
    const [resized, thumbs] = identify(['resized', 'thumbs'].map((name) => `${folder}/copies/${name}/cat.jpg`));
    for (const [made, most] of [[resized, [1024, 768]], [thumbs, [192, 192]]] as const) {
      const factor = Math.min(1, (most[0] ?? 0) / width, (most[1] ?? 0) / height);
      assert.ok(made !== undefined && Math.abs(made.width - width * factor) <= 0.5 && Math.abs(made.height - height * factor) <= 0.5, JSON.stringify(made));
    }
    assert.ok(statSync(`${folder}/copies/thumbs/cat.jpg`).size < statSync(`${folder}/photos/cat.jpg`).size / 5);
  });

  // Catches: keys that are decoded or encoded once too often, an ending that decides instead of the content, copies that are larger than the photo, hidden files.
  void it('keep their paths: slashes, spaces, UTF-8, capitals, and a PNG called .jpg', async () => {
    const folder = space.newFolder('names');
    const png = await sharp(await corners(400, 100)).png().toBuffer();
    const paths = ['a/b/c d.jpg', 'UPPER.JPG', 'Ärger/日本 ☃.jpg', "100% #1?&+='x'.jpg", 'é.png', 'e\u0301.png', 'looks like.jpg', 'two.dots.PnG', 'percent%20.jpg'];
    writeAll(`${folder}/photos`, Object.fromEntries(paths.map((path) => [path, path === 'looks like.jpg' || path.toLowerCase().endsWith('png') ? png : photo])));
    writeAll(`${folder}/photos`, { 'notes.txt': 'no photo', '.hidden.jpg': 'no photo', 'a/.DS_Store': '' });
    const record = await runItems(jobIn(folder));
    assert.equal(record.items.total, paths.length);
    assert.deepEqual(filesBelow(`${folder}/copies`).filter((path) => !path.endsWith('.jsonl')), paths.flatMap((path) => [`resized/${path}`, `thumbs/${path}`]).toSorted());
    const made = identify(paths.map((path) => `${folder}/copies/resized/${path}`.replaceAll(/[%?]/g, (letter) => (letter === '%' ? '%%' : letter))));
    assert.deepEqual(made.map(({ format, width }) => [format, width]), paths.map((path) => (path === 'looks like.jpg' || path.toLowerCase().endsWith('png') ? ['PNG', 400] : ['JPEG', 640])));
    // The list of files tells what lies there.
    const listed = jsonLines(`${folder}/copies/${record.run}-outputs.jsonl`) as { path: string; size: number; sha256: string; source: string }[];
    assert.equal(listed.length, 2 * paths.length);
    for (const { path, size, sha256, source } of listed) {
      const bytes = readFileSync(`${folder}/copies/${path}`);
      assert.deepEqual([size, sha256], [bytes.length, createHash('sha256').update(bytes).digest('hex')], path);
      assert.ok(existsSync(new URL(source)), source);
    }
  });

  // Catches: a broken file that takes the others along, that isn't named, whose copies are there all the same, or of which a second run can't be made.
  void it('of broken and hostile files are none: each fails alone, by name, and is done again from the list', async () => {
    const folder = space.newFolder('hostile');
    const bomb = whitePng(30_000);
    const broken: Readonly<Record<string, readonly [Uint8Array | string, string, RegExp]>> = {
      'cut short.jpg': [photo.subarray(0, photo.length * 0.6), 'IMAGE_DAMAGED', /JPEG.*truncated or damaged/],
      'header only.jpg': [photo.subarray(0, 20), 'IMAGE_DAMAGED', /JPEG/],
      'bomb.png': [bomb, 'IMAGE_TOO_LARGE', /30000 x 30000|900,?000,?000/],
      'text.jpg': ['Dear all,\nthis is no photo.', 'IMAGE_FORMAT', /text|Dear/],
      'empty.jpg': ['', 'IMAGE_EMPTY', /empty/],
      'archive.jpg': [zipOf(photo), 'IMAGE_FORMAT', /ZIP/i],
      'ü/page.png': ['<html><body>404</body></html>', 'IMAGE_FORMAT', /404|HTML|text/],
    };
    assert.ok(bomb.length < 1_000_000, 'a small file');
    writeAll(`${folder}/photos`, Object.fromEntries(Object.entries(broken).map(([path, [bytes]]) => [path, bytes])));
    const good = Array.from({ length: 5 }, (_, i) => `good ${String(i)}.jpg`);
    writeAll(`${folder}/photos`, Object.fromEntries(good.map((path) => [path, photo])));
    const names = Object.keys(broken);

    const { record, message } = await failItems([...jobIn(folder), '--run', 'first']);
    assert.deepEqual([record.state, record.items.total, record.items.done, record.items.failed, record.files?.count, record.results?.rows], ['FAILED', 12, 5, 7, 10, 5]);
    assert.match(message, /7 of 12 items failed; .*first-failures\.jsonl lists them/);
    assert.equal(names.filter((name) => message.includes(`${folder}/photos/${name}: `)).length, 5, 'five are named, and how many more there are');
    assert.match(message, /and 2 more/);
    assert.deepEqual(filesBelow(`${folder}/copies`), ['first-failures.jsonl', 'first-outputs.jsonl', ...good.map((path) => `resized/${path}`), ...good.map((path) => `thumbs/${path}`)].toSorted());
    const failures = jsonLines(`${folder}/copies/first-failures.jsonl`) as { path: string; error: { code: string; message: string } }[];
    assert.deepEqual(failures.map(({ path }) => path).toSorted(), names.toSorted());
    for (const { path, error } of failures) {
      assert.equal(error.code, broken[path]?.[1], `${path}: ${error.message}`);
      assert.match(error.message, broken[path]?.[2] ?? /^$/, path);
    }

    // They are repaired, and only they are done again, to the same places.
    writeAll(`${folder}/photos`, Object.fromEntries(names.map((path) => [path, photo])));
    const untouched = statSync(`${folder}/copies/thumbs/good 0.jpg`).mtimeMs;
    const again = await runItems(jobIn(folder, { items: { manifest: 'copies/first-failures.jsonl' }, results: { href: 'again.csv' } }));
    assert.deepEqual([again.items.total, again.items.done, again.failures], [7, 7, null]);
    assert.deepEqual(filesBelow(`${folder}/copies/thumbs`), [...names, ...good].toSorted());
    assert.deepEqual(identify(names.map((path) => `${folder}/copies/thumbs/${path}`)).map(({ format, width, height }) => [format, width, height]), names.map(() => ['JPEG', 192, 144]));
    assert.equal(statSync(`${folder}/copies/thumbs/good 0.jpg`).mtimeMs, untouched);
  });

  // Catches: failures that are tolerated and not told, or that aren't.
  void it('may be missing, as many as the job tolerates', async () => {
    const folder = space.newFolder('tolerant');
    writeAll(`${folder}/photos`, { 'a.jpg': photo, 'b.jpg': photo, 'c.jpg': photo, 'd.jpg': 'no photo' });
    const { record } = await failItems(jobIn(folder, { tolerateFailures: { percentage: 24 } }));
    assert.deepEqual([record.state, record.items.failed], ['FAILED', 1]);
    const args = [...jobIn(folder, { tolerateFailures: { percentage: 25 } }), '--run', 'tolerant'];
    const { exitCode, stdout } = await runCli(['run', ...args]);
    assert.equal(exitCode, 0);
    assert.match(stdout, /run tolerant: 3 of 4 items[^]*failed: 1 item, listed in .*tolerant-failures\.jsonl\n {2}.*\/photos\/d\.jpg: /);
  });

  // Catches: a run that reads what it writes, one that is refused after it has begun, words that don't help.
  void it('are refused before anything runs where the job is wrong', async () => {
    const folder = space.newFolder('wrong');
    writeAll(`${folder}/photos`, { 'a/x.jpg': photo, 'b/x.jpg': photo });
    const refused = async (more: object, exit: number, says: RegExp): Promise<void> => {
      const { exitCode, stderr } = await runCli(['run', ...jobIn(folder, more), '--run', 'wrong']);
      assert.equal(exitCode, exit, stderr);
      assert.match(stderr, says);
      assert.doesNotMatch(stderr, /\n\s+at .*\.ts/);
      assert.ok(!existsSync(`${folder}/copies`));
    };
    await refused({ outputs: { prefix: 'photos/copies/' } }, 64, /\$\.operation\.images.*below the items' prefix/s);
    await refused({ outputs: undefined }, 64, /\$\.outputs/);
    await refused({ items: { prefix: 'fotos/' } }, 64, /\$\.items: there is nothing to do: there is no folder .*fotos\//);
    await refused({ items: { prefix: 'photos/', match: '*.gif' } }, 64, /2 objects, none of which matches "\*\.gif"/);
    await refused({ items: { hrefs: ['photos/a/x.jpg', 'photos/b/x.jpg'] } }, 65, /items 0 and 1 .* would both be written as "x\.jpg"; wanted "base"/);
    await refused({ items: { prefix: 'photos/', parameters: [{ a: 1 }] } }, 64, /\$\.items/);
    await refused({ operation: { images: { thumbs: { widht: 9 } } } }, 64, /\$\.operation\.images\.thumbs\.widht.*did you mean "width"/);
    const based = await runItems(jobIn(folder, { items: { hrefs: ['photos/a/x.jpg', 'photos/b/x.jpg'], base: 'photos/' } }));
    assert.deepEqual([based.items.total, filesBelow(`${folder}/copies/thumbs`)], [2, ['a/x.jpg', 'b/x.jpg']]);
  });
});
