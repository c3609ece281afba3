/**
 * A process that runs user code, tile after tile or item after item: Node for TypeScript functions and models, Python for Python's.
 *
 * Its file descriptors: 0 nothing; 1 and 2 what it prints, which belongs to the tile under way; 3 requests and 4 replies, one JSON object a line;
 * 5 the shared file with the pixels; 6 a pipe on which nothing ever comes, whose end says that the worker is gone (process-group.ts). It
 * leads a process group of its own, so that what it starts ends with it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

import { JobError, messageOf, OperationError, TryAgainError, TilefanError } from '../base/errors.ts';
import { CapturedOutput, lastLine } from './captured-output.ts';
import { codeEnvironment } from './code-environment.ts';
import { codeName, deathError, failureError, loadTimeoutError, timeoutError } from './code-failure.ts';
import type { CodeCall, CodeMessage, CodePrinted, CodeReply, CodeRunner, CodeSetup, ImageReply, ImagesCall, ItemCall, MergeCall } from './code-setup.ts';
import { findPython } from './find-python.ts';
import { LineReader } from './line-reader.ts';
import { guarded, killGroup } from './process-group.ts';
import { makeScratchFolder, removeScratchFolder } from './scratch-folder.ts';

const nodeHost = join(import.meta.dirname, 'node-host/main.ts');
const pythonHost = join(import.meta.dirname, '../../python/tilefan/host.py');

/** Loading may take longer than a tile: libraries are read from a cold disk, 20 s of them for the largest, and as often at once as there are threads. */
const leastLoadSeconds = 60;

/** How long the end of what a dead process printed is waited for, when something that left its group holds the pipe open. */
const lastWordsMs = 500;

export interface CodeProcessOptions {
  readonly setup: CodeSetup;
  readonly runtime: 'node' | 'python';
  /** The shared file: shared-file.ts. */
  readonly sharedFd: number;
  /** A folder of this process only: made empty, and removed at the end. */
  readonly scratch: string;
  /** Whether user code may act as the worker on AWS. */
  readonly credentials: boolean;
  /** For one tile or item. */
  readonly timeoutSeconds: number;
  /** The worker's environment; code-environment.ts says what passes. */
  readonly env: NodeJS.ProcessEnv;
  /** The interpreter; found by find-python.ts when it is not given. */
  readonly python?: string;
  /** For starting and loading the code; default: that of a tile, and a minute at least. */
  readonly loadTimeoutSeconds?: number;
}

/** Exit codes of the shell whose place the program takes (POSIX, Shell Command Language, 2.8.2). */
const notStarted = { refused: 126, missing: 127 } as const;

/** A longer timer would go off at once. https://nodejs.org/api/timers.html#settimeoutcallback-delay-args */
const longestTimerMs = 2 ** 31 - 1;

interface Running {
  readonly child: ChildProcess;
  readonly requests: Writable;
  /** The next reply; rejected when the process ends before it. */
  reply(during: string): Promise<CodeMessage>;
  readonly ended: Promise<void>;
}

export class CodeProcess implements CodeRunner {
  readonly #options: CodeProcessOptions;
  readonly #stdout = new CapturedOutput();
  readonly #stderr = new CapturedOutput();
  #running: Running | undefined;
  /** Settled when the call under way is over. */
  #busy: Promise<void> | undefined;
  #closed = false;
  /** It has answered, so that a serial function keeps something. */
  #served = false;

  /** Nothing is started before the first call. */
  constructor(options: CodeProcessOptions) {
    this.#options = options;
  }

  /** The process under way, for those who watch it. */
  get pid(): number | undefined {
    return this.#running?.child.pid;
  }

  /**
   * Computes one tile; starts the process if there is none, or if the last one has ended. One call at a time.
   * @throws OperationError FUNCTION_FAILED, FUNCTION_SHAPE, FUNCTION_NO_OUTPUT, FUNCTION_TIMEOUT, FUNCTION_DIED, FUNCTION_MEMORY;
   * JobError FUNCTION_LOAD, FUNCTION_MISSING, FUNCTION_SIGNATURE, PYTHON_MISSING, NUMPY_MISSING, REQUIREMENT_MISSING, FUNCTION_TIMEOUT of loading; OutputError
   * SCRATCH_UNUSABLE
   */
  async call(call: CodeCall): Promise<CodeReply> {
    return await this.#request(call.id, { call }, 'a tile');
  }

  /**
   * Merges results of tiles by a function that does so (`merges` of the setup), as `call` computes a tile.
   * @returns the one result; undefined when the function returned nothing
   */
  async merge(merge: MergeCall): Promise<unknown> {
    return (await this.#request(merge.id, { merge }, 'merging results')).result;
  }

  /** Starts the process and loads the code, if that hasn't happened: what is wrong with it shows before there is work. @throws as `call` does */
  async load(): Promise<void> {
    await this.#alone(async () => {
      if (this.#running === undefined) await this.#start();
    });
  }

  /** Runs a function over items (`items` of the setup) on one of them, as `call` computes a tile. @returns what the function returned, if anything */
  async item(item: ItemCall): Promise<{ readonly result?: unknown }> {
    const { result } = await this.#request(item.id, { item }, 'an item');
    return result === undefined ? {} : { result };
  }

  /** Runs a model over images on some of them at once, each of which may take its time. @returns what came of each */
  async images(images: ImagesCall): Promise<readonly ImageReply[]> {
    const count = images.files.length;
    const { result } = await this.#request(images.id, { images }, count === 1 ? 'an image' : `a batch of ${String(count)} images`, count * this.#options.timeoutSeconds);
    return result as readonly ImageReply[];
  }

  async #request(id: number, message: unknown, what: string, seconds = this.#options.timeoutSeconds): Promise<CodeReply> {
    return await this.#alone(async () => await this.#send(id, message, what, seconds));
  }

  /** One thing at a time. */
  async #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#closed) throw closedError();
    if (this.#busy !== undefined) throw new OperationError('CODE_PROCESS', 'A code process was called while it was still at work');
    this.#stdout.reset();
    this.#stderr.reset();
    const reply = work();
    this.#busy = reply.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await reply;
    } finally {
      this.#busy = undefined;
    }
  }

  async #send(id: number, request: unknown, what: string, seconds: number): Promise<CodeReply> {
    const running = this.#running ?? (await this.#start());
    const { setup } = this.#options;
    const late = (): TilefanError => timeoutError(setup, what, seconds, this.output());
    const message = await this.#ask(running, request, seconds, late, 'while it worked');
    if ('done' in message) {
      const { id: answered, ...reply } = message.done;
      this.#served = true;
      if (message.ends === true) await this.#end();
      if (answered === id) return reply;
    }
    await this.#end();
    throw new OperationError('CODE_PROCESS', `${codeName(setup)}: its process gave an answer that is none to what it was asked (${JSON.stringify(message).slice(0, 200)})`);
  }

  output(): CodePrinted {
    return { stdout: this.#stdout.text(), stderr: this.#stderr.text(), stdoutBytes: this.#stdout.bytes, stderrBytes: this.#stderr.bytes };
  }

  /** Ends the process with all that it has started, and removes its scratch folder; a call under way is rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#end();
    await this.#busy;
    await removeScratchFolder(this.#options.scratch);
  }

  async #start(): Promise<Running> {
    if (this.#options.setup.serial && this.#served) {
      throw new TryAgainError('FUNCTION_STATE_LOST', `${codeName(this.#options.setup)} is serial, and the process that kept its state has ended; the batch begins anew`, { where: { function: this.#options.setup.function } });
    }
    const { setup, scratch, loadTimeoutSeconds = Math.max(this.#options.timeoutSeconds, leastLoadSeconds) } = this.#options;
    await makeScratchFolder(scratch);
    const command = await this.#command();
    if (this.#closed) throw closedError();
    const running = this.#spawn(command);
    this.#running = running;
    const late = (): TilefanError => loadTimeoutError(setup, loadTimeoutSeconds, this.output());
    const message = await this.#ask(running, setup, loadTimeoutSeconds, late, 'while it was loaded');
    if ('ready' in message) return running;
    await this.#end();
    throw new OperationError('CODE_PROCESS', `${codeName(setup)}: its process did not say that it is ready (${JSON.stringify(message).slice(0, 200)})`);
  }

  async #command(): Promise<readonly [string, ...string[]]> {
    const { runtime, setup, env, python } = this.#options;
    // -s: packages of the user's own home are none of the job's. -B: nothing is written beside the program, whose folder may be read-only.
    if (runtime === 'python') return [python ?? (await findPython(env, numpyFor(setup))).python, '-B', '-s', pythonHost];
    const heap = setup.memoryBytes === null ? [] : [`--max-old-space-size=${String(Math.max(32, Math.floor(setup.memoryBytes / 1024 ** 2)))}`];
    return [process.execPath, ...heap, '--enable-source-maps', '--disable-warning=ExperimentalWarning', nodeHost];
  }

  #spawn([command, ...args]: readonly [string, ...string[]]): Running {
    const { sharedFd, scratch, credentials, env, setup } = this.#options;
    const guardedCommand = guarded(6, command, args);
    const child = spawn(guardedCommand.command, guardedCommand.args, {
      cwd: scratch,
      env: codeEnvironment(env, { scratch, credentials }),
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', sharedFd, 'pipe'],
    });
    const [, , , requests, replies, , watched] = child.stdio as unknown as [null, Readable, Readable, Writable, Readable, null, Readable];
    // Where memory ends, the kernel is to take this one and not the worker. Not Linux, or gone already: then it is as it is.
    if (child.pid !== undefined) void writeFile(`/proc/${String(child.pid)}/oom_score_adj`, '1000').catch(() => undefined);
    child.stdout?.on('data', (chunk: Buffer) => this.#stdout.take(chunk));
    child.stderr?.on('data', (chunk: Buffer) => this.#stderr.take(chunk));
    // A process that died has closed its ends; its exit says more than a broken pipe.
    for (const stream of [child.stdout, child.stderr, requests, replies, watched]) stream?.on('error', () => undefined);

    let failed: Error | undefined;
    let answered = false;
    let how: [number | null, NodeJS.Signals | null] = [null, null];
    const ended = new Promise<void>((resolve) => {
      child.once('error', (cause) => {
        failed = startError(this.#options.runtime, command, messageOf(cause));
        resolve();
      });
      child.once('exit', (code, signal) => {
        how = [code, signal];
        if (!answered && (code === notStarted.refused || code === notStarted.missing)) failed = startError(this.#options.runtime, command, lastLine(this.#stderr.text()) ?? 'it is missing');
        // What it has started ends with it.
        killGroup(child.pid);
        void Promise.race([new Promise((closed) => child.once('close', closed)), sleep(lastWordsMs, undefined, { ref: false })]).then(() => resolve());
      });
    }).then(() => {
      for (const stream of [child.stdout, child.stderr, requests, replies, watched]) stream?.destroy();
      if (this.#running?.child === child) this.#running = undefined;
    });
    const lines = new LineReader(replies);
    return {
      child,
      requests,
      ended,
      reply: async (during) => {
        const line = await Promise.race([lines.next(), ended]);
        if (line !== undefined) {
          answered = true;
          return parseReply(setup, line);
        }
        throw failed ?? deathError(setup, during, ...how, this.output());
      },
    };
  }

  /** Sends a message and waits for the answer to it, but not for ever. @param tooLate what is thrown then */
  async #ask(running: Running, message: unknown, seconds: number, tooLate: () => TilefanError, during: string): Promise<CodeMessage> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      killGroup(running.child.pid);
    }, Math.min(seconds * 1000, longestTimerMs));
    try {
      running.requests.write(`${JSON.stringify(message)}\n`);
      const reply = await running.reply(during);
      // What was printed before the reply was sent lies in the pipes at the latest now; a turn of the event loop takes it in.
      await nextTurn();
      await nextTurn();
      if (!('error' in reply)) return reply;
      if (reply.error.ends === true || reply.error.id === undefined) await this.#end(reply.error.ends === true);
      throw failureError(this.#options.setup, reply.error, this.output());
    } catch (error) {
      if (this.#closed) throw closedError();
      if (!late || !(error instanceof TilefanError) || (error.code !== 'FUNCTION_DIED' && error.code !== 'FUNCTION_MEMORY')) throw error;
      throw tooLate();
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the process, if there is one, with all that it has started. @param byItself let it end first, shortly, for the sake of what it prints */
  async #end(byItself = false): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    if (byItself) await Promise.race([running.ended, sleep(lastWordsMs, undefined, { ref: false })]);
    killGroup(running.child.pid);
    await running.ended;
  }
}

/** Tiles are arrays of numpy; items are not. */
function numpyFor({ items }: CodeSetup): 'needed' | 'wanted' {
  return items === undefined ? 'needed' : 'wanted';
}

function closedError(): TryAgainError {
  return new TryAgainError('CODE_CLOSED', 'The process with user code was closed before its work was done');
}

function parseReply(setup: CodeSetup, line: string): CodeMessage {
  try {
    return JSON.parse(line) as CodeMessage;
  } catch (cause) {
    throw new OperationError('CODE_PROCESS', `${codeName(setup)}: its process gave an answer that cannot be read (${line.slice(0, 200)})`, { cause });
  }
}

function startError(runtime: 'node' | 'python', command: string, why: string): TilefanError {
  if (runtime === 'python') return new JobError('PYTHON_MISSING', `Python functions need Python with numpy, but ${command} cannot be started: ${why}`, { where: { python: command } });
  return new OperationError('CODE_PROCESS', `${command} cannot be started: ${why}`);
}
