/** Names of files that are still being written. They lie beside their destination, because only there a rename is atomic. */
import { randomBytes } from 'node:crypto';
import { basename, dirname, join } from 'node:path';

/** What a file in the making is: a put, the bytes of an assembly, the list of its stored parts. */
export type TemporaryKind = 'tmp' | 'part' | 'parts';

const tokenPattern = /^[0-9a-f]{24}$/;
const namePattern = /^\..*\.[0-9a-f]{24}\.(?:tmp|part|parts)$/s;

/** File systems allow 255 bytes a name; token, dots and suffix take 32. */
const maxNameBytes = 200;

export function newToken(): string {
  return randomBytes(12).toString('hex');
}

/** Tokens come back from documents, and end up in a path: only what newToken makes is taken. */
export function isToken(token: string): boolean {
  return tokenPattern.test(token);
}

/** `.NAME.TOKEN.KIND` beside `path`. */
export function temporaryPath(path: string, token: string, kind: TemporaryKind): string {
  let name = basename(path);
  // From the end, one character at a time: a name cut inside a character isn't UTF-8. The token keeps the result unique.
  while (Buffer.byteLength(name) > maxNameBytes) name = name.slice(0, -1).toWellFormed();
  return join(dirname(path), `.${name}.${token}.${kind}`);
}

/** Whether a file of this name is one in the making, which no list shows. */
export function isTemporaryName(name: string): boolean {
  return namePattern.test(name);
}
