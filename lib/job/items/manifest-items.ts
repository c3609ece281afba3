/** Items out of a list: CSV, JSON Lines, or an S3 Inventory. Read from beginning to end, so a list may be of any length. */
import { nearestName } from '../../base/nearest.ts';
import type { ObjectReader } from '../../store/store.ts';
import { csvRows, type CsvCell, type CsvRow } from './csv-rows.ts';
import type { FoundItem } from './found-item.ts';
import { inventoryItems } from './inventory-items.ts';
import type { ManifestFormat } from './item-spec.ts';
import type { Json } from './item.ts';
import { jsonRows } from './json-rows.ts';
import { badRow, fieldsOfObject, itemOfRow, rowOfJson, type ManifestPlace, type ManifestRow } from './manifest-row.ts';
import { readPieces, unpacked } from './object-stream.ts';

/**
 * @throws DataError MANIFEST_BROKEN, MANIFEST_ROW, INVENTORY_BROKEN, INVENTORY_FORMAT, which name file and row; what the store throws
 */
export async function* manifestItems(reader: ObjectReader, place: ManifestPlace, format: ManifestFormat): AsyncGenerator<FoundItem, void, undefined> {
  if (format === 'inventory') {
    yield* inventoryItems(reader, place);
    return;
  }
  const pieces = unpacked(readPieces(reader, await reader.stat(place.href)), place.href);
  if (format === 'jsonl') {
    for await (const { line, value } of jsonRows(pieces, place.href)) yield itemOfRow(place, rowOfJson(place, `line ${String(line)}`, value));
    return;
  }
  let columns: readonly Column[] | undefined;
  for await (const row of csvRows(pieces, place.href)) {
    if (columns === undefined) columns = readHeader(place, row);
    else yield itemOfRow(place, rowOfCells(columns, row));
  }
}

/** A column of a CSV file. */
interface Column {
  readonly name: string;
  /** Whether it says which object an item is. */
  readonly ofObject: boolean;
}

function readHeader(place: ManifestPlace, { line, cells }: CsvRow): Column[] {
  const where = `line ${String(line)}`;
  const ofObject = fieldsOfObject(cells.map(({ text }) => text.trim().toLowerCase()));
  const columns = cells.map(({ text }): Column => {
    const name = text.trim();
    const field = ofObject.find((each) => each === name.toLowerCase());
    return { name: field ?? name, ofObject: field !== undefined };
  });
  const names = columns.map(({ name }) => name);
  const wanted = 'wanted a header with the columns href, or bucket and key, or the names of parameters';
  if (names.some((name) => /^(s3|file):\/\//i.test(name) || name.startsWith('/'))) throw badRow(place, where, `${wanted}; found no header, but an object: ${names.join(', ')}`);
  const empty = names.indexOf('');
  if (empty >= 0) throw badRow(place, where, `${wanted}; column ${String(empty + 1)} has no name`);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw badRow(place, where, `${wanted}; found ${JSON.stringify(twice)} twice`);
  // A column that is called nearly like the object's would quietly be a parameter, and the items have no objects.
  if (ofObject.length === 0) {
    const near = names.find((name) => ['url', 'uri', 'hrefs', 'file', 'filename'].includes(name.toLowerCase()) || nearestName(name.toLowerCase(), ['href']) !== undefined);
    if (near !== undefined) throw badRow(place, where, `${wanted}; found ${names.join(', ')}: did you mean "href" by ${JSON.stringify(near)}?`);
  }
  return columns;
}

function rowOfCells(columns: readonly Column[], { line, cells }: CsvRow): ManifestRow {
  const object: Record<string, unknown> = {};
  const parameters: [string, Json][] = [];
  for (const [i, { name, ofObject }] of columns.entries()) {
    const cell = cells[i] as CsvCell;
    if (!ofObject) parameters.push([name, valueOf(cell)]);
    // An empty path or size is none; that of an object that nothing names is the row's fault.
    else if (cell.text !== '' || (name !== 'path' && name !== 'size')) object[name] = cell.text;
  }
  return { where: `line ${String(line)}`, part: 'column', object, parameters: Object.fromEntries(parameters) };
}

/** A number as JSON writes it: 007 is none, and neither is what has more digits than a number can hold. */
const jsonNumber = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/** What a cell means: nothing, a number, true or false; everything else, and what stands in quotes, is a text. */
function valueOf({ text, quoted }: CsvCell): Json {
  if (quoted) return text;
  if (text === '') return null;
  if (text === 'true' || text === 'false') return text === 'true';
  if (!jsonNumber.test(text)) return text;
  const number = Number(text);
  return Number.isFinite(number) && (Number.isSafeInteger(number) || !/^-?\d+$/.test(text)) ? number : text;
}
