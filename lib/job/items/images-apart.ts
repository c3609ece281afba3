/** Copies of items' images, made in processes of their own. */
import { join } from 'node:path';
import { makeCodeFolder, removeScratchFolder } from '../../code/scratch-folder.ts';
import type { ImageLimits } from '../../images/image-limits.ts';
import { ImageProcesses } from '../../images/image-processes.ts';
import type { MadeImages } from '../../images/make-variants.ts';
import type { ImageVariants } from '../../images/variant-spec.ts';
import { fileHref } from '../../store/href.ts';
import type { ObjectStat, Store } from '../../store/store.ts';
import { fetchObject } from './fetch-object.ts';

export class ImagesApart {
  /** Images that may be under way at a time. */
  readonly atOnce: number;
  readonly #store: Store;
  /** For copies of objects, which the processes read as files. */
  readonly #root: string;
  readonly #processes: ImageProcesses;
  #count = 0;

  private constructor(store: Store, root: string, atOnce: number) {
    this.atOnce = atOnce;
    this.#store = store;
    this.#root = root;
    this.#processes = new ImageProcesses(atOnce);
  }

  /** @throws OutputError SCRATCH_UNUSABLE */
  static async start(store: Store, atOnce: number): Promise<ImagesApart> {
    return new ImagesApart(store, await makeCodeFolder(), atOnce);
  }

  /** @throws as ImageProcesses and fetchObject do */
  async make(object: ObjectStat, variants: ImageVariants, limits: ImageLimits): Promise<MadeImages> {
    const { href, version } = object;
    const folder = join(this.#root, String(++this.#count));
    try {
      const { path } = await fetchObject(this.#store, href, object, folder);
      const file = fileHref(path);
      return await this.#processes.make({ href: file, version: file === href ? version : null, variants, limits });
    } catch (error) {
      // What can't be fetched any more, as its folder is gone.
      this.#processes.checkOpen();
      throw error;
    } finally {
      await removeScratchFolder(folder);
    }
  }

  async close(): Promise<void> {
    this.#processes.close();
    await removeScratchFolder(this.#root);
  }
}
