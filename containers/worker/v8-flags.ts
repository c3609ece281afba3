/**
 * V8's flags for compute threads. They belong to the whole process, and are set when its threads have loaded: compiled code that was kept under other flags,
 * that of Node's own modules included, V8 refuses, and compiling it again takes 25 ms a thread.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Set by the main thread, before the first tile. */
export function setFlags(): void {
  // Against V8's mid-tier compiler stranding inlined pixel loops; what it gains is in docs/performance.md.
  setFlagsFromString('--no-maglev-inlining');
  setFlagsFromString('--expose-gc');
}

/**
 * A minor collection of the thread that asks, which takes a millisecond: decoded and encoded blocks are young garbage outside of the heap, which V8 lets grow
 * to 64 MB a thread. Contexts that are made after `setFlags` have it.
 */
export function minorCollection(): () => void {
  const collect = runInNewContext('globalThis.gc') as NodeJS.GCFunction | undefined;
  return () => {
    collect?.({ type: 'minor', execution: 'sync' });
  };
}
