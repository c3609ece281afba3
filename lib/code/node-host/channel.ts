/** The conversation with the worker: requests on fd 3, replies on fd 4, one JSON object a line. */
import { writeSync } from 'node:fs';
import { Socket } from 'node:net';

import type { CodeFailure } from '../code-setup.ts';
import { LineReader } from '../line-reader.ts';

const requestsFd = 3;
const repliesFd = 4;

/** The file with the pixels. */
export const sharedFd = 5;

export class Channel {
  readonly #socket = new Socket({ fd: requestsFd, writable: false });
  readonly #lines = new LineReader(this.#socket);

  /** @param onEnd called when the worker asks nothing any more */
  constructor(onEnd: () => void) {
    this.#socket.once('close', onEnd);
  }

  async next(): Promise<unknown> {
    return JSON.parse(await this.#lines.next());
  }

  /** Written at once, whatever the user's code keeps busy; the worker reads at all times. */
  send(text: string): void {
    const bytes = Buffer.from(`${text}\n`);
    for (let at = 0; at < bytes.length; ) at += writeSync(repliesFd, bytes, at);
  }

  fail(failure: CodeFailure): void {
    this.send(JSON.stringify({ error: failure }));
  }

  /** While user code is at work, waiting for requests does not keep Node alive: so it notices when there is nothing more to wait for. */
  pause(): void {
    this.#socket.unref();
  }

  resume(): void {
    this.#socket.ref();
  }
}
