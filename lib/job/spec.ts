/**
 * The job spec: what a user asks for. This schema is the single source of the types, the validation, schemas/job.schema.json and
 * docs/job-spec.md (both made by `npm run generate`).
 */
import * as z from 'zod';
import { dtypes } from '../raster/dtype.ts';
import { architectures, capacityNames } from './capacity.ts';
import { durationPattern, memoryPattern } from './quantities.ts';

export const compressions = ['deflate', 'zstd', 'lzw', 'none'] as const;
export const overviewMethods = ['nearest', 'average', 'mode', 'none'] as const;
export const blockSizes = [128, 256, 512, 1024] as const;

/** Names of inputs, outputs and parameters: identifiers of the expression language, and safe as parts of object keys. */
const identifier = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'wanted a letter or _ and then letters, digits or _ (64 at most)');

const href = z
  .string()
  .min(1)
  .describe('`s3://bucket/key`, `file:///path`, an absolute path, or a path relative to the job file. `s3://{bucket}/{key}` is the uploaded file, in a template.');

const nodataValue = z
  .union([z.number(), z.literal('nan')])
  .describe('The value that means "no data here"; `"nan"` for not-a-number.');

const inputObject = z.strictObject({
  href: href.describe('A GeoTIFF or COG. ' + (href.description ?? '')),
  bands: z
    .array(z.int().min(1))
    .min(1)
    .optional()
    .describe('The bands to use, 1-based as in GDAL; `input[1]` is then the first of these. Default: all bands in file order.'),
  nodata: nodataValue.optional().describe("Overrides the file's own nodata value."),
  resampling: z
    .enum(['nearest', 'bilinear', 'cubic', 'average', 'mode', 'min', 'max', 'med'])
    .optional()
    .describe('How to bring this input onto the grid. Inputs on the grid need none, and inputs off the grid are refused for now.'),
});

const outputObject = z.strictObject({
  href: href.describe('Where the finished COG goes; its folder must exist. May use `{run}`, `{name}`, and `{key}` and `{stem}` of the input that the grid is like; in a template, `{bucket}`, `{key}` and `{stem}` of the uploaded file.'),
  dtype: z.enum(dtypes).default('float32').describe('The sample type. Integers are rounded half to even and saturated.'),
  nodata: nodataValue
    .optional()
    .describe(
      "Default: NaN for float types; for integer types the value that the inputs used agree on. An integer output that can have nodata pixels must have one.",
    ),
  compression: z.enum(compressions).default('deflate'),
  level: z
    .int()
    .min(1)
    .max(22)
    .optional()
    .describe(
      'deflate 1–9: zlib\'s level; without it the fastest strategy within 1.5 % of the size of level 6 is picked by sampling. zstd 1–22, default 3.',
    ),
  predictor: z
    .union([z.literal('auto'), z.literal(1), z.literal(2), z.literal(3)])
    .default('auto')
    .describe('TIFF predictor: 1 none, 2 horizontal differencing (integers), 3 floating point. `auto` is 2 for integers and 3 for floats.'),
  blockSize: z
    .union([z.literal(128), z.literal(256), z.literal(512), z.literal(1024)])
    .default(512)
    .describe('Side of the internal tiles of the TIFF, in pixels.'),
  overviews: z
    .enum(overviewMethods)
    .optional()
    .describe('How each overview level is made from 2 x 2 pixels of the level below. Default: average for floats, nearest for integers.'),
  statistics: z.boolean().default(true).describe('Write count, minimum, maximum, mean and standard deviation as GDAL metadata.'),
  bandNames: z.array(z.string().regex(/^[^\u0000-\u001F]+$/, 'wanted some text without control characters')).min(1).optional().describe('One description a band.'),
});

const expressionText = z.string().min(1).max(10_000);

const operation = z.strictObject({
  expression: z
    .record(identifier, z.union([expressionText, z.array(expressionText).min(1).max(256)]))
    .describe('For each output its expression, or a list of them, one a band. See docs/expressions.md.'),
  parameters: z.record(identifier, z.number()).default({}).describe('Named numbers that expressions may use.'),
});

const grid = z.strictObject({
  like: identifier.optional().describe('The input whose pixel grid the outputs take. Default: the first.'),
  footprint: z
    .enum(['intersection', 'union', 'reference'])
    .default('intersection')
    .describe('Which extent to cover where inputs differ. Inputs must share one grid for now, so all three mean the same.'),
  tileSize: z
    .int()
    .min(128)
    .max(16_384)
    .default(2048)
    .describe("Side of a tile in pixels: every output's block size times a power of two."),
  halo: z.literal(0).default(0).describe('Margin around a tile in pixels. Expressions look at one pixel at a time and need none.'),
});

const memoryText = z
  .string()
  .regex(memoryPattern, 'wanted a number and a unit, for example "16 GiB"')
  .describe('For example `"16 GiB"`.');

/** Registry, repository, and tag or digest (the grammar of OCI references, without its finer points). */
const imagePattern = /^[a-z0-9][a-zA-Z0-9._:/-]*(@sha256:[0-9a-f]{64})?$/;

const compute = z.strictObject({
  capacity: z
    .enum(capacityNames)
    .optional()
    .describe('ECS capacity. Work on FARGATE_SPOT that loses its machine too often ends on FARGATE. EC2 and MANAGED_INSTANCES are there when the deployment has them.'),
  cpu: z
    .number()
    .min(0.25)
    .max(192)
    .optional()
    .describe('vCPUs of a task; a worker runs one thread on each. Fargate has 0.25, 0.5, 1, 2, 4, 8 and 16.'),
  memory: memoryText.optional().describe('Memory of a task. Fargate allows certain pairs of cpu and memory only.'),
  ephemeralStorage: memoryText.optional().describe('Scratch space of a task on Fargate, up to `"200 GiB"`; 20 GiB cost nothing.'),
  architecture: z.enum(architectures).optional().describe("The processors that tasks run on; the worker's image has both."),
  image: z
    .string()
    .regex(imagePattern, 'wanted the name of a container image, for example "111122223333.dkr.ecr.eu-west-1.amazonaws.com/mine:1"')
    .nullable()
    .optional()
    .describe("An image of one's own, made from the worker's; null is the deployed one. A run on this machine starts the worker without any image."),
  maxConcurrency: z.int().min(1).max(10_000).optional().describe('Tasks at a time.'),
  tilesPerTask: z
    .union([z.literal('auto'), z.int().min(1).max(1_000_000)])
    .default('auto')
    .describe('Tiles in a batch, at most; batches are rectangles whose sides are powers of two.'),
  timeout: z
    .string()
    .regex(durationPattern, 'wanted a whole number and s, m or h, for example "1h"')
    .optional()
    .describe('How long one task may take, for example `"1h"`.'),
});

export const jobSpec = z
  .strictObject({
    $schema: z.string().optional().describe("For editors: the place of this schema. tilefan doesn't read it."),
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$/, 'wanted letters, digits, _ and - (40 at most)')
      .default('job')
      .describe('Names the job; run ids begin with it.'),
    inputs: z
      .record(identifier, z.union([href, inputObject]))
      .refine((inputs) => Object.keys(inputs).length > 0, 'wanted at least one input')
      .refine((inputs) => Object.keys(inputs).length <= 1000, 'wanted 1000 inputs at most')
      .meta({ description: 'Rasters by name.', minProperties: 1 }),
    grid: grid.prefault({}).describe('The pixels of the outputs, and how they are cut into tiles.'),
    operation: operation.describe('What is computed.'),
    outputs: z
      .record(identifier, outputObject)
      .refine((outputs) => Object.keys(outputs).length > 0, 'wanted at least one output')
      .refine((outputs) => Object.keys(outputs).length <= 100, 'wanted 100 outputs at most')
      .meta({ description: 'Results by name; each needs an expression of the same name.', minProperties: 1 }),
    compute: compute.prefault({}).describe('What a task on AWS gets; what is not said comes from the deployment. On a laptop `tilesPerTask` counts, `memory` bounds the plan, and the command line says the rest.'),
    tolerateFailures: z
      .strictObject({
        percentage: z.number().min(0).max(100).default(0).describe('Batches that may fail, in percent; their tiles become nodata.'),
      })
      .prefault({})
      .describe('Whether a run may succeed without some of its tiles.'),
  })
  .describe('A job for tilefan: rasters in, an expression over their pixels, cloud-optimized GeoTIFFs out.');

/** A job as parsed: defaults filled in, hrefs as written. */
export type JobSpec = z.output<typeof jobSpec>;
export type JobOutput = JobSpec['outputs'][string];
export type Compression = (typeof compressions)[number];
export type OverviewMethod = (typeof overviewMethods)[number];
export type BlockSize = (typeof blockSizes)[number];
