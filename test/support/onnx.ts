/**
 * Writes small ONNX models, so that tests need neither files nor Python's onnx.
 * Field numbers: onnx.proto of github.com/onnx/onnx; wire format: protobuf.dev/programming-guides/encoding.
 */

export const onnxTypes = { float32: 1, uint8: 2, int8: 3, uint16: 4, int16: 5, int32: 6, int64: 7, string: 8, bool: 9, float16: 10, float64: 11 } as const;
export type OnnxType = keyof typeof onnxTypes;

export interface OnnxTensor {
  readonly name: string;
  readonly type?: OnnxType;
  /** A name for a size that is open. */
  readonly shape?: readonly (number | string)[];
}

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, number | string | readonly number[]>>;
}

export interface OnnxWeights {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: readonly number[];
  readonly type?: 'float32' | 'int64';
  /** Says that the values lie in another file. */
  readonly elsewhere?: boolean;
}

export interface OnnxModel {
  readonly inputs: readonly OnnxTensor[];
  readonly outputs: readonly OnnxTensor[];
  readonly nodes: readonly OnnxNode[];
  readonly weights?: readonly OnnxWeights[];
}

export function onnxModel({ inputs, outputs, nodes, weights = [] }: OnnxModel): Buffer {
  const graph = [
    ...nodes.map((node) => bytes(1, nodeBytes(node))),
    text(2, 'graph'),
    ...weights.map((tensor) => bytes(5, weightBytes(tensor))),
    ...inputs.map((tensor) => bytes(11, tensorBytes(tensor))),
    ...outputs.map((tensor) => bytes(12, tensorBytes(tensor))),
  ];
  return Buffer.concat([number(1, 8), bytes(7, Buffer.concat(graph)), bytes(8, number(2, 17))]);
}

function nodeBytes({ op, inputs, outputs, attributes = {} }: OnnxNode): Buffer {
  return Buffer.concat([
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, op),
    ...Object.entries(attributes).map(([name, value]) => bytes(5, Buffer.concat([text(1, name), attributeBytes(value)]))),
  ]);
}

/** Whole numbers are of type INT, as all attributes of the operators used are. */
function attributeBytes(value: number | string | readonly number[]): Buffer {
  if (typeof value === 'number') return Buffer.concat([number(3, value), number(20, 2)]);
  if (typeof value === 'string') return Buffer.concat([text(4, value), number(20, 3)]);
  return Buffer.concat([...value.map((one) => number(8, one)), number(20, 7)]);
}

function weightBytes({ name, shape, values, type = 'float32', elsewhere = false }: OnnxWeights): Buffer {
  const raw = type === 'float32' ? Float32Array.from(values) : BigInt64Array.from(values, BigInt);
  return Buffer.concat([
    ...shape.map((size) => number(1, size)),
    number(2, onnxTypes[type]),
    text(8, name),
    ...(elsewhere ? [number(14, 1)] : [bytes(9, Buffer.from(raw.buffer))]),
  ]);
}

function tensorBytes({ name, type = 'float32', shape }: OnnxTensor): Buffer {
  const sizes = shape?.map((size) => bytes(1, typeof size === 'number' ? number(1, size) : text(2, size)));
  const tensor = [number(1, onnxTypes[type]), ...(sizes === undefined ? [] : [bytes(2, Buffer.concat(sizes))])];
  return Buffer.concat([text(1, name), bytes(2, bytes(1, Buffer.concat(tensor)))]);
}

function number(field: number, value: number): Buffer {
  return Buffer.concat([varint(BigInt(field) << 3n), varint(BigInt.asUintN(64, BigInt(value)))]);
}

function text(field: number, value: string): Buffer {
  return bytes(field, Buffer.from(value));
}

function bytes(field: number, value: Buffer): Buffer {
  return Buffer.concat([varint((BigInt(field) << 3n) | 2n), varint(BigInt(value.length)), value]);
}

function varint(value: bigint): Buffer {
  const parts: number[] = [];
  let rest = value;
  do {
    parts.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(parts);
}
