/** What copies tell about their maker, place and colours, as exiftool, ImageMagick and LittleCMS (in PIL) find it. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import sharp from 'sharp';
import { makeVariants } from '../../lib/images/make-variants.ts';
import { imageVariants, type ImageVariant } from '../../lib/images/variant-spec.ts';
import { createWorkspace } from '../support/workspace.ts';
import { type Difference, exifOf, pil, tag, withoutImagePrograms } from './oracle.ts';

const space = createWorkspace('image-metadata');
after(() => space.remove());

async function copyOf(path: string, variant: Partial<ImageVariant>): Promise<string> {
  const { variants } = await makeVariants(readFileSync(path), imageVariants.parse({ copy: variant }));
  const copy = space.path(`copy-${String(Math.random()).slice(2)}`);
  writeFileSync(copy, variants[0]?.bytes ?? new Uint8Array());
  return copy;
}

void describe('metadata of copies', { skip: withoutImagePrograms }, () => {
  const path = space.path('tagged.jpg');
  const secrets = /GPS|Canon|Secret|Jane|someone/i;
  const prepare = (): void => {
    pil([{ do: 'make', path, kind: 'JPEG', width: 320, height: 200 }]);
    tag(path, 'Make=Canon', 'Copyright=(c) Jane Doe 2026', 'Artist=Jane Doe', 'GPSLatitude=48.2', 'GPSLatitudeRef=N', 'GPSLongitude=16.37', 'GPSLongitudeRef=E', 'XMP:Creator=Secret', 'IPTC:City=SecretTown', 'Comment=by someone', 'Orientation#=1');
  };

  for (const format of ['jpeg', 'png', 'webp', 'avif', 'tiff', 'gif'] as const) {
    // Catches: a place, a name or a camera that gets out with a thumbnail, in any format.
    void it(`are none in ${format} by default`, async () => {
      prepare();
      assert.match(JSON.stringify(exifOf(path)), secrets, 'the source must have what is looked for');
      const copy = await copyOf(path, { width: 100, format });
      const found = Object.fromEntries(Object.entries(exifOf(copy)).filter(([name]) => !/^(?:SourceFile|System:|ExifTool:)/.test(name)));
      assert.doesNotMatch(JSON.stringify(found), secrets);
      assert.ok(!/Jane|Canon|Secret/.test(readFileSync(copy).toString('latin1')));
    });
  }

  // Catches: copyright lost, or more than that kept.
  void it('keeps copyright and artist, and nothing else', async () => {
    prepare();
    for (const format of ['jpeg', 'webp', 'png'] as const) {
      const found = exifOf(await copyOf(path, { width: 100, format, metadata: 'copyright' }));
      assert.equal(found['IFD0:Copyright'], '(c) Jane Doe 2026', format);
      assert.equal(found['IFD0:Artist'], 'Jane Doe', format);
      assert.doesNotMatch(JSON.stringify(found), /GPS|Canon|Secret|someone/);
    }
  });

  // Catches: `keep` that loses fields, and an orientation that is left behind and turns the upright copy again.
  void it('keeps all of it but the orientation', async () => {
    prepare();
    tag(path, 'Orientation#=6');
    const found = exifOf(await copyOf(path, { width: 100, metadata: 'keep' }));
    assert.equal(found['IFD0:Make'], 'Canon');
    assert.match(String(found['GPS:GPSLatitude']), /48 deg 12/);
    assert.equal(found['XMP-dc:Creator'], 'Secret');
    assert.ok(['undefined', 'Horizontal (normal)'].includes(String(found['IFD0:Orientation'])), String(found['IFD0:Orientation']));
    assert.deepEqual([found['File:ImageWidth'], found['File:ImageHeight']], [100, 160]);
  });

  // Catches: EXIF that is broken failing an image whose pixels are fine.
  void it('takes broken EXIF for none', async () => {
    prepare();
    const bytes = Buffer.from(readFileSync(path));
    const at = bytes.indexOf('Exif\0\0');
    bytes.fill(0xff, at + 10, at + 60);
    const broken = space.path('broken-exif.jpg');
    writeFileSync(broken, bytes);
    const found = exifOf(await copyOf(broken, { width: 100, metadata: 'copyright' }));
    assert.equal(found['IFD0:Copyright'], undefined);
    assert.equal(found['File:ImageWidth'], 100);
  });
});

void describe('colours of copies', { skip: withoutImagePrograms }, () => {
  const path = space.path('p3.png');
  const prepare = async (): Promise<void> => {
    const plain = space.path('plain.png');
    pil([{ do: 'make', path: plain, kind: 'PNG', width: 200, height: 120 }]);
    // The same scene in Display P3, its profile embedded: by ImageMagick's and PIL's reading, other numbers for the same colours.
    writeFileSync(path, await sharp(plain).withIccProfile('p3').png().toBuffer());
  };

  // Catches: a profile dropped without converting, which makes colours pale; or a conversion by another profile.
  void it('are converted to sRGB by default, as LittleCMS does it', async () => {
    await prepare();
    const copy = await copyOf(path, {});
    const [{ icc }] = pil([{ do: 'describe', path: copy }]) as [{ icc: boolean }];
    assert.equal(icc, false);
    const [converted, dropped] = pil([{ do: 'differ', path: copy, like: path, srgb: true }, { do: 'differ', path: copy, like: path }]) as [Difference, Difference];
    assert.ok(converted.max <= 3, JSON.stringify(converted));
    assert.ok(dropped.mean > 4, `the profile must matter: ${JSON.stringify(dropped)}`);
  });

  // Catches: `keep` that converts, or keeps the numbers without the profile.
  void it('keep their profile and numbers if asked', async () => {
    await prepare();
    const copy = await copyOf(path, { icc: 'keep' });
    assert.match(String(exifOf(copy)['ICC_Profile:ProfileDescription']), /P3/i);
    const [{ max }] = pil([{ do: 'differ', path: copy, like: path }]) as [Difference];
    assert.ok(max <= 1, `differs by ${String(max)}`);
  });
});
