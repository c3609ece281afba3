/**
 * Structured logs: one JSON object a line on standard error, `event` is a `Noun:Verb` name, everything else is a field.
 * Standard output stays free for results.
 */
import { messageOf } from './errors.ts';

export type Logger = Readonly<Record<'info' | 'warn' | 'error', (fields: Readonly<Record<string, unknown>>, event: string) => void>>;

/**
 * A logger whose lines carry `fields`. The level comes from TILEFAN_LOG_LEVEL (default info). Where it is silent, as in the CLI, pino isn't loaded, which takes 15 ms.
 * Never rejects: that nothing can be logged is no reason to fail what would have been told. Standard error says why, once.
 */
export async function createLogger(fields: Readonly<Record<string, unknown>> = {}): Promise<Logger> {
  const level = process.env['TILEFAN_LOG_LEVEL'] ?? 'info';
  if (level === 'silent') return silent;
  try {
    return await createPino(fields, level);
  } catch (error) {
    process.stderr.write(`${JSON.stringify({ level: 'error', event: 'Log:Failed', cause: messageOf(error) })}\n`);
    return silent;
  }
}

const silent: Logger = { info: nothing, warn: nothing, error: nothing };

async function createPino(fields: Readonly<Record<string, unknown>>, level: string): Promise<Logger> {
  const { pino } = await import('pino');
  const log: Logger = pino(
    {
      base: fields,
      level,
      messageKey: 'event',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ dest: 2, sync: true }),
  );
  return log;
}

function nothing(): void {}
