/** sharp as many small images want it. */
import { availableParallelism } from 'node:os';
import type { default as Sharp } from 'sharp';

let loaded: Promise<typeof Sharp> | undefined;

/**
 * sharp with its cache off and one thread an image. Every image comes once, so a cache only holds memory; and several images at a time
 * use processors better than several threads on one. Both settings are of the whole process, and made once.
 */
export async function loadSharp(): Promise<typeof Sharp> {
  loaded ??= setUp();
  return await loaded;
}

async function setUp(): Promise<typeof Sharp> {
  const { default: sharp } = await import('sharp');
  sharp.cache(false);
  sharp.concurrency(1);
  return sharp;
}

/**
 * How many images to make at a time for each vCPU. One leaves a processor idle between its steps, on which other threads work; a second fills those gaps, and more
 * only hold memory (docs/images.md has the measurements).
 */
export const imagesPerVcpu = 2;

/**
 * Images to have in work at a time. libuv gives sharp UV_THREADPOOL_SIZE threads, 4 where it isn't set: with more vCPUs it has to be set
 * before the process starts.
 */
export function imagesAtATime(vcpus: number = availableParallelism()): number {
  return Math.max(1, Math.round(vcpus * imagesPerVcpu));
}
