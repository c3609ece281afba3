/** The process in which an image can't take a worker along: image-process.ts starts it, and is what it talks to. */
import { describeError } from '../base/errors.ts';
import { FileStore } from '../store/file-store.ts';
import { readObject } from '../store/read-object.ts';
import type { ImageAnswer, ImageMessage, ImageRequest } from './image-process.ts';
import { makeVariants } from './make-variants.ts';
import { loadSharp } from './sharp-setup.ts';

// The worker says when it has to stop; a signal to the group is not for this one.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => undefined);
// Nobody waits for the image under way any more, and an orderly exit would.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// A copy of an object is removed when its image is made, and must not stay open.
const store = new FileStore({ maxOpenFiles: 1 });
process.on('message', (request: ImageRequest) => void answer(request));
await loadSharp();
say('ready');

async function answer({ href, version, variants, limits }: ImageRequest): Promise<void> {
  let made: ImageAnswer;
  try {
    const found = await store.stat(href);
    const bytes = await readObject(store, { ...found, version: version ?? found.version });
    made = { made: await makeVariants(bytes, variants, limits) };
  } catch (error) {
    made = { error: describeError(error) };
  }
  say(made);
}

function say(message: ImageMessage): void {
  process.send?.(message);
}
