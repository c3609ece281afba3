/** Images on their way to models, as many at once as a model takes: each is asked for by itself, and they are gathered here. */
import { createError, OperationError } from '../../base/errors.ts';
import type { ImageReply } from '../../code/code-setup.ts';

/** Runs a model on some images. */
export type ImagesRunner = (files: readonly string[]) => Promise<readonly ImageReply[]>;

interface WaitingImage {
  readonly file: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class ImageBatches {
  readonly #size: number;
  readonly #run: ImagesRunner;
  #gathered: WaitingImage[] = [];
  /** Images that are being fetched, and may still fill a batch. */
  #coming = 0;

  /** @param size images in a batch */
  constructor(size: number, run: ImagesRunner) {
    this.#size = size;
    this.#run = run;
  }

  /**
   * Has an image fetched, and asks what the model says of it.
   * @throws what `fetch` and the model's process throw; DataError IMAGE_* for what is no image
   */
  async predict(fetch: () => Promise<string>): Promise<unknown> {
    this.#coming++;
    let file: string;
    try {
      file = await fetch();
    } catch (error) {
      this.#coming--;
      // Others may have waited for this one.
      this.#start();
      throw error;
    }
    this.#coming--;
    return await new Promise((resolve, reject) => {
      this.#gathered.push({ file, resolve, reject });
      this.#start();
    });
  }

  #start(): void {
    while (this.#gathered.length >= this.#size || (this.#coming === 0 && this.#gathered.length > 0)) void this.#answer(this.#gathered.splice(0, this.#size));
  }

  async #answer(images: readonly WaitingImage[]): Promise<void> {
    try {
      const replies = await this.#run(images.map(({ file }) => file));
      for (const [i, { resolve, reject }] of images.entries()) {
        const reply = replies[i];
        if (reply === undefined) reject(new OperationError('CODE_PROCESS', 'the model: its process has left out an image'));
        else if ('value' in reply) resolve(reply.value);
        else reject(createError(reply.error.name, reply.error.code, reply.error.message));
      }
    } catch (error) {
      if (images.length === 1) images[0]?.reject(error);
      // One of them has made the model fail or its process die: the others have nothing to do with it.
      else for (const image of images) await this.#answer([image]);
    }
  }
}
