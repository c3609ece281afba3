/**
 * Structured logs: one JSON object a line on standard error, `event` is a `Noun:Verb` name, everything else is a field.
 * Standard output stays free for results.
 */
import { pino } from 'pino';

export type Logger = pino.Logger;

/** A logger whose lines carry `fields`. The level comes from TILEFAN_LOG_LEVEL (default info). */
export function createLogger(fields: Readonly<Record<string, unknown>> = {}): Logger {
  return pino(
    {
      base: fields,
      level: process.env['TILEFAN_LOG_LEVEL'] ?? 'info',
      messageKey: 'event',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}
