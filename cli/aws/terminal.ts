/** Asks a question of whoever sits at the terminal. */
import { createInterface } from 'node:readline/promises';

/** Undefined where nobody can answer. */
export function terminal(): ((question: string) => Promise<string>) | undefined {
  const { stdin: input, stderr: output } = process;
  if (!input.isTTY || !output.isTTY) return undefined;
  return async (question) => {
    const lines = createInterface({ input, output });
    // Ctrl-D, or Ctrl-C, is an answer too: no.
    const closed = new Promise<string>((resolve) => {
      lines.once('close', () => resolve(''));
    });
    try {
      return await Promise.race([lines.question(question), closed]);
    } finally {
      lines.close();
    }
  };
}
