/**
 * Reads the wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding): a message is a row of fields, each with a number and
 * one of four wire types. What a field means is the caller's to know. Nothing is copied: bytes are views of the file.
 */

/** A field of a message: a number (varint, fixed32, fixed64) or bytes (text, packed numbers, a message). */
export type Field = { readonly number: number; readonly value: bigint } | { readonly number: number; readonly bytes: Uint8Array };

/** What is no message, or one cut short. `messageFields` alone throws it. */
export class NotProtobufError extends Error {}

/**
 * The fields of a message, in file order; fields of unknown meaning come, too.
 * @throws NotProtobufError when a field begins with what can't be one, or passes the end
 */
export function* messageFields(bytes: Uint8Array): Generator<Field> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const take = (length: number): number => {
    if (length > bytes.length - at) throw new NotProtobufError(`wanted ${length} bytes at ${at}, found ${bytes.length - at}`);
    const from = at;
    at += length;
    return from;
  };
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[take(1)] as number;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new NotProtobufError(`wanted a number of at most 10 bytes before ${at}, found a longer one`);
  };
  while (at < bytes.length) {
    const key = varint();
    const number = Number(key >> 3n);
    if (number < 1 || number > 536_870_911) throw new NotProtobufError(`wanted the number of a field before ${at}, found ${number}`);
    const wire = Number(key & 7n);
    if (wire === 0) yield { number, value: varint() };
    else if (wire === 1) yield { number, value: view.getBigUint64(take(8), true) };
    else if (wire === 2) {
      const length = Number(varint());
      const from = take(length);
      yield { number, bytes: bytes.subarray(from, from + length) };
    } else if (wire === 5) yield { number, value: BigInt(view.getUint32(take(4), true)) };
    else throw new NotProtobufError(`wanted a wire type of 0, 1, 2 or 5 before ${at}, found ${wire}`);
  }
}
