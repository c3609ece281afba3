/**
 * Which paths there have been, and with what. Kept as fingerprints in flat arrays, 16 bytes a slot: ten million items fit into a few hundred megabytes, where a Set of
 * texts wouldn't fit at all. Of ten million paths the chance that any two share their 64 bits is below one in a hundred thousand.
 */
import { hash } from 'node:crypto';

export interface SeenPath {
  /** Of the item that had the path first. */
  readonly index: number;
  /** It was the same item. */
  readonly same: boolean;
  /** It isn't what that item is called, but what it was given in the place of a path that was taken. */
  readonly given: boolean;
}

/** Slots at the beginning; always a power of two. */
const firstSlots = 1 << 10;
/** How full the table gets before it grows. */
const fullest = 0.7;
/** For each slot: two words of the path's fingerprint, one of the item's, and 1 + the index, with a bit for a path that was given; 0 is an empty slot. */
const slotWords = 4;
/** Above every index (`mostItems`). */
const givenBit = 2 ** 31;

export class SeenPaths {
  #words = new Uint32Array(firstSlots * slotWords);
  #count = 0;

  /**
   * Notes a path, unless it has been there.
   * @param item what tells this item from others: its href and parameters
   * @returns what had the path before
   */
  add(path: string, item: string, index: number): SeenPath | undefined {
    return this.#add(path, fingerprint(item)[0], index, 0);
  }

  /**
   * Notes a path that an item gets because its own was taken, so that no other one comes to it.
   * @returns what had the path before
   */
  give(path: string, index: number): SeenPath | undefined {
    return this.#add(path, 0, index, givenBit);
  }

  #add(path: string, own: number, index: number, bit: number): SeenPath | undefined {
    const [high, low] = fingerprint(path);
    const at = this.#slot(high, low);
    const found = this.#words[at + 3] as number;
    if (found !== 0) {
      const given = found >= givenBit;
      return { index: (given ? found - givenBit : found) - 1, same: !given && this.#words[at + 2] === own, given };
    }
    this.#words.set([high, low, own, index + 1 + bit], at);
    this.#count++;
    if (this.#count > fullest * (this.#words.length / slotWords)) this.#grow();
    return undefined;
  }

  /** The slot that has a fingerprint, or the empty one that it goes to. */
  #slot(high: number, low: number): number {
    const mask = this.#words.length / slotWords - 1;
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      const at = slot * slotWords;
      if (this.#words[at + 3] === 0 || (this.#words[at] === high && this.#words[at + 1] === low)) return at;
    }
  }

  #grow(): void {
    const old = this.#words;
    this.#words = new Uint32Array(2 * old.length);
    for (let at = 0; at < old.length; at += slotWords) {
      if (old[at + 3] === 0) continue;
      this.#words.set(old.subarray(at, at + slotWords), this.#slot(old[at] as number, old[at + 1] as number));
    }
  }
}

function fingerprint(text: string): readonly [number, number] {
  const digest = hash('sha1', text, 'buffer');
  return [digest.readUInt32LE(0), digest.readUInt32LE(4)];
}
