import assert from 'node:assert/strict';
import { test } from 'node:test';
import { handler as failBatch } from '../../functions/fail-batch/handler.ts';
import { taskName, taskSubject } from '../../lib/job/task-numbers.ts';

// Catches: numbers such as 999999, which are nobody's batch, in sentences for people.
test('tasks beside the batches are called by what they are for', () => {
  assert.deepEqual([0, 12, 900_003, 999_990, 999_999, 2_000_001].map(taskSubject), ['Batch 0', 'Batch 12', 'Converting an input (task 900003)', 'The trial of the code', 'Merging the results', 'Making overviews (task 2000001)']);
  assert.equal(taskName(999_999), 'merging the results');
});

// Catches: a cause without its subject, and one with two in an execution that an older definition has begun.
test('the function that fails a batch begins the sentence with the task', async () => {
  const event = { error: 'OperationError', cause: 'failed for good in attempt 1', redrives: 0, execution: {} };
  await assert.rejects(failBatch({ ...event, batch: 999_999 }), { name: 'OperationError', message: 'Merging the results failed for good in attempt 1' });
  await assert.rejects(failBatch({ ...event, cause: 'Batch 12 failed for good in attempt 1' }), { message: 'Batch 12 failed for good in attempt 1' });
});
