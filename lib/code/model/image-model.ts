/** Applies a model to images. Runs in a code process. */
import { readFile } from 'node:fs/promises';
import { describeError, TilefanError } from '../../base/errors.ts';
import { fitSize } from '../../images/fit.ts';
import type { ImageLimits } from '../../images/image-limits.ts';
import { imageTensor } from '../../images/image-tensor.ts';
import { openImage } from '../../images/open-image.ts';
import type { ImageReply } from '../code-setup.ts';
import { imageModelPlan, type ImageModelPlan } from './image-model-plan.ts';
import type { ImageModelSetup } from './image-model-setup.ts';
import { modelFacts } from './model-facts.ts';
import { ModelSession, type FedTensor } from './model-session.ts';
import { describeShape, problem } from './model-shape.ts';
import { prediction } from './prediction.ts';

/** An image as the model wants it. */
interface DecodedImage {
  readonly samples: Float32Array;
  readonly width: number;
  readonly height: number;
}

/**
 * Loads the model.
 * @param path of the ONNX file
 * @throws JobError as modelFacts, imageModelPlan and ModelSession.open do
 * @returns a function that says something of each image file. An image that can't be decoded fails alone; the function rejects with OperationError MODEL_FAILED, MODEL_SHAPE.
 */
export async function loadImageModel(path: string, setup: ImageModelSetup): Promise<(files: readonly string[]) => Promise<readonly ImageReply[]>> {
  const plan = imageModelPlan(setup, modelFacts(await readFile(path)));
  const session = await ModelSession.open(path, { provider: 'cpu', threads: 1 });
  return async (files) => {
    const decoded = await Promise.all(files.map(async (file) => await decode(file, plan, setup.limits)));
    const replies: ImageReply[] = [];
    // In the order of the files; the model gets those that there are, some at a time.
    const good = decoded.filter((each) => 'samples' in each);
    const values: unknown[] = [];
    // Images of different sizes are no one tensor.
    const size = plan.inside ? 1 : plan.batch;
    for (let first = 0; first < good.length; first += size) {
      // oxlint-disable-next-line no-await-in-loop
      values.push(...(await run(session, plan, setup, good.slice(first, first + size))));
    }
    let next = 0;
    for (const each of decoded) replies.push('samples' in each ? { value: values[next++] } : each);
    return replies;
  };
}

async function decode(file: string, plan: ImageModelPlan, limits: ImageLimits): Promise<DecodedImage | Extract<ImageReply, { error: unknown }>> {
  try {
    const bytes = await readFile(file);
    const wish = plan.inside ? { ...plan.tensor, ...(await sizeInside(bytes, plan, limits)) } : plan.tensor;
    return { samples: await imageTensor(bytes, wish, limits), width: wish.width, height: wish.height };
  } catch (error) {
    if (!(error instanceof TilefanError)) throw error;
    const { name, code, message } = describeError(error);
    return { error: { name, code, message } };
  }
}

/** As large as it can be within width and height; a small image stays as it is. */
async function sizeInside(bytes: Uint8Array, { tensor: { width, height } }: ImageModelPlan, limits: ImageLimits): Promise<{ readonly width: number; readonly height: number }> {
  const { size } = await openImage(bytes, limits);
  return fitSize(size, { fit: 'inside', width, height, enlarge: false }).output;
}

/** @param images of one size; at most a batch */
async function run(session: ModelSession, plan: ImageModelPlan, setup: ImageModelSetup, images: readonly DecodedImage[]): Promise<unknown[]> {
  const { channels, layout, input, output, batch, fixedBatch } = plan;
  const { width, height } = images[0] ?? { width: 0, height: 0 };
  const count = fixedBatch ? batch : images.length;
  const length = channels * width * height;
  // Places that a batch doesn't fill stay 0, and what comes of them is left.
  const samples = new Float32Array(count * length);
  for (const [i, image] of images.entries()) samples.set(image.samples, i * length);
  const dims = layout === 'nchw' ? [count, channels, height, width] : [count, height, width, channels];
  const fed: FedTensor = { name: input.name, type: input.type, data: asType(samples, input.type), dims };
  const [given] = await session.run([fed], [output]);
  const [found, ...ofOne] = given?.dims ?? [];
  if (given === undefined || found !== count) {
    throw problem('MODEL_SHAPE', `the model's output ${JSON.stringify(output)} has ${describeShape(given?.dims ?? [])} for ${count} ${count === 1 ? 'image' : 'images'}: wanted a first axis of as many`);
  }
  const step = ofOne.reduce((product, size) => product * size, 1);
  return images.map((_, i) => prediction(given.data, i * step, ofOne, setup));
}

/** Whole numbers are rounded half to even and saturated. */
function asType(samples: Float32Array, type: ImageModelPlan['input']['type']): FedTensor['data'] {
  if (type === 'float16') return Float16Array.from(samples);
  if (type === 'float64') return Float64Array.from(samples);
  if (type === 'uint8') return new Uint8Array(Uint8ClampedArray.from(samples).buffer);
  return samples;
}
