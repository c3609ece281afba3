/** The store that the rest of the code gets: picks the driver by the scheme of the href. */
import { FileStore } from './file-store.ts';
import { parseHref } from './href.ts';
import type { S3StoreOptions } from './s3-store.ts';
import type { AssembleOptions, Assembly, ClosableStore, ObjectStat, PutOptions } from './store.ts';

export interface StoreOptions {
  /** Files kept open for reading, at most (default 64). */
  readonly maxOpenFiles?: number;
  readonly s3?: Omit<S3StoreOptions, 'reader'>;
}

/**
 * A store for files and S3. One per process or worker thread: it holds open files and sockets, so call `close()` at the end.
 * The S3 client and its SDK are loaded with the first `s3://` href: a job on files doesn't pay the 60 ms and the memory.
 */
export function createStore(options: StoreOptions = {}): ClosableStore {
  return new RoutingStore(options);
}

class RoutingStore implements ClosableStore {
  readonly #options: StoreOptions;
  readonly #files: FileStore;
  #s3: Promise<ClosableStore> | undefined;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#files = new FileStore({ reader: this, ...(options.maxOpenFiles === undefined ? {} : { maxOpenFiles: options.maxOpenFiles }) });
  }

  async stat(href: string): Promise<ObjectStat> {
    return await (await this.#driver(href)).stat(href);
  }

  async readInto(href: string, offset: number, target: Uint8Array, version?: string): Promise<void> {
    await (await this.#driver(href)).readInto(href, offset, target, version);
  }

  async readAll(href: string, maxBytes?: number): Promise<Uint8Array> {
    return await (await this.#driver(href)).readAll(href, maxBytes);
  }

  async *list(prefix: string): AsyncGenerator<ObjectStat, void, undefined> {
    yield* (await this.#driver(prefix)).list(prefix);
  }

  async put(href: string, body: Uint8Array | readonly Uint8Array[], options?: PutOptions): Promise<'written' | 'exists'> {
    return await (await this.#driver(href)).put(href, body, options);
  }

  async removePrefix(prefix: string): Promise<number> {
    return await (await this.#driver(prefix)).removePrefix(prefix);
  }

  async assemble(href: string, options?: AssembleOptions): Promise<Assembly> {
    return await (await this.#driver(href)).assemble(href, options);
  }

  async close(): Promise<void> {
    await this.#files.close();
    if (this.#s3 !== undefined) await (await this.#s3).close();
  }

  #driver(href: string): ClosableStore | Promise<ClosableStore> {
    if (parseHref(href).scheme === 'file') return this.#files;
    this.#s3 ??= this.#openS3();
    return this.#s3;
  }

  async #openS3(): Promise<ClosableStore> {
    const { createS3Store } = await import('./s3-store.ts');
    return createS3Store({ ...this.#options.s3, reader: this });
  }
}
