/**
 * MALLOC_ARENA_MAX of workers: how many pools of freed memory glibc may keep. Tiles are made by a few threads that allocate little, and two pools hold a good deal less
 * (docs/performance.md). Images are made by libuv's threads, which allocate all the time and then wait for each other (docs/images.md). Imports nothing: a local run
 * asks before it loads anything.
 */
export const mallocArenas = { tiles: '2', items: '64' } as const;
