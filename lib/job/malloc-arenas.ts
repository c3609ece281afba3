/**
 * MALLOC_ARENA_MAX of workers: how many pools of freed memory glibc may keep. Usually a few threads allocate little, and two pools hold a good deal less
 * (docs/performance.md). Images are made by libuv's threads, which allocate all the time and then wait for each other (docs/images.md). Imports nothing: a local run
 * asks before it loads anything.
 */
export const mallocArenas = { usual: '2', images: '64' } as const;
export type WorkerKind = keyof typeof mallocArenas;
