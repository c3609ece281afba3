/** Ctrl-C, SIGTERM and a closed terminal while runs are under way: they are cancelled first, and then the process ends as it would have. */

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** @returns stops listening */
export function cancelOnInterrupt(cancel: () => Promise<void>): () => void {
  const stop = (): void => {
    for (const signal of signals) process.off(signal, interrupt);
  };
  const interrupt = (signal: NodeJS.Signals): void => {
    // A second Ctrl-C doesn't wait.
    stop();
    const end = (): void => {
      // The last run that is cancelled lets the signal do its own; a program with a handler of its own goes on with that.
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    };
    cancel().then(end, end);
  };
  for (const signal of signals) process.on(signal, interrupt);
  return stop;
}
