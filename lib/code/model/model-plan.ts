/**
 * What the model's inputs are fed with, and what its outputs become: the job's words and the model's facts brought together. Pure, so that a
 * job whose model doesn't fit it fails when it is planned.
 */
import type { Dtype } from '../../raster/dtype.ts';
import type { ModelFacts, ModelTensor } from './model-facts.ts';
import { modelShape, problem, type ModelShape } from './model-shape.ts';
import { blendOf, type ModelActivation, type ModelBlend, type ModelLayout, type ModelSetup } from './model-setup.ts';

/** Sample types that models may want their chips in. */
const fedTypes = ['float32', 'float16', 'float64', 'uint8', 'int8', 'uint16', 'int16', 'int32', 'uint32'] as const;
export type FedType = (typeof fedTypes)[number];
/** Sample types that models may give. */
const givenTypes = [...fedTypes, 'int64', 'uint64', 'bool'] as const;
export type GivenType = (typeof givenTypes)[number];

/** A band that a model sees. */
export interface PlannedBand {
  /** Which input of the job, and which of its bands, from 0. */
  readonly input: number;
  readonly band: number;
  readonly scale: number;
  readonly offset: number;
}

export interface PlannedInput {
  readonly name: string;
  readonly type: FedType;
  readonly layout: ModelLayout;
  readonly bands: readonly PlannedBand[];
}

/** One output of the job. */
export interface PlannedOutput {
  /** The model's output. */
  readonly name: string;
  readonly activation: ModelActivation;
  /** The order of its axes where the shapes don't tell. */
  readonly layout: ModelLayout;
  /** Bands that come out; null when the file doesn't say. */
  readonly bands: number | null;
  /** Sample type that comes out, before it is stored as the job's. */
  readonly dtype: Dtype;
}

export interface ModelPlan {
  readonly chip: ModelShape['chip'];
  readonly batch: number;
  readonly blend: ModelBlend;
  readonly inputs: readonly PlannedInput[];
  /** In the order of the job's outputs. */
  readonly outputs: readonly PlannedOutput[];
}

/**
 * @param inputs the job's, in their order, with the numbers of bands that it uses
 * @param outputs the names of the job's
 * @throws JobError as modelShape does; MODEL_INPUT and MODEL_OUTPUT for names that there aren't, MODEL_BANDS for another number of bands than the
 * model wants, MODEL_SCALE for another number of scales or offsets than there are bands, MODEL_DTYPE for sample types that are none of ours,
 * MODEL_BLEND for an argmax or a mean over what has no classes or can't be averaged
 */
export function modelPlan(setup: ModelSetup, facts: ModelFacts, inputs: readonly { readonly name: string; readonly bands: number }[], outputs: readonly string[]): ModelPlan {
  const shape = modelShape(setup, facts);
  const bands = inputs.flatMap(({ bands }, input) => Array.from({ length: bands }, (_, band) => ({ input, band })));
  const scale = perBand('scale', setup.scale, bands.length);
  const offset = perBand('offset', setup.offset, bands.length);
  const all: PlannedBand[] = bands.map((band, i) => ({ ...band, scale: scale[i] as number, offset: offset[i] as number }));
  const fed = inputsOfModel(setup, facts, inputs);
  return {
    chip: shape.chip,
    batch: shape.batch,
    blend: blendOf(setup),
    inputs: facts.inputs.map((tensor, i) => {
      const { layout, bands: wanted } = shape.inputs[i] as ModelShape['inputs'][number];
      const sources = fed[i] as readonly number[];
      const found = sources.flatMap((source) => all.filter(({ input }) => input === source));
      if (wanted !== null && found.length !== wanted) {
        const list = sources.map((source) => `${inputs[source]?.name} (${inputs[source]?.bands})`).join(', ');
        throw problem('MODEL_BANDS', `the model's input ${JSON.stringify(tensor.name)} wants ${counted(wanted, 'band')}, found ${found.length}: ${list}; choose bands with inputs.<name>.bands`);
      }
      return { name: tensor.name, type: typeOf(tensor, 'input', fedTypes), layout, bands: found };
    }),
    outputs: outputs.map((output) => plannedOutput(setup, facts, output, shape.inputs[0]?.layout ?? 'nchw')),
  };
}

function perBand(field: 'scale' | 'offset', value: number | readonly number[], bands: number): readonly number[] {
  if (typeof value === 'number') return Array.from({ length: bands }, () => value);
  if (value.length === bands) return value;
  throw problem('MODEL_SCALE', `wanted one ${field}, or ${bands}, one for each band of all inputs in their order; found ${value.length}`);
}

/** For each input of the model the inputs of the job that feed it. */
function inputsOfModel(setup: ModelSetup, facts: ModelFacts, inputs: readonly { readonly name: string }[]): readonly (readonly number[])[] {
  const names = facts.inputs.map(({ name }) => name);
  const indexOf = (name: string, of: string) => {
    const index = inputs.findIndex((input) => input.name === name);
    if (index < 0) throw problem('MODEL_INPUT', `the model's input ${JSON.stringify(of)} is to be fed by ${JSON.stringify(name)}, which is no input of the job; there are ${listed(inputs.map(({ name }) => name))}`);
    return index;
  };
  if (setup.inputs === undefined) {
    if (names.length === 1) return [inputs.map((_, i) => i)];
    for (const name of names) {
      if (!inputs.some((input) => input.name === name)) {
        throw problem('MODEL_INPUT', `the model has several inputs (${listed(names)}), and none of the job's is named ${JSON.stringify(name)}: say in operation.model.inputs which gets what; the job has ${listed(inputs.map(({ name }) => name))}`);
      }
    }
    return names.map((name) => [indexOf(name, name)]);
  }
  const said = new Map(Object.entries(setup.inputs));
  for (const name of said.keys()) if (!names.includes(name)) throw problem('MODEL_INPUT', `the model has no input ${JSON.stringify(name)}; there are ${listed(names)}`);
  return names.map((name) => {
    const sources = said.get(name);
    if (sources === undefined) throw problem('MODEL_INPUT', `nothing feeds the model's input ${JSON.stringify(name)}: wanted it in operation.model.inputs, found ${listed([...said.keys()])}`);
    return [sources].flat().map((source) => indexOf(source, name));
  });
}

function plannedOutput(setup: ModelSetup, facts: ModelFacts, output: string, layout: ModelLayout): PlannedOutput {
  const said = setup.outputs?.[output];
  const wish = typeof said === 'string' ? { name: said } : (said ?? {});
  const activation = ('activation' in wish ? wish.activation : undefined) ?? setup.activation;
  const names = facts.outputs.map(({ name }) => name);
  const name = wish.name ?? (names.length === 1 ? names[0] : output);
  const tensor = facts.outputs.find((candidate) => candidate.name === name);
  if (tensor === undefined) {
    const where = wish.name === undefined ? `; say in operation.model.outputs which one ${JSON.stringify(output)} is` : '';
    throw problem('MODEL_OUTPUT', `the model has no output ${JSON.stringify(name)}; there are ${listed(names)}${where}`);
  }
  const given = typeOf(tensor, 'output', givenTypes);
  if (blendOf(setup) === 'linear' && activation !== 'argmax' && !isFloatType(given)) {
    throw problem('MODEL_BLEND', `the model's output ${JSON.stringify(name)} is ${given}: whole numbers, most likely classes, which have no mean; wanted blend crop, found linear`);
  }
  const made = classesOf(tensor, layout);
  if (activation === 'argmax' && made === 1) {
    throw problem('MODEL_BLEND', `the model's output ${JSON.stringify(name)} has one band, of which argmax is always 0; wanted another activation, or an output with classes`);
  }
  return { name: tensor.name, activation, layout, bands: activation === 'argmax' ? 1 : made, dtype: madeDtype(given, activation, made) };
}

/** Bands of an output by its shape; an output of three axes (chips, rows, columns) has one. */
function classesOf({ name, shape }: ModelTensor, layout: ModelLayout): number | null {
  if (shape === undefined) return null;
  if (shape.length === 3) return 1;
  if (shape.length === 4) return shape[layout === 'nchw' ? 1 : 3] ?? null;
  throw problem('MODEL_SHAPE', `the model's output ${JSON.stringify(name)} has ${shape.length} axes (${shape.map((size) => size ?? '?').join(' x ')}): wanted 4, chips, bands, rows and columns (or bands last), or 3 without bands`);
}

function madeDtype(given: GivenType, activation: ModelActivation, classes: number | null): Dtype {
  if (activation === 'argmax') return classes !== null && classes <= 256 ? 'uint8' : 'uint16';
  if (activation !== 'none') return 'float32';
  if (given === 'float16') return 'float32';
  if (given === 'int64' || given === 'uint64') return 'int32';
  return given === 'bool' ? 'uint8' : given;
}

function typeOf<T extends string>({ name, type }: ModelTensor, side: 'input' | 'output', known: readonly T[]): T {
  const found = known.find((candidate) => candidate === type);
  if (found === undefined) throw problem('MODEL_DTYPE', `the model's ${side} ${JSON.stringify(name)} is ${type}: wanted one of ${known.join(', ')}`);
  return found;
}

function isFloatType(type: GivenType): boolean {
  return type === 'float32' || type === 'float16' || type === 'float64';
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.map((name) => JSON.stringify(name)).join(', ');
}

function counted(n: number, thing: string): string {
  return `${n} ${thing}${n === 1 ? '' : 's'}`;
}
