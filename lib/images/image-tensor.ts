/** An image as the tensor that a model wants: decoded, oriented, resized and normalised, as torchvision's transforms do it. */
import * as z from 'zod';
import { parseColor } from './encode-variant.ts';
import type { Size } from './fit.ts';
import { defaultImageLimits, type ImageLimits } from './image-limits.ts';
import { damaged, decodeOptions, openImage } from './open-image.ts';
import { loadSharp } from './sharp-setup.ts';

export const tensorFits = ['fill', 'cover', 'contain'] as const;
export const tensorLayouts = ['chw', 'hwc'] as const;
export const tensorChannels = ['rgb', 'bgr', 'grey'] as const;
export const tensorKernels = ['linear', 'cubic', 'lanczos3', 'nearest'] as const;

const perChannel = z.union([z.number(), z.array(z.number()).min(1).max(3)]);
const side = z.int().min(1).max(16_384);

/** What a model wants its images to be like. */
export const imageTensorOptions = z
  .strictObject({
    width: side.describe('Pixels of what the model gets.'),
    height: side.describe('Pixels of what the model gets.'),
    fit: z
      .enum(tensorFits)
      .default('fill')
      .describe('`fill`: stretched to width and height, torchvision\'s `Resize((h, w))`. `cover`: scaled until both are covered, and the centre cropped. `contain`: scaled until it fits, and `background` around it (letterbox).'),
    resize: side.optional().describe("Of `cover`: what the shorter side is scaled to before the centre is cropped, torchvision's `Resize(256)` before `CenterCrop(224)`. Default: as little larger than width and height as can be."),
    kernel: z.enum(tensorKernels).default('linear').describe("How pixels are resampled; `linear` is torchvision's and PIL's BILINEAR with antialiasing."),
    channels: z.enum(tensorChannels).default('rgb').describe('Which channels, in which order. `bgr` is that of OpenCV; `grey` is one.'),
    layout: z.enum(tensorLayouts).default('chw').describe('`chw`: channel by channel, as PyTorch; `hwc`: pixel by pixel, as TensorFlow.'),
    scale: z.number().default(1 / 255).describe('What samples, 0 to 255, are multiplied with first. Default: 1/255, so that they are 0 to 1.'),
    mean: perChannel.default(0).describe('What is subtracted after that; one number, or one a channel in their order.'),
    std: perChannel.default(1).describe('What is divided by in the end; one number, or one a channel in their order.'),
    background: z
      .string()
      .regex(/^(?:#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})|white|black)$/, 'wanted #rgb, #rrggbb, white or black')
      .default('black')
      .describe('The colour around an image that doesn\'t fill the tensor, and under transparent pixels.'),
  })
  .superRefine((options, context) => {
    const problem = (field: string, message: string) => context.addIssue({ code: 'custom', path: [field], message });
    const count = channelCount(options.channels);
    for (const field of ['mean', 'std'] as const) {
      const value = options[field];
      if (typeof value !== 'number' && value.length !== count) problem(field, `wanted one number, or ${String(count)} for ${options.channels}, found ${String(value.length)}`);
    }
    if (valuesOf(options.std, count).includes(0)) problem('std', 'wanted numbers other than 0 to divide by, found 0');
    if (options.resize === undefined) return;
    if (options.fit !== 'cover') problem('resize', `wanted fit cover, found ${options.fit}`);
    if (options.resize < Math.max(options.width, options.height)) problem('resize', `wanted ${String(Math.max(options.width, options.height))} or more, the longer side of what is cropped, found ${String(options.resize)}`);
  });

/** The options as parsed, defaults filled in. */
export type ImageTensorOptions = z.output<typeof imageTensorOptions>;
export type ImageTensorWish = z.input<typeof imageTensorOptions>;

/**
 * (channels, height, width) or (height, width, channels) float32: ((sample * scale) - mean) / std of sRGB samples. The first frame of an
 * animation. Unlike copies, small images are enlarged: a model wants the size it wants.
 *
 * @throws DataError IMAGE_EMPTY, IMAGE_FORMAT, IMAGE_TOO_LARGE, IMAGE_DAMAGED
 * @throws ZodError when the options are wrong
 */
export async function imageTensor(bytes: Uint8Array, wish: ImageTensorWish, limits: ImageLimits = defaultImageLimits): Promise<Float32Array> {
  const options = imageTensorOptions.parse(wish);
  const samples = await decodeFor(bytes, options, limits);
  return normalise(samples, options);
}

/** (height, width, 3 or 1) uint8, in the order that sharp gives: red first. */
async function decodeFor(bytes: Uint8Array, { width, height, fit, resize, kernel, channels, background }: ImageTensorOptions, limits: ImageLimits): Promise<Uint8Array> {
  const image = await openImage(bytes, limits);
  const sharp = await loadSharp();
  const color = parseColor(background);
  const opened = sharp(bytes, decodeOptions(image, limits, false)).flatten({ background: color });
  // Decoding at half the size leaves a trace in the pixels; a model sees those that it was trained on only if as little as possible is done so.
  const how = { kernel, fastShrinkOnLoad: false } as const;
  const crop = resize === undefined ? undefined : centreCrop(image.size, resize, { width, height });
  const resized =
    crop === undefined
      ? opened.resize({ width, height, fit, background: color, ...how })
      : opened.resize({ ...crop.scaled, fit: 'fill', ...how }).extract({ left: crop.left, top: crop.top, width, height });
  try {
    const { data, info } = await resized.toColourspace('srgb').timeout({ seconds: limits.seconds }).raw().toBuffer({ resolveWithObject: true });
    if (info.width !== width || info.height !== height || info.channels !== 3) throw new Error(`${String(info.width)} x ${String(info.height)} x ${String(info.channels)}, wanted ${String(width)} x ${String(height)} x 3`);
    return channels === 'grey' ? toGrey(data) : data;
  } catch (cause) {
    throw damaged(image.format, bytes, cause);
  }
}

/** Luma of ITU-R BT.601, as PIL and OpenCV make grey; libvips would weigh the light instead. */
function toGrey(samples: Uint8Array): Uint8Array {
  const grey = new Uint8Array(samples.length / 3);
  for (let pixel = 0, at = 0; pixel < grey.length; pixel++, at += 3) grey[pixel] = Math.round(0.299 * (samples[at] ?? 0) + 0.587 * (samples[at + 1] ?? 0) + 0.114 * (samples[at + 2] ?? 0));
  return grey;
}

/** As torchvision: the shorter side exactly, the longer rounded down (Resize); the offset rounded half to even, as Python's round (CenterCrop). */
function centreCrop(source: Size, shorter: number, { width, height }: Size): { readonly scaled: Size; readonly left: number; readonly top: number } {
  const longer = (side: number, of: number): number => Math.trunc((shorter * side) / of);
  const scaled = source.width <= source.height ? { width: shorter, height: longer(source.height, source.width) } : { width: longer(source.width, source.height), height: shorter };
  return { scaled, left: halfToEven(scaled.width - width), top: halfToEven(scaled.height - height) };
}

/** Half of a whole number, halves to even. */
function halfToEven(doubled: number): number {
  const down = Math.floor(doubled / 2);
  return doubled % 2 === 0 ? down : down + (down % 2);
}

function channelCount(channels: ImageTensorOptions['channels']): number {
  return channels === 'grey' ? 1 : 3;
}

function valuesOf(values: number | readonly number[], count: number): readonly number[] {
  return typeof values === 'number' ? new Array<number>(count).fill(values) : values;
}

function normalise(samples: Uint8Array, { width, height, channels, layout, scale, mean, std }: ImageTensorOptions): Float32Array {
  const count = channelCount(channels);
  const pixels = width * height;
  const tensor = new Float32Array(pixels * count);
  const means = valuesOf(mean, count);
  const stds = valuesOf(std, count);
  for (let channel = 0; channel < count; channel++) {
    // There are only 256 samples: each is computed once, in double precision.
    const table = Float32Array.from({ length: 256 }, (_, sample) => (sample * scale - (means[channel] ?? 0)) / (stds[channel] ?? 1));
    const from = channels === 'bgr' ? count - 1 - channel : channel;
    const [start, step] = layout === 'chw' ? [channel * pixels, 1] : [channel, count];
    for (let pixel = 0; pixel < pixels; pixel++) tensor[start + pixel * step] = table[samples[pixel * count + from] ?? 0] ?? 0;
  }
  return tensor;
}
