/** A process that leads a group (`detached`), and all that it has started. */

/** Ends the whole group at once. Nothing happens when it is gone already, or was never started. */
export function killGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // ESRCH: all have ended. EPERM: the number belongs to somebody else by now.
  }
}
