/** Step Functions as the commands see it: answers in the shapes of the API reference, by ARN, and what was asked. */
import { DescribeExecutionCommand, ExecutionDoesNotExist, ListExecutionsCommand, ListMapRunsCommand, DescribeMapRunCommand, SFNClient, GetExecutionHistoryCommand, ListStateMachinesCommand, type DescribeExecutionOutput, type HistoryEvent, type MapRunItemCounts } from '@aws-sdk/client-sfn';
import { mockClient, type AwsClientStub } from 'aws-sdk-client-mock';
import type { RunContext } from '../../../cli/aws/context.ts';
import type { Streams } from '../../../cli/streams.ts';
import { FileStore } from '../../../lib/store/file-store.ts';

export const account = 'arn:aws:states:eu-west-1:123456789012';
export const pipeline = `${account}:stateMachine:tilefan-dev`;
export const arnOf = (name: string): string => `${account}:execution:tilefan-dev:${name}`;
export const mapRunArnOf = (name: string): string => `${account}:mapRun:tilefan-dev/Batches:${name}`;
export const stage = { stage: 'dev' };

const metadata = { $metadata: {} };

/** A text that is written to, in place of a stream. */
export class Text {
  text = '';
  readonly isTTY: boolean;
  constructor(isTTY = false) {
    this.isTTY = isTTY;
  }
  write(text: string): boolean {
    this.text += text;
    return true;
  }
}

export interface FakeContext extends RunContext {
  readonly streams: Streams & { readonly stdout: Text; readonly stderr: Text };
  readonly sfn: SFNClient;
  /** Milliseconds of each pause. */
  readonly pauses: number[];
  readonly stop: AbortController;
}

/** A context without a clock of its own. `onSleep` is told of each pause, and how many there were before. */
export function fakeContext({ terminal = false, onSleep = () => undefined }: { readonly terminal?: boolean; readonly onSleep?: (count: number) => void } = {}): FakeContext {
  const stop = new AbortController();
  const pauses: number[] = [];
  return {
    sfn: new SFNClient({ region: 'eu-west-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' }, maxAttempts: 1 }),
    store: new FileStore(),
    streams: { stdout: new Text(), stderr: new Text(terminal) },
    signal: stop.signal,
    stop,
    pauses,
    sleep: (ms) => {
      pauses.push(ms);
      onSleep(pauses.length);
      return Promise.resolve();
    },
  };
}

export type Described = Partial<DescribeExecutionOutput>;

export interface FakeRuns {
  /** By the execution's name; a list is given out one after the other, the last for good. */
  readonly executions: Readonly<Record<string, Described | readonly Described[]>>;
  /** Map Runs of an execution, by its name. */
  readonly mapRuns?: Readonly<Record<string, readonly { readonly id: string; readonly status: string; readonly startDate: Date; readonly counts: Partial<MapRunItemCounts> }[]>>;
  /** Failed child executions, by the Map Run's id. */
  readonly failed?: Readonly<Record<string, readonly { readonly batch: number; readonly error: string; readonly cause: string; readonly stopDate: Date }[]>>;
  readonly history?: Readonly<Record<string, readonly HistoryEvent[]>>;
  /** Split every listing into pages of this length. */
  readonly page?: number;
}

export const started = new Date('2026-11-22T10:00:00.000Z');
export const ended = new Date('2026-11-22T10:20:00.000Z');

export function notThere(): ExecutionDoesNotExist {
  return new ExecutionDoesNotExist({ message: "Execution Does Not Exist: 'arn'", ...metadata });
}

/** A page of a list, with the token of the next one. */
function paged<Item>(items: readonly Item[], token: string | undefined, length: number): { items: Item[]; nextToken?: string } {
  const from = token === undefined ? 0 : Number(token);
  const next = from + length;
  return { items: items.slice(from, next), ...(next < items.length ? { nextToken: String(next) } : {}) };
}

function answersOf(known: Described | readonly Described[]): readonly Described[] {
  return Array.isArray(known) ? (known as readonly Described[]) : [known as Described];
}

/** Makes a mock answer for these runs, and for nothing else. */
export function fakeStepFunctions(sfn: SFNClient, runs: FakeRuns): AwsClientStub<SFNClient> {
  const { executions, mapRuns = {}, failed = {}, history = {}, page = 1000 } = runs;
  const asked: Record<string, number> = {};
  const mock = mockClient(sfn);
  mock.onAnyCommand().rejects(new Error('a command that this test has no answer for'));
  mock.on(ListStateMachinesCommand).resolves({ stateMachines: [{ name: 'tilefan-dev', stateMachineArn: pipeline, type: 'STANDARD', creationDate: started }] });
  const children = Object.values(failed).flatMap((all) => all.map((child) => ({ ...child, name: `child-${String(child.batch)}` })));
  mock.on(DescribeExecutionCommand).callsFake(({ executionArn }: { executionArn: string }) => {
    const name = executionArn.split(':').at(-1) ?? '';
    const child = children.find((each) => each.name === name);
    if (child !== undefined) {
      const { batch, error, cause, stopDate } = child;
      return { executionArn, name, status: 'FAILED', startDate: started, stopDate, input: JSON.stringify({ batch: { batch, tiles: [0, 0, 1, 1] }, next: { attempt: 1 } }), error, cause: JSON.stringify({ errorType: error, errorMessage: cause, trace: [] }) };
    }
    const known = executions[name];
    if (known === undefined) throw notThere();
    const answers = answersOf(known);
    const count = (asked[name] = (asked[name] ?? -1) + 1);
    return { executionArn, stateMachineArn: pipeline, name, status: 'RUNNING', startDate: started, redriveCount: 0, ...answers[Math.min(count, answers.length - 1)] };
  });
  mock.on(ListMapRunsCommand).callsFake(({ executionArn, nextToken }: { executionArn: string; nextToken?: string }) => {
    const { items, ...rest } = paged(mapRuns[executionArn.split(':').at(-1) ?? ''] ?? [], nextToken, page);
    return { mapRuns: items.map(({ id, startDate }) => ({ executionArn, mapRunArn: mapRunArnOf(id), stateMachineArn: `${pipeline}/Batches`, startDate })), ...rest };
  });
  mock.on(DescribeMapRunCommand).callsFake(({ mapRunArn }: { mapRunArn: string }) => {
    const found = Object.values(mapRuns).flat().find(({ id }) => mapRunArnOf(id) === mapRunArn);
    if (found === undefined) throw new Error(`no Map Run ${mapRunArn}`);
    const counts = { pending: 0, running: 0, succeeded: 0, failed: 0, timedOut: 0, aborted: 0, total: 0, resultsWritten: 0, ...found.counts };
    return { mapRunArn, status: found.status, startDate: found.startDate, maxConcurrency: 100, toleratedFailurePercentage: 0, toleratedFailureCount: 0, itemCounts: counts, executionCounts: counts, redriveCount: 0 };
  });
  mock.on(ListExecutionsCommand).callsFake(({ mapRunArn, stateMachineArn, statusFilter, nextToken, maxResults = 100 }: { mapRunArn?: string; stateMachineArn?: string; statusFilter?: string; nextToken?: string; maxResults?: number }) => {
    const length = Math.min(page, maxResults);
    if (mapRunArn !== undefined) {
      if (statusFilter !== 'FAILED') throw new Error(`asked for ${String(statusFilter)} children`);
      const all = Object.entries(failed).find(([id]) => mapRunArnOf(id) === mapRunArn)?.[1] ?? [];
      const { items, ...rest } = paged(all, nextToken, length);
      return { executions: items.map(({ batch, stopDate }) => ({ executionArn: `${account}:execution:tilefan-dev/Batches:child-${String(batch)}`, stateMachineArn: `${pipeline}/Batches`, name: `child-${String(batch)}`, status: 'FAILED', startDate: started, stopDate, mapRunArn })), ...rest };
    }
    const all = Object.entries(executions).map(([name, known]) => ({ executionArn: arnOf(name), stateMachineArn, name, status: 'RUNNING', startDate: started, ...answersOf(known).at(-1) })).filter(({ status }) => statusFilter === undefined || status === statusFilter);
    const { items, ...rest } = paged(all, nextToken, length);
    return { executions: items, ...rest };
  });
  mock.on(GetExecutionHistoryCommand).callsFake(({ executionArn, nextToken }: { executionArn: string; nextToken?: string }) => {
    const { items, ...rest } = paged(history[executionArn.split(':').at(-1) ?? ''] ?? [], nextToken, page);
    return { events: items, ...rest };
  });
  return mock;
}

/** The history of an execution whose Split has handed on this run prefix: the events that AWS records for a `lambda:invoke` task. */
export function splitHistory(href: string): HistoryEvent[] {
  const state = { run: { id: 'r', href, bucket: 'work', prefix: 'runs/r/' }, pass: 0 };
  return [
    { id: 1, previousEventId: 0, timestamp: started, type: 'ExecutionStarted', executionStartedEventDetails: { input: '{}', roleArn: 'arn:aws:iam::123456789012:role/r' } },
    { id: 2, previousEventId: 0, timestamp: started, type: 'TaskStateEntered', stateEnteredEventDetails: { name: 'Split', input: '{}' } },
    { id: 3, previousEventId: 2, timestamp: started, type: 'TaskScheduled', taskScheduledEventDetails: { resourceType: 'lambda', resource: 'invoke', region: 'eu-west-1', parameters: '{}' } },
    { id: 4, previousEventId: 3, timestamp: started, type: 'TaskStarted', taskStartedEventDetails: { resourceType: 'lambda', resource: 'invoke' } },
    { id: 5, previousEventId: 4, timestamp: started, type: 'TaskSucceeded', taskSucceededEventDetails: { resourceType: 'lambda', resource: 'invoke', output: JSON.stringify({ Payload: state }) } },
    { id: 6, previousEventId: 5, timestamp: started, type: 'TaskStateExited', stateExitedEventDetails: { name: 'Split', output: JSON.stringify(state) } },
    { id: 7, previousEventId: 6, timestamp: started, type: 'MapStateEntered', stateEnteredEventDetails: { name: 'ProcessBatches', input: JSON.stringify(state) } },
  ];
}

/** What follows when a function of the execution fails. */
export function functionFailure(state: string, error: string, message: string): HistoryEvent[] {
  return [
    { id: 20, previousEventId: 19, timestamp: ended, type: 'TaskStateEntered', stateEnteredEventDetails: { name: state, input: '{}' } },
    { id: 21, previousEventId: 20, timestamp: ended, type: 'TaskScheduled', taskScheduledEventDetails: { resourceType: 'lambda', resource: 'invoke', region: 'eu-west-1', parameters: '{}' } },
    { id: 22, previousEventId: 21, timestamp: ended, type: 'TaskFailed', taskFailedEventDetails: { resourceType: 'lambda', resource: 'invoke', error, cause: JSON.stringify({ errorType: error, errorMessage: message, trace: ['at x'] }) } },
    { id: 23, previousEventId: 22, timestamp: ended, type: 'TaskStateExited', stateExitedEventDetails: { name: state, output: '{}' } },
    { id: 24, previousEventId: 23, timestamp: ended, type: 'ChoiceStateEntered', stateEnteredEventDetails: { name: 'ReadError', input: '{}' } },
    { id: 25, previousEventId: 24, timestamp: ended, type: 'ExecutionFailed', executionFailedEventDetails: { error, cause: message } },
  ];
}
