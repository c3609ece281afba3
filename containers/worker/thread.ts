/**
 * A compute thread: takes one task at a time, a tile to compute, blocks to decode, or a block of a level above the tiles. It does no input or output, but for the arrays that it shares with processes that run
 * user code; those belong to the main thread, which is asked to call them.
 */
import { parentPort } from 'node:worker_threads';
import { describeError, restoreError, type ErrorRecord } from '../../lib/base/errors.ts';
import type { CodeCall, CodeReply } from '../../lib/code/code-setup.ts';
import { TileProcessor, type BlockTask, type DecodeTask, type TileResult, type TileSetup, type TileTask } from '../../lib/job/tile.ts';
import type { MadeBlock } from '../../lib/job/upper-levels.ts';
import { planeBuffers } from './plane-buffers.ts';
import { minorCollection } from './v8-flags.ts';

/** What a thread is told. It may be started before the plan is known: the setup comes when all threads have loaded, and once. */
export type ThreadMessage = { readonly setup: TileSetup } | ThreadTask | CodeAnswer;
export type ThreadTask = { readonly tile: TileTask } | { readonly decode: DecodeTask } | { readonly block: BlockTask };

/** What came of a call of the user's code. */
export type CodeAnswer = { readonly reply: CodeReply } | { readonly failure: ErrorRecord };

/** What came of a task; of blocks that are decoded there is nothing more to say. */
export type TaskResult = { readonly tile: TileResult } | { readonly block: MadeBlock } | { readonly decoded: true };

/** What a thread says: first that it has loaded, then what its tasks come to. Before it answers to a tile it may want the user's code to be called. */
export type ThreadAnswer = { readonly loaded: true } | { readonly result: TaskResult } | { readonly error: ErrorRecord } | { readonly call: CodeCall };

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

/** Buffers that go to the main thread for good, so that nothing is copied. */
function buffersOf(result: TaskResult): ArrayBuffer[] {
  if ('tile' in result) return result.tile.outputs.flatMap(({ remainder }) => planeBuffers(remainder));
  return 'block' in result ? planeBuffers(result.block.half) : [];
}

async function work(task: ThreadTask): Promise<TaskResult> {
  if (processor === undefined) throw new Error('a task came before the setup');
  if ('tile' in task) return { tile: await processor.process(task.tile) };
  if ('block' in task) return { block: await processor.makeBlock(task.block) };
  await processor.decode(task.decode);
  return { decoded: true };
}

port.on('message', (message: ThreadMessage) => {
  if ('setup' in message) {
    processor = new TileProcessor(message.setup, minorCollection(), callCode);
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
      port.postMessage({ result } satisfies ThreadAnswer, buffersOf(result));
    },
    (error: unknown) => {
      port.postMessage({ error: describeError(error) } satisfies ThreadAnswer);
    },
  );
});
port.postMessage({ loaded: true } satisfies ThreadAnswer);
