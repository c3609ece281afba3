/** Files, and every range that is read of them. */
import { FileStore } from '../../lib/store/file-store.ts';

export interface CountedRead {
  readonly href: string;
  readonly offset: number;
  readonly length: number;
}

export class CountingStore extends FileStore {
  /** The ranges read so far. */
  readonly reads: CountedRead[] = [];

  override async readInto(href: string, offset: number, target: Uint8Array, version?: string): Promise<void> {
    this.reads.push({ href, offset, length: target.length });
    await super.readInto(href, offset, target, version);
  }

  override async readAll(href: string, maxBytes?: number): Promise<Uint8Array> {
    const bytes = await super.readAll(href, maxBytes);
    this.reads.push({ href, offset: 0, length: bytes.length });
    return bytes;
  }
}
