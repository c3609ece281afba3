/** Groups of processes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { guarded, killGroup } from '../../lib/code/process-group.ts';

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

void describe('a process group', () => {
  // Catches a kill that leaves what the leader has started.
  void it('is ended as a whole', async () => {
    const leader = spawn('sh', ['-c', 'sleep 1000 & echo $!; wait'], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(leader.stdout, 'data')) as [Buffer];
    const child = Number(line.toString());
    assert.ok(lives(child));
    killGroup(leader.pid);
    await once(leader, 'exit');
    for (let tries = 0; tries < 200 && lives(child); tries++) {
      // Until whoever has inherited it has reaped it.
      // oxlint-disable-next-line no-await-in-loop
      await sleep(50);
    }
    assert.ok(!lives(child));
    // Again, and of nothing, is harmless.
    killGroup(leader.pid);
    killGroup(undefined);
  });

  // Catches words of a command line that a shell takes for its own, and an exit code that is not the program's.
  void it('runs the program as it was given', async () => {
    const { command, args } = guarded(3, process.execPath, ['-e', 'console.log(process.argv.slice(1).join("|"), process.pid); process.exitCode = 9', '--', '$HOME', '*', 'a b', '"', ';']);
    const program = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'inherit', 'pipe'] });
    const exited = once(program, 'exit');
    const [line] = (await once(program.stdout as NonNullable<typeof program.stdout>, 'data')) as [Buffer];
    assert.equal(line.toString(), `$HOME|*|a b|"|; ${String(program.pid)}\n`);
    assert.deepEqual(await exited, [9, null]);
    killGroup(program.pid);
  });
});
