/** One process with GDAL (python/main.py): a request goes in, a header and samples come out. One request at a time. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { join } from 'node:path';

import { DataError, InputUnavailableError, messageOf, OperationError, TryAgainError, type TilefanError } from '../base/errors.ts';
import { gdalMissing } from './find-gdal.ts';

const script = join(import.meta.dirname, 'python/main.py');

/** How much of what GDAL prints is kept for an error's message. */
const keptErrorBytes = 4096;

export interface HelperRequest {
  readonly body: Readonly<Record<string, unknown>>;
  readonly payload?: Uint8Array;
  /** Where the samples go; exactly as many bytes as come. */
  readonly into?: Uint8Array;
  /** What is being done, to what: for messages, such as `warp /data/a.tif`. */
  readonly what: string;
  /** The same as data. */
  readonly where: Readonly<Record<string, unknown>>;
  readonly timeoutSeconds?: number | undefined;
}

export type HelperReply = Readonly<Record<string, unknown>>;

interface Pending {
  readonly request: HelperRequest;
  readonly resolve: (reply: HelperReply) => void;
  readonly reject: (error: TilefanError) => void;
  readonly timer: NodeJS.Timeout | undefined;
}

export class HelperProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #exited: Promise<void>;
  #pending: Pending | undefined;
  /** Why no request can be answered any more. */
  #ended: TilefanError | undefined;
  #errors = '';
  /** What has come and is not taken yet: the beginning of a reply. */
  #head: Buffer = Buffer.alloc(0);
  #header: HelperReply | undefined;
  /** Bytes of samples that are still to come, and where the next ones go. */
  #missing = 0;
  #at = 0;

  /** @param python the interpreter; @param environment of the process, whole */
  constructor(python: string, environment: NodeJS.ProcessEnv) {
    // -s: packages of the user's own home are none of the job's. -B: nothing is written beside the program, whose folder may be read-only. -u is not needed: the script writes by itself.
    this.#child = spawn(python, ['-B', '-W', 'ignore', '-s', script], { env: environment, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stdout.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#errors = (this.#errors + text).slice(-keptErrorBytes)));
    // A process that died has closed its end; the exit says more than the broken pipe.
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) stream.on('error', () => undefined);
    this.#exited = new Promise((resolve) => {
      this.#child.once('error', (cause) => {
        this.#end(new InputUnavailableError('GDAL_MISSING', `${gdalMissing('This').message}: ${python} cannot be started (${messageOf(cause)})`, { cause, where: { python } }));
        resolve();
      });
      this.#child.once('close', (code, signal) => {
        this.#end(this.#died(code, signal));
        resolve();
      });
    });
  }

  get alive(): boolean {
    return this.#ended === undefined;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /**
   * Asks, and waits for the answer.
   * @throws DataError GDAL_FAILED, OperationError GDAL_DIED and GDAL_HELPER, TryAgainError GDAL_TIMEOUT, InputUnavailableError GDAL_MISSING
   */
  async ask(request: HelperRequest): Promise<HelperReply> {
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#pending !== undefined) throw new OperationError('GDAL_HELPER', 'A process with GDAL was asked while it was still at work');
    this.#errors = '';
    return await new Promise((resolve, reject) => {
      const { timeoutSeconds } = request;
      const timer = timeoutSeconds === undefined ? undefined : setTimeout(() => this.#timedOut(request, timeoutSeconds), timeoutSeconds * 1000);
      this.#pending = { request, resolve, reject, timer };
      const payload = request.payload;
      const text = Buffer.from(JSON.stringify(payload === undefined ? request.body : { ...request.body, payload: payload.length }));
      const length = Buffer.alloc(4);
      length.writeUInt32LE(text.length);
      this.#child.stdin.write(Buffer.concat([length, text]));
      if (payload !== undefined) this.#child.stdin.write(payload);
    });
  }

  /** Ends the process at once; what it was at is rejected with `reason`. */
  async close(reason: TilefanError): Promise<void> {
    this.#end(reason);
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  #take(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#header !== undefined) {
        const part = rest.subarray(0, this.#missing);
        this.#pending?.request.into?.set(part, this.#at);
        this.#at += part.length;
        this.#missing -= part.length;
        rest = rest.subarray(part.length);
      } else {
        this.#head = this.#head.length === 0 ? rest : Buffer.concat([this.#head, rest]);
        if (this.#head.length < 4) return;
        const end = 4 + this.#head.readUInt32LE(0);
        if (this.#head.length < end) return;
        const header = JSON.parse(this.#head.toString('utf8', 4, end)) as HelperReply;
        rest = this.#head.subarray(end);
        this.#head = Buffer.alloc(0);
        this.#header = header;
        this.#at = 0;
        this.#missing = Number(header['bytes'] ?? 0);
        const wanted = this.#pending?.request.into?.length ?? 0;
        if (header['ok'] === true && this.#missing !== wanted) {
          this.#end(new OperationError('GDAL_HELPER', `${this.#pending?.request.what ?? 'GDAL'}: there is room for ${String(wanted)} bytes, but the result has ${String(this.#missing)}`, { where: this.#pending?.request.where ?? {} }));
          this.#child.kill('SIGKILL');
          return;
        }
      }
      if (this.#header !== undefined && this.#missing === 0) this.#answered(this.#header);
    }
  }

  #answered(header: HelperReply): void {
    const pending = this.#pending;
    this.#header = undefined;
    this.#pending = undefined;
    if (pending === undefined) return;
    clearTimeout(pending.timer);
    if (header['ok'] === true) pending.resolve(header);
    else pending.reject(failure(pending.request, header, this.#errors));
  }

  #timedOut(request: HelperRequest, seconds: number): void {
    this.#end(new TryAgainError('GDAL_TIMEOUT', `${request.what} took longer than the ${String(seconds)} s that it may; its process was ended`, { where: request.where }));
    this.#child.kill('SIGKILL');
  }

  #end(reason: TilefanError): void {
    if (this.#ended === undefined) this.#ended = reason;
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending === undefined) return;
    clearTimeout(pending.timer);
    pending.reject(this.#ended);
  }

  #died(code: number | null, signal: NodeJS.Signals | null): TilefanError {
    const what = this.#pending?.request.what ?? 'GDAL';
    const where = this.#pending?.request.where ?? {};
    const said = this.#errors.trim() === '' ? '' : `; its last words: ${this.#errors.trim()}`;
    if (/ModuleNotFoundError|ImportError/.test(this.#errors)) return gdalMissing(what);
    const how = signal === null ? `ended with exit code ${String(code)}` : `was ended by ${signal}`;
    const why = signal === 'SIGKILL' ? ': most likely the machine had too little memory; give the task more of it, or let fewer threads work' : '';
    return new OperationError('GDAL_DIED', `${what}: the process with GDAL ${how}${why}${said}`, { where: { ...where, exitCode: code, signal } });
  }
}

/** What the process says went wrong, as an error. */
function failure(request: HelperRequest, header: HelperReply, errors: string): TilefanError {
  const said = String(header['error']);
  // GDAL prints warnings that lead up to an error, such as the server's answer; an error it has told is not told twice.
  const context = errors
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.includes(said))
    .join(' | ')
    .trim();
  const where = request.where;
  switch (header['kind']) {
    case 'refused':
      return new DataError('GDAL_REFUSED', `Cannot ${request.what}: ${said}`, { where });
    case 'memory':
      return new OperationError('GDAL_DIED', `Cannot ${request.what}: the process with GDAL had not enough memory; give the task more of it, or let fewer threads work`, { where });
    case 'gdal':
      return new DataError('GDAL_FAILED', `Cannot ${request.what}: GDAL says: ${said}${context === '' ? '' : ` (${context})`}`, { where });
    default:
      return new OperationError('GDAL_HELPER', `Cannot ${request.what}: ${said}${context === '' ? '' : ` (${context})`}`, { where });
  }
}
