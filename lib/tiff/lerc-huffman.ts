/**
 * Huffman coding of 8-bit samples in LERC2 (Esri/lerc: Huffman and Lerc2::EncodeHuffman in its reference implementation): of the values, or of their
 * differences from the pixel to the left, whichever is shorter. Codes are canonical, the longest first, and stand from the highest bit of each
 * little-endian 32-bit word down.
 */
import { bitsFor, packedBytes, writePacked } from './lerc-bits.ts';

/** A block of samples by pixel: (rows, columns, depth). `samples` are their bytes. */
export interface ByteBlock {
  readonly samples: Uint8Array;
  /** int8: symbols are counted from -128. */
  readonly signed: boolean;
  readonly columns: number;
  readonly rows: number;
  readonly depth: number;
}

export interface HuffmanPlan {
  /** Lerc2's ImageEncodeMode: 1 differences, 2 values. */
  readonly mode: 1 | 2;
  /** Of each of the 256 symbols. */
  readonly lengths: Uint8Array;
  readonly codes: Uint32Array;
  /** In the order in which they are written. */
  readonly symbols: Uint8Array;
  /** Bytes of table and data together. */
  readonly bytes: number;
}

/** The shorter of both ways; undefined where neither can do it: all values are one, and so are all differences. */
export function planHuffman(block: ByteBlock): HuffmanPlan | undefined {
  const byValue = planOf(2, valueSymbols(block));
  const byDifference = planOf(1, differenceSymbols(block));
  if (byValue === undefined || byDifference === undefined) return byValue ?? byDifference;
  return byValue.bytes <= byDifference.bytes ? byValue : byDifference;
}

/** Writes table and data. @returns the first byte behind them */
export function writeHuffman(target: Uint8Array, at: number, { lengths, codes, symbols }: HuffmanPlan): number {
  const { first, count } = symbolRange(lengths);
  const range = Array.from({ length: count }, (_, i) => (first + i) % 256);
  const view = new DataView(target.buffer, target.byteOffset);
  // Version of the code table (4: canonical), number of symbols, and those that have a code; the last may be counted on beyond 255.
  for (const [i, value] of [4, 256, first, first + count].entries()) view.setInt32(at + 4 * i, value, true);
  const own = Uint32Array.from(range, (symbol) => lengths[symbol] as number);
  let next = writePacked(target, at + 16, own, count, bitsFor(Math.max(...own)));
  next = writeCodes(target, next, Uint8Array.from(range), lengths, codes);
  next = writeCodes(target, next, symbols, lengths, codes);
  // A decoder looks ahead by a word.
  view.setUint32(next, 0, true);
  return next + 4;
}

function valueSymbols({ samples, signed }: ByteBlock): Uint8Array {
  if (!signed) return samples;
  const symbols = new Uint8Array(samples.length);
  for (let i = 0; i < samples.length; i++) symbols[i] = (samples[i] as number) ^ 128;
  return symbols;
}

/** Band by band: what each sample is more than that of the pixel to its left; in the first column than that above; the very first as it is. */
function differenceSymbols({ samples, signed, columns, rows, depth }: ByteBlock): Uint8Array {
  const symbols = new Uint8Array(samples.length);
  const rowSamples = columns * depth;
  const flip = signed ? 128 : 0;
  let to = 0;
  for (let band = 0; band < depth; band++) {
    for (let row = 0; row < rows; row++) {
      let from = row * rowSamples + band;
      let left = row === 0 ? 0 : (samples[from - rowSamples] as number);
      for (let column = 0; column < columns; column++, from += depth) {
        const sample = samples[from] as number;
        symbols[to++] = (sample - left) ^ flip;
        left = sample;
      }
    }
  }
  return symbols;
}

function planOf(mode: 1 | 2, symbols: Uint8Array): HuffmanPlan | undefined {
  const counts = new Uint32Array(256);
  // Plain loops: an iterator takes ten times as long.
  for (let i = 0; i < symbols.length; i++) counts[symbols[i] as number] = (counts[symbols[i] as number] as number) + 1;
  const lengths = codeLengths(counts);
  if (lengths === undefined) return undefined;
  const { count } = symbolRange(lengths);
  let tableBits = 0;
  let dataBits = 0;
  let longest = 0;
  for (const [symbol, length] of lengths.entries()) {
    tableBits += length;
    dataBits += length * (counts[symbol] as number);
    longest = Math.max(longest, length);
  }
  const words = (bits: number): number => 4 * Math.ceil(bits / 32);
  const bytes = 16 + packedBytes(count, bitsFor(longest)) + words(tableBits) + words(dataBits) + 4;
  return { mode, lengths, codes: canonicalCodes(lengths), symbols, bytes };
}

/** Huffman's lengths; undefined for fewer than two symbols, or a code longer than 32 bits. */
function codeLengths(counts: Uint32Array): Uint8Array | undefined {
  interface Node {
    readonly count: number;
    readonly symbols: readonly number[];
  }
  let nodes: Node[] = Array.from(counts, (count, symbol) => ({ count, symbols: [symbol] })).filter(({ count }) => count > 0);
  if (nodes.length < 2) return undefined;
  const lengths = new Uint8Array(256);
  nodes = nodes.toSorted((a, b) => a.count - b.count);
  while (nodes.length > 1) {
    const [a, b] = nodes.splice(0, 2) as [Node, Node];
    const merged: Node = { count: a.count + b.count, symbols: [...a.symbols, ...b.symbols] };
    for (const symbol of merged.symbols) lengths[symbol] = (lengths[symbol] as number) + 1;
    const place = nodes.findIndex(({ count }) => count >= merged.count);
    nodes.splice(place < 0 ? nodes.length : place, 0, merged);
  }
  return lengths.some((length) => length > 32) ? undefined : lengths;
}

/** Codes counted up from the longest to the shortest, symbols of one length in their order. */
function canonicalCodes(lengths: Uint8Array): Uint32Array {
  const codes = new Uint32Array(256);
  const symbols = [...lengths.keys()].filter((symbol) => lengths[symbol] !== 0).toSorted((a, b) => (lengths[b] as number) - (lengths[a] as number) || a - b);
  let length = lengths[symbols[0] ?? 0] as number;
  let code = 0;
  for (const symbol of symbols) {
    const own = lengths[symbol] as number;
    code = length - own > 31 ? 0 : code >>> (length - own);
    length = own;
    codes[symbol] = code++;
  }
  return codes;
}

/** The shortest run of symbols, running on from 255 to 0, that has all with a code: it leaves out the longest stretch without. */
function symbolRange(lengths: Uint8Array): { first: number; count: number } {
  const used = [...lengths.keys()].filter((symbol) => lengths[symbol] !== 0);
  const [lowest = 0] = used;
  const highest = used.at(-1) ?? 0;
  let best = { first: lowest, count: highest - lowest + 1 };
  for (const [i, symbol] of used.entries()) {
    const next = used[i + 1];
    if (next === undefined) break;
    const count = 256 - (next - symbol - 1);
    if (count < best.count) best = { first: next, count };
  }
  return best;
}

/** Writes the code of each symbol. @returns the first byte behind the last word */
function writeCodes(target: Uint8Array, at: number, symbols: Uint8Array, lengths: Uint8Array, codes: Uint32Array): number {
  let word = 0;
  let filled = 0;
  let next = at;
  for (let i = 0; i < symbols.length; i++) {
    const symbol = symbols[i] as number;
    const length = lengths[symbol] as number;
    if (length === 0) continue;
    const code = codes[symbol] as number;
    const free = 32 - filled;
    if (length < free) {
      word |= code << (free - length);
      filled += length;
      continue;
    }
    next = writeWord(target, next, word | (code >>> (length - free)));
    filled = length - free;
    word = filled === 0 ? 0 : code << (32 - filled);
  }
  return filled === 0 ? next : writeWord(target, next, word);
}

function writeWord(target: Uint8Array, at: number, word: number): number {
  target[at] = word;
  target[at + 1] = word >>> 8;
  target[at + 2] = word >>> 16;
  target[at + 3] = word >>> 24;
  return at + 4;
}
