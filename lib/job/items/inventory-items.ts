/**
 * Items out of an S3 Inventory: manifest.json, and the CSV files that it names ("Amazon S3 Inventory list", Amazon S3 User Guide). Their keys are URL-encoded. Of a
 * bucket with versions only those that are there count.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { DataError, messageOf } from '../../base/errors.ts';
import { checkSchema, problemsLine } from '../../base/schema-problems.ts';
import { basename, displayHref, formatHref, parentHref, parseHref } from '../../store/href.ts';
import type { ObjectReader } from '../../store/store.ts';
import { csvRows } from './csv-rows.ts';
import type { FoundItem } from './found-item.ts';
import { pathBelow, wholePath } from './item-path.ts';
import { badRow, type ManifestPlace } from './manifest-row.ts';
import { readPieces, unpacked } from './object-stream.ts';

const inventoryManifest = z.object({
  sourceBucket: z.string().min(1),
  destinationBucket: z.string().regex(/^(arn:[^:]*:s3:::)?[^:/]+$/, 'wanted a bucket or its ARN'),
  fileFormat: z.string(),
  fileSchema: z.string(),
  files: z.array(z.object({ key: z.string().min(1), size: z.number().optional(), MD5checksum: z.string().optional() })),
});
type InventoryManifest = z.infer<typeof inventoryManifest>;

/** Where the columns that count are; -1 for one that the inventory doesn't have. */
interface Columns {
  readonly count: number;
  readonly bucket: number;
  readonly key: number;
  readonly size: number;
  readonly isLatest: number;
  readonly isDeleteMarker: number;
}

/**
 * Objects outside of the base are left out, as an inventory is of a whole bucket. Without a base the path is the key.
 * @throws DataError INVENTORY_BROKEN, INVENTORY_FORMAT, MANIFEST_BROKEN, MANIFEST_ROW
 */
export async function* inventoryItems(reader: ObjectReader, place: ManifestPlace): AsyncGenerator<FoundItem, void, undefined> {
  const manifest = await readManifest(reader, place.href);
  const columns = columnsOf(manifest, place.href);
  for (const file of manifest.files) yield* fileItems(reader, place, manifest, columns, file);
}

function broken(href: string, problem: string, cause?: unknown): DataError {
  return new DataError('INVENTORY_BROKEN', `${displayHref(href)} is not an S3 Inventory as it should be: ${problem}`, { cause, where: { href } });
}

async function readManifest(reader: ObjectReader, href: string): Promise<InventoryManifest> {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder().decode(await reader.readAll(href)));
  } catch (cause) {
    if (cause instanceof SyntaxError) throw broken(href, `it is not JSON (${messageOf(cause)}); wanted its manifest.json`, cause);
    throw cause;
  }
  const checked = checkSchema(inventoryManifest, document);
  if (!checked.success) throw broken(href, `wanted its manifest.json; ${problemsLine(checked.problems, 'it')}`, checked.cause);
  const manifest = checked.data;
  if (manifest.fileFormat === 'CSV') return manifest;
  throw new DataError('INVENTORY_FORMAT', `${displayHref(href)} is an S3 Inventory in the format ${manifest.fileFormat}; wanted CSV, which is another setting of the inventory`, { where: { href } });
}

function columnsOf({ fileSchema }: InventoryManifest, href: string): Columns {
  const names = fileSchema.split(',').map((name) => name.trim());
  const at = (name: string): number => names.indexOf(name);
  if (at('Key') < 0) throw broken(href, `fileSchema: wanted a column Key, found ${fileSchema}`);
  return { count: names.length, bucket: at('Bucket'), key: at('Key'), size: at('Size'), isLatest: at('IsLatest'), isDeleteMarker: at('IsDeleteMarker') };
}

/** Where a file of the inventory is. One that was downloaded lies beside the folder of its manifest, as S3 has laid it out: `<config>/<date>/manifest.json`, `<config>/data/`. */
function fileHref(manifest: string, { destinationBucket }: InventoryManifest, key: string): string {
  if (parseHref(manifest).scheme === 's3') return formatHref({ scheme: 's3', bucket: destinationBucket.replace(/^.*:/, ''), key });
  return `${parentHref(parentHref(manifest))}data/${encodeURIComponent(basename(`s3://b/${key}`))}`;
}

async function* fileItems(
  reader: ObjectReader,
  place: ManifestPlace,
  manifest: InventoryManifest,
  columns: Columns,
  file: InventoryManifest['files'][number],
): AsyncGenerator<FoundItem, void, undefined> {
  const href = fileHref(place.href, manifest, file.key);
  const stat = await reader.stat(href);
  const digest = createHash('md5');
  const hashed = (async function* () {
    for await (const piece of readPieces(reader, stat)) {
      digest.update(piece);
      yield piece;
    }
  })();
  if (file.size !== undefined && file.size !== stat.size) throw broken(place.href, `its file ${displayHref(href)} should have ${String(file.size)} bytes, and has ${String(stat.size)}`);
  for await (const { line, cells } of csvRows(unpacked(hashed, href), href)) {
    const where = `line ${String(line)}`;
    if (cells.length !== columns.count) throw badRow({ href }, where, `wanted ${String(columns.count)} columns (${manifest.fileSchema}), found ${String(cells.length)}`);
    const cell = (column: number): string => cells[column]?.text ?? '';
    if (cell(columns.isDeleteMarker) === 'true' || cell(columns.isLatest) === 'false') continue;
    const key = decodeKey(href, where, cell(columns.key));
    const size = /^\d+$/.test(cell(columns.size)) ? Number(cell(columns.size)) : null;
    // A folder, as the console makes them.
    if (key.endsWith('/')) continue;
    let found: string;
    try {
      found = formatHref(parseHref(`s3://${cell(columns.bucket) === '' ? manifest.sourceBucket : cell(columns.bucket)}/${key}`));
    } catch (cause) {
      throw badRow({ href }, where, messageOf(cause), cause);
    }
    const path = place.base === undefined ? wholePath(found) : pathBelow(found, place.base);
    if (path !== undefined) yield { href: found, path, size, version: null, parameters: null };
  }
  const md5 = digest.digest('hex');
  if (file.MD5checksum !== undefined && file.MD5checksum !== md5) throw broken(place.href, `its file ${displayHref(href)} should have the MD5 ${file.MD5checksum}, and has ${md5}`);
}

/** Whether a space is written as + or as %20, a plus is %2B. */
function decodeKey(href: string, where: string, encoded: string): string {
  try {
    return decodeURIComponent(encoded.replaceAll('+', ' '));
  } catch (cause) {
    throw badRow({ href }, where, `the key ${JSON.stringify(encoded)} is not URL-encoded UTF-8, as S3 writes the keys of an inventory`, cause);
  }
}
