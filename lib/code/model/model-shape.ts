/** How a model wants its chips, found from the shapes in its file and what the job says. */
import { JobError } from '../../base/errors.ts';
import type { ModelFacts, ModelTensor } from './model-facts.ts';
import type { ModelLayout, ModelSetup } from './model-setup.ts';

export interface ModelShape {
  /** Size of a chip in px; undefined: any, so that a whole tile with its margin is one. */
  readonly chip: { readonly columns: number; readonly rows: number } | undefined;
  /** Chips at once. */
  readonly batch: number;
  /** Of each input of the model: the order of its axes, and its number of bands where it has to be one. */
  readonly inputs: readonly { readonly layout: ModelLayout; readonly bands: number | null }[];
}

type Sizes = readonly [number | null, number | null, number | null, number | null];

/**
 * @throws JobError MODEL_SHAPE for inputs without four axes or of different sizes, MODEL_CHIP and MODEL_BATCH when the job wants another size or
 * number than the model, MODEL_OVERLAP when the overlap is no overlap of such chips
 */
export function modelShape(setup: ModelSetup, facts: ModelFacts): ModelShape {
  if (facts.inputs.length === 0) throw problem('MODEL_SHAPE', 'the model has no inputs: wanted at least one, for the pixels');
  const inputs = facts.inputs.map((input) => {
    const sizes = fourSizes(input);
    const layout = setup.layout ?? layoutOf(sizes);
    const [batch, second, third, fourth] = sizes;
    return layout === 'nchw' ? { layout, batch, bands: second, rows: third, columns: fourth } : { layout, batch, bands: fourth, rows: second, columns: third };
  });
  const fixed = (axis: 'rows' | 'columns' | 'batch', code: string) => {
    const sizes = [...new Set(inputs.map((input) => input[axis]).filter((size) => size !== null))];
    if (sizes.length > 1) throw problem(code, `the model's inputs want different numbers of ${axis === 'batch' ? 'chips' : axis}: ${sizes.join(' and ')}; wanted one size for all`);
    return sizes[0];
  };
  const [rows, columns, batch] = [fixed('rows', 'MODEL_SHAPE'), fixed('columns', 'MODEL_SHAPE'), fixed('batch', 'MODEL_BATCH')];
  for (const [size, axis] of [[rows, 'rows'], [columns, 'columns']] as const) {
    if (setup.chip !== undefined && size !== undefined && size !== setup.chip) {
      throw problem('MODEL_CHIP', `the model takes chips of ${size} ${axis} only; the job wants chips of ${setup.chip}: leave chip out, or export the model with open sizes`);
    }
  }
  if (setup.batch !== undefined && batch !== undefined && setup.batch !== batch) {
    throw problem('MODEL_BATCH', `the model takes ${batch} ${batch === 1 ? 'chip' : 'chips'} at once; the job wants ${setup.batch}: leave batch out, or export the model with an open one`);
  }
  const chip = chipOf(setup, rows, columns);
  return { chip, batch: batch ?? setup.batch ?? 1, inputs: inputs.map(({ layout, bands }) => ({ layout, bands })) };
}

function chipOf({ chip, overlap }: ModelSetup, rows: number | undefined, columns: number | undefined): ModelShape['chip'] {
  if (chip === undefined && rows === undefined && columns === undefined) {
    if (overlap > 0) throw problem('MODEL_OVERLAP', `the model takes chips of any size, and the job says none: wanted a chip with the overlap of ${overlap}, or grid.halo instead of it`);
    return undefined;
  }
  const size = { rows: rows ?? chip ?? columns ?? 0, columns: columns ?? chip ?? rows ?? 0 };
  const least = Math.min(size.rows, size.columns);
  if (overlap >= least) throw problem('MODEL_OVERLAP', `wanted an overlap of less than the chip of ${least}, found ${overlap}`);
  return size;
}

function fourSizes({ name, shape }: ModelTensor): Sizes {
  if (shape === undefined) return [null, null, null, null];
  if (shape.length === 4) return shape as unknown as Sizes;
  throw problem('MODEL_SHAPE', `the model's input ${JSON.stringify(name)} has ${describeShape(shape)}: wanted 4 axes, chips, bands, rows and columns (or bands last)`);
}

/** Bands are the axis that is fixed where the other is open, else the smaller of the two; nchw where nothing tells. */
function layoutOf([, second, , fourth]: Sizes): ModelLayout {
  if (second === null && fourth !== null) return 'nhwc';
  return second !== null && fourth !== null && fourth < second ? 'nhwc' : 'nchw';
}

/** For messages: `4 axes (? x 3 x 256 x 256)`. */
export function describeShape(shape: readonly (number | null)[]): string {
  return `${shape.length} ${shape.length === 1 ? 'axis' : 'axes'} (${shape.map((size) => size ?? '?').join(' x ')})`;
}

/** A job and its model that don't go together. */
export function problem(code: string, message: string): JobError {
  return new JobError(code, message, { where: { kind: 'load' } });
}
