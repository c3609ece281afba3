/** The sample types of LERC2, and single numbers in as few bytes as they need (Esri/lerc: Lerc2::DataType, ReduceDataType). */
import { bytesPerSample, dtypeFacts, fitsDtype, type Dtype } from '../raster/dtype.ts';

/** A type's place here is its number in the format. */
export const lercTypes: readonly Dtype[] = ['int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'float32', 'float64'];

/** The types that a number of each type may be written as; a type's place is its code. The codes run from the type itself to smaller ones. */
const reductions: Readonly<Record<Dtype, readonly Dtype[]>> = {
  int8: ['int8'],
  uint8: ['uint8'],
  int16: ['int16', 'uint8', 'int8'],
  uint16: ['uint16', 'uint8'],
  int32: ['int32', 'uint16', 'int16', 'uint8'],
  uint32: ['uint32', 'uint16', 'uint8'],
  float32: ['float32', 'int16', 'uint8'],
  float64: ['float64', 'float32', 'int32', 'int16'],
};

/** The smallest type that holds `value`, a sample of `dtype`, and its code. */
export function reducedType(dtype: Dtype, value: number): { readonly dtype: Dtype; readonly code: number; readonly bytes: number } {
  const types = reductions[dtype];
  for (let code = types.length - 1; code > 0; code--) {
    const reduced = types[code] as Dtype;
    if (holds(reduced, value)) return { dtype: reduced, code, bytes: bytesPerSample(reduced) };
  }
  return { dtype, code: 0, bytes: bytesPerSample(dtype) };
}

function holds(dtype: Dtype, value: number): boolean {
  return dtype === 'float32' ? Math.abs(value) <= dtypeFacts(dtype).max && fitsDtype(value, dtype) : fitsDtype(value, dtype);
}

/** Writes a number as a sample of `dtype`. @returns the first byte behind it */
export function writeNumber(view: DataView, at: number, dtype: Dtype, value: number): number {
  switch (dtype) {
    case 'int8':
      view.setInt8(at, value);
      break;
    case 'uint8':
      view.setUint8(at, value);
      break;
    case 'int16':
      view.setInt16(at, value, true);
      break;
    case 'uint16':
      view.setUint16(at, value, true);
      break;
    case 'int32':
      view.setInt32(at, value, true);
      break;
    case 'uint32':
      view.setUint32(at, value, true);
      break;
    case 'float32':
      view.setFloat32(at, value, true);
      break;
    case 'float64':
      view.setFloat64(at, value, true);
      break;
  }
  return at + bytesPerSample(dtype);
}
