/** The body of a compute thread. A program has its own instead (local/programs/make.mjs). */
export const threadFile = new URL('./thread.ts', import.meta.url);
