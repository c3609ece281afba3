/** Tensors of images, against PIL and numpy, which is what torchvision's transforms run on. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { imageTensor, imageTensorOptions, type ImageTensorWish } from '../../lib/images/image-tensor.ts';
import { createWorkspace, realFile, withoutRealData } from '../support/workspace.ts';
import { pil, tag, withoutImagePrograms } from './oracle.ts';

const space = createWorkspace('image-tensors');
after(() => space.remove());
const mean = [0.485, 0.456, 0.406];
const std = [0.229, 0.224, 0.225];

/** In steps of one of 256 samples. */
async function compare(like: string, wish: ImageTensorWish, theirs: object): Promise<{ readonly mean: number; readonly p99: number }> {
  const tensor = await imageTensor(readFileSync(like), wish);
  const path = space.path('tensor.bin');
  writeFileSync(path, new Uint8Array(tensor.buffer, tensor.byteOffset, tensor.byteLength));
  const [found] = pil([{ do: 'tensor', path, like, width: wish.width, height: wish.height, ...theirs }]);
  return found as { readonly mean: number; readonly p99: number };
}

void describe('tensors of images', { skip: withoutImagePrograms }, () => {
  const cases: readonly (readonly [string, ImageTensorWish, object])[] = [
    ['Resize((h, w))', { width: 224, height: 160 }, {}],
    ['Resize(256), CenterCrop(224), Normalize', { width: 224, height: 224, fit: 'cover', resize: 256, mean, std }, { resize: 256, mean, std }],
    ['an odd crop', { width: 101, height: 98, fit: 'cover', resize: 111, mean: 0.5, std: 0.5 }, { resize: 111, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }],
    ['channels last, blue first', { width: 64, height: 48, layout: 'hwc', channels: 'bgr' }, { hwc: true, bgr: true }],
    ['grey', { width: 64, height: 48, channels: 'grey', mean: 0.1, std: 0.3 }, { grey: true, mean: [0.1], std: [0.3] }],
    ['a letterbox', { width: 128, height: 128, fit: 'contain', background: '#727272' }, { letterbox: [114, 114, 114] }],
  ];
  for (const [what, wish, theirs] of cases) {
    // Catches: wrong order of axes or channels, mean and std of another channel, a crop off by pixels, no antialiasing, a profile or gamma in the way.
    void it(`are those of torchvision's ${what}, for a real photo`, { skip: withoutRealData }, async () => {
      const path = space.path('photo.jpg');
      writeFileSync(path, readFileSync(realFile('photo.jpg')));
      const found = await compare(path, wish, theirs);
      assert.ok(found.mean < 1.5 && found.p99 < 9, JSON.stringify(found));
    });
  }

  // Catches: photos that lie on their side for the model.
  void it('are upright', async () => {
    const path = space.path('turned.jpg');
    pil([{ do: 'make', path, kind: 'JPEG', width: 400, height: 260 }]);
    tag(path, 'Orientation#=6');
    const found = await compare(path, { width: 100, height: 150 }, {});
    assert.ok(found.mean < 1, JSON.stringify(found));
  });

  // Catches: a small image left small, which would be read beyond its end.
  void it('have the size asked for, of images of any size and kind', async () => {
    for (const [kind, width, height] of [['grey', 20, 31], ['alpha', 7, 5], ['palette', 300, 1], ['cmyk', 64, 64], ['sixteen', 9, 9]] as const) {
      const path = space.path(`kind-${kind}`);
      pil([{ do: 'make', path, kind, width, height }]);
      for (const fit of ['fill', 'cover', 'contain'] as const) {
        const tensor = await imageTensor(readFileSync(path), { width: 33, height: 21, fit });
        assert.equal(tensor.length, 33 * 21 * 3);
        assert.ok(tensor.every((value) => value >= 0 && value <= 1));
      }
    }
  });
});

void describe('options of tensors', () => {
  const refused: readonly (readonly [string, object, RegExp])[] = [
    ['two means for three channels', { mean: [1, 2] }, /wanted one number, or 3 for rgb, found 2/],
    ['three for one', { channels: 'grey', std: [1, 2, 3] }, /wanted one number, or 1 for grey, found 3/],
    ['a division by 0', { std: [1, 0, 1] }, /other than 0/],
    ['a crop larger than what it is cut from', { fit: 'cover', resize: 100 }, /wanted 224 or more.*found 100/],
    ['a resize that nothing is cut from', { resize: 256 }, /wanted fit cover, found fill/],
  ];
  for (const [what, options, words] of refused) {
    // Catches: tensors that are wrong without a word.
    void it(`refuse ${what}`, () => {
      const parsed = imageTensorOptions.safeParse({ width: 224, height: 224, ...options });
      assert.ok(!parsed.success);
      assert.match(parsed.error.message, words);
    });
  }
});
