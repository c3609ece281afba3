/** The record of a batch, from attempt to attempt. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { Attempt } from '../../containers/worker/attempt.ts';
import { TryAgainError } from '../../lib/base/errors.ts';
import { FileStore } from '../../lib/store/file-store.ts';
import { fileHref } from '../../lib/store/href.ts';
import { createWorkspace } from '../support/workspace.ts';

const workspace = createWorkspace('attempt');
const store = new FileStore();
after(async () => {
  await store.close();
  workspace.remove();
});

void describe('an attempt', () => {
  // Catches: a killer that is met without care again, because the attempt after the kill was stopped in an orderly way.
  void it('knows that one before it was killed, however those after it have ended', async () => {
    const run = fileHref(`${workspace.newFolder()}/`);
    const begin = async (): Promise<Attempt> =>
      await Attempt.begin(store, run, { batch: 0, items: { first: 0, count: 3, offset: 0, length: 9 } }, Promise.resolve({ task: null, log: null, vcpu: null, memoryGib: null, begunAt: null }));
    const none = { computed: 0, reused: 0 };
    const follows: boolean[] = [];
    const first = await begin();
    follows.push(first.followsKill);
    await first.fail(new TryAgainError('WORKER_STOPPED', 'stopped'), none);
    const killed = await begin();
    follows.push(killed.followsKill);
    const stopped = await begin();
    follows.push(stopped.followsKill);
    await stopped.fail(new TryAgainError('WORKER_STOPPED', 'stopped'), none);
    follows.push((await begin()).followsKill);
    assert.deepEqual(follows, [false, false, true, true]);
  });
});
