/** Ctrl-C, SIGTERM and a terminal that is closed, for commands that run jobs here. */

/** As shells report a program that SIGINT has ended. */
export const interruptedExitCode = 130;

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

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
  for (const signal of signals) process.once(signal, interrupt);
  return {
    signal: stop.signal,
    close() {
      for (const signal of signals) process.off(signal, interrupt);
    },
  };
}
