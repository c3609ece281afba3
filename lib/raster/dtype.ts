/** Sample types of rasters, named as numpy and rasterio name them. */

export const dtypes = ['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'float32', 'float64'] as const;

/** The type of one sample. float16 files are read as float32, those of 64-bit integers as float64. */
export type Dtype = (typeof dtypes)[number];

/** Any typed array that can hold samples. The buffer may be shared between threads. */
export type SampleArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

interface DtypeFacts {
  readonly bytes: 1 | 2 | 4 | 8;
  readonly kind: 'uint' | 'int' | 'float';
  /** Smallest and largest finite value. */
  readonly min: number;
  readonly max: number;
}

const facts: Readonly<Record<Dtype, DtypeFacts>> = {
  uint8: { bytes: 1, kind: 'uint', min: 0, max: 255 },
  int8: { bytes: 1, kind: 'int', min: -128, max: 127 },
  uint16: { bytes: 2, kind: 'uint', min: 0, max: 65_535 },
  int16: { bytes: 2, kind: 'int', min: -32_768, max: 32_767 },
  uint32: { bytes: 4, kind: 'uint', min: 0, max: 4_294_967_295 },
  int32: { bytes: 4, kind: 'int', min: -2_147_483_648, max: 2_147_483_647 },
  float32: { bytes: 4, kind: 'float', min: -3.4028234663852886e38, max: 3.4028234663852886e38 },
  float64: { bytes: 8, kind: 'float', min: -Number.MAX_VALUE, max: Number.MAX_VALUE },
};

export function dtypeFacts(dtype: Dtype): DtypeFacts {
  return facts[dtype];
}

export function bytesPerSample(dtype: Dtype): number {
  return facts[dtype].bytes;
}

export function isFloat(dtype: Dtype): boolean {
  return facts[dtype].kind === 'float';
}

/** Whether `value` can be stored in `dtype` without change. NaN and infinities fit the float types. */
export function fitsDtype(value: number, dtype: Dtype): boolean {
  if (dtype === 'float64') return true;
  if (dtype === 'float32') return Object.is(Math.fround(value), value) || !Number.isFinite(value);
  return Number.isInteger(value) && value >= facts[dtype].min && value <= facts[dtype].max;
}

/** The kind of array that holds samples of each type. */
export const sampleArrays = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

/** The type of an array's samples. */
export function dtypeOf(samples: SampleArray): Dtype {
  return dtypes.find((dtype) => samples instanceof sampleArrays[dtype]) as Dtype;
}

/** `length` samples of `dtype`, zeroed. */
export function allocateSamples(dtype: Dtype, length: number): SampleArray {
  return new sampleArrays[dtype](length);
}

/** `length` samples of `dtype` seen through `buffer` from `byteOffset` on; the offset must be aligned. */
export function viewSamples(dtype: Dtype, buffer: ArrayBufferLike, byteOffset: number, length: number): SampleArray {
  return new sampleArrays[dtype](buffer as ArrayBuffer, byteOffset, length);
}
