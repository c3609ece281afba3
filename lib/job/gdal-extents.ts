/**
 * Extents that only GDAL knows: of rasters whose datum is shifted against the grid's, and of CRSs that aren't placed here. Where there is GDAL it is asked at once (find-extents.ts).
 * The split function has none: it writes down what it wants to know, and a worker finds it out before split is called again.
 */
import * as z from 'zod';
import type { Extent } from '../raster/affine.ts';
import type { ObjectReader, Store } from '../store/store.ts';
import type { Geotransform } from '../tiff/geo.ts';
import { encodeManifest, extentsNumber } from './manifest.ts';
import { geoTags, runFiles } from './plan.ts';
import { encodeDocument, readDocument } from './records.ts';

const lattice = z.object({
  /** A GeoTIFF's tags for one pixel of it. */
  geo: geoTags,
  geotransform: z.tuple([z.number(), z.number(), z.number(), z.number(), z.number(), z.number()]).readonly() satisfies z.ZodType<Geotransform>,
  /** What x makes around the Earth, in units of the CRS; null where it doesn't. */
  turn: z.number().nullable(),
});
/** The lattice on which extents are looked for. */
export type ExtentLattice = z.infer<typeof lattice>;

const extent = z.object({ xmin: z.number(), ymin: z.number(), xmax: z.number(), ymax: z.number() });
const scene = z.object({ href: z.string(), subdataset: z.string().nullable(), version: z.string(), convertedFrom: z.string().exactOptional() });
/** A scene as it is read: a converted one by what it was converted to, beside what the job names. */
export type ExtentScene = z.infer<typeof scene>;

/** What is wanted, and, once a worker has found it, what came of it: in pixels of the lattice, null for a scene without a bounded place. */
const extentsDocument = z.object({ lattice, scenes: z.array(scene.extend({ extent: extent.nullable().exactOptional() })) });
export type ExtentsDocument = z.infer<typeof extentsDocument>;

/** Finds the extents of scenes, in their order, in pixels of the lattice; null for one without a bounded place. */
export type FindExtents = (lattice: ExtentLattice, scenes: readonly ExtentScene[]) => Promise<readonly (Extent | null)[]>;

/** No failure: what has to be found out by a worker before the job can be planned. */
export class ExtentsWanted extends Error {
  readonly document: ExtentsDocument;

  constructor(document: ExtentsDocument) {
    super(`the extents of ${String(document.scenes.length)} scenes`);
    this.document = document;
  }
}

/** @param run the run prefix */
function documentHref(run: string): string {
  return `${run}${runFiles.extents}`;
}

/** @throws DataError RECORD_BROKEN */
export async function readExtents(reader: ObjectReader, run: string): Promise<ExtentsDocument | undefined> {
  return await readDocument(reader, documentHref(run), extentsDocument);
}

export async function writeExtents(store: Store, run: string, document: ExtentsDocument): Promise<void> {
  await store.put(documentHref(run), encodeDocument(document), { contentType: 'application/json', createFolders: true });
}

/** What a worker has found, of the scenes as they are now. The function throws ExtentsWanted where none has looked yet. */
export function recordedExtents(reader: ObjectReader, run: string): FindExtents {
  return async (on, scenes) => {
    const known = await readExtents(reader, run);
    const found = known !== undefined && JSON.stringify(known.lattice) === JSON.stringify(lattice.parse(on)) ? known.scenes : [];
    const extents = scenes.map(({ href, subdataset, version }) => found.find((each) => each.href === href && each.subdataset === subdataset && each.version === version)?.extent);
    if (extents.includes(undefined)) throw new ExtentsWanted({ lattice: on, scenes: [...scenes] });
    return extents as (Extent | null)[];
  };
}

/** Asks for extents. @returns the manifest of the pass in which a worker finds them */
export async function askForExtents(store: Store, run: string, { document }: ExtentsWanted): Promise<string> {
  const manifest = `${run}manifest-extents.jsonl`;
  await writeExtents(store, run, document);
  await store.put(manifest, encodeManifest([{ batch: extentsNumber, extents: true }]), { contentType: 'application/jsonl', createFolders: true });
  return manifest;
}
