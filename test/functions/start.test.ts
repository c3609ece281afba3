/**
 * The start function against the events that S3, EventBridge and the schedule send by way of SQS. test/functions/events has one SQS event a file, and
 * expected.jsonl says of each what must be asked of Step Functions, which messages go back to the queue, and what the log must say. Run ids there
 * were made with sha256sum, not by this code.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { ExecutionAlreadyExists, SFNClient, StartExecutionCommand, type StartExecutionCommandInput } from '@aws-sdk/client-sfn';
import { mockClient } from 'aws-sdk-client-mock';
import * as z from 'zod';
import { createHandler, type BatchResponse } from '../../functions/start/handler.ts';
import type { FunctionContext } from '../../functions/middleware.ts';

process.env['TILEFAN_LOG_LEVEL'] = 'silent';
process.env['AWS_REGION'] = 'eu-central-1';

const bucket = 'tilefan-dev-input-111122223333-eu-central-1';
const stateMachine = 'arn:aws:states:eu-central-1:111122223333:stateMachine:tilefan-dev';
const env = { TILEFAN_INPUT: `s3://${bucket}/`, TILEFAN_STATE_MACHINE: stateMachine, TILEFAN_OWN_ROLES: 'AROAREDUCEEXAMPLE12345,AROAWORKEREXAMPLE12345' };
const context: FunctionContext = { awsRequestId: 'request-1', getRemainingTimeInMillis: () => 60_000 };
const templates = ['ndvi', 'evi', 'Flood Map (v2)'];

const folder = new URL('events/', import.meta.url);
const expectation = z.strictObject({
  event: z.string(),
  starts: z.array(z.strictObject({ run: z.string(), input: z.record(z.string(), z.unknown()) })).default([]),
  failed: z.array(z.string()).default([]),
  /** Event names, with the reason or code where there is one. */
  log: z.array(z.string()),
  says: z.string().optional(),
});
const expected = readFileSync(new URL('expected.jsonl', folder), 'utf8').trim().split('\n').map((line) => expectation.parse(JSON.parse(line)));

const sfn = mockClient(SFNClient);
const s3 = mockClient(S3Client);

function readEvent(name: string): { readonly Records: { messageId: string; body: string }[] } {
  return JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8')) as { Records: { messageId: string; body: string }[] };
}

/** Executions as Step Functions keeps them: a running one answers as it did the first time, and its name stays taken. */
const running = new Map<string, { readonly input: string | undefined; readonly startDate: Date }>();

beforeEach(() => {
  sfn.reset();
  s3.reset();
  running.clear();
  // The last one is no template, though a list for templates/ndwi.json shows it.
  const keys = [...templates.map((name) => `templates/${name}.json`), 'templates/ndwi.json.bak'];
  s3.on(ListObjectsV2Command).callsFake(({ Prefix = '' }: { Prefix?: string }) => ({ Contents: keys.filter((key) => key.startsWith(Prefix)).map((Key) => ({ Key, Size: 1, ETag: '"e"' })) }));
  s3.on(HeadObjectCommand).callsFake(({ Key }: { Key: string }) => {
    if (keys.includes(Key)) return { ContentLength: 1, ETag: '"e"' };
    throw fault('NotFound', 404);
  });
  // The store asks by GET what HEAD's bare 404 means.
  s3.on(GetObjectCommand).rejects(fault('NoSuchKey', 404));
  sfn.on(StartExecutionCommand).callsFake(({ name = '', input }: StartExecutionCommandInput) => {
    const earlier = running.get(name);
    if (earlier !== undefined && earlier.input !== input) throw alreadyExists();
    const startDate = earlier === undefined ? new Date() : new Date(earlier.startDate.getTime() - 60_000);
    running.set(name, { input, startDate });
    return { executionArn: `${stateMachine}:${name}`, startDate };
  });
});
afterEach(() => {
  sfn.reset();
  s3.reset();
});

/** An error as the SDK throws it. */
function fault(name: string, status?: number): Error {
  return Object.assign(new Error(`said ${name}`), { name, $metadata: { httpStatusCode: status } });
}

function alreadyExists(): ExecutionAlreadyExists {
  return new ExecutionAlreadyExists({ message: 'Execution Already Exists', $metadata: { httpStatusCode: 400 } });
}

interface Outcome {
  readonly response: BatchResponse;
  readonly log: readonly string[];
  readonly text: string;
}

async function start(event: unknown, more: Readonly<Record<string, string>> = {}, told: FunctionContext = context): Promise<Outcome> {
  const log: string[] = [];
  const lines: unknown[] = [];
  const handler = createHandler({ ...env, ...more }, {
    report(level, name, fields) {
      const detail = fields['reason'] ?? fields['code'] ?? (fields['error'] as { code: string } | undefined)?.code;
      log.push(detail === undefined ? name : `${name} ${String(detail)}`);
      lines.push({ level, name, ...fields });
    },
  });
  const response = await handler(event, told);
  return { response, log, text: lines.map((line) => JSON.stringify(line)).join('\n') };
}

function failedIn({ response }: Outcome): string[] {
  return response.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier);
}

function started(): { readonly run: string | undefined; readonly input: unknown }[] {
  return sfn.commandCalls(StartExecutionCommand).map(({ args: [{ input: { name, input, stateMachineArn } }] }) => {
    assert.equal(stateMachineArn, stateMachine);
    return { run: name, input: JSON.parse(input ?? '') };
  });
}

// Catches: an event file that no line speaks of, which would then be tested by nothing.
test('every recorded event is expected', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length));
  assert.deepEqual(files.toSorted(), expected.map(({ event }) => event).toSorted());
  assert.ok(files.length >= 30);
});

// Catches: keys decoded wrongly or twice, a run too many or too few, another name for the same upload, a wrong input, noise that goes back to the queue,
// mistakes that don't.
suite('recorded events', () => {
  for (const { event, starts, failed, log, says } of expected) {
    test(event, async () => {
      const outcome = await start(readEvent(event));
      assert.deepEqual(started(), starts);
      assert.deepEqual(failedIn(outcome), failed);
      assert.deepEqual(outcome.log, log);
      if (says !== undefined) assert.ok(outcome.text.includes(JSON.stringify(says).slice(1, -1)), `wanted ${says} in ${outcome.text}`);
      for (const { run } of starts) assert.match(run, /^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$/);
      // What is in an event beside the object stays out of the log.
      assert.ok(!/EXAMPLE123|203\.0\.113\.7|AIDAJ45Q7YFFAREXAMPLE|AROA/.test(outcome.text), outcome.text);
    });
  }
});

suite('the same message again', () => {
  // Catches: a name that depends on the delivery.
  test('delivered twice, it starts one run', async () => {
    assert.deepEqual((await start(readEvent('put-data'))).log, ['Run:Started']);
    assert.deepEqual((await start(readEvent('put-data'))).log, ['Run:Duplicate']);
    const [first, second] = started();
    assert.deepEqual(first, second);
    assert.equal(running.size, 1);
  });

  // Catches: a run that has ended and is started once more, or a message that is repeated for ever because of it.
  test('after the run has ended, it is done without a word to the queue', async () => {
    sfn.on(StartExecutionCommand).rejects(alreadyExists());
    const outcome = await start(readEvent('put-data'));
    assert.deepEqual([outcome.log, failedIn(outcome)], [['Run:Duplicate'], []]);
  });

  // Catches: records of a message that are started twice because another one of it failed.
  test('when one of its records failed, the others are duplicates the next time', async () => {
    const event = readEvent('several-records');
    sfn.on(StartExecutionCommand).resolvesOnce({ executionArn: 'arn', startDate: new Date() }).rejectsOnce(fault('ThrottlingException', 400));
    const first = await start(event);
    assert.deepEqual([first.log, failedIn(first)], [['Run:Started', 'Run:NotStarted START_BUSY', 'Upload:Ignored Sidecar'], ['m1']]);
    sfn.reset();
    sfn.on(StartExecutionCommand).rejectsOnce(alreadyExists()).resolvesOnce({ executionArn: 'arn', startDate: new Date() });
    const second = await start(event);
    assert.deepEqual([second.log, failedIn(second)], [['Run:Duplicate', 'Run:Started', 'Upload:Ignored Sidecar'], []]);
  });
});

/** What StartExecution can say, as the SDK throws it; from its API reference, and what every service can say. */
const answers: readonly { readonly name: string; readonly status?: number; readonly code: string }[] = [
  { name: 'ThrottlingException', status: 400, code: 'START_BUSY' },
  { name: 'ExecutionLimitExceeded', status: 400, code: 'START_BUSY' },
  { name: 'KmsThrottlingException', status: 400, code: 'START_BUSY' },
  { name: 'ServiceUnavailable', status: 503, code: 'START_BUSY' },
  { name: 'InternalFailure', status: 500, code: 'START_BUSY' },
  { name: 'TimeoutError', code: 'START_BUSY' },
  { name: 'ECONNRESET', code: 'START_BUSY' },
  { name: 'AccessDeniedException', status: 400, code: 'START_REFUSED' },
  { name: 'StateMachineDoesNotExist', status: 400, code: 'START_REFUSED' },
  { name: 'StateMachineDeleting', status: 400, code: 'START_REFUSED' },
  { name: 'InvalidName', status: 400, code: 'START_REFUSED' },
  { name: 'InvalidArn', status: 400, code: 'START_REFUSED' },
  { name: 'InvalidExecutionInput', status: 400, code: 'START_REFUSED' },
  { name: 'ValidationException', status: 400, code: 'START_REFUSED' },
  { name: 'KmsAccessDeniedException', status: 400, code: 'START_REFUSED' },
  { name: 'ExpiredTokenException', status: 400, code: 'START_REFUSED' },
];

suite('Step Functions says no', () => {
  for (const { name, status, code } of answers) {
    // Catches: an upload that is lost because an answer was taken for "done", and a log that doesn't say which answer it was.
    test(`${name}: the message goes back, logged as ${code}`, async () => {
      sfn.on(StartExecutionCommand).rejects(fault(name, status));
      const outcome = await start(readEvent('put-data'));
      assert.deepEqual([outcome.log, failedIn(outcome)], [[`Run:NotStarted ${code}`], ['m1']]);
      assert.ok(outcome.text.includes(name));
    });
  }

  // Catches: one failure that takes the rest of the batch with it.
  test('throttled for one of three messages: only that one goes back, and is fine the next time', async () => {
    const event = readEvent('overwritten-out-of-order');
    const fine = { executionArn: 'arn', startDate: new Date() };
    sfn.on(StartExecutionCommand).resolvesOnce(fine).rejectsOnce(fault('ThrottlingException', 400)).resolves(fine);
    const first = await start(event);
    assert.deepEqual(failedIn(first), ['m2']);
    const second = await start({ Records: event.Records.filter(({ messageId }) => messageId === 'm2') });
    assert.deepEqual([second.log, failedIn(second)], [['Run:Started'], []]);
  });
});

suite('S3 says no', () => {
  // Catches: a template that is called unknown because S3 was busy or closed, and then blamed on the user.
  for (const { name, status, code } of [
    { name: 'SlowDown', status: 503, code: 'STORE_BUSY' },
    { name: 'Forbidden', status: 403, code: 'STORE_DENIED' },
  ]) {
    test(`${name}: the upload goes back, and is not called wrong`, async () => {
      s3.on(HeadObjectCommand).rejects(fault(name, status));
      s3.on(GetObjectCommand).rejects(fault(name, status));
      const outcome = await start(readEvent('put-data'));
      assert.deepEqual([outcome.log, failedIn(outcome), started()], [[`Run:NotStarted ${code}`], ['m1'], []]);
    });
  }

  // Catches: an unknown template that is called denied: S3 says 403 of a missing key to callers that it doesn't let list that key.
  test('Forbidden for a template that no list shows: it is unknown', async () => {
    s3.on(HeadObjectCommand).rejects(fault('Forbidden', 403));
    s3.on(GetObjectCommand).rejects(fault('AccessDenied', 403));
    const outcome = await start(readEvent('unknown-template'));
    assert.deepEqual([outcome.log, failedIn(outcome)], [['Upload:Refused TEMPLATE_UNKNOWN'], ['m1']]);
    s3.on(ListObjectsV2Command).rejects(fault('AccessDenied', 403));
    assert.deepEqual((await start(readEvent('unknown-template'))).log, ['Run:NotStarted STORE_DENIED']);
  });

  test('a bucket without any template says so', async () => {
    s3.on(ListObjectsV2Command).resolves({});
    assert.match((await start(readEvent('unknown-template'))).text, /there are no templates but those built in: photos/);
  });
});

suite('the function itself', () => {
  // Catches: a batch that is thrown away, or repeated whole, because time is short.
  test('with too little time left, what is not begun goes back', async () => {
    const slow = { ...context, getRemainingTimeInMillis: () => (started().length === 0 ? 60_000 : 10_000) };
    const outcome = await start(readEvent('overwritten-out-of-order'), {}, slow);
    assert.deepEqual([outcome.log, failedIn(outcome)], [['Run:Started', 'Message:Postponed the function has too little time left', 'Message:Postponed the function has too little time left'], ['m2', 'm3']]);
  });

  // Catches: an error of the deployment that is blamed on each message until all are dead.
  test('what is no fault of a message is thrown', async () => {
    await assert.rejects(start({ records: [] }), { name: 'OperationError', code: 'EVENT_INVALID' });
    await assert.rejects(start(readEvent('put-data'), { TILEFAN_INPUT: '' }), { code: 'ENVIRONMENT_MISSING', message: /TILEFAN_INPUT/ });
    await assert.rejects(createHandler({ TILEFAN_INPUT: env.TILEFAN_INPUT })(readEvent('put-data'), context), { code: 'ENVIRONMENT_MISSING', message: /TILEFAN_STATE_MACHINE/ });
    assert.deepEqual(started(), []);
  });

  // Catches: metrics of a call that are lost, or counted once a message instead of once a run.
  test('counts what it did in the embedded metric format', async ({ mock }) => {
    const lines: string[] = [];
    const metrics = { POWERTOOLS_METRICS_NAMESPACE: 'tilefan', POWERTOOLS_SERVICE_NAME: 'tilefan-dev' };
    // Powertools writes to the console outside of Lambda, which ends here.
    const write = mock.method(process.stdout, 'write', (chunk: string | Uint8Array) => lines.push(String(chunk)) > 0);
    try {
      await start({ Records: [...readEvent('several-records').Records, ...readEvent('duplicate-in-one-batch').Records, ...readEvent('malformed-text').Records] }, metrics);
    } finally {
      write.mock.restore();
    }
    const line = lines.flatMap((text) => text.split('\n')).find((text) => text.includes('_aws')) ?? '';
    const { service, RunsStarted, UploadsDuplicate, UploadsIgnored, UploadsRefused } = JSON.parse(line) as Record<string, unknown>;
    assert.deepEqual({ service, RunsStarted, UploadsDuplicate, UploadsIgnored, UploadsRefused }, { service: 'tilefan-dev', RunsStarted: [1, 1, 1], UploadsDuplicate: 1, UploadsIgnored: 1, UploadsRefused: 1 });
  });
});
