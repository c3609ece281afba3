/** Inputs of formats that only GDAL reads, converted to GeoTIFFs in the run prefix before the run is planned. */

/** What sources were converted to, by `conversionKey`. */
export type Conversions = ReadonlyMap<string, { readonly href: string; readonly version: string }>;

export function conversionKey(href: string, subdataset: string | null): string {
  return `${href}\0${subdataset ?? ''}`;
}

/** Where the converted form of a source lies; undefined for a source that is read as it is. */
export function convertedHref(conversions: Conversions, href: string, subdataset: string | null): string | undefined {
  return conversions.get(conversionKey(href, subdataset))?.href;
}
