/**
 * What GDAL says of single bands in the XML of tag 42112 (GDAL_METADATA): items with a `sample` and a `role`, as in
 * `<Item name="SCALE" sample="0" role="scale">0.1</Item>` (GDAL's GTiff driver, WriteMDMetadata and its reading counterpart).
 */

export interface BandMetadataLists {
  /** By band; null where a band has none. */
  readonly bandDescriptions: readonly (string | null)[];
  /** By band: value = sample * scale + offset; null where the file says nothing, which means 1. */
  readonly scales: readonly (number | null)[];
  /** By band; null where the file says nothing, which means 0. */
  readonly offsets: readonly (number | null)[];
  /** By band, the unit of the scaled value, for example `metre`; null where the file says nothing. */
  readonly units: readonly (string | null)[];
  /** By band, the name of a colour interpretation that overrules the tags; null where there is none. */
  readonly colorInterpretationNames: readonly (string | null)[];
}

const roles = ['description', 'scale', 'offset', 'unittype', 'colorinterp'] as const;
type Role = (typeof roles)[number];

/** Of two items with one role and band the last one holds, as in GDAL. */
export function readBandMetadata(xml: string, bands: number): BandMetadataLists {
  const none = (): (string | null)[] => Array.from({ length: bands }, () => null);
  const texts: Record<Role, (string | null)[]> = { description: none(), scale: none(), offset: none(), unittype: none(), colorinterp: none() };
  for (const [, attributes = '', text = ''] of xml.matchAll(/<Item\s([^<>]*)>([^<]*)<\/Item>/g)) {
    const sample = Number(/\bsample="(\d+)"/.exec(attributes)?.[1] ?? Number.NaN);
    const role = roles.find((name) => name === /\brole="([^"]*)"/.exec(attributes)?.[1]?.toLowerCase());
    // GDAL escapes the text and then the document, and undoes both when it reads.
    if (role !== undefined && sample < bands) texts[role][sample] = unescapeXml(unescapeXml(text));
  }
  return {
    bandDescriptions: texts.description,
    scales: texts.scale.map(finite),
    offsets: texts.offset.map(finite),
    units: texts.unittype,
    colorInterpretationNames: texts.colorinterp,
  };
}

/** A scale or offset that is no number can't be applied by anybody: it is as if it weren't there. */
function finite(text: string | null): number | null {
  const value = Number.parseFloat(text ?? '');
  return Number.isFinite(value) ? value : null;
}

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

function unescapeXml(text: string): string {
  return text.replaceAll(/&(?:(lt|gt|quot|apos|amp)|#(\d{1,7})|#x([0-9A-Fa-f]{1,6}));/g, (whole, name: string | undefined, decimal: string | undefined, hex: string | undefined) => {
    if (name !== undefined) return entities[name] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
    return code > 0 && code <= 0x10_FF_FF ? String.fromCodePoint(code) : whole;
  });
}
