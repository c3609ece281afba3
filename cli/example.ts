/** `tilefan example` (`npm start`): the first thing to run. Makes a scene and computes its NDVI. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { makeScene } from '../examples/make-scene.ts';
import { displayHref, fileHref } from '../lib/store/href.ts';
import { createStore } from '../lib/store/routing-store.ts';
import { openTiff } from '../lib/tiff/open.ts';
import { run } from './run.ts';

const folder = new URL('../examples/ndvi/', import.meta.url);

/** @returns the exit code of the run */
export async function example({ size }: { readonly size: number }): Promise<number> {
  const scene = fileURLToPath(new URL('scene.tif', folder));
  if (!(await isScene(scene, size))) {
    process.stderr.write(`making a scene of ${String(size)} x ${String(size)} px, 4 bands: ${scene}\n`);
    makeScene(scene, size);
  }
  const job = fileURLToPath(new URL('job.json', folder));
  process.stderr.write(`running ${job}\n`);
  return await run(job, { workers: 1, work: fileURLToPath(new URL('.tilefan/', folder)) });
}

/** Whether the scene of an earlier start is there, and of the size that is wanted now. */
async function isScene(path: string, size: number): Promise<boolean> {
  if (!existsSync(path)) return false;
  const store = createStore();
  try {
    const { main } = await openTiff(store, fileHref(path));
    return main.layout.width === size;
  } catch (error) {
    process.stderr.write(`making ${displayHref(path)} anew: ${error instanceof Error ? error.message : String(error)}\n`);
    return false;
  } finally {
    await store.close();
  }
}
