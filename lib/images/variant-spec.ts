/** What a job says about the copies that it wants of images: the schema behind `operation.images`. */
import * as z from 'zod';

/** How a copy comes into its width and height; the words of CSS's object-fit, and sharp's. */
export const imageFits = ['inside', 'cover', 'contain', 'fill', 'outside'] as const;
export const variantFormats = ['same', 'jpeg', 'png', 'webp', 'avif', 'tiff', 'gif'] as const;
export const imagePositions = ['centre', 'top', 'right top', 'right', 'right bottom', 'bottom', 'left bottom', 'left', 'left top', 'entropy', 'attention'] as const;
export const metadataPolicies = ['none', 'copyright', 'keep'] as const;
export const iccPolicies = ['srgb', 'keep'] as const;
export const animationPolicies = ['keep', 'first'] as const;

/** Part of a key: no slash, and never `.` or `..`. */
const variantName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'wanted a letter or digit and then letters, digits, dots, _ or - (64 at most), for it is part of a key');

/** WebP's largest side. */
const maxSidePx = 16_383;
const side = z.int().min(1).max(maxSidePx);

export const imageVariant = z
  .strictObject({
    width: side.optional().describe('Pixels, as the image is seen: after its EXIF orientation has been applied. Default: what follows from the height and the aspect; without both, the size stays.'),
    height: side.optional().describe('Pixels. Default: what follows from the width and the aspect.'),
    fit: z
      .enum(imageFits)
      .default('inside')
      .describe(
        'How the image comes into width and height. `inside`: as large as fits into both, `outside`: as small as covers both; `cover`: what stands out of that is cropped; `contain`: what is missing is filled with `background`; `fill`: stretched. All but `fill` keep the aspect.',
      ),
    position: z
      .enum(imagePositions)
      .default('centre')
      .describe('Of `cover` and `contain`: which part is kept, or where the image lies. `entropy` and `attention` (only `cover`) look for the part with the most detail, or the one that eyes go to; animations are cut around the centre.'),
    enlarge: z.boolean().default(false).describe('Whether an image that is smaller is enlarged. Default: it is never; then `cover` crops only, and `contain` fills around it.'),
    format: z
      .enum(variantFormats)
      .default('same')
      .describe("The format of the copy. `same`: the one that the image's content has, whatever it is called; PNG for an SVG. The key stays as it was uploaded, in either case; the Content-Type says the format."),
    quality: z.int().min(1).max(100).optional().describe('Of JPEG, WebP and AVIF: from 1, small, to 100. Default: 80, and 50 for AVIF, whose scale is another. PNG and TIFF are without loss and pay no heed to it.'),
    progressive: z.boolean().default(false).describe('Of JPEG, PNG and GIF: whether it appears coarse first and then gets finer (interlaced).'),
    background: z
      .string()
      .regex(/^(?:#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})|transparent|white|black)$/, 'wanted #rgb, #rrggbb, #rrggbbaa, transparent, white or black')
      .optional()
      .describe('The colour of what `contain` fills, and of what lies under transparent pixels where the format has none (JPEG). Default: transparent where the format can be, else white.'),
    metadata: z
      .enum(metadataPolicies)
      .default('none')
      .describe('What is kept of EXIF, XMP and IPTC. `none`: nothing, so that no place, camera or name gets out. `copyright`: only the EXIF fields Copyright and Artist. `keep`: all of it, the place (GPS) too. TIFF copies keep no EXIF.'),
    icc: z
      .enum(iccPolicies)
      .default('srgb')
      .describe('`srgb`: colours are converted from the embedded profile, and none is embedded, as the web takes images without one for sRGB. `keep`: colour values and profile stay as they are; CMYK becomes sRGB all the same.'),
    animation: z
      .enum(animationPolicies)
      .default('keep')
      .describe('Of animated GIF and WebP whose copy is GIF or WebP: all frames, or the first. Copies in other formats have the first frame; those of TIFF the first page.'),
  })
  .superRefine((variant, context) => {
    const problem = (field: string, message: string) => context.addIssue({ code: 'custom', path: [field], message });
    const both = variant.width !== undefined && variant.height !== undefined;
    if ((variant.fit === 'cover' || variant.fit === 'contain') && !both) problem('fit', `${variant.fit} wanted a width and a height, found ${variant.width === undefined ? (variant.height === undefined ? 'neither' : 'only the height') : 'only the width'}`);
    if (isSoughtByContent(variant) && variant.fit !== 'cover') problem('position', `${variant.position} wanted fit cover, found ${variant.fit}`);
  })
  .describe('One copy of every image.');

/** `operation.images`: by name, which becomes part of the key, `{outputs.prefix}{name}/{path below the items' prefix}`. */
export const imageVariants = z
  .record(variantName, imageVariant)
  .refine((variants) => Object.keys(variants).length > 0, 'wanted at least one copy to make, for example { "thumbs": { "width": 192, "height": 192 } }')
  .refine((variants) => Object.keys(variants).length <= 64, 'wanted 64 copies of an image at most')
  .describe('The copies to make of each image, by name.');

/** One copy as parsed, defaults filled in. */
export type ImageVariant = z.output<typeof imageVariant>;
export type ImageVariants = z.output<typeof imageVariants>;
export type ImageFit = ImageVariant['fit'];

/** Whether the part that is kept is looked for in the pixels. */
export function isSoughtByContent({ position }: { readonly position: string }): boolean {
  return position === 'entropy' || position === 'attention';
}
