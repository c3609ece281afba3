/** What images may cost: the guard against files made to exhaust memory or time. */
import * as z from 'zod';

export const imageLimits = z
  .strictObject({
    maxPixels: z
      .int()
      .min(1)
      .max(1_000_000_000)
      .default(100_000_000)
      .describe('Images of more pixels, counting all frames that are read, are refused before they are decoded; so are copies that would have more. Default: 100 million, which may take some 600 MB of memory while decoded, and 2 GB of AVIF.'),
    damaged: z
      .enum(['fail', 'accept'])
      .default('fail')
      .describe('What becomes of an image that is truncated or has errors in its pixels: it fails, or what can be decoded of it is taken, the rest being grey.'),
    seconds: z.int().min(1).max(3600).default(120).describe('How long one copy of an image may take to make, in seconds.'),
  })
  .describe('What images may cost; what exceeds it fails alone.');

/** Defaults filled in. */
export type ImageLimits = z.output<typeof imageLimits>;
export const defaultImageLimits: ImageLimits = imageLimits.parse({});
