/** Files that are not images, not whole, or made to do harm: each is one clear error, and costs neither memory nor time. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { crc32, deflateSync, gzipSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { DataError } from '../../lib/base/errors.ts';
import { imageLimits } from '../../lib/images/image-limits.ts';
import { makeVariants } from '../../lib/images/make-variants.ts';
import { damaged } from '../../lib/images/open-image.ts';
import { imageVariants } from '../../lib/images/variant-spec.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('hostile-images');
after(() => space.remove());
const small = imageVariants.parse({ thumb: { width: 50, height: 50 } });
const limits = imageLimits.parse({});

/** Real memory at the end may be this much above that at the start: far less than any of the bombs. */
const memoryBytes = 150e6;

async function refused(bytes: Uint8Array, code: string, words: RegExp, how = { variants: small, limits }): Promise<void> {
  const before = process.resourceUsage().maxRSS;
  await assert.rejects(makeVariants(bytes, how.variants, how.limits), (error) => {
    assert.ok(error instanceof DataError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, words);
    assert.match(error.message, /wanted .*, found /s);
    assert.equal(error.exitCode, 65);
    assert.equal(error.retryable, false);
    return true;
  });
  const grown = (process.resourceUsage().maxRSS - before) * 1024;
  assert.ok(grown < memoryBytes, `took ${String(grown)} bytes`);
}

function picture(width = 300, height = 200): Sharp {
  const samples = Buffer.alloc(width * height * 3);
  for (let index = 0; index < samples.length; index++) samples[index] = (index * 7919 + (index >> 7) * 31) & 0xff;
  return sharp(samples, { raw: { width, height, channels: 3 } });
}

void describe('what is no image', () => {
  const svgOf = (text: string): Buffer => Buffer.from(text);
  const cases: readonly (readonly [string, () => Uint8Array | Promise<Uint8Array>, string, RegExp])[] = [
    ['an empty file', () => new Uint8Array(), 'IMAGE_EMPTY', /wanted a JPEG, PNG, WebP.*empty/],
    ['a ZIP', () => Buffer.from('PK\x03\x04\x0a\0\0\0\0\0', 'latin1'), 'IMAGE_FORMAT', /ZIP/],
    ['a gzip file', () => gzipSync('hello'), 'IMAGE_FORMAT', /gzip/],
    ['a PDF', () => Buffer.from('%PDF-1.7\n'), 'IMAGE_FORMAT', /PDF/],
    ['text', () => Buffer.from('hello, world\n'), 'IMAGE_FORMAT', /text, 13 bytes, beginning with "hello, world/],
    ['a page that stands for a missing file', () => Buffer.from('<!doctype html><html><body>404</body></html>'), 'IMAGE_FORMAT', /text.*<!doctype html>/],
    ['random bytes', () => Buffer.from([0, 1, 2, 3, 250, 251, 252]), 'IMAGE_FORMAT', /unknown format.*00010203fafbfc/],
    ['a HEIC photo', () => Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'), 'IMAGE_FORMAT', /HEIC.*JPEG/],
    ['a video', () => Buffer.from('\0\0\0\x14ftypmp42\0\0\0\0isom', 'latin1'), 'IMAGE_FORMAT', /video.*mp42/],
    ['one byte', () => Buffer.from([0xff]), 'IMAGE_FORMAT', /unknown format/],
    ['a JPEG of which only the start is there', () => Buffer.from([0xff, 0xd8, 0xff, 0xe0]), 'IMAGE_DAMAGED', /JPEG.*4 bytes/],
    ['a PNG of which only the start is there', () => Buffer.from('\x89PNG\r\n\x1A\n', 'latin1'), 'IMAGE_DAMAGED', /PNG/],
    ['an SVG that is no XML', () => svgOf('<svg xmlns="http://www.w3.org/2000/svg" width="5" height="5"><g></svg>'), 'IMAGE_DAMAGED', /SVG/],
  ];
  for (const [what, bytes, code, words] of cases) {
    // Catches: a crash, an error that doesn't say what was found, or one that counts as worth a retry.
    void it(`refuses ${what}`, async () => {
      await refused(await bytes(), code, words);
    });
  }
});

void describe('what is cut off or damaged', () => {
  for (const format of ['jpeg', 'png', 'webp', 'avif', 'tiff', 'gif'] as const) {
    // Catches: half a picture, grey below, taken for a good one, and words of libraries and their options, which mean nothing to a photographer.
    void it(`refuses a truncated ${format}`, async () => {
      const whole = await picture().toFormat(format).toBuffer();
      await makeVariants(whole, small, limits);
      for (const part of [0.3, 0.6, 0.9]) await refused(whole.subarray(0, Math.floor(whole.length * part)), 'IMAGE_DAMAGED', /^wanted a whole (?!.*(failOn|vips|bad seek|read error|Input buffer)).* truncated or damaged/i);
    });
  }

  void it('has the words of the decoder where they say something', () => {
    const said = (words: string): string => damaged('tiff', new Uint8Array(7), new Error(words)).message;
    const ours = 'wanted a whole TIFF, found one of 7 bytes that is truncated or damaged';
    assert.equal(said('Warning treated as error due to failOn setting'), ours);
    assert.equal(said('Input buffer has corrupt header: glib: XML parse error: line 2\nsource: bad seek to 1024'), `${ours}; its decoder says: XML parse error: line 2`);
    assert.equal(damaged('tiff', new Uint8Array(7), new Error('vipspng: libpng read error')).where['decoder'], 'vipspng: libpng read error');
  });

  // Catches: wrong bits in the middle, which libpng finds by checksums.
  void it('refuses a PNG with wrong bits', async () => {
    const bytes = Buffer.from(await picture().png().toBuffer());
    bytes.fill(0xa5, bytes.length >> 1, (bytes.length >> 1) + 40);
    await refused(bytes, 'IMAGE_DAMAGED', /PNG/);
  });

  // Catches: the policy `accept` without effect.
  void it('takes what there is of a truncated JPEG if asked', async () => {
    const whole = await picture().jpeg().toBuffer();
    const { variants } = await makeVariants(whole.subarray(0, whole.length >> 1), small, imageLimits.parse({ damaged: 'accept' }));
    const { width, height } = await sharp(variants[0]?.bytes).metadata();
    assert.deepEqual([width, height], [50, 33]);
  });
});

/** A PNG that claims a size, with `rows` rows of zeros behind it. */
function pngOf(width: number, height: number, rows: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([1, 0], 8);
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1A\n', 'latin1'), chunk('IHDR', header), chunk('IDAT', deflateSync(Buffer.alloc(rows * (1 + Math.ceil(width / 8))))), chunk('IEND', Buffer.alloc(0))]);
}

function gifOf(width: number, height: number): Buffer {
  const bytes = Buffer.from('GIF89a\0\0\0\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\0\0\0\0\0\x02\x02D\x01\0;', 'latin1');
  for (const at of [6, 24]) {
    bytes.writeUInt16LE(width, at);
    bytes.writeUInt16LE(height, at + 2);
  }
  return bytes;
}

/** A classic TIFF of one strip, with no data behind it, and as many pages of the same as wished. */
function tiffOf(width: number, height: number, pages = 1): Buffer {
  const entries: readonly (readonly [number, number, number])[] = [[256, 4, width], [257, 4, height], [258, 3, 8], [259, 3, 1], [262, 3, 1], [273, 4, 8], [277, 3, 1], [278, 4, height], [279, 4, Math.min(width * height, 2 ** 32 - 1)]];
  const directoryBytes = 2 + entries.length * 12 + 4;
  const bytes = Buffer.alloc(8 + pages * directoryBytes + 1024);
  bytes.write('II*\0', 'latin1');
  bytes.writeUInt32LE(8, 4);
  for (let page = 0; page < pages; page++) {
    const start = 8 + page * directoryBytes;
    bytes.writeUInt16LE(entries.length, start);
    for (const [index, [tag, type, value]] of entries.entries()) {
      const at = start + 2 + index * 12;
      bytes.writeUInt16LE(tag, at);
      bytes.writeUInt16LE(type, at + 2);
      bytes.writeUInt32LE(1, at + 4);
      bytes.writeUInt32LE(value, at + 8);
    }
    bytes.writeUInt32LE(page + 1 < pages ? start + directoryBytes : 0, start + directoryBytes - 4);
  }
  return bytes;
}

void describe('images that would take all memory', () => {
  const svg = (attributes: string, inside = ''): Buffer => Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ${attributes}>${inside}</svg>`);
  const found = /wanted 100000000 pixels at most.*found 900000000: 30000 x 30000/;

  // Catches: a header believed, and memory taken for it, before the limit is looked at.
  void it('refuses a PNG of 30,000 x 30,000 pixels', () => refused(pngOf(30_000, 30_000, 30_000), 'IMAGE_TOO_LARGE', found));
  void it('refuses a TIFF that claims them', () => refused(tiffOf(30_000, 30_000), 'IMAGE_TOO_LARGE', found));
  void it('refuses a GIF that claims them', () => refused(gifOf(30_000, 30_000), 'IMAGE_TOO_LARGE', found));
  void it('refuses an SVG that claims them', () => refused(svg('width="30000" height="30000"'), 'IMAGE_TOO_LARGE', found));
  void it('refuses a JPEG that claims more', async () => {
    const bytes = Buffer.from(await picture().jpeg().toBuffer());
    // The size lies in the frame header, after its length and precision (ITU-T T.81, B.2.2).
    const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]));
    bytes.writeUInt16BE(60_000, frame + 5);
    bytes.writeUInt16BE(60_000, frame + 7);
    await refused(bytes, 'IMAGE_TOO_LARGE', /3600000000: 60000 x 60000/);
  });

  // Catches: a limit that isn't the job's, in either direction.
  void it("takes the job's limit", async () => {
    const bytes = await picture(300, 200).png().toBuffer();
    await refused(bytes, 'IMAGE_TOO_LARGE', /wanted 59999 pixels at most \(maxPixels\), found 60000: 300 x 200/, { variants: small, limits: imageLimits.parse({ maxPixels: 59_999 }) });
    await makeVariants(bytes, small, imageLimits.parse({ maxPixels: 60_000 }));
  });

  // Catches: an image within the limit whose copy isn't: long and thin, enlarged.
  void it('refuses copies that would be too large, before they are made', async () => {
    const thin = pngOf(2, 10_000, 10_000);
    await refused(thin, 'IMAGE_TOO_LARGE', /the copy "huge".*pixels at most/, { variants: imageVariants.parse({ huge: { width: 16_000, enlarge: true } }), limits });
    await refused(pngOf(2, 40_000, 40_000), 'IMAGE_TOO_LARGE', /the copy "webp": wanted sides of 16383 pixels.*found 2 x 40000/, { variants: imageVariants.parse({ webp: { format: 'webp' } }), limits });
  });

  // Catches: frames that are each small, and together are not.
  void it('counts the frames of an animation', async () => {
    const stills = await Promise.all(Array.from({ length: 12 }, (_, index) => sharp({ create: { width: 400, height: 300, channels: 3, background: { r: index * 20, g: 0, b: 0 } } }).png().toBuffer()));
    const frames = await sharp(stills, { join: { animated: true } }).gif().toBuffer();
    const tight = imageLimits.parse({ maxPixels: 1_000_000 });
    await refused(frames, 'IMAGE_TOO_LARGE', /1440000: 400 x 300 in 12 frames \(the first frame alone: animation "first"\)/, { variants: small, limits: tight });
    const { variants } = await makeVariants(frames, imageVariants.parse({ thumb: { width: 50, animation: 'first' } }), tight);
    assert.deepEqual([variants[0]?.width, variants[0]?.height], [50, 38]);
  });

  // Catches: every page of a TIFF read where only the first is wanted. What is left to find is that its pixels are missing.
  void it('goes through a TIFF of 20,000 pages that are not there', () => refused(tiffOf(2000, 2000, 20_000), 'IMAGE_DAMAGED', /TIFF/));

  // Catches: a bomb inside of a drawing, decoded without the limit.
  void it('draws no bomb within an SVG', async () => {
    const bomb = pngOf(30_000, 30_000, 30_000).toString('base64');
    const before = process.resourceUsage().maxRSS;
    await makeVariants(svg('width="50" height="50"', `<image width="50" height="50" xlink:href="data:image/png;base64,${bomb}"/>`), small, limits).catch((error: unknown) => assert.ok(error instanceof DataError));
    assert.ok((process.resourceUsage().maxRSS - before) * 1024 < memoryBytes);
  });
});

void describe('SVGs that reach out', () => {
  let asked = 0;
  const server = createServer((_, response) => {
    asked++;
    response.end();
  });
  const red = space.path('red.png');
  before(async () => {
    writeFileSync(red, await sharp({ create: { width: 50, height: 50, channels: 3, background: '#ff0000' } }).png().toBuffer());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => server.close());

  const draw = (prologue: string, inside: string): Buffer =>
    Buffer.from(`<?xml version="1.0"?>${prologue}<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:xi="http://www.w3.org/2001/XInclude" width="50" height="50">${inside}</svg>`);

  /** Whether anything was drawn at all. */
  async function isBlank(bytes: Buffer): Promise<boolean> {
    const { variants } = await makeVariants(bytes, imageVariants.parse({ copy: { format: 'png' } }), limits);
    const samples = await sharp(variants[0]?.bytes).ensureAlpha().raw().toBuffer();
    return samples.every((sample) => sample === 0);
  }

  // Catches: a drawing that isn't blank for another reason: the same picture within the file is drawn.
  void it('draw what lies within themselves', async () => {
    assert.equal(await isBlank(draw('', `<image width="50" height="50" xlink:href="data:image/png;base64,${readFileSync(red).toString('base64')}"/>`)), false);
    assert.equal(await isBlank(draw('<!DOCTYPE svg [<!ENTITY fill "#ff0000">]>', '<rect width="50" height="50" fill="&fill;"/>')), false);
  });

  // Catches: files of the machine, or requests to other machines, by way of an uploaded drawing.
  void it('get no file and make no request', async () => {
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${String(port)}/red.png`;
    for (const href of [red, `file://${red}`, 'red.png', `../../../../../../../../${red}`, url]) {
      assert.ok(await isBlank(draw('', `<image width="50" height="50" xlink:href="${href}" href="${href}"/>`)), href);
      assert.ok(await isBlank(draw('', `<style>@import url("${href}"); @font-face { font-family: x; src: url("${href}") }</style>`)), href);
      assert.ok(await isBlank(draw('', `<use xlink:href="${href}#a"/>`)), href);
      assert.ok(await isBlank(draw(`<?xml-stylesheet href="${href}"?>`, '')), href);
    }
    const text = space.path('secret.txt');
    writeFileSync(text, 'MMMM');
    assert.ok(await isBlank(draw('', `<text y="20"><xi:include href="${text}" parse="text"/></text>`)));
    for (const system of [`file://${text}`, url]) await refused(draw(`<!DOCTYPE svg [<!ENTITY out SYSTEM "${system}">]>`, '<text y="20">&out;</text>'), 'IMAGE_DAMAGED', /SVG/);
    assert.equal(asked, 0);
  });

  // Catches: entities of entities, or one long one many times, that fill memory.
  void it('blow up no entities', async () => {
    let entities = '<!ENTITY a0 "lol">';
    for (let level = 1; level < 12; level++) entities += `<!ENTITY a${String(level)} "${`&a${String(level - 1)};`.repeat(10)}">`;
    await refused(draw(`<!DOCTYPE svg [${entities}]>`, '<text y="20">&a11;</text>'), 'IMAGE_DAMAGED', /SVG/);
    const long = (letters: number): Buffer => draw(`<!DOCTYPE svg [<!ENTITY long "${'x'.repeat(letters)}">]>`, `<text y="20">${'&long;'.repeat(200_000)}</text>`);
    await refused(long(500), 'IMAGE_DAMAGED', /SVG/);
    await refused(long(100_000), 'IMAGE_FORMAT', /XML without an element svg/);
  });
});
