/** Names for runs that were given none. */
import { randomBytes } from 'node:crypto';

/** Name and moment, and four letters that keep two runs of the same second apart. */
export function newRunId(name: string): string {
  const moment = new Date().toISOString().replaceAll(/[-:]|\.\d+Z/g, '').replace('T', '-');
  return `${name}-${moment}-${randomBytes(2).toString('hex')}`;
}
