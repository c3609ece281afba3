/** A process that leads a group (`detached`), and all that it has started. */

/**
 * Runs in the place of the program, which takes its place then. What stays behind waits for the end of a pipe on which nothing ever comes: that is when the
 * worker is gone, in whatever way. Then it ends the whole group, even where the program is in an endless loop. Words of the command line are
 * not looked at ("$@").
 */
function guard(fd: number): string {
  const others = Array.from({ length: fd - 3 }, (_, i) => `${String(i + 3)}>&-`).join(' ');
  return `(read -r _ <&${String(fd)}; kill -s KILL -- -$$) </dev/null >/dev/null 2>&1 ${others} & exec "$@" ${String(fd)}>&-`;
}

/**
 * The command line that runs `command` so that its group ends with this process, kill -9 included. To be started with `detached`, and with a 'pipe' as file
 * descriptor `fd`, the last one. A command that can't be started ends with exit code 126 or 127.
 */
export function guarded(fd: number, command: string, args: readonly string[]): { readonly command: string; readonly args: readonly string[] } {
  return { command: '/bin/sh', args: ['-c', guard(fd), 'sh', command, ...args] };
}

/** Ends the whole group at once. Nothing happens when it is gone already, or was never started. */
export function killGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // ESRCH: all have ended. EPERM: the number belongs to somebody else by now.
  }
}
