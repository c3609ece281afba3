/**
 * What a job says about its model: the schema behind `operation.model`, and the form in which it reaches the process that runs it.
 * The schema says all that can be said without the model's file; what needs the file is checked in model-plan.ts.
 */
import * as z from 'zod';

export const modelBlends = ['none', 'crop', 'linear'] as const;
export const modelActivations = ['none', 'softmax', 'sigmoid', 'argmax'] as const;
export const modelLayouts = ['nchw', 'nhwc'] as const;
export const modelOutsides = ['nodata', 'reflect'] as const;
export const modelProviders = ['cpu', 'cuda'] as const;

/** Names of inputs and outputs of the job, as in the job spec. */
const identifier = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'wanted a letter or _ and then letters, digits or _ (64 at most)');
/** Names of inputs and outputs of a model: ONNX allows anything. */
const tensorName = z.string().min(1).max(1000);
const perBand = z.union([z.number(), z.array(z.number()).min(1).max(65_535)]);
const activation = z.enum(modelActivations);

const modelOutput = z.strictObject({
  name: tensorName.optional().describe("The model's output. Default: its only one, or the one with the name of the job's output."),
  activation: activation.optional().describe('For this output, instead of the `activation` for all.'),
});

/** `operation.model` in its long form. The short form, an href alone, is this with all defaults: `modelOptions.parse({ href })`. */
export const modelOptions = z
  .strictObject({
    href: z.string().min(1).describe('An ONNX file with its weights in it: `s3://bucket/key`, `file:///path`, an absolute path, or a path relative to the job file.'),
    chip: z
      .int()
      .min(8)
      .max(8192)
      .optional()
      .describe('Side of the chips that the model gets, in pixels. Default: the size that the model wants, or the whole tile with its margin (`grid.halo`) if it takes any.'),
    overlap: z.int().min(0).max(8191).default(0).describe('Pixels that neighbouring chips share. The margin that tiles need for it comes by itself.'),
    blend: z
      .enum(modelBlends)
      .optional()
      .describe(
        'What becomes of pixels that several chips have. `crop`: each chip gives its centre, half of the overlap left out on each side. `linear`: the mean, weighted by the distance to the edge of the chip. Default: crop if there is an overlap, else `none`: chips lie side by side.',
      ),
    batch: z.int().min(1).max(1024).optional().describe('Chips that the model gets at once. Default: the number that the model wants, or 1 if it takes any.'),
    scale: perBand.default(1).describe('The model sees value * scale + offset: one number, or one for each band of all inputs in their order.'),
    offset: perBand.default(0).describe('What is added after scaling; one number, or one for each band.'),
    nodata: z.number().default(0).describe('What the model sees where an input has no data; scale and offset are not applied to it.'),
    outside: z
      .enum(modelOutsides)
      .default('nodata')
      .describe("What chips have beyond the grid's edges: as if there were no data, or the pixels of the chip mirrored at the edge, `reflect` (numpy.pad's, too)."),
    activation: activation
      .default('none')
      .describe(
        'What is done with what the model gives. `softmax` (over the classes) and `sigmoid` come before blending; `argmax` comes after it, and makes one band with the number of the class, from 0.',
      ),
    layout: z.enum(modelLayouts).optional().describe("The order of the model's axes. Default: found from the model's shapes."),
    inputs: z
      .record(tensorName, z.union([identifier, z.array(identifier).min(1).max(1000)]))
      .optional()
      .describe("For each input of the model the input of the job, or a list of them, whose bands it gets. Default: a model's only input gets all bands of all inputs in their order; several get the inputs of the same names."),
    outputs: z
      .record(identifier, z.union([tensorName, modelOutput]))
      .optional()
      .describe("For outputs of the job the model's output, or `{ name, activation }`. Default: the model's only output, or that of the same name."),
    provider: z.enum(modelProviders).default('cpu').describe('`cuda` wants an image with the CUDA libraries, and capacity with GPUs. See docs/models.md.'),
    threads: z.int().min(1).max(256).default(1).describe('Threads of one model on the CPU. As a worker runs one model on each of its vCPUs, more are seldom faster.'),
  })
  .superRefine((options, context) => {
    const problem = (field: string, message: string) => context.addIssue({ code: 'custom', path: [field], message });
    if (options.overlap > 0 && options.blend === 'none') problem('blend', 'wanted crop or linear with an overlap, found none');
    if (options.overlap === 0 && options.blend !== undefined && options.blend !== 'none') problem('overlap', `wanted 1 or more with blend ${options.blend}, found 0`);
    if (options.chip !== undefined && options.overlap >= options.chip) problem('overlap', `wanted less than the chip of ${options.chip}, found ${options.overlap}`);
  });

/** The options as parsed, defaults filled in. */
export type ModelOptions = z.output<typeof modelOptions>;
/** What the process that runs the model gets: the options, but for where the file came from. */
export type ModelSetup = Omit<ModelOptions, 'href'>;
export type ModelBlend = (typeof modelBlends)[number];
export type ModelActivation = (typeof modelActivations)[number];
export type ModelLayout = (typeof modelLayouts)[number];
export type ModelOutside = (typeof modelOutsides)[number];

/** The blend that is meant where none is said. */
export function blendOf({ blend, overlap }: Pick<ModelSetup, 'blend' | 'overlap'>): ModelBlend {
  return blend ?? (overlap > 0 ? 'crop' : 'none');
}
