/**
 * What a VRT reads, and whether it may. A VRT is a document of the user's that names other files by any of GDAL's names, a connection to another server or
 * a program among them; whoever runs the job reads them with the worker's rights. So every source must lie where the job allows it.
 */
import { DataError } from '../base/errors.ts';
import { displayHref, folderHref, formatHref, parentHref, parseHref, resolveHref } from '../store/href.ts';
import { realHref } from '../store/real-path.ts';
import { attributeOf, descendants, parseVrt, textOf } from './vrt.ts';

/** Elements whose text is the name of a dataset (VRT documentation; SourceDataset is that of warped and pansharpened ones). */
const namingElements = new Set(['sourcefilename', 'sourcedataset', 'sourceband', 'destinationdataset']);

/** Elements that make GDAL read something that is not named by the ones above. */
const refusedElements: Readonly<Record<string, string>> = {
  pixelfunctioncode: 'it holds code',
  cutlinedataset: 'it names a vector for a cut line',
};

/** How deep VRTs may lie in each other. */
const maxDepth = 8;

/** Reads an object as text (bytes that are no UTF-8 may come out as anything): the whole of it, or at most its first bytes. */
export type ReadText = (href: string, mostBytes?: number) => Promise<string>;

/** In so many bytes GDAL looks for what a file is. */
const headBytes = 1024;

/**
 * The hrefs of all that a VRT reads, in its order, each once. Relative names are those of files beside the VRT, also where it says otherwise: GDAL would take them from the
 * folder in which the worker happens to run.
 * @param base the VRT's own href
 * @throws DataError VRT_INVALID, VRT_SOURCE_NOT_ALLOWED for names that are no plain files, and for code
 */
export function vrtSources(xml: string, base: string): readonly string[] {
  const refuse = (source: string, why: string): DataError =>
    new DataError('VRT_SOURCE_NOT_ALLOWED', `Cannot use the VRT ${displayHref(base)}: ${why}: ${JSON.stringify(source.slice(0, 200))}; wanted sources that are files or s3:// objects`, { where: { href: base, source } });
  const found = new Set<string>();
  for (const element of descendants(parseVrt(xml, displayHref(base)))) {
    const tag = element.tagName.toLowerCase();
    const reason = refusedElements[tag];
    if (reason !== undefined) throw refuse(textOf(element) ?? tag, reason);
    if (tag === 'pixelfunctionlanguage' && textOf(element)?.toLowerCase() === 'python') throw refuse('PixelFunctionLanguage Python', 'it holds code');
    // Multidimensional arrays and geolocation name datasets in attributes and metadata.
    if (tag === 'mdi' && /^[xy]_dataset$/i.test(attributeOf(element, 'key') ?? '')) throw refuse(textOf(element) ?? '', 'it names a geolocation array');
    if (!namingElements.has(tag)) continue;
    const name = textOf(element);
    // A band's number, in <SourceBand>.
    if (name === null || (tag === 'sourceband' && /^(?:mask,)?\d+$/i.test(name))) continue;
    if (tag === 'sourceband') throw refuse(name, 'it names a source in a way that is not understood');
    const relative = (attributeOf(element, 'relativeToVRT') ?? '0').trim() === '1';
    found.add(sourceHref(name, base, relative, refuse));
  }
  return [...found];
}

function sourceHref(name: string, base: string, relative: boolean, refuse: (source: string, why: string) => DataError): string {
  // GDAL reads an inline VRT, options of a driver, other servers and archives by such names.
  if (name.startsWith('<')) throw refuse(name, 'it holds another VRT inline');
  const s3 = /^\/vsis3\/([^/]+)\/(.+)$/s.exec(name);
  if (s3 !== null) return climbless(formatHref(parseHref(`s3://${s3[1] ?? ''}/${s3[2] ?? ''}`)), name, refuse);
  if (/^\/vsi/i.test(name)) throw refuse(name, 'it names a source by a virtual path other than /vsis3/');
  if (/^[A-Za-z][A-Za-z0-9_+.-]*:/.test(name)) throw refuse(name, 'it names a source by a connection');
  if (name.startsWith('/')) return resolveHref(name);
  // In S3 GDAL would look on the worker's own disk.
  if (!relative && parseHref(base).scheme === 's3') throw refuse(name, 'it names a file of the machine that reads it');
  return climbless(resolveHref(name, parentHref(base)), name, refuse);
}

/** S3 keys are literal, but GDAL and servers may take `..` in them for a way up. */
function climbless(href: string, name: string, refuse: (source: string, why: string) => DataError): string {
  if (href.startsWith('s3://') && href.split('/').some((segment) => segment === '..' || segment === '.')) throw refuse(name, 'it climbs in a bucket');
  return href;
}

/**
 * Checks that a VRT, and those it names, read nothing but what lies at or below the allowed hrefs. Links are followed first.
 * @param base the VRT's own href
 * @param allowed hrefs of folders (with `/` at the end, or not) or objects; empty: the folder in which the VRT lies
 * @param readText reads the first bytes of each source, and the whole of those that are VRTs
 * @returns all that is read, the nested VRTs and their sources among it
 * @throws DataError VRT_SOURCE_NOT_ALLOWED, VRT_INVALID, and what `readText` throws
 */
export async function checkVrt(xml: string, base: string, allowed: readonly string[], readText: ReadText): Promise<readonly string[]> {
  const places = await Promise.all((allowed.length === 0 ? [parentHref(base)] : allowed).map(async (href) => await realHref(resolveHref(href))));
  const seen = new Set<string>();
  const check = async (text: string, vrt: string, depth: number): Promise<void> => {
    if (depth > maxDepth) {
      throw new DataError('VRT_SOURCE_NOT_ALLOWED', `Cannot use the VRT ${displayHref(base)}: VRTs lie in each other more than ${String(maxDepth)} deep`, { where: { href: base } });
    }
    for (const source of vrtSources(text, vrt)) {
      // oxlint-disable-next-line no-await-in-loop
      const real = await realHref(source);
      if (!places.some((place) => real === place || real.startsWith(folderHref(place)))) {
        throw new DataError(
          'VRT_SOURCE_NOT_ALLOWED',
          `Cannot use the VRT ${displayHref(vrt)}: it reads ${displayHref(source)}${real === source ? '' : `, which is ${displayHref(real)}`}; allowed is what lies at or below ${places.map(displayHref).join(', ')}`,
          { where: { href: vrt, source, allowed: places } },
        );
      }
      if (seen.has(source)) continue;
      seen.add(source);
      // GDAL knows a VRT by its first bytes, whatever its name is, and so it does other documents that name servers and files.
      // oxlint-disable-next-line no-await-in-loop
      const head = await readText(source, headBytes);
      // oxlint-disable-next-line no-await-in-loop
      if (head.includes('<VRTDataset')) await check(await readText(source), source, depth + 1);
      else if (/^\uFEFF?\s*</.test(head)) {
        throw new DataError('VRT_SOURCE_NOT_ALLOWED', `Cannot use the VRT ${displayHref(vrt)}: it reads ${displayHref(source)}, which is an XML document other than a VRT, such as one that names a server`, { where: { href: vrt, source } });
      }
    }
  };
  await check(xml, base, 0);
  return [...seen];
}
