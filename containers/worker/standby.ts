/**
 * A worker that is started before its batch is known: it loads, starts its threads, and waits until it is told the rest of its environment. The local engine
 * starts one while it plans; on ECS the environment is there from the beginning.
 */
import { once } from 'node:events';
import type { Readable } from 'node:stream';

/**
 * The environment out of the first line of `input`, one JSON object of strings. What follows the line stays in the stream.
 * @returns undefined when the input ends without a line, or the signal aborts: nobody wants this worker
 */
export async function receiveEnvironment(input: Readable, signal: AbortSignal): Promise<Readonly<Record<string, string>> | undefined> {
  let text = '';
  input.setEncoding('utf8');
  try {
    while (!text.includes('\n')) {
      if (input.readableEnded || input.destroyed || signal.aborted) return undefined;
      const piece = input.read() as string | null;
      if (piece === null) await once(input, 'readable', { signal });
      else text += piece;
    }
  } catch {
    // Aborted, or the pipe broke: the same as an end.
    return undefined;
  }
  return JSON.parse(text) as Readonly<Record<string, string>>;
}
