/**
 * Where a worker's output goes: `logs/<batch>-<attempt>.log` under the run prefix. Files grow as the worker prints; for a run prefix in
 * S3 the last part is kept and written when the worker has ended. A log that can't be written (the disk is full) is told once and given
 * up: it must not fail a good batch, nor hide why a bad one failed.
 */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import * as z from 'zod';
import { messageOf } from '../lib/base/errors.ts';
import { createLogger } from '../lib/base/log.ts';
import { joinHref, parseHref } from '../lib/store/href.ts';
import type { Store } from '../lib/store/store.ts';

/** What is kept for a log in S3. */
const keptChars = 1024 * 1024;
/** What goes into a message. */
const tailLines = 5;
const tailChars = 600;

const loggedError = z.object({ error: z.object({ message: z.string() }) });

export interface WorkerLog {
  readonly href: string;
  add(line: string, stream: 'stdout' | 'stderr'): void;
  /** The last lines of standard error, for a message. */
  tail(): string;
  close(): Promise<void>;
}

/** Opens the log of one attempt; a resumed run adds to what is there. */
export function openWorkerLog(store: Store, run: string, batch: number, attempt: number): WorkerLog {
  const href = joinHref(run, 'logs', `${batch}-${attempt}.log`);
  const location = parseHref(href);
  let sink: Sink | undefined;
  const giveUp = (error: unknown): void => {
    void createLogger({ log: href }).then((log) => {
      log.warn({ reason: messageOf(error) }, 'WorkerLog:Unwritable');
    });
    sink = undefined;
  };
  try {
    sink = location.scheme === 'file' ? fileSink(location.path) : storeSink(store, href);
  } catch (error) {
    giveUp(error);
  }
  const last: string[] = [];
  return {
    href,
    add(line, stream) {
      try {
        sink?.write(`${line}\n`);
      } catch (error) {
        giveUp(error);
      }
      if (stream === 'stdout' || line === '') return;
      last.push(errorMessage(line) ?? line);
      if (last.length > tailLines) last.shift();
    },
    tail: () => last.join('\n').slice(-tailChars),
    async close() {
      try {
        await sink?.close();
      } catch (error) {
        giveUp(error);
      }
    },
  };
}

/** Of a logged error what people read; its stack and data are in the log. */
function errorMessage(line: string): string | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return loggedError.parse(JSON.parse(line)).error.message;
  } catch {
    return undefined;
  }
}

interface Sink {
  write(text: string): void;
  close(): Promise<void>;
}

/** Written at once: a log must hold what was printed before a crash of this process too. */
function fileSink(path: string): Sink {
  mkdirSync(dirname(path), { recursive: true });
  const descriptor = openSync(path, 'a');
  return {
    write(text) {
      writeSync(descriptor, text);
    },
    close() {
      closeSync(descriptor);
      return Promise.resolve();
    },
  };
}

function storeSink(store: Store, href: string): Sink {
  let text = '';
  return {
    write(more) {
      text += more;
      if (text.length > 2 * keptChars) text = text.slice(-keptChars);
    },
    async close() {
      await store.put(href, Buffer.from(text.slice(-keptChars)), { contentType: 'text/plain; charset=utf-8' });
    },
  };
}
