/** What user code under way may still take when the worker has to stop: ECS gives the worker 120 s in all; on a machine of one's own nobody waits that long. */
export const stopGraceMs = process.env['TILEFAN_PARENT_PIPE'] === '1' ? 5_000 : 60_000;
