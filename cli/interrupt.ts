/** Ctrl-C and SIGTERM for commands that run jobs here. */

/** As shells report a program that SIGINT has ended. */
export const interruptedExitCode = 130;

/** What is stopped ends within two seconds. */
const longestStopMs = 1900;

export interface Interrupts {
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal;
  /** Leaves the signals to the process again. */
  close(): void;
}

export function catchInterrupts(): Interrupts {
  const stop = new AbortController();
  const interrupt = (): void => {
    stop.abort();
    // Workers are killed before; whatever still hangs here then has to go with the process.
    setTimeout(() => process.exit(interruptedExitCode), longestStopMs).unref();
  };
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  return {
    signal: stop.signal,
    close() {
      process.off('SIGINT', interrupt);
      process.off('SIGTERM', interrupt);
    },
  };
}
