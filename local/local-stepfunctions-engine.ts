/** The engine on aws-local-stepfunctions: its interpreter, with our own time limits, waits, aborts and distributed Map. */
import { setMaxListeners } from 'node:events';
import { setImmediate as yieldToTimers, setTimeout as sleep } from 'node:timers/promises';
import { OperationError, messageOf } from '../lib/base/errors.ts';
import { adaptDefinition, envelope, mapArguments, mapResource, resolveJsonText, waitArguments, waitResource } from './adapt-definition.ts';
import type { AdaptedMachine } from './adapt-definition.ts';
import { StatesError } from './engine.ts';
import type { Engine, Json, Outcome, Surroundings, TaskHandler } from './engine.ts';
import { importInterpreter } from './lean-import.ts';

type Library = Awaited<ReturnType<typeof importInterpreter>>;
type Handlers = Readonly<Record<string, (input: unknown) => Promise<never>>>;

/** How long a handler may take to end after its signal: a worker's grace and the time to see it go. */
const handlerGraceMs = 2_500;
/** The longest time that a timer of Node can hold. */
const longestTimerMs = 2 ** 31 - 1;

/** Ends an execution without Retry or Catch having a say (the interpreter reads the two flags). */
class Stopped extends Error {
  readonly isRetryable = false;
  readonly isCatchable = false;
}

/** What one execution, parent or child, runs with. */
interface Execution {
  readonly machine: AdaptedMachine;
  readonly surroundings: Surroundings;
  readonly signal: AbortSignal;
  readonly role: 'parent' | 'child';
}

export class LocalStepFunctionsEngine implements Engine {
  /** Begun at once, so that it overlaps what the caller does before the first state. */
  readonly #library: Promise<Library> = importInterpreter();

  async execute(definition: Json, input: Json, surroundings: Surroundings): Promise<Outcome> {
    const machine = adaptDefinition(definition, surroundings.waitScale);
    for (const resource of machine.resources) {
      if (surroundings.tasks[resource] !== undefined) continue;
      throw new OperationError('ENGINE_NO_HANDLER', `The local engine has no handler for the resource ${resource}`, { where: { resource } });
    }
    const library = await this.#library;
    setMaxListeners(0, surroundings.signal);
    const execution: Execution = { machine, surroundings, signal: surroundings.signal, role: 'parent' };
    return await runMachine(library, execution, handlersOf(library, execution), input, {});
  }
}

/** Runs one machine to its end. An abort settles it at once, whatever its handlers do. */
async function runMachine(library: Library, execution: Execution, handlers: Handlers, input: Json, item: { readonly Map?: Json }): Promise<Outcome> {
  const { machine, surroundings, signal } = execution;
  if (signal.aborted) return { state: 'ABORTED' };
  const context = { ...item, Execution: { Name: surroundings.name, Input: input as never } };
  // The definition is validated by a test; the interpreter's own validation would cost 100 ms and change the definition.
  const options = { validationOptions: { noValidate: true } };
  const interpreter = new library.StateMachine(machine.machine as never, options);
  const running = interpreter.run(input as never, { overrides: { taskResourceLocalHandlers: handlers }, context: context });
  const abort = (): void => {
    running.abort();
  };
  signal.addEventListener('abort', abort, { once: true });
  const told = surroundings.onTransition === undefined ? undefined : tellTransitions(running.eventLogs, surroundings.onTransition);
  try {
    const output = await running.result;
    await told;
    return { state: 'SUCCEEDED', output };
  } catch (error) {
    if (signal.aborted || error instanceof library.ExecutionAbortedError) return { state: 'ABORTED' };
    await told;
    const cause: unknown = error instanceof library.ExecutionError ? error.cause : error;
    return { state: 'FAILED', error: cause instanceof Error ? cause.name : 'States.Runtime', cause: messageOf(cause) };
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function tellTransitions(events: ReturnType<InstanceType<Library['StateMachine']>['run']>['eventLogs'], tell: (from: string, to: string) => void): Promise<void> {
  let from: string | undefined;
  for await (const event of events) {
    if (event.type !== 'StateEntered') continue;
    if (from !== undefined) tell(from, event.state.name);
    from = event.state.name;
  }
}

function handlersOf(library: Library, execution: Execution): Handlers {
  const call = (given: unknown): Promise<never> => callTask(library, execution, given) as Promise<never>;
  return Object.fromEntries(execution.machine.tasks.map((name) => [name, call]));
}

/** One call of a Task: finds its handler, keeps its time limit, and turns an abort into an end that nothing catches. */
async function callTask(library: Library, execution: Execution, given: unknown): Promise<Json> {
  const { surroundings, signal } = execution;
  if (signal.aborted) throw new Stopped('aborted');
  const parsed = envelope.parse(given);
  const input = parsed.input as Json;
  if (execution.role === 'parent' && parsed.resource !== waitResource) surroundings.onStateEntered?.(parsed.state, input);
  const handler = handlerOf(library, execution, parsed.resource);
  const ending = new AbortController();
  const { promise: givenUp, reject: giveUp } = Promise.withResolvers<never>();
  let grace: NodeJS.Timeout | undefined;
  // A handler that ends by itself is waited for, so that no worker outlives its attempt; one that hangs is not.
  const stop = (): void => {
    ending.abort();
    grace ??= setTimeout(() => giveUp(new Stopped('the handler did not end in time')), handlerGraceMs).unref();
  };
  signal.addEventListener('abort', stop, { once: true });
  const limitMs = parsed.timeoutSeconds === undefined ? undefined : Math.min(parsed.timeoutSeconds * 1000, longestTimerMs);
  const timer = limitMs === undefined ? undefined : setTimeout(stop, limitMs);
  try {
    const args = resolveJsonText(parsed.arguments as Json);
    const work = handler({ state: parsed.state, arguments: args, input, signal: ending.signal });
    const result = await Promise.race([work, givenUp]);
    if (signal.aborted) throw new Stopped('aborted');
    return result;
  } catch (error) {
    if (signal.aborted) throw new Stopped('aborted');
    if (ending.signal.aborted) throw new StatesError('States.Timeout', `${parsed.state} did not end within ${parsed.timeoutSeconds} s`);
    throw error;
  } finally {
    clearTimeout(timer);
    clearTimeout(grace);
    signal.removeEventListener('abort', stop);
  }
}

function handlerOf(library: Library, execution: Execution, resource: string): TaskHandler {
  if (resource === waitResource) return async ({ arguments: args, signal }) => await wait(waitArguments.parse(args).seconds * execution.surroundings.waitScale, signal);
  if (resource === mapResource) return async ({ state, arguments: args, input, signal }) => await runMap(library, execution, state, mapArguments.parse(args), input, signal);
  const handler = execution.surroundings.tasks[resource];
  if (handler !== undefined) return handler;
  throw new OperationError('ENGINE_NO_HANDLER', `The local engine has no handler for the resource ${resource}`, { where: { resource } });
}

async function wait(seconds: number, signal: AbortSignal): Promise<Json> {
  try {
    await sleep(seconds * 1000, undefined, { signal });
  } catch (cause) {
    if (!signal.aborted) throw cause;
  }
  return null;
}

/**
 * The distributed Map: one child machine an item, so many at a time, each begun when another ends, so that memory does not grow with
 * the number of items. Ends early when more items failed than are tolerated, as AWS does, and stops the children that still run.
 */
async function runMap(
  library: Library,
  parent: Execution,
  state: string,
  { reader, maxConcurrency, toleratedFailurePercentage = 0 }: ReturnType<typeof mapArguments.parse>,
  input: Json,
  signal: AbortSignal,
): Promise<Json> {
  const machine = parent.machine.children.get(state);
  if (machine === undefined) throw new OperationError('ENGINE_NO_CHILD', `The Map ${state} has no child machine`, { where: { state } });
  const { surroundings } = parent;
  const { total, items } = await surroundings.readItems(reader as Json);
  surroundings.onItemsStarted?.(state, input, total);

  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal);
  const stop = (): void => stopping.abort();
  signal.addEventListener('abort', stop, { once: true });
  const child: Execution = { machine, surroundings, signal: stopping.signal, role: 'child' };
  const handlers = handlersOf(library, child);
  const iterator = items[Symbol.iterator]();
  let index = 0;
  let failed = 0;
  let exceeded: string | undefined;

  const lane = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true && !stopping.signal.aborted; next = iterator.next()) {
      const item = next.value;
      const outcome = await runMachine(library, child, handlers, input, { Map: { Item: { Index: index++, Value: item } } });
      surroundings.onItemEnded?.(item, outcome);
      if (outcome.state === 'FAILED' && ++failed * 100 > toleratedFailurePercentage * total) {
        exceeded ??= `${failed} of ${total} items failed, ${toleratedFailurePercentage} % are tolerated.`;
        stop();
      }
      await yieldToTimers();
    }
  };
  const lanes = Math.min(surroundings.maxConcurrency, maxConcurrency === undefined || maxConcurrency === 0 ? Infinity : maxConcurrency, Math.max(1, total));
  try {
    await Promise.all(Array.from({ length: lanes }, lane));
  } finally {
    signal.removeEventListener('abort', stop);
    stopping.abort();
  }
  if (exceeded !== undefined) throw new StatesError('States.ExceedToleratedFailureThreshold', exceeded);
  return null;
}
