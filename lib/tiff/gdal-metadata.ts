/** The XML of tag 42112 (GDAL_METADATA): statistics, descriptions, scales and offsets of bands, as GDAL's GTiff driver writes and reads them. */
import { standardDeviation, type Statistics } from '../raster/statistics.ts';

export interface BandMetadata {
  readonly description: string | undefined;
  readonly statistics: Statistics | undefined;
  /** What a stored value is multiplied with, and what is then added, to get its physical value. */
  readonly scale?: number | undefined;
  readonly offset?: number | undefined;
}

/**
 * @param pixels of one band, for the percentage of valid ones
 * @returns the XML; empty when there is nothing to say
 */
export function gdalMetadataXml(bands: readonly BandMetadata[], pixels: number): string {
  const items: string[] = [];
  for (const [sample, { description, statistics, scale, offset }] of bands.entries()) {
    // GDAL escapes the text and then the document, and undoes both when it reads.
    const item = (name: string, value: string, role = ''): void => {
      items.push(`  <Item name="${name}" sample="${String(sample)}"${role}>${keepSpaces(escapeXml(escapeXml(value)))}</Item>`);
    };
    if (statistics !== undefined) {
      // GDAL has no minimum or mean for a band without valid pixels; only the count is true then.
      if (statistics.count > 0) {
        item('STATISTICS_MAXIMUM', String(statistics.maximum));
        item('STATISTICS_MEAN', String(statistics.mean));
        item('STATISTICS_MINIMUM', String(statistics.minimum));
        item('STATISTICS_STDDEV', String(standardDeviation(statistics)));
      }
      item('STATISTICS_VALID_COUNT', String(statistics.count));
      item('STATISTICS_VALID_PERCENT', String(Number(((100 * statistics.count) / pixels).toPrecision(4))));
    }
    if (offset !== undefined) item('OFFSET', String(offset), ' role="offset"');
    if (scale !== undefined) item('SCALE', String(scale), ' role="scale"');
    if (description !== undefined) item('DESCRIPTION', description, ' role="description"');
  }
  return items.length === 0 ? '' : `<GDALMetadata>\n${items.join('\n')}\n</GDALMetadata>\n`;
}

/** GDAL's parser skips spaces before a text, and a text of nothing else, unless they are written as characters by number. */
function keepSpaces(text: string): string {
  return text.replace(/^ +/, (spaces) => '&#32;'.repeat(spaces.length));
}

function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    // Control characters can't stand in XML 1.0 at all.
    .replaceAll(/[\u0000-\u0008\u000B\u000C\u000E-\u001F]/g, ' ');
}
