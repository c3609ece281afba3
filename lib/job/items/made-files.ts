/** The files that a function has left in its folder, on their way to the job's outputs. */
import { createHash } from 'node:crypto';
import { createReadStream, type Dirent } from 'node:fs';
import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { messageOf, OperationError, TilefanError } from '../../base/errors.ts';
import { errnoOf } from '../../store/file-errors.ts';
import { parseHref } from '../../store/href.ts';
import type { Store } from '../../store/store.ts';
import { ObjectSink } from '../results/object-sink.ts';
import { outputHref } from './item-object.ts';
import type { MadeFile } from './item-outcome.ts';

/** Types that browsers and viewers go by; everything else is bytes. */
const contentTypes: Readonly<Record<string, string>> = {
  '.csv': 'text/csv', '.gif': 'image/gif', '.html': 'text/html', '.jpeg': 'image/jpeg', '.jpg': 'image/jpeg', '.json': 'application/json', '.jsonl': 'application/jsonl', '.md': 'text/markdown',
  '.mp4': 'video/mp4', '.pdf': 'application/pdf', '.png': 'image/png', '.svg': 'image/svg+xml', '.tif': 'image/tiff', '.tiff': 'image/tiff', '.txt': 'text/plain', '.webp': 'image/webp', '.xml': 'application/xml', '.zip': 'application/zip',
};

/** A file's pieces: a part of an assembly is made of some. */
const pieceBytes = 1024 * 1024;

export interface FilesPlace {
  /** The outputs' prefix, which ends in `/`; undefined for a job without one. */
  readonly prefix: string | undefined;
  /** The path of the item. */
  readonly item: string;
}

/**
 * Puts all files of a folder, with those in its subfolders, below `<prefix><path of the item>/`. Putting them again is harmless.
 * @returns them in the order of their paths
 * @throws OperationError FILES_NOWHERE without a prefix; FILE_OUTSIDE for a link that leads out of the folder; FILE_UNUSABLE for what is no file, for names that no key can
 * have, and for a folder that isn't one any more or can't be read; DataError ITEM_PATH; what the store throws
 */
export async function putMadeFiles(store: Store, folder: string, { prefix, item }: FilesPlace): Promise<MadeFile[]> {
  const names = await listFiles(folder);
  const [first] = names;
  if (first === undefined) return [];
  if (prefix === undefined) {
    throw new OperationError('FILES_NOWHERE', `the function has left ${first}${names.length === 1 ? '' : ` and ${String(names.length - 1)} more`} in its folder, and the job doesn't say where files go; wanted "outputs": { "prefix": … }`);
  }
  // Nothing is put before all are found to be fit.
  const places = names.map((name) => ({ name, path: `${item}/${name}`, href: hrefOf(prefix, item, name) }));
  const made: MadeFile[] = [];
  for (const { name, path, href } of places) {
    // One after another: items are done side by side as it is.
    // oxlint-disable-next-line no-await-in-loop
    made.push({ href, path, ...(await putFile(store, join(folder, name), href)) });
  }
  return made;
}

function hrefOf(prefix: string, item: string, name: string): string {
  const href = outputHref(prefix, `${item}/${name}`);
  try {
    parseHref(href);
  } catch (cause) {
    throw new OperationError('FILE_UNUSABLE', `the file ${JSON.stringify(name)} that the function has made can't be put: ${messageOf(cause)}`, { cause, where: { file: name } });
  }
  return href;
}

async function putFile(store: Store, path: string, href: string): Promise<Pick<MadeFile, 'size' | 'sha256'>> {
  const contentType = contentTypes[extname(path).toLowerCase()] ?? 'application/octet-stream';
  const digest = createHash('sha256');
  // An assembly that a crash leaves behind is S3's to clean up, as the bucket's lifecycle rule says.
  const sink = new ObjectSink(store, href, { contentType, createFolders: true, onAssembly: () => Promise.resolve() });
  let size = 0;
  try {
    for await (const bytes of createReadStream(path, { highWaterMark: pieceBytes }) as AsyncIterable<Buffer>) {
      digest.update(bytes);
      size += bytes.length;
      await sink.write(bytes);
    }
    await sink.finish();
  } catch (error) {
    // The first error is the one to report.
    await sink.abort().catch(() => undefined);
    if (error instanceof TilefanError) throw error;
    throw new OperationError('FILE_UNUSABLE', `a file that the function has made can't be read: ${messageOf(error)}`, { cause: error });
  }
  return { size, sha256: digest.digest('hex') };
}

/** Paths below a folder, in order. A link to a file in the folder counts as a file. */
async function listFiles(folder: string): Promise<string[]> {
  const names: string[] = [];
  const root = await folderThere(folder);
  // The function has removed it.
  if (root === undefined) return names;
  const visit = async (below: string): Promise<void> => {
    for (const entry of await entriesOf(root, below)) {
      const name = `${below}${textOf(entry.name, below)}`;
      if (entry.isDirectory()) {
        // oxlint-disable-next-line no-await-in-loop
        await visit(`${name}/`);
        continue;
      }
      // oxlint-disable-next-line no-await-in-loop
      if (entry.isSymbolicLink()) await checkLink(root, name);
      else if (!entry.isFile()) throw unusable(name, 'is neither a file nor a folder');
      names.push(name);
    }
  };
  await visit('');
  return names.sort();
}

/**
 * The folder's real path; undefined where there is none any more.
 * @throws OperationError FILE_UNUSABLE where a file or a link has taken its place: what a link leads to is none of the item's
 */
async function folderThere(folder: string): Promise<string | undefined> {
  try {
    if (!(await lstat(folder)).isDirectory()) throw new OperationError('FILE_UNUSABLE', 'the function has put something else in the place of item.folder; wanted a folder with files in it');
    return await realpath(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error instanceof TilefanError ? error : unreadable('', error);
  }
}

async function entriesOf(root: string, below: string): Promise<Dirent<Buffer>[]> {
  try {
    return await readdir(join(root, below), { withFileTypes: true, encoding: 'buffer' });
  } catch (cause) {
    throw unreadable(below, cause);
  }
}

/** Of a folder: its rights were taken away, or something that the function has left running has taken it away. */
function unreadable(below: string, cause: unknown): OperationError {
  return new OperationError('FILE_UNUSABLE', `${below === '' ? 'item.folder' : `the folder ${JSON.stringify(below)} that the function has made`} can't be read: ${messageOf(cause)}`, { cause, where: { file: below } });
}

function textOf(name: Buffer, below: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(name);
  } catch {
    throw unusable(`${below}${name.toString('latin1')}`, 'has a name that is not UTF-8, as the names of outputs are');
  }
}

async function checkLink(root: string, name: string): Promise<void> {
  const target = await realpath(join(root, name)).catch(() => undefined);
  if (target === undefined) throw unusable(name, 'is a link that leads nowhere');
  if (!target.startsWith(`${root}${sep}`)) {
    throw new OperationError('FILE_OUTSIDE', `${JSON.stringify(name)} that the function has made is a link out of its folder, to ${target}; wanted the file itself: copy it`, { where: { file: name, target } });
  }
  if (!(await stat(target)).isFile()) throw unusable(name, 'is a link to what is no file');
}

function unusable(name: string, what: string): OperationError {
  return new OperationError('FILE_UNUSABLE', `${JSON.stringify(name)} that the function has made ${what}; wanted files and folders`, { where: { file: name } });
}
