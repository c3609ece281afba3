/**
 * The Node code process: takes the setup, loads the user's function or model, and computes tile after tile, or item after item, until the worker has no more.
 * code-process.ts starts it and says what its file descriptors are.
 */
import type { CodeFailure, CodeSetup } from '../code-setup.ts';
import { Channel, sharedFd } from './channel.ts';
import { describeFailure } from './describe-failure.ts';
import { watchEscapes } from './escapes.ts';
import { PrintFiles } from './print-files.ts';
import { prepareItems } from './compute-item.ts';
import { prepareTiles, type CodeRequest, type TileComputer } from './compute-tile.ts';

// Ten frames, V8's default, may all be a library's; the user's own line is looked for above them.
Error.stackTraceLimit = 50;

const quit = process.exit.bind(process);
const channel = new Channel(() => quit(0));

/** The tile under way, and whether its failure has been told already. */
let current: { readonly id: number | undefined; readonly fail: (failure: CodeFailure) => void } | undefined;
/** What went wrong after the end of the tile that it belongs to. */
let left: CodeFailure | undefined;
let functionName: string | undefined;

watchEscapes({
  functionName: () => functionName,
  onExit: (failure, exitCode) => {
    if (current === undefined) process.stderr.write(`process.exit(${String(exitCode)}) was called between two tiles\n`);
    else failCurrent(current.id, { ...failure, ends: true });
  },
  onUncaught: (failure) => {
    if (current !== undefined) {
      failCurrent(current.id, { ...failure, ends: true });
      return true;
    }
    // Between two tiles nobody listens; the next one tells it.
    left ??= { ...failure, message: `${failure.message}, left over from an earlier tile` };
    return false;
  },
  onStarved: (failure) => current?.fail(failure),
});

/** @param id of the tile; undefined while the code is loaded */
function failCurrent(id: number | undefined, failure: CodeFailure): void {
  if (id === undefined) channel.fail({ ...failure, kind: failure.kind === 'function' ? 'load' : failure.kind });
  else channel.fail({ ...failure, id });
}

async function attempt<Result>(id: number | undefined, kind: CodeFailure['kind'], work: () => Promise<Result>, ends: () => boolean = () => false): Promise<Result | undefined> {
  channel.pause();
  try {
    return await new Promise<Result>((resolve, reject) => {
      current = { id, fail: (failure) => reject(new Told(failure)) };
      work().then(resolve, reject);
    });
  } catch (thrown) {
    const failure = thrown instanceof Told ? thrown.failure : describeFailure(thrown, kind, functionName);
    failCurrent(id, ends() ? { ...failure, ends: true } : failure);
    return undefined;
  } finally {
    current = undefined;
    channel.resume();
  }
}

/** A failure that is described already. */
class Told extends Error {
  readonly failure: CodeFailure;

  constructor(failure: CodeFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

async function serve(): Promise<never> {
  const setup = (await channel.next()) as CodeSetup;
  functionName = setup.function ?? undefined;
  const computer = await attempt<TileComputer>(undefined, 'load', async () => await (setup.items === undefined ? prepareTiles(setup, sharedFd) : prepareItems(setup)));
  if (computer === undefined) return quit(0);
  functionName = computer.name;
  // What a module does to its prints while it is loaded, it means. A serial function keeps state here, and goes on all the same.
  const prints = new PrintFiles();
  const ends = (): boolean => !setup.serial && !prints.areIntact();
  channel.send('{"ready":true}');
  for (;;) {
    // One tile after another.
    // oxlint-disable-next-line no-await-in-loop
    const request = (await channel.next()) as CodeRequest;
    const [{ id }] = Object.values(request) as [{ readonly id: number }];
    if (left !== undefined) {
      channel.fail({ ...left, id, ends: true });
      quit(70);
    }
    // oxlint-disable-next-line no-await-in-loop
    const text = await attempt(id, 'function', async () => await computer.compute(request), ends);
    const last = ends();
    if (text !== undefined) channel.send(last ? `{"ends":true,${text.slice(1)}` : text);
    if (last) quit(0);
  }
}

await serve();
