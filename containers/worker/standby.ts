/**
 * A worker that is started before its batch is known: it loads, starts its threads, and waits until it is told the rest of its environment. The local engine
 * starts one while it plans; on ECS the environment is there from the beginning.
 */
import { once } from 'node:events';
import type { Readable } from 'node:stream';

/**
 * The environment out of the first line of `input`, one JSON object of strings. The stream stays open, so that its end can be seen.
 * @returns undefined when the input ends without a line, or the signal aborts: nobody wants this worker
 */
export async function receiveEnvironment(input: Readable, signal: AbortSignal): Promise<Readonly<Record<string, string>> | undefined> {
  if (signal.aborted) return undefined;
  const line = await Promise.race([firstLine(input), once(signal, 'abort').then(() => undefined)]);
  return line === undefined ? undefined : (JSON.parse(line) as Readonly<Record<string, string>>);
}

async function firstLine(input: Readable): Promise<string | undefined> {
  let text = '';
  try {
    for await (const piece of input.setEncoding('utf8').iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
      text += piece;
      if (text.includes('\n')) return text;
    }
  } catch {
    // A pipe that broke is an end, too.
  }
  return undefined;
}
