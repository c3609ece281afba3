/** What a model over images is fed with, and what its answers become: the job's words and the model's facts brought together. Pure, so that a model that doesn't fit is found early. */
import type { ImageTensorWish } from '../../images/image-tensor.ts';
import type { ImageModelSetup } from './image-model-setup.ts';
import type { ModelFacts, ModelTensor } from './model-facts.ts';
import type { ModelLayout } from './model-setup.ts';
import { describeShape, problem } from './model-shape.ts';

/** Sample types that models may want images in. */
const imageTypes = ['float32', 'float16', 'float64', 'uint8'] as const;
export type ImageType = (typeof imageTypes)[number];

export interface ImageModelPlan {
  readonly input: { readonly name: string; readonly type: ImageType };
  readonly output: string;
  readonly layout: ModelLayout;
  readonly channels: number;
  /** Images at once. */
  readonly batch: number;
  /** Whether the model takes that number only. */
  readonly fixedBatch: boolean;
  /** How an image becomes a tensor. Of the fit `inside` width and height are the most that it may have. */
  readonly tensor: ImageTensorWish;
  readonly inside: boolean;
}

/**
 * @throws JobError MODEL_INPUT and MODEL_OUTPUT for names that there aren't or that have to be said, MODEL_SHAPE for an input that is no image, MODEL_SIZE for another size
 * than the model wants or none at all, MODEL_BATCH, MODEL_CHANNELS, MODEL_SCALE, MODEL_DTYPE, MODEL_LABELS
 */
export function imageModelPlan(setup: ImageModelSetup, facts: ModelFacts): ImageModelPlan {
  const input = tensorOf('input', setup.input, facts.inputs);
  const output = tensorOf('output', setup.output, facts.outputs);
  if (facts.inputs.length > 1) throw problem('MODEL_INPUT', `the model has ${facts.inputs.length} inputs (${namesOf(facts.inputs)}), all of which want something; wanted one, for the image`);
  const type = imageTypes.find((known) => known === input.type);
  if (type === undefined) throw problem('MODEL_DTYPE', `the model's input ${JSON.stringify(input.name)} is ${input.type}: wanted one of ${imageTypes.join(', ')}`);
  const sizes = input.shape ?? [null, null, null, null];
  if (sizes.length !== 4) throw problem('MODEL_SHAPE', `the model's input ${JSON.stringify(input.name)} has ${describeShape(sizes)}: wanted 4 axes, images, channels, rows and columns (or channels last)`);
  const [images = null, second = null, third = null, fourth = null] = sizes;
  const layout = setup.layout ?? layoutOf(second, fourth, setup.channels);
  const [channels, rows, columns] = layout === 'nchw' ? [second, third, fourth] : [fourth, second, third];
  if (channels !== null && channels !== setup.channels) {
    throw problem('MODEL_CHANNELS', `the model's input ${JSON.stringify(input.name)} (${describeShape(sizes)}) has ${channels} channels, the job says ${setup.channels}; wanted "channels": ${channels === 1 ? 1 : 3}, or another "layout" than ${layout}`);
  }
  if (images !== null && setup.batch !== undefined && setup.batch !== images) {
    throw problem('MODEL_BATCH', `the model takes ${images} ${images === 1 ? 'image' : 'images'} at once; the job wants ${setup.batch}: leave batch out, or export the model with an open one`);
  }
  checkLabels(setup, output);
  const size = { width: sideOf('width', setup.width, columns), height: sideOf('height', setup.height, rows) };
  const { fit } = setup;
  const inside = fit === 'inside';
  if (setup.resize !== undefined && (fit !== 'cover' || setup.resize < Math.max(size.width, size.height))) {
    throw problem('MODEL_SIZE', `"resize": ${setup.resize} is of "fit": "cover", and at least the longer side of what the model sees (${size.width} x ${size.height}); found ${fit}`);
  }
  if (inside && (rows !== null || columns !== null)) throw problem('MODEL_SIZE', `the model wants ${describeShape(sizes)}, and "fit": "inside" leaves the size open; wanted cover, contain or fill`);
  return {
    input: { name: input.name, type },
    output: output.name,
    layout,
    channels: setup.channels,
    batch: images ?? setup.batch ?? 1,
    fixedBatch: images !== null,
    inside,
    tensor: {
      ...size,
      ...normalisation(setup),
      fit: inside ? 'fill' : fit,
      channels: setup.channels === 1 ? 'grey' : setup.order,
      layout: layout === 'nchw' ? 'chw' : 'hwc',
      ...(setup.resize === undefined ? {} : { resize: setup.resize }),
    },
  };
}

function tensorOf(side: 'input' | 'output', name: string | undefined, tensors: readonly ModelTensor[]): ModelTensor {
  const [first] = tensors;
  if (name === undefined && tensors.length === 1 && first !== undefined) return first;
  const found = tensors.find((tensor) => tensor.name === name);
  if (found !== undefined) return found;
  const what = name === undefined ? `the model has ${tensors.length} ${side}s: say in operation.model.${side} which one is meant` : `the model has no ${side} ${JSON.stringify(name)}`;
  throw problem(side === 'input' ? 'MODEL_INPUT' : 'MODEL_OUTPUT', `${what}; there ${tensors.length === 1 ? 'is' : 'are'} ${namesOf(tensors)}`);
}

function namesOf(tensors: readonly ModelTensor[]): string {
  return tensors.length === 0 ? 'none' : tensors.map(({ name }) => JSON.stringify(name)).join(', ');
}

/** Channels last where only that fits. */
function layoutOf(second: number | null, fourth: number | null, channels: number): ModelLayout {
  return fourth === channels && second !== channels ? 'nhwc' : 'nchw';
}

function sideOf(side: 'width' | 'height', said: number | undefined, wanted: number | null): number {
  if (said !== undefined && wanted !== null && said !== wanted) throw problem('MODEL_SIZE', `the model takes images of a ${side} of ${wanted} only; the job says ${said}: leave ${side} out, or export the model with open sizes`);
  const size = wanted ?? said;
  if (size === undefined) throw problem('MODEL_SIZE', `the model takes images of any ${side}: say in operation.model.${side} which it is to see`);
  return size;
}

/** Per channel where one of them is: (value * scale - mean) / std is (value - mean / scale) / (std / scale). */
function normalisation({ scale, mean, std, channels }: ImageModelSetup): Pick<ImageTensorWish, 'scale' | 'mean' | 'std'> {
  const each = (field: 'scale' | 'mean' | 'std', value: number | readonly number[]): number[] => {
    const all = typeof value === 'number' ? new Array<number>(channels).fill(value) : [...value];
    if (all.length !== channels) throw problem('MODEL_SCALE', `wanted one ${field}, or ${channels}, one for each channel; found ${all.length}`);
    if (field !== 'mean' && all.includes(0)) throw problem('MODEL_SCALE', `wanted a ${field} other than 0`);
    return all;
  };
  const [scales, means, stds] = [each('scale', scale), each('mean', mean), each('std', std)];
  if (typeof scale === 'number') return { scale, mean: means, std: stds };
  return { scale: 1, mean: means.map((value, i) => value / (scales[i] ?? 1)), std: stds.map((value, i) => value / (scales[i] ?? 1)) };
}

/** Where the file says how many classes there are. */
function checkLabels({ labels }: ImageModelSetup, { name, shape }: ModelTensor): void {
  if (labels === null || shape === undefined) return;
  const classes = shape.slice(1).filter((size) => size !== 1);
  const [count] = classes;
  if (classes.length === 1 && count !== null && count !== labels.length) {
    throw problem('MODEL_LABELS', `the model's output ${JSON.stringify(name)} (${describeShape(shape)}) has ${String(count)} classes, and there are ${labels.length} labels; wanted a label for each class`);
  }
}
