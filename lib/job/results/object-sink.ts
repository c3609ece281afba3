/**
 * One object, written from beginning to end without knowing how long it gets: by one put if it stays small, otherwise as an assembly of parts. Either way it is
 * visible only when it is whole. Memory holds two parts.
 */
import type { Assembly, FolderOptions, ObjectStat, ObjectWriter, Part, Store } from '../../store/store.ts';

/** S3 takes 10,000 parts: 78 GiB. */
const partBytes = 8 * 1024 * 1024;
/** Text is encoded in pieces of about this length. */
const textLength = 256 * 1024;

export interface SinkOptions extends FolderOptions {
  readonly contentType: string;
  /** Told the token of an assembly before anything is stored, so that it can be given up if this process dies. */
  readonly onAssembly: (token: string) => Promise<void>;
}

export class ObjectSink {
  readonly #store: Store;
  readonly #href: string;
  readonly #options: SinkOptions;
  #texts: string[] = [];
  #textLength = 0;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #offset = 0;
  #assembly: Assembly | undefined;
  readonly #parts: Part[] = [];
  #underWay: Promise<void> = Promise.resolve();

  constructor(store: Store, href: string, options: SinkOptions) {
    this.#store = store;
    this.#href = href;
    this.#options = options;
  }

  /** @param bytes aren't changed by the caller afterwards */
  async write(bytes: Uint8Array): Promise<void> {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > partBytes) await this.#putPart();
  }

  async writeText(text: string): Promise<void> {
    this.#texts.push(text);
    this.#textLength += text.length;
    if (this.#textLength >= textLength) await this.#encodeTexts();
  }

  /** Makes the object visible. @throws OutputError as the store does */
  async finish(): Promise<ObjectStat> {
    await this.#encodeTexts();
    if (this.#assembly === undefined) {
      await this.#store.put(this.#href, this.#waiting, this.#putOptions());
      return await this.#store.stat(this.#href);
    }
    if (this.#waitingBytes > 0) await this.#putPart();
    await this.#underWay;
    return await this.#assembly.complete(this.#parts);
  }

  /** Gives up and frees what was stored. */
  async abort(): Promise<void> {
    await this.#underWay.catch(() => undefined);
    await this.#assembly?.abort();
  }

  async #encodeTexts(): Promise<void> {
    if (this.#texts.length === 0) return;
    const bytes = new TextEncoder().encode(this.#texts.join(''));
    this.#texts = [];
    this.#textLength = 0;
    await this.write(bytes);
  }

  /** One part is on its way while the next one is gathered. */
  async #putPart(): Promise<void> {
    const assembly = (this.#assembly ??= await this.#begin());
    await this.#underWay;
    const part = {
      number: this.#parts.length + 1,
      offset: this.#offset,
      length: this.#waitingBytes,
      pieces: this.#waiting.map((bytes) => ({ kind: 'bytes' as const, bytes })),
    };
    // To complete the object only the lengths are wanted, and the bytes are to be forgotten.
    this.#parts.push({ ...part, pieces: [{ kind: 'range', href: this.#href, offset: part.offset, length: part.length }] });
    this.#offset += part.length;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#underWay = assembly.put(part);
    // Whoever awaits it sees the error; until then it must not count as unhandled.
    this.#underWay.catch(() => undefined);
  }

  #putOptions(): FolderOptions & { readonly contentType: string } {
    const { contentType, createFolders = false } = this.#options;
    return { contentType, createFolders };
  }

  async #begin(): Promise<Assembly> {
    const assembly = await this.#store.assemble(this.#href, this.#putOptions());
    await this.#options.onAssembly(assembly.token);
    return assembly;
  }
}

/** Gives up an assembly that a process which is no more has begun. */
export async function abandonAssembly(store: ObjectWriter, href: string, token: string): Promise<void> {
  await (await store.assemble(href, { token })).abort();
}
