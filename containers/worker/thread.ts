/**
 * A compute thread: takes one task at a time, a tile to compute or blocks to decode. It does no input or output, but for the arrays that it shares with processes that run
 * user code; those belong to the main thread, which is asked to call them.
 */
import { parentPort } from 'node:worker_threads';
import { describeError, restoreError, type ErrorRecord } from '../../lib/base/errors.ts';
import type { CodeCall, CodeReply } from '../../lib/code/code-setup.ts';
import { TileProcessor, type DecodeTask, type TileResult, type TileSetup, type TileTask } from '../../lib/job/tile.ts';

/** What a thread is told. It may be started before the plan is known: the setup comes first, and once. */
export type ThreadMessage = { readonly setup: TileSetup } | ThreadTask | CodeAnswer;
type ThreadTask = { readonly tile: TileTask } | { readonly decode: DecodeTask };

/** What came of a call of the user's code. */
export type CodeAnswer = { readonly reply: CodeReply } | { readonly failure: ErrorRecord };

/** What a thread answers to a task; of blocks that are decoded there is nothing more to say. Before it answers to a tile it may want the user's code to be called. */
export type ThreadAnswer = { readonly result: TileResult | undefined } | { readonly error: ErrorRecord } | { readonly call: CodeCall };

if (parentPort === null) throw new Error('this module is the body of a worker thread');
const port = parentPort;
let processor: TileProcessor | undefined;
/** The call that is under way; a thread computes one tile at a time. */
let calling: PromiseWithResolvers<CodeReply> | undefined;

async function callCode(call: CodeCall): Promise<CodeReply> {
  calling = Promise.withResolvers<CodeReply>();
  port.postMessage({ call } satisfies ThreadAnswer);
  return await calling.promise;
}

/**
 * Decoded and encoded blocks are young garbage outside of the heap, which V8 lets grow to 64 MB a thread. A minor collection takes a
 * millisecond. It is there when Node was started with --expose-gc.
 */
function discard(): void {
  globalThis.gc?.({ type: 'minor', execution: 'sync' });
}

/** Buffers that go to the main thread for good, so that nothing is copied. */
function buffersOf({ outputs }: TileResult): ArrayBuffer[] {
  return outputs.flatMap(({ remainder }) => (remainder ?? []).map(({ samples }) => samples.buffer as ArrayBuffer));
}

async function work(message: ThreadTask): Promise<TileResult | undefined> {
  if (processor === undefined) throw new Error('a task came before the setup');
  if ('tile' in message) return await processor.process(message.tile);
  await processor.decode(message.decode);
  return undefined;
}

port.on('message', (message: ThreadMessage) => {
  if ('setup' in message) {
    processor = new TileProcessor(message.setup, discard, callCode);
    return;
  }
  if ('reply' in message) {
    calling?.resolve(message.reply);
    return;
  }
  if ('failure' in message) {
    calling?.reject(restoreError(message.failure));
    return;
  }
  work(message).then(
    (result) => {
      port.postMessage({ result } satisfies ThreadAnswer, result === undefined ? [] : buffersOf(result));
    },
    (error: unknown) => {
      port.postMessage({ error: describeError(error) } satisfies ThreadAnswer);
    },
  );
});
