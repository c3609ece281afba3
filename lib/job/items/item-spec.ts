/**
 * The job spec of an object job: items in, images, values or predictions out. It stands beside the spec of raster jobs (../spec.ts), and takes over the fields that both have. A
 * document with `items` is an object job.
 */
import * as z from 'zod';
import { imageLimits } from '../../images/image-limits.ts';
import { imageVariants } from '../../images/variant-spec.ts';
import { durationPattern } from '../quantities.ts';
import { jobSpec, resultFormats } from '../spec.ts';

/** How a list of items may be written. */
export const manifestFormats = ['csv', 'jsonl', 'inventory'] as const;
export type ManifestFormat = (typeof manifestFormats)[number];
/** How an image comes to the size that a model wants. */
export const modelFits = ['cover', 'contain', 'fill', 'inside'] as const;
/** The order of an image's channels. */
export const channelOrders = ['rgb', 'bgr'] as const;
export const imageLayouts = ['nchw', 'nhwc'] as const;
export const predictionActivations = ['none', 'softmax', 'sigmoid'] as const;

/** Items that a run may have. Their indexes have 8 digits, and split has to write all of them down within its time limit. */
export const mostItems = 10_000_000;
/** Items that a job may list itself; more go into a manifest. */
const mostListed = 100_000;

const name = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'wanted a letter or _ and then letters, digits or _ (64 at most)');
const href = z.string().min(1).describe('`s3://bucket/key`, `file:///path`, an absolute path, or a path relative to the job file.');
const parameters = z.record(name, z.json());

const items = z.strictObject({
  prefix: href.optional().describe('All objects below a prefix of S3, or all files below a folder; of a folder, links to files count as files, and links to nothing, pipes and sockets are left out. '.concat(href.description ?? '')),
  hrefs: z.array(href).min(1).max(mostListed).optional().describe('Instead of `prefix`: a list of objects. `s3://{bucket}/{key}` is the uploaded file, in a template.'),
  manifest: href
    .optional()
    .describe(
      "Instead of `prefix`: a file with the list: CSV (with a header) or JSON Lines, either perhaps with gzip, or the manifest.json of an S3 Inventory whose files are CSV (Parquet and ORC are refused). `href`, or `bucket` and `key`, is the object; `path` and `size` may say what `base` and the store would say otherwise; other columns and fields are parameters. The failures of another run are such a list (docs/items.md).",
    ),
  format: z.enum(manifestFormats).optional().describe("Of the manifest. Default: by the href's ending: .csv, .jsonl or .ndjson, .json for an inventory."),
  parameters: z.array(parameters).min(1).max(mostListed).optional().describe('Instead of `prefix`: sets of parameters; each is an item without an object.'),
  parameterGrid: z
    .record(name, z.array(z.json()).min(1))
    .refine((grid) => Object.keys(grid).length > 0, 'wanted at least one name')
    .optional()
    .meta({ description: `Instead of \`prefix\`: all combinations of these values, ${mostItems.toLocaleString('en')} at most. The last name varies fastest.`, minProperties: 1 }),
  from: z
    .string()
    .regex(/^run:[A-Za-z0-9][A-Za-z0-9_-]{0,79}$/, 'wanted run: and the id of a run')
    .optional()
    .describe('Instead of `prefix`: what another run has come to, which must have succeeded: `"run:ID"`. Each value that a function or model gave is an item with this value as its parameters (or as the parameter `value`); files that images or functions without a value gave are items, one each.'),
  match: z
    .string()
    .min(1)
    .max(1000)
    .optional()
    .describe('Only objects whose path matches, for example `"**/*.{jpg,png}"`: `*` and `?` stay between slashes, `**` goes over them, `{a,b}` and `[a-c]` as in a shell; capitals and small letters are the same. Names that begin with a dot are left out, unless the pattern says the dot. Default: `**`.'),
  base: href
    .optional()
    .describe('The prefix below which the paths of hrefs and manifests count: what comes after it is the path of the item, under which its outputs go. Default: of a list the file name, of an inventory the whole key, of an upload everything below `incoming/<template>/`.'),
});

const perChannel = z.union([z.number(), z.array(z.number()).min(1).max(3)]);

export const itemModel = z.strictObject({
  href: href.describe('An ONNX file with its weights in it. '.concat(href.description ?? '')),
  width: z.int().min(1).max(8192).optional().describe("Width of what the model sees, in pixels. Default: the model's own."),
  height: z.int().min(1).max(8192).optional().describe("Height of what the model sees. Default: the model's own."),
  fit: z
    .enum(modelFits)
    .default('cover')
    .describe('How an image gets this size: `cover` fills it and cuts off what is too much, `contain` puts borders around, `fill` changes the proportions, `inside` is no larger than it and leaves the size open.'),
  resize: z.int().min(1).max(16_384).optional().describe("Of `cover`: what the shorter side is scaled to before the centre is cropped, as `Resize(256)` comes before `CenterCrop(224)` in torchvision. Default: as little larger than width and height as can be."),
  channels: z.union([z.literal(1), z.literal(3)]).default(3).describe('1 is grey, 3 are red, green and blue. What is transparent is put on black.'),
  order: z.enum(channelOrders).default('rgb').describe('Of three channels; `bgr` is what OpenCV gives.'),
  scale: perChannel.default(1 / 255).describe('The model sees (value * scale - mean) / std, of samples from 0 to 255: one number, or one a channel.'),
  mean: perChannel.default(0).describe('See `scale`; for example `[0.485, 0.456, 0.406]`.'),
  std: perChannel.default(1).describe('See `scale`; for example `[0.229, 0.224, 0.225]`.'),
  layout: z.enum(imageLayouts).optional().describe("The order of the model's axes. Default: found from the model's shape."),
  activation: z.enum(predictionActivations).default('none').describe("What is done with the model's output before the best classes are looked for."),
  labels: z
    .union([href, z.array(z.string()).min(1).max(1_000_000)])
    .optional()
    .describe('Names of the classes: a list, or the href of a text file with one a line. Default: numbers, from 0.'),
  top: z.int().min(1).max(1000).optional().describe('Only so many classes, the best first. Default: all that the model gives, in its order.'),
  input: z.string().min(1).max(1000).optional().describe("The model's input. Default: its only one."),
  output: z.string().min(1).max(1000).optional().describe("The model's output. Default: its only one."),
  batch: z.int().min(1).max(1024).optional().describe('Images that the model gets at once. Default: the number that the model wants, or 1.'),
});
export type ItemModel = z.output<typeof itemModel>;

const shared = jobSpec.shape.operation.shape;

const operation = z.strictObject({
  images: imageVariants.optional().meta({ description: 'Copies of each image, by name: for example `{ "thumbs": { "width": 192, "height": 192 } }` (docs/images.md).', minProperties: 1 }),
  imageLimits: imageLimits.prefault({}).describe('Of images and models: what an image may cost; one that exceeds it fails alone.'),
  module: href
    .optional()
    .describe('Instead of `images`: a function of your own, called once for each item: a file of TypeScript or JavaScript (.ts, .mts, .js, .mjs) or Python (.py, or .pkl with what cloudpickle made of a function).'),
  model: z.union([href, itemModel]).optional().describe('Instead of `images`: an ONNX model over images (docs/items.md).'),
  function: shared.function,
  parameters: z.record(name, z.json()).default({}).describe("Named values for the function, the same for all items; an item's own parameters come first."),
  requirements: shared.requirements,
  credentials: z.boolean().default(false).describe("Whether functions and models get the worker's AWS credentials. Default: they don't."),
  timeout: z.string().regex(durationPattern, 'wanted a whole number and s, m or h, for example "10m"').default('10m').describe('How long one item may take.'),
});
export type ItemOperation = z.output<typeof operation>;

const compute = jobSpec.shape.compute
  .unwrap()
  .omit({ tilesPerTask: true })
  .extend({
    itemsPerTask: z
      .union([z.literal('auto'), z.int().min(1).max(mostItems)])
      .default('auto')
      .describe('Items in a batch, at most; a run has 9000 batches at most, whatever is said here. `auto` weighs items by their size, so that tasks end together.'),
  });

export const itemJobSpec = z
  .strictObject({
    $schema: jobSpec.shape.$schema,
    name: jobSpec.shape.name,
    items: items.describe('What the operation is done with, once for each.'),
    operation: operation.describe('What is done.'),
    outputs: z
      .strictObject({
        prefix: href.describe('Where files go: images at `<prefix><variant>/<path of the item>`, what a function writes at `<prefix><path of the item>/<file>`. May use `{run}` and `{name}`; in a template, `{bucket}`, `{key}` and `{stem}` of the uploaded file. `s3://{outputBucket}/` is the output bucket of the deployment.'),
      })
      .optional()
      .describe('Where files go. Images need it.'),
    results: z
      .strictObject({
        href: href.describe('Where the table goes. May use `{run}` and `{name}`; in a template, `{bucket}`, `{key}` and `{stem}` of the uploaded file. `s3://{outputBucket}/` is the output bucket of the deployment.'),
        format: z.enum(resultFormats).optional().describe("Default: by the href's ending."),
      })
      .optional()
      .describe('A table with one row for each item that has not failed: what functions returned, what models predicted, or the sizes of the images. Models need it.'),
    compute: compute.prefault({}).describe('What a task on AWS gets; what is not said comes from the deployment.'),
    tolerateFailures: z
      .strictObject({ percentage: z.number().min(0).max(100).default(0).describe('Items that may fail, in percent.') })
      .prefault({})
      .describe('Whether a run may succeed without some of its items. Whatever it says, an item that fails keeps no other from being done.'),
  })
  .describe('An object job for tilefan: objects or sets of parameters in, an operation on each of them, files and a table out.');

/** An object job as parsed: defaults filled in, hrefs as written. */
export type ItemJobSpec = z.output<typeof itemJobSpec>;
export type JobItems = ItemJobSpec['items'];
