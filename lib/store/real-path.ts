/** Where a path really leads, links followed, whether or not there is something yet at its end. */
import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileHref, parseHref } from './href.ts';

/** The href without links in it; anything that is no file stays as it is. */
export async function realHref(href: string): Promise<string> {
  const location = parseHref(href);
  if (location.scheme !== 'file') return href;
  const real = await realPath(location.path.replace(/(?<=.)\/$/, ''));
  return fileHref(location.path.endsWith('/') ? `${real}/` : real);
}

async function realPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(await realPath(parent), basename(path));
  }
}
