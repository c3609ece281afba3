/** One conversion, as a worker does it: a scene that only GDAL reads becomes a tiled GeoTIFF under the run prefix. Doing it again is harmless. */
import { mkdtemp, open, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataError, TryAgainError, type OutputError } from '../base/errors.ts';
import { inTemporaryFolder, temporaryFolderFault } from '../code/scratch-folder.ts';
import { GdalPool } from '../gdal/gdal-pool.ts';
import { basename, displayHref, fileHref, parentHref, parseHref, stem } from '../store/href.ts';
import type { ObjectStat, Part, Store } from '../store/store.ts';
import { convertedFiles, findConverted, type ConversionRecord } from './find-conversions.ts';
import type { ConvertLine } from './manifest.ts';
import { encodeDocument } from './records.ts';

export interface ConvertEnvironment {
  /** The run prefix. */
  readonly run: string;
  readonly store: Store;
  readonly signal: AbortSignal;
}

/**
 * @throws DataError with GDAL's words and the input's name; OutputError SCRATCH_UNUSABLE when there is no room for what it makes; InputUnavailableError GDAL_MISSING; TryAgainError WORKER_STOPPED; whatever the store throws
 */
export async function runConversion(line: ConvertLine, { run, store, signal }: ConvertEnvironment): Promise<void> {
  const { convert } = line;
  if ((await findConverted(store, run, line)) !== undefined) return;
  const before = await store.stat(convert.href);
  if (before.version !== convert.version) throw changed(convert, before.version);
  const scratch = await inTemporaryFolder(async () => await mkdtemp(join(tmpdir(), 'tilefan-convert-')));
  const pool = await GdalPool.start({ processes: 1 });
  const stop = (): void => void pool.close();
  signal.addEventListener('abort', stop, { once: true });
  try {
    const source = await localSource(store, before, scratch, signal);
    const target = join(scratch, 'converted.tif');
    await pool.convert({ source: { href: source, ...(convert.subdataset === null ? {} : { subdataset: convert.subdataset }) }, target });
    const { tiff, record } = convertedFiles(run, convert);
    const { version } = await upload(store, target, tiff);
    // What GDAL read by itself may have been another file than the one that was found.
    const after = await store.stat(convert.href);
    if (after.version !== convert.version) throw changed(convert, after.version);
    const document: ConversionRecord = { source: convert.href, subdataset: convert.subdataset, sourceVersion: convert.version, version };
    await store.put(record, encodeDocument(document), { contentType: 'application/json', createFolders: true });
  } catch (error) {
    if (signal.aborted) throw new TryAgainError('WORKER_STOPPED', `stopped while ${displayHref(convert.href)} was converted`, { cause: error });
    throw (await lackOfRoom(error, scratch)) ?? named(error, convert);
  } finally {
    signal.removeEventListener('abort', stop);
    await pool.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

function changed({ href, version }: ConvertLine['convert'], found: string): DataError {
  return new DataError('INPUT_CHANGED', `${displayHref(href)} has changed since it was found (wanted version ${version}, found ${found}); continue the run to convert it as it is now`, { where: { href } });
}

/** Below this GDAL can't go on. */
const leastRoomBytes = 2 ** 20;

/** GDAL doesn't say why it couldn't write, but its file system shows it. */
async function lackOfRoom(error: unknown, scratch: string): Promise<OutputError | undefined> {
  if (!(error instanceof DataError) || error.code !== 'GDAL_FAILED') return undefined;
  const { bavail, bsize } = await statfs(scratch);
  return bavail * bsize < leastRoomBytes ? temporaryFolderFault('there is no room left for a converted input', error) : undefined;
}

/** The same error with the input named. */
function named(error: unknown, { input, href }: ConvertLine['convert']): unknown {
  if (!(error instanceof DataError)) return error;
  return new DataError(error.code, `input ${input}: ${error.message}`, { cause: error, where: { ...error.where, input, href } });
}

/** Files beside a raster that drivers read with it: headers, world files, projections, statistics, further parts. */
const siblingNames = /\.(?:hdr|[a-z]{1,3}w|wld|jpgw|jpegw|tiffw|pngw|prj|aux|aux\.xml|ige|rrd|rde|ovr|msk|xml|sta|stx|clr|tab|rpb|imd|gcp)$/i;

/** The source as a file: itself, or, from S3, a copy with the files beside it, since drivers read all over the place. */
async function localSource(store: Store, stat: ObjectStat, scratch: string, signal: AbortSignal): Promise<string> {
  if (parseHref(stat.href).scheme === 'file') return stat.href;
  const name = basename(stat.href);
  const near = `${parentHref(stat.href)}${stem(stat.href)}`;
  await download(store, stat, join(scratch, name), signal);
  for await (const sibling of store.list(near)) {
    const rest = sibling.href.slice(near.length);
    if (sibling.href === stat.href || !rest.startsWith('.') || rest.includes('/') || !siblingNames.test(rest)) continue;
    await download(store, sibling, join(scratch, basename(sibling.href)), signal);
  }
  return fileHref(join(scratch, name));
}

/** Bytes that pass through memory at a time. */
const chunkBytes = 16 * 2 ** 20;

async function download(store: Store, { href, size, version }: ObjectStat, path: string, signal: AbortSignal): Promise<void> {
  const file = await open(path, 'wx');
  try {
    const chunk = new Uint8Array(Math.min(chunkBytes, size));
    for (let offset = 0; offset < size; offset += chunk.length) {
      signal.throwIfAborted();
      const part = chunk.subarray(0, Math.min(chunk.length, size - offset));
      await store.readInto(href, offset, part, version);
      await inTemporaryFolder(async () => await file.write(part, 0, part.length, offset));
    }
  } finally {
    await file.close();
  }
}

/** Puts a file under an href, in parts: nothing is seen there before it is whole. */
async function upload(store: Store, path: string, href: string): Promise<ObjectStat> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    // S3 takes 10,000 parts.
    const partBytes = Math.max(chunkBytes, Math.ceil(size / 9000));
    const assembly = await store.assemble(href, { contentType: 'image/tiff', createFolders: true });
    const parts: Part[] = [];
    for (let offset = 0; offset < size; offset += partBytes) {
      const length = Math.min(partBytes, size - offset);
      const part = { number: parts.length + 1, offset, length };
      const bytes = new Uint8Array(length);
      const { bytesRead } = await file.read(bytes, 0, length, offset);
      if (bytesRead !== length) throw new TryAgainError('CONVERT_SCRATCH', `${path} has ended at byte ${String(offset + bytesRead)} of ${String(size)}`);
      await assembly.put({ ...part, pieces: [{ kind: 'bytes', bytes }] });
      // What is stored need not be kept.
      parts.push({ ...part, pieces: [{ kind: 'range', href: fileHref(path), offset, length }] });
    }
    return await assembly.complete(parts);
  } finally {
    await file.close();
  }
}
