/**
 * Scenes out of a STAC ItemCollection (or a single Item): the asset of every item, in the order of the items. STAC 1.0, GeoJSON.
 * Where an asset's href is of another scheme than s3 or file, its other place in S3 counts, if it says one (alternate-assets extension).
 */
import * as z from 'zod';
import { DataError, JobError, messageOf, TilefanError } from '../base/errors.ts';
import { nearestName } from '../base/nearest.ts';
import { displayHref, parentHref, resolveHref } from '../store/href.ts';
import type { ObjectReader } from '../store/store.ts';
import type { NamedHref } from './resolve.ts';
import type { JobInput } from './spec.ts';

const place = z.looseObject({ href: z.string() });
// An extension that is spelt in another way is as if it weren't there.
const assetObject = place.extend({ alternate: z.looseObject({ s3: place.optional() }).optional().catch(undefined) });
type Asset = z.infer<typeof assetObject>;
const item = z.looseObject({ id: z.string(), assets: z.record(z.string(), assetObject) });
const collection = z.union([z.looseObject({ type: z.literal('FeatureCollection'), features: z.array(item).min(1) }), item.transform((only) => ({ features: [only] }))]);

/**
 * @throws DataError STAC_* that names the item; what the store throws
 */
export async function stacScenes(reader: ObjectReader, name: string, { stac }: JobInput): Promise<NamedHref[]> {
  if (stac === undefined) return [];
  const { href, asset } = stac;
  const text = new TextDecoder().decode(await reader.readAll(href));
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new DataError('STAC_NOT_JSON', `${displayHref(href)} is not JSON: ${messageOf(cause)}`, { cause, where: { href } });
  }
  const parsed = collection.safeParse(document);
  if (!parsed.success) {
    throw new DataError('STAC_INVALID', `${displayHref(href)} is not a STAC ItemCollection or Item: wanted features with an id and assets with hrefs`, { cause: parsed.error, where: { href } });
  }
  return parsed.data.features.map(({ id, assets }) => {
    const found = Object.hasOwn(assets, asset) ? assets[asset] : undefined;
    if (found === undefined) {
      const near = nearestName(asset, Object.keys(assets));
      throw new DataError('STAC_ASSET', `${displayHref(href)}: item ${id} has no asset ${JSON.stringify(asset)}; ${near === undefined ? `it has ${Object.keys(assets).join(', ')}` : `did you mean ${JSON.stringify(near)}?`}`, { where: { href, item: id } });
    }
    try {
      return { href: placeOf(found, parentHref(href)), path: ['inputs', name, 'stac', 'href'] };
    } catch (cause) {
      throw new DataError('STAC_HREF', `${displayHref(href)}: item ${id}, asset ${asset}: ${messageOf(cause)}`, { cause, where: { href, item: id } });
    }
  });
}

/** @throws JobError HREF_* */
function placeOf({ href, alternate }: Asset, base: string): string {
  try {
    return resolveHref(href, base);
  } catch (error) {
    if (!(error instanceof TilefanError) || error.code !== 'HREF_UNKNOWN_SCHEME') throw error;
    if (alternate?.s3 !== undefined) return resolveHref(alternate.s3.href, base);
    throw new JobError(error.code, `${error.message}, or a place in S3 in the asset's alternate.s3.href`, { cause: error, where: error.where });
  }
}
