/**
 * The loops over samples that take most of a tile's time beside the codecs, in AssemblyScript, compiled to WebAssembly with vectors of 16 bytes by
 * `npm run generate`. They know addresses in their own memory only; what calls them is in lib/raster/kernels.ts, and why they exist in docs/decisions/kernels.md.
 *
 * Lengths and distances count samples, `rows` of `columns` lie close together, and samples are those of a little-endian machine.
 */
export * from './average';
export { deflate_matches, deflate_matchesMemory } from './deflate-matches';
export { deflate_runs, deflate_runsMemory } from './deflate-runs';
export * from './difference';
export { huffman_codes, huffman_lengths, huffman_scratchBytes } from './huffman';
export * from './registers';
export * from './statistics';
export * from './sum';
