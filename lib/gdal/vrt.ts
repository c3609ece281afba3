/**
 * What a VRT says of itself, read without GDAL. Format: https://gdal.org/en/stable/drivers/raster/vrt.html
 *
 * The parser expands no entities but the five of XML and numeric ones, so a document can't grow while it is read.
 */
import { DOMParser, onErrorStopParsing, type Element } from '@xmldom/xmldom';

import { DataError, messageOf } from '../base/errors.ts';
import { dtypes, type Dtype } from '../raster/dtype.ts';

export interface VrtBand {
  /** A Dtype, or GDAL's name of a type that tilefan has no samples for; `isKnownDtype` tells. */
  readonly dtype: string;
  readonly nodata: number | null;
  readonly description: string;
  /** Value = sample * scale + offset; null where the VRT says nothing. */
  readonly scale: number | null;
  readonly offset: number | null;
  /** Red, green, blue, alpha from 0 to 255, by pixel value. */
  readonly colorTable: readonly (readonly [number, number, number, number])[] | null;
  /** A mask of the band's own. */
  readonly hasMask: boolean;
  readonly interpretation: string;
}

export interface Vrt {
  readonly columns: number;
  readonly rows: number;
  readonly geotransform: readonly [number, number, number, number, number, number] | null;
  /** WKT, or what else the author gave, such as `EPSG:32633`; null for none. */
  readonly srs: string | null;
  readonly bands: readonly VrtBand[];
  /** A mask of the dataset, or an alpha band. */
  readonly hasMask: boolean;
  /** For example `VRTWarpedDataset`; empty for a plain one. */
  readonly subClass: string;
}

/** GDAL's names for types that we know by others. */
const gdalDtypes: Readonly<Record<string, Dtype>> = {
  Byte: 'uint8', Int8: 'int8', UInt16: 'uint16', Int16: 'int16', UInt32: 'uint32', Int32: 'int32', Float32: 'float32', Float64: 'float64',
};

/** A VRT of ten thousand scenes has some 20 MB. */
const maxVrtCharacters = 256 * 1024 * 1024;

/**
 * The root of a VRT.
 * @throws DataError VRT_INVALID when it is no XML, or no VRT
 */
export function parseVrt(xml: string, name = 'the VRT'): Element {
  const refuse = (found: string, cause?: unknown): DataError => new DataError('VRT_INVALID', `Cannot read ${name}: ${found}; wanted GDAL's XML with <VRTDataset> at its top`, { cause, where: { name } });
  if (xml.length > maxVrtCharacters) throw refuse(`it has ${String(xml.length)} characters`);
  // A document type can declare entities and name files; GDAL writes none.
  if (/<!DOCTYPE|<!ENTITY/i.test(xml)) throw refuse('it has a document type declaration');
  let root: Element | null;
  try {
    root = new DOMParser({ onError: onErrorStopParsing }).parseFromString(xml.replace(/^\uFEFF/, ''), 'text/xml').documentElement;
  } catch (cause) {
    throw refuse(messageOf(cause), cause);
  }
  if (root?.tagName !== 'VRTDataset') throw refuse(`its top element is <${root?.tagName ?? ''}>`);
  return root;
}

/** Elements within this one, the element itself left out, depth first. */
export function* descendants(element: Element): Generator<Element> {
  for (const child of children(element)) {
    yield child;
    yield* descendants(child);
  }
}

function* children(element: Element, name?: string): Generator<Element> {
  for (let node = element.firstChild; node !== null; node = node.nextSibling) {
    if (node.nodeType !== node.ELEMENT_NODE) continue;
    const child = node as Element;
    // GDAL's parser doesn't care for capitals.
    if (name === undefined || child.tagName.toLowerCase() === name.toLowerCase()) yield child;
  }
}

/** An attribute, whatever its capitals are, as GDAL looks for it. */
export function attributeOf(element: Element, name: string): string | null {
  for (const attribute of Array.from(element.attributes)) if (attribute.name.toLowerCase() === name.toLowerCase()) return attribute.value;
  return null;
}

/** The text in an element; null where it has none but white space. */
export function textOf(element: Element | undefined): string | null {
  const text = element?.textContent?.trim() ?? '';
  return text === '' ? null : text;
}

/**
 * Size, place and bands of a VRT.
 * @throws DataError VRT_INVALID
 */
export function readVrt(xml: string, name = 'the VRT'): Vrt {
  const root = parseVrt(xml, name);
  const first = (parent: Element, tag: string): Element | undefined => children(parent, tag).next().value as Element | undefined;
  const side = (attribute: string): number => {
    const text = attributeOf(root, attribute) ?? '';
    if (!/^\s*\d+\s*$/.test(text) || Number(text) < 1) throw new DataError('VRT_INVALID', `Cannot read ${name}: ${attribute} is ${JSON.stringify(text)}; wanted a whole number from 1`, { where: { name } });
    return Number(text);
  };
  const numbers = (textOf(first(root, 'GeoTransform')) ?? '').split(',').map(Number);
  const [x0 = 0, xColumn = 0, xRow = 0, y0 = 0, yColumn = 0, yRow = 0] = numbers;
  const bands = Array.from(children(root, 'VRTRasterBand'), (band): VrtBand => {
    const type = attributeOf(band, 'dataType') ?? 'Byte';
    const nodata = textOf(first(band, 'NoDataValue'));
    return {
      dtype: isSignedByte(band) ? 'int8' : (Object.entries(gdalDtypes).find(([gdal]) => gdal.toLowerCase() === type.toLowerCase())?.[1] ?? type),
      nodata: nodata === null ? null : readNumber(nodata, name),
      description: attributeOf(band, 'Description') ?? textOf(first(band, 'Description')) ?? '',
      scale: finite(textOf(first(band, 'Scale'))),
      offset: finite(textOf(first(band, 'Offset'))),
      colorTable: readColorTable(first(band, 'ColorTable')),
      hasMask: first(band, 'MaskBand') !== undefined,
      interpretation: textOf(first(band, 'ColorInterp')) ?? '',
    };
  });
  return {
    columns: side('rasterXSize'),
    rows: side('rasterYSize'),
    geotransform: numbers.length === 6 && numbers.every(Number.isFinite) ? [x0, xColumn, xRow, y0, yColumn, yRow] : null,
    srs: textOf(first(root, 'SRS')),
    bands,
    hasMask: first(root, 'MaskBand') !== undefined || bands.some(({ interpretation }) => interpretation.toLowerCase() === 'alpha'),
    subClass: attributeOf(root, 'subClass') ?? '',
  };
}

/** One that is no number can't be applied by anybody: it is as if it weren't there. */
function finite(text: string | null): number | null {
  const value = Number.parseFloat(text ?? '');
  return Number.isFinite(value) ? value : null;
}

function readColorTable(table: Element | undefined): VrtBand['colorTable'] {
  if (table === undefined) return null;
  const entries = Array.from(children(table, 'Entry'), (entry) => {
    const component = (name: string, absent: number): number => {
      const value = Number.parseInt(attributeOf(entry, name) ?? '', 10);
      return Number.isNaN(value) ? absent : Math.min(255, Math.max(0, value));
    };
    return [component('c1', 0), component('c2', 0), component('c3', 0), component('c4', 255)] as const;
  });
  return entries.length === 0 ? null : entries;
}

/** Before GDAL 3.7 int8 was a byte band with this note. */
function isSignedByte(band: Element): boolean {
  for (const element of descendants(band)) {
    if (element.tagName === 'MDI' && attributeOf(element, 'key') === 'PIXELTYPE' && textOf(element) === 'SIGNEDBYTE') return true;
  }
  return false;
}

function readNumber(text: string, name: string): number {
  const word = text.toLowerCase();
  if (/^[-+]?(?:nan|1\.#qnan|-1\.#ind)$/.test(word)) return Number.NaN;
  if (/^[-+]?(?:inf|infinity|1\.#inf)$/.test(word)) return word.startsWith('-') ? -Infinity : Infinity;
  const value = Number(text);
  if (Number.isNaN(value)) throw new DataError('VRT_INVALID', `Cannot read ${name}: the nodata value is ${JSON.stringify(text)}; wanted a number`, { where: { name } });
  return value;
}

/** Whether a type is one that tilefan has samples for. */
export function isKnownDtype(dtype: string): dtype is Dtype {
  return (dtypes as readonly string[]).includes(dtype);
}
