/** A compute thread: takes one tile at a time and gives back its encoded blocks. It does no input or output. */
import { parentPort } from 'node:worker_threads';
import { describeError, type ErrorRecord } from '../../lib/base/errors.ts';
import { TileProcessor, type TileResult, type TileSetup, type TileTask } from '../../lib/job/tile.ts';

/** What a thread answers to a task. */
export type ThreadAnswer = { readonly result: TileResult } | { readonly error: ErrorRecord };

if (parentPort === null) throw new Error('this module is the body of a worker thread');
const port = parentPort;
let processor: TileProcessor | undefined;

/**
 * Decoded and encoded blocks are young garbage outside of the heap, which V8 lets grow to 64 MB a thread. A minor collection takes a
 * millisecond. It is there when Node was started with --expose-gc.
 */
function discard(): void {
  globalThis.gc?.({ type: 'minor', execution: 'sync' });
}

/** Buffers that go to the main thread for good, so that nothing is copied. */
function buffersOf({ outputs }: TileResult): ArrayBuffer[] {
  return outputs.flatMap(({ bytes, remainder }) => [bytes.buffer, ...remainder.map(({ samples }) => samples.buffer as ArrayBuffer)]);
}

/** A thread may be started before the plan is known: the first message says what it works on, and each of the others is a tile. */
port.on('message', (message: TileSetup | TileTask) => {
  if (processor === undefined) {
    processor = new TileProcessor(message as TileSetup, discard);
    return;
  }
  processor.process(message as TileTask).then(
    (result) => {
      port.postMessage({ result } satisfies ThreadAnswer, buffersOf(result));
    },
    (error: unknown) => {
      port.postMessage({ error: describeError(error) } satisfies ThreadAnswer);
    },
  );
});
