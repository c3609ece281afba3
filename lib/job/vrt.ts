/** A VRT as a scene: what it says of itself is read without GDAL, and what it reads is checked. Its pixels come from GDAL, window by window. */
import pLimit from 'p-limit';
import { DataError } from '../base/errors.ts';
import { checkVrt } from '../gdal/vrt-sources.ts';
import { isKnownDtype, readVrt, type Vrt } from '../gdal/vrt.ts';
import { commonDtype } from '../raster/common-dtype.ts';
import type { Dtype } from '../raster/dtype.ts';
import { displayHref } from '../store/href.ts';
import type { ObjectReader } from '../store/store.ts';
import { colorInterpretations } from '../tiff/color.ts';
import { epsgOfWkt } from '../tiff/crs.ts';
import type { SceneFacts } from './scene-facts.ts';

/** Sources looked at at a time. */
const concurrency = 32;

/** A VRT of ten thousand scenes has some 20 MB. */
const maxVrtBytes = 256 * 2 ** 20;

/**
 * Reads a VRT's own words, and sees that it reads nothing but what it may.
 *
 * Its version is that of the VRT's own file; the files that it names have versions of their own.
 * @param allowed hrefs of folders or objects that its sources must lie at or below
 * @param ownNodata whether the nodata values of the VRT count; else the job brings one
 * @throws DataError VRT_INVALID, VRT_SOURCE_NOT_ALLOWED; VRT_UNKNOWN for what can't be said of all its bands together; what the store throws
 */
export async function openVrt(reader: ObjectReader, href: string, allowed: readonly string[], ownNodata = true): Promise<SceneFacts> {
  const { version, size } = await reader.stat(href);
  const xml = await readText(reader, href);
  const name = displayHref(href);
  const vrt = readVrt(xml, name);
  const named = await checkVrt(xml, href, allowed, (source, most) => readText(reader, source, most));
  const limit = pLimit(concurrency);
  const sources = await Promise.all(named.map((source) => limit(async () => ({ href: source, version: (await reader.stat(source)).version }))));
  const { bands, columns, rows, geotransform, srs, hasMask } = vrt;
  const alphas = bands.flatMap(({ interpretation }, band) => (interpretation.toLowerCase() === 'alpha' ? [band] : []));
  return {
    version,
    sources,
    bytes: size,
    width: columns,
    height: rows,
    bands: bands.length,
    dtype: dtypeOf(vrt, href),
    nodata: ownNodata ? nodataOf(vrt, href) : null,
    masked: hasMask,
    alphaBand: alphas[0] ?? null,
    geotransform,
    groundControlPoints: geotransform === null ? [...xml.matchAll(/<GCP\s/gi)].length : 0,
    crs: { epsg: srs === null ? null : epsgOf(srs), keys: {}, wkt: srs },
    tags: {},
    bandDescriptions: bands.map(({ description }) => (description === '' ? null : description)),
    scales: bands.map(({ scale }) => scale),
    offsets: bands.map(({ offset }) => offset),
    colorTable: bands[0]?.colorTable ?? null,
    colorInterpretations: bands.map(({ interpretation }) => colorInterpretations.find((known) => known.toLowerCase() === interpretation.toLowerCase()) ?? 'Undefined'),
  };
}

function unknown(href: string, found: string, wanted: string): DataError {
  return new DataError('VRT_UNKNOWN', `${displayHref(href)}: ${found}; wanted ${wanted}`, { where: { href } });
}

/** The type that holds the samples of every band. */
function dtypeOf({ bands, subClass }: Vrt, href: string): Dtype {
  const found = bands.map(({ dtype }, i): Dtype => {
    // GDAL 3.6 puts 0 where such a band of a VRT has no data, and rounds what has a nodata value.
    if (/^u?int64$/i.test(dtype)) throw unknown(href, `band ${String(i + 1)} has samples of type ${dtype}, whose nodata GDAL loses in a VRT`, 'the files that it names, which can be read, in hrefs; or a VRT of integers of at most 32 bits, float32 or float64');
    if (!isKnownDtype(dtype)) throw unknown(href, `band ${String(i + 1)} has samples of type ${dtype}`, 'integers of at most 32 bits, float32 or float64');
    return dtype;
  });
  const own = bands.findIndex(({ hasMask }) => hasMask);
  if (own >= 0) throw unknown(href, `band ${String(own + 1)} has a mask of its own`, 'a mask of the whole dataset, or none');
  const [first, ...others] = found;
  if (first === undefined) throw unknown(href, `it lists no bands${subClass === '' ? '' : ` (${subClass})`}`, 'one VRTRasterBand a band, as gdalbuildvrt and gdal_translate write them');
  return others.reduce(commonDtype, first);
}

function nodataOf({ bands }: Vrt, href: string): number | null {
  const values = bands.filter(({ interpretation }) => interpretation.toLowerCase() !== 'alpha').map(({ nodata }) => nodata);
  const [first = null] = values;
  const other = values.find((value) => !Object.is(value, first));
  if (other === undefined) return first;
  throw unknown(href, `its bands have several nodata values, ${String(first ?? 'none')} and ${String(other ?? 'none')} among them`, 'one for all bands, or nodata in the job');
}

/** The SRS of a VRT is anything that GDAL takes for one. */
function epsgOf(srs: string): number | null {
  const code = /^EPSG:(\d+)$/i.exec(srs);
  return code === null ? epsgOfWkt(srs) : Number(code[1]);
}

async function readText(reader: ObjectReader, href: string, most?: number): Promise<string> {
  if (most === undefined) return new TextDecoder().decode(await reader.readAll(href, maxVrtBytes));
  const { size, version } = await reader.stat(href);
  const head = new Uint8Array(Math.min(most, size));
  if (head.length > 0) await reader.readInto(href, 0, head, version);
  return new TextDecoder().decode(head);
}
