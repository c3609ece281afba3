/** What Node is given to run a worker. A program has its own instead (programs/make.mjs). */
import { fileURLToPath } from 'node:url';

export const workerFiles: readonly string[] = [`--import=${new URL('lean-start.mjs', import.meta.url).href}`, fileURLToPath(new URL('../containers/worker/main.ts', import.meta.url))];
