/** What `tilefan dev` says: words for people on standard error, and with `--json` the same as JSON lines on standard output. */
import { messageOf } from '../lib/base/errors.ts';
import { displayHref } from '../lib/store/href.ts';
import type { Failure } from '../local/upload-queue.ts';
import type { FailureRecord } from './local-run.ts';
import { recordText, type AnyRunRecord } from './run-records.ts';

type Fields = Readonly<Record<string, unknown>>;

export class DevReport {
  readonly #json: boolean;

  constructor({ json }: { readonly json: boolean }) {
    this.#json = json;
  }

  /** @param output the place for outputs */
  watching(places: readonly string[], output: string): void {
    const list = places.map((place) => displayHref(place)).join(' and ');
    this.#tell({ event: 'Watch:Started', places, output }, `watching ${list}: a job under jobs/ starts itself, a file under incoming/<template>/ fills templates/<template>.json; s3://{outputBucket}/ is ${displayHref(output)}; Ctrl-C ends\n`);
  }

  /** What the start function did. */
  started(event: string, fields: Fields): void {
    const { run, job, object, why, what } = fields;
    const text =
      event === 'Run:Started'
        ? `run ${String(run)} of ${shown(job)}${object === undefined ? '' : ` for ${shown(object)}`}`
        : event === 'Run:Duplicate'
          ? `run ${String(run)} was done or begun before${object === undefined ? '' : `: ${shown(object)}`}`
          : `ignored ${shown(what)}: ${String(why)}`;
    this.#tell({ event, ...fields }, `${text}\n`);
  }

  /** A message that stays undone. @param file where it is kept, if it is */
  dead(message: string, failures: readonly Failure[], deliveries: number, file: string | undefined): void {
    const words = failures.map((failure) => `  ${failureMessage(failure)}\n`).join('');
    const kept = file === undefined ? '' : `  kept as ${displayHref(file)}; tilefan dev --replay hands it in again\n`;
    this.#tell({ event: 'Message:Dead', message, deliveries, failures, file }, `refused${deliveries > 1 ? `, tried ${String(deliveries)} times` : ''}:\n${words}${kept}`);
  }

  succeeded(record: AnyRunRecord, seconds: number): void {
    this.#tell({ event: 'Run:Succeeded', run: record.run, record }, recordText(record, seconds));
  }

  failed(record: FailureRecord, exitCode: number, text: string): void {
    this.#tell({ event: 'Run:Failed', ...record, exitCode }, text);
  }

  aborted(run: string): void {
    this.#tell({ event: 'Run:Aborted', run }, `run ${run} stopped; it goes on when its upload is seen again\n`);
  }

  /** Something else that went wrong and doesn't end the watch. */
  trouble(error: unknown): void {
    this.#tell({ event: 'Watch:Failed', message: messageOf(error) }, `tilefan: ${messageOf(error)}\n`);
  }

  #tell(line: Fields, text: string): void {
    // A bar may stand there.
    const plain = printable(text);
    process.stderr.write(process.stderr.isTTY ? `\r\u001B[K${plain}` : plain);
    if (this.#json) process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}

/** Whoever uploads a file chooses its name, which must not speak to the terminal. */
function printable(text: string): string {
  return text.replaceAll(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function shown(href: unknown): string {
  return typeof href === 'string' ? displayHref(href) : 'its job';
}

function failureMessage({ message, error, code }: Failure): string {
  const inner = typeof error === 'object' && error !== null ? (error as Fields) : {};
  return `${String(message ?? inner['message'])} [${String(code ?? inner['code'])}]`;
}
