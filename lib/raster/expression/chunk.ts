/**
 * Pixels a chunk: a register is then 8 KiB, and the few in use stay in the first-level cache. A multiple of four.
 *
 * Kernels always run over whole registers. What lies behind the end of the last, shorter chunk is computed and not stored; in
 * return the bound of every loop of TypeScript is a constant, which makes it a quarter faster, and compiled ones have no rest.
 */
export const chunkPixels = 1024;
