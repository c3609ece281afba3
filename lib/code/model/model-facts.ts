/**
 * What an ONNX file says about itself: names, sample types and shapes of its inputs and outputs. Read from the file's own bytes, weights
 * skipped, so that planning needs no runtime: that is large, and can take its process with it.
 * Field numbers: onnx.proto of github.com/onnx/onnx.
 */
import { JobError } from '../../base/errors.ts';
import { messageFields, NotProtobufError } from './protobuf.ts';

/** Sample types of tensors that models are fed and give, by their number in TensorProto.DataType. */
const tensorTypes = new Map([
  [1, 'float32'],
  [2, 'uint8'],
  [3, 'int8'],
  [4, 'uint16'],
  [5, 'int16'],
  [6, 'int32'],
  [7, 'int64'],
  [8, 'string'],
  [9, 'bool'],
  [10, 'float16'],
  [11, 'float64'],
  [12, 'uint32'],
  [13, 'uint64'],
  [14, 'complex64'],
  [15, 'complex128'],
  [16, 'bfloat16'],
]);

/** An input or output of a model. */
export interface ModelTensor {
  readonly name: string;
  /** As numpy names it; `type <n>` for what we have no name for, `no tensor` for sequences and maps. */
  readonly type: string;
  /** null for a size that the model leaves open; undefined when the file doesn't say how many axes there are. */
  readonly shape: readonly (number | null)[] | undefined;
}

/** Plain data. */
export interface ModelFacts {
  /** Those that are to be fed: without weights that old files list, too. */
  readonly inputs: readonly ModelTensor[];
  readonly outputs: readonly ModelTensor[];
}

const decoder = new TextDecoder();

/**
 * Reads the facts from the bytes of the whole file.
 * @throws JobError MODEL_NOT_ONNX for anything else and for files cut short, MODEL_WEIGHTS_APART when the weights lie in other files
 */
export function modelFacts(bytes: Uint8Array, name = 'the model'): ModelFacts {
  try {
    const graph = onlyBytes(bytes, 7);
    // Every ONNX file has a version of its format (1) and says which operators it means (8).
    if (graph === undefined || !hasField(bytes, 1) || !hasField(bytes, 8)) throw new NotProtobufError('no graph');
    return readGraph(graph, name);
  } catch (error) {
    if (!(error instanceof NotProtobufError)) throw error;
    throw new JobError('MODEL_NOT_ONNX', `${name} is no ONNX file, or only a part of one: wanted a model with a graph, found ${firstBytes(bytes)}`, {
      cause: error,
      where: { kind: 'load', model: name },
    });
  }
}

function readGraph(graph: Uint8Array, name: string): ModelFacts {
  const weights = new Set<string>();
  const inputs: ModelTensor[] = [];
  const outputs: ModelTensor[] = [];
  for (const field of messageFields(graph)) {
    if (!('bytes' in field)) continue;
    if (field.number === 5) weights.add(readWeight(field.bytes, name));
    else if (field.number === 11) inputs.push(readTensor(field.bytes));
    else if (field.number === 12) outputs.push(readTensor(field.bytes));
  }
  if (outputs.length === 0) throw new NotProtobufError('a graph without outputs');
  return { inputs: inputs.filter((input) => !weights.has(input.name)), outputs };
}

/** The name of an initializer. */
function readWeight(tensor: Uint8Array, model: string): string {
  let name = '';
  for (const field of messageFields(tensor)) {
    if (field.number === 8 && 'bytes' in field) name = decoder.decode(field.bytes);
    if (field.number === 14 && 'value' in field && field.value === 1n) {
      throw new JobError('MODEL_WEIGHTS_APART', `${model} has its weights in other files (${JSON.stringify(name)} is one): wanted one file, as onnx.save_model(model, path, save_as_external_data=False) writes it`, {
        where: { kind: 'load', model },
      });
    }
  }
  return name;
}

function readTensor(info: Uint8Array): ModelTensor {
  const name = decoder.decode(onlyBytes(info, 1) ?? new Uint8Array());
  const type = onlyBytes(info, 2);
  const tensor = type === undefined ? undefined : onlyBytes(type, 1);
  if (tensor === undefined) return { name, type: 'no tensor', shape: undefined };
  let number = 0;
  for (const field of messageFields(tensor)) if (field.number === 1 && 'value' in field) number = Number(field.value);
  const shape = onlyBytes(tensor, 2);
  return { name, type: tensorTypes.get(number) ?? `type ${number}`, shape: shape === undefined ? undefined : readShape(shape) };
}

function readShape(shape: Uint8Array): (number | null)[] {
  const sizes: (number | null)[] = [];
  for (const field of messageFields(shape)) {
    if (field.number !== 1 || !('bytes' in field)) continue;
    let size: number | null = null;
    // Some exporters write 0 or -1 for a size that is open.
    for (const part of messageFields(field.bytes)) if (part.number === 1 && 'value' in part) size = Number(BigInt.asIntN(64, part.value));
    sizes.push(size !== null && size > 0 ? size : null);
  }
  return sizes;
}

/** A message field that may come once; the last counts, as protobuf has it. */
function onlyBytes(message: Uint8Array, number: number): Uint8Array | undefined {
  let found: Uint8Array | undefined;
  for (const field of messageFields(message)) if (field.number === number && 'bytes' in field) found = field.bytes;
  return found;
}

function hasField(message: Uint8Array, number: number): boolean {
  for (const field of messageFields(message)) if (field.number === number) return true;
  return false;
}

function firstBytes(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'an empty file';
  return `${bytes.length} bytes that begin with ${Buffer.from(bytes.subarray(0, 8)).toString('hex')}`;
}
