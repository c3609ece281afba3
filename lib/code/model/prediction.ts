/** What a model says of one image, as a value for the table. */
import { OperationError } from '../../base/errors.ts';
import type { GivenArray } from './chip-output.ts';
import type { PredictionSetup } from './image-model-setup.ts';
import { problem } from './model-shape.ts';

export interface ScoredClass {
  /** Its number, from 0. */
  readonly class: number;
  readonly label?: string;
  readonly score: number;
}

/** Of classes: the best one, and the best few or the scores of all. */
export type Classification = ScoredClass & ({ readonly top: readonly ScoredClass[] } | { readonly scores: readonly number[] });

/** Numbers as deep as the model's axes, those of length 1 left out. */
export type NestedNumbers = number | readonly NestedNumbers[];
export type Prediction = Classification | { readonly prediction: NestedNumbers };

/** More numbers of an image are an image themselves, and no row of a table. */
const mostNumbers = 1_000_000;

/**
 * Where there are labels, `top` or a softmax the numbers are scores of classes; otherwise they are what they are.
 * @param data of a tensor
 * @param start where the image's numbers begin
 * @param dims the axes of one image, without that of images
 * @throws OperationError MODEL_SHAPE for what are no scores of classes; JobError MODEL_LABELS
 */
export function prediction(data: GivenArray, start: number, dims: readonly number[], { activation, labels, top }: PredictionSetup): Prediction {
  const count = dims.reduce((product, size) => product * size, 1);
  if (count > mostNumbers) throw wrongShape(`gives ${count} numbers of an image; wanted ${mostNumbers} at most, as they become one row of a table`);
  const values = Float64Array.from({ length: count }, (_, i) => Number(data[start + i]));
  if (activation === 'sigmoid') for (const [i, value] of values.entries()) values[i] = 1 / (1 + Math.exp(-value));
  const axes = dims.filter((size) => size !== 1);
  if (labels === null && top === undefined && activation !== 'softmax') return { prediction: nested(values, axes) };
  if (axes.length > 1 || count === 0) throw wrongShape(`gives ${dims.join(' x ')} numbers of an image; wanted one for each class`);
  if (labels !== null && labels.length !== count) throw problem('MODEL_LABELS', `the model gives scores of ${count} classes, and there are ${labels.length} labels; wanted a label for each class`);
  if (activation === 'softmax') softmax(values);
  const scored = (index: number): ScoredClass => ({ class: index, ...(labels === null ? {} : { label: labels[index] ?? '' }), score: values[index] ?? NaN });
  const best = ranked(values, top ?? 1);
  const first = scored(best[0] ?? 0);
  return top === undefined ? { ...first, scores: [...values] } : { ...first, top: best.map(scored) };
}

function wrongShape(what: string): OperationError {
  return new OperationError('MODEL_SHAPE', `the model ${what}`, { where: { kind: 'shape' } });
}

/** With the largest taken off first, so that nothing overflows. */
function softmax(values: Float64Array): void {
  const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  let sum = 0;
  for (const [i, value] of values.entries()) sum += values[i] = Math.exp(value - largest);
  for (const [i, value] of values.entries()) values[i] = value / sum;
}

/** The numbers of the best classes; of equal ones the first, as numpy's argmax has it, and NaN last. */
function ranked(values: Float64Array, count: number): number[] {
  const order = (value: number): number => (Number.isNaN(value) ? -Infinity : value);
  const better = (a: number, b: number): number => {
    const [first, second] = [order(values[a] ?? NaN), order(values[b] ?? NaN)];
    return first === second ? a - b : second - first;
  };
  return Array.from(values.keys()).sort(better).slice(0, count);
}

function nested(values: Float64Array, axes: readonly number[]): NestedNumbers {
  const [size, ...rest] = axes;
  if (size === undefined) return values[0] ?? NaN;
  const step = rest.reduce((product, each) => product * each, 1);
  return Array.from({ length: size }, (_, i) => nested(values.subarray(i * step, (i + 1) * step), rest));
}
