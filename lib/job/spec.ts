/**
 * The job spec: what a user asks for. This schema is the single source of the types, the validation, schemas/job.schema.json and
 * docs/job-spec.md (both made by `npm run generate`).
 */
import * as z from 'zod';
import { dtypes } from '../raster/dtype.ts';
import { modelOptions } from '../code/model/model-setup.ts';
import { isWkt } from '../tiff/crs.ts';
import { architectures, capacityNames } from './capacity.ts';
import { durationPattern, memoryPattern } from './quantities.ts';

export const compressions = ['deflate', 'zstd', 'lzw', 'lerc', 'jpeg', 'webp', 'none'] as const;
export const overviewMethods = ['nearest', 'average', 'mode', 'none'] as const;
export const blockSizes = [128, 256, 512, 1024] as const;
/** How an input is brought onto the grid; GDAL's names and meanings. */
export const resamplings = ['nearest', 'bilinear', 'cubic', 'average', 'mode', 'min', 'max', 'med'] as const;
/** How results of tiles are written, and how they become one (docs/results.md). */
export const resultFormats = ['json', 'jsonl', 'csv', 'parquet'] as const;
export const resultMerges = ['list', 'sum', 'min', 'max', 'mean', 'histogram', 'dict'] as const;
/** What becomes of pixels that several scenes of an input have. */
export const mosaicRules = ['first', 'last', 'min', 'max', 'mean', 'median', 'count'] as const;

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

const vector = z.strictObject({
  layer: z.string().min(1).optional().describe('Default: the only layer of the file.'),
  where: z.string().min(1).max(10_000).optional().describe("Which features: a condition as in SQL, for example `\"kind = 'forest'\"`."),
  burn: z.number().optional().describe('The value of pixels under a feature. Default: 1, unless there is an attribute.'),
  attribute: z.string().min(1).optional().describe('The field that holds the value of pixels under a feature.'),
  allTouched: z.boolean().default(false).describe('Every pixel that a feature touches, not only those whose centre it covers.'),
  dtype: z.enum(dtypes).optional().describe('The sample type. Default: uint8 for a burn value that fits into it, else float64.'),
});

const inputObject = z.strictObject({
  href: href.optional().describe('A raster, or with `vector` a file of features. ' + (href.description ?? '')),
  hrefs: z.array(href).min(1).max(100_000).optional().describe('A mosaic: many rasters that are taken for one, instead of `href`.'),
  stac: z
    .strictObject({
      href: href.describe('A STAC ItemCollection (or an Item): a JSON file.'),
      asset: z.string().min(1).describe('The key of the asset to read of every item.'),
    })
    .optional()
    .describe('A mosaic of the items of a STAC ItemCollection, instead of `href`.'),
  rule: z
    .enum(mosaicRules)
    .optional()
    .describe('Of a mosaic: what becomes of pixels that several scenes have. `count` is the number of scenes that have data. Default: last, as in a VRT.'),
  subdataset: z.string().min(1).optional().describe('Which dataset of a NetCDF or HDF file, as GDAL names it: the variable or the path in the file.'),
  sources: z.array(href).min(1).optional().describe("Of a VRT: folders that its sources may lie in. Default: the VRT's own folder."),
  bands: z
    .array(z.int().min(1))
    .min(1)
    .optional()
    .describe('The bands to use, 1-based as in GDAL; `input[1]` is then the first of these. Default: all bands in file order.'),
  nodata: nodataValue.nullable().optional().describe("Overrides the file's own nodata value; null says that every value is data."),
  fill: nodataValue.optional().describe("What the input is outside of its extent. Default: its nodata value, else 0."),
  resampling: z.enum(resamplings).optional().describe('How to bring an input that is off the grid onto it. Default: nearest. Inputs on the grid are taken as they are.'),
  errorThreshold: z
    .number()
    .min(0)
    .max(10)
    .optional()
    .describe("How far, in the input's pixels, the place that a pixel is fetched from may be off when an input is warped. Default: 0, exact; gdalwarp's default is 0.125, which is faster."),
  vector: vector.optional().describe('The file holds features (GeoPackage, GeoJSON, Shapefile …): they are burnt into the grid.'),
});

const outputObject = z.strictObject({
  href: href.describe('Where the finished COG goes; its folder must exist. May use `{run}`, `{name}`, and `{key}` and `{stem}` of the input that the grid is like; in a template, `{bucket}`, `{key}` and `{stem}` of the uploaded file. `s3://{outputBucket}/` is the output bucket of the deployment.'),
  dtype: z.enum(dtypes).optional().describe("The sample type. Integers are rounded half to even and saturated. Default: float32; of a copy, the input's own; of functions, models and commands, that of what they make for the first tile."),
  bands: z.int().min(1).max(65_535).optional().describe('Of functions, models and commands: the number of bands. Default: as many as come for the first tile.'),
  nodata: nodataValue
    .nullable()
    .optional()
    .describe(
      "Default: NaN for float types; for integer types, and for copies, the value that the inputs used agree on. Integers of functions, models and commands have none unless it is said here, as nodata values are numbers like others to these; with `operation.nodata` `mask` they get that of the inputs, too. null: none, every value is data. An integer output that can have nodata pixels must have one; jpeg, and webp with a quality, can have none.",
    ),
  compression: z.enum(compressions).default('deflate').describe('jpeg takes 1 or 3 bands of uint8 (3 are stored as YCbCr 4:2:0), webp 3 or 4; the others take anything.'),
  level: z
    .int()
    .min(1)
    .max(22)
    .optional()
    .describe(
      'deflate 1–9: zlib\'s level; without it the fastest strategy within 1.5 % of the size of level 6 is picked by sampling. zstd 1–22, default 3. lerc: zstd of this level around the blocks; default: none, but 3 for floats without `maxError`, which LERC stores as they are.',
    ),
  quality: z.int().min(1).max(100).optional().describe('jpeg and webp: from 1, small, to 100; default 75. webp without it is lossless.'),
  maxError: z.number().min(0).optional().describe("lerc: how far a value may be from the true one, in whole numbers for integers; default 0, lossless. The nodata value stays what it is."),
  predictor: z
    .union([z.literal('auto'), z.literal(1), z.literal(2), z.literal(3)])
    .default('auto')
    .describe('TIFF predictor: 1 none, 2 horizontal differencing (integers), 3 floating point. `auto` is 2 for integers and 3 for floats with deflate, zstd and lzw; the others have none.'),
  blockSize: z
    .union([z.literal(128), z.literal(256), z.literal(512), z.literal(1024)])
    .default(512)
    .describe('Side of the internal tiles of the TIFF, in pixels.'),
  overviews: z
    .enum(overviewMethods)
    .optional()
    .describe('How each overview level is made from 2 x 2 pixels of the level below, as they are stored. Default: average for floats, nearest for integers.'),
  statistics: z.boolean().default(true).describe('Write count, minimum, maximum, mean and standard deviation as GDAL metadata: of the pixels as they are stored, also where the codec changes them.'),
  bandNames: z.array(z.string().regex(/^[^\u0000-\u001F]+$/, 'wanted some text without control characters')).min(1).optional().describe('One description a band.'),
  colorTable: z
    .record(z.string().regex(/^\d{1,5}$/, 'wanted a pixel value'), z.union([z.string().regex(/^#([0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$/, 'wanted #rrggbb or #rrggbbaa'), z.array(z.int().min(0).max(255)).min(3).max(4)]))
    .optional()
    .describe('Colours by pixel value, for one band of uint8 or uint16: `"#rrggbb"`, `"#rrggbbaa"` or `[r, g, b]`, `[r, g, b, a]`. Values without a colour are black; a TIFF keeps no alpha, but readers show the nodata value as transparent.'),
  scale: z.union([z.number(), z.array(z.number()).min(1)]).optional().describe('What a stored value is multiplied with to get its physical value; one number, or one a band. It is written down, not applied.'),
  offset: z.union([z.number(), z.array(z.number()).min(1)]).optional().describe('What is added after scaling; one number, or one a band.'),
});

const expressionText = z.string().min(1).max(10_000);

const jsonValue = z.json();

const operation = z.strictObject({
  expression: z
    .record(identifier, z.union([expressionText, z.array(expressionText).min(1).max(256)]), { error: ({ code }) => (code === 'invalid_type' ? 'wanted an object with the expression of each output, for example {"ndvi": "scene[1]"}' : undefined) })
    .optional()
    .describe('For each output its expression, or a list of them, one a band. See docs/expressions.md.'),
  copy: z
    .record(identifier, identifier, { error: ({ code }) => (code === 'invalid_type' ? 'wanted an object with the input of each output, for example {"mosaic": "scenes"}' : undefined) })
    .optional()
    .describe('Instead of `expression`: for each output the input whose bands it takes as they are: any raster or mosaic to a good COG. Band names, colours, scale and offset come along.'),
  module: href
    .optional()
    .describe('Instead of `expression`: a function of your own, called once for each tile: a file of TypeScript or JavaScript (.ts, .mts, .js, .mjs; docs/functions.md) or Python (.py, or .pkl with what cloudpickle made of a function; docs/python.md).'),
  function: z.string().regex(/^[A-Za-z_$][A-Za-z0-9_$]{0,127}$/, 'wanted the name of a function').optional().describe('Which function of the module. Default: the default export; in Python it has to be said.'),
  model: z.union([href, modelOptions]).optional().describe('Instead of `expression`: an ONNX model over the pixels of the inputs (docs/models.md).'),
  command: z
    .array(z.string().max(10_000))
    .min(1)
    .max(1000)
    .optional()
    .describe('Instead of `expression`: a program and its arguments, started for each tile without a shell. `{input.NAME}` and `{output.NAME}` are GeoTIFFs of the tile (docs/commands.md).'),
  parameters: z.record(identifier, jsonValue).default({}).describe('Named numbers that expressions may use; for functions and commands any values.'),
  lists: z.record(identifier, z.array(identifier).min(1)).default({}).describe('Of a function: names under which it gets several inputs, or several outputs, as one list.'),
  requirements: z.array(z.string().min(1).max(200)).default([]).describe('What the operation needs where it runs, for example `"scipy>=1.10"` or `"program:gdal_sieve.py"`; checked before work begins (docs/commands.md).'),
  credentials: z.boolean().default(false).describe("Whether functions, models and commands get the worker's AWS credentials. Default: they don't."),
  tileTimeout: z.string().regex(durationPattern, 'wanted a whole number and s, m or h, for example "10m"').default('10m').describe('How long a function, model or command may take over one tile.'),
  serial: z.boolean().default(false).describe('Of a function: tiles are computed one after another, row by row, by one process, and what the function keeps in `otherargs` or in its module stays from tile to tile.'),
  kernels: z
    .record(identifier, z.array(z.array(z.number()).min(1).max(255)).min(1).max(255))
    .default({})
    .describe('Named matrices for `convolve`, row by row.'),
  nodata: z
    .enum(['mask', 'handle'])
    .optional()
    .describe('`mask`: where an operand (of functions, models and commands: any input) has nodata, so has the output. `handle`: nodata values are numbers like others, and the operation sees to them itself. Default: mask for expressions and copies, handle for the others.'),
});

const crs = z
  .string()
  .regex(/^EPSG:\d{4,6}$|^\s*[A-Z]\w+\s*\[/i, { error: 'wanted an EPSG code, for example "EPSG:32633", or WKT', abort: true })
  .refine((text) => /^EPSG:/i.test(text) || isWkt(text), { error: 'wanted the WKT of a projected or geographic CRS, to its last bracket' });

const grid = z.strictObject({
  like: identifier.optional().describe('The input whose pixel grid the outputs take. Default: the first raster, if all inputs share one grid; where they don\'t, it has to be said.'),
  footprint: z
    .enum(['intersection', 'union', 'reference'])
    .default('intersection')
    .describe('Which extent to cover: what all inputs have, what any of them has, or that of the input that the grid is like. Vectors don\'t count.'),
  crs: crs.optional().describe('The CRS of the outputs, instead of `like`: an EPSG code or WKT; wants `resolution`.'),
  resolution: z
    .union([z.number().positive(), z.tuple([z.number().positive(), z.number().positive()])])
    .optional()
    .describe('Size of a pixel in units of the CRS: one number, or `[x, y]`.'),
  bounds: z
    .tuple([z.number(), z.number(), z.number(), z.number()])
    .optional()
    .describe('`[xmin, ymin, xmax, ymax]` in the CRS of the grid, instead of a footprint.'),
  alignedPixels: z
    .boolean()
    .optional()
    .describe("Whether pixel edges are multiples of the resolution (gdalwarp's -tap); bounds then grow outwards. Default: true without bounds, false with them."),
  tileSize: z
    .int()
    .min(128)
    .max(16_384)
    .default(1024)
    .describe("Side of a tile in pixels: the `blockSize` of every output, 512 unless it says otherwise, times a power of two."),
  halo: z
    .int()
    .min(0)
    .max(65_536)
    .default(0)
    .describe('Margin around a tile in pixels that the operation sees. Focal functions get the margin that they need without this; a wider one changes nothing.'),
  maxPixels: z
    .number()
    .positive()
    .default(1e11)
    .describe('A grid of more pixels is refused: most likely the resolution is in other units than was thought.'),
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

const results = z.strictObject({
  href: href.describe('Where they go. May use `{run}`, `{name}`, `{key}`, `{stem}` as outputs do.'),
  format: z.enum(resultFormats).optional().describe("Default: by the href's ending."),
  merge: z
    .union([z.enum(resultMerges), z.strictObject({ function: z.string().min(1) })])
    .default('list')
    .describe('`list`: one row a tile. Otherwise the values of all tiles become one: `sum`, `min`, `max`, `mean`, `histogram`, `dict`, or by a function `merge(a, b)` of the same module, which must be associative.'),
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
      .refine((inputs) => Object.keys(inputs).length <= 1000, 'wanted 1000 inputs at most')
      .describe('Rasters by name. A function of your own may have none, on a grid with crs, resolution and bounds.'),
    grid: grid.prefault({}).describe('The pixels of the outputs, and how they are cut into tiles.'),
    operation: operation.describe('What is computed.'),
    outputs: z
      .record(identifier, outputObject)
      .refine((outputs) => Object.keys(outputs).length <= 100, 'wanted 100 outputs at most')
      .default({})
      .meta({ description: 'Rasters by name; each needs an expression (or a copy) of the same name. A job with `results` may have none.' }),
    results: results.optional().describe('What becomes of the values that a function returns for each tile (docs/results.md).'),
    compute: compute.prefault({}).describe('What a task on AWS gets; what is not said comes from the deployment. On a laptop `tilesPerTask` counts, `memory` bounds the plan, and the command line says the rest.'),
    tolerateFailures: z
      .strictObject({
        percentage: z.number().min(0).max(100).default(0).describe('Batches that may fail, in percent; their tiles become nodata.'),
      })
      .prefault({})
      .describe('Whether a run may succeed without some of its tiles.'),
  })
  .describe('A job for tilefan: rasters in, an operation over their pixels, cloud-optimized GeoTIFFs out.');

/** A job as parsed: defaults filled in, hrefs as written. */
export type JobSpec = z.output<typeof jobSpec>;
export type JobOutput = JobSpec['outputs'][string];
export type JobOperation = JobSpec['operation'];
export type JobResults = NonNullable<JobSpec['results']>;
export type Compression = (typeof compressions)[number];
export type JobInput = Exclude<JobSpec['inputs'][string], string>;
export type InputResampling = (typeof resamplings)[number];
export type MosaicRule = (typeof mosaicRules)[number];
export type OverviewMethod = (typeof overviewMethods)[number];
export type BlockSize = (typeof blockSizes)[number];
