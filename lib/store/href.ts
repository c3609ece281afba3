/**
 * Hrefs: the one way in which tilefan names an object.
 *
 * A canonical href is `file:///…` (a URL: reserved characters and everything beyond ASCII percent-encoded) or `s3://bucket/key`
 * (literal: S3 keys are any UTF-8, and `s3://` was never a URL scheme with escapes, so a `%`, `#`, `?` or `+` in it is
 * part of the key, as the AWS CLI reads it). An href that ends in `/` names a prefix or folder.
 */
import { isAbsolute, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

import { JobError } from '../base/errors.ts';

/** Where an href points, taken apart. */
export type Location =
  | { readonly scheme: 'file'; /** Absolute path, decoded. */ readonly path: string }
  | { readonly scheme: 's3'; readonly bucket: string; /** Literal key; empty for the bucket itself. */ readonly key: string };

const wanted = 's3://bucket/key, file:///path, an absolute path or a relative path';

/** S3's own limit on a key, in UTF-8 bytes. */
const maxKeyBytes = 1024;

/** A scheme as people write it. `file:/x` has one slash and is legal; a lone `name:rest` without slashes is a file name. */
const urlPattern = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//;

/** Wider than S3's rules of today: old buckets have capitals and underscores, other servers have short names. S3 says the rest. */
const bucketPattern = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

/**
 * Takes an absolute href or path apart.
 * @throws JobError HREF_EMPTY, HREF_BAD_CHARACTER, HREF_RELATIVE, HREF_UNKNOWN_SCHEME, HREF_BAD_FILE_URL, HREF_BAD_BUCKET, HREF_KEY_TOO_LONG.
 */
export function parseHref(href: string): Location {
  refuseUnusableText(href);
  const scheme = urlPattern.exec(href)?.[1]?.toLowerCase();
  if (scheme === 's3') return parseS3(href);
  if (scheme === 'file' || /^file:\//i.test(href)) return { scheme: 'file', path: fileUrlToPath(href) };
  if (scheme !== undefined) {
    throw new JobError('HREF_UNKNOWN_SCHEME', `Cannot use ${JSON.stringify(href)}: tilefan does not read or write ${scheme}://; wanted ${wanted}`, {
      where: { href, scheme },
    });
  }
  if (!isAbsolute(href)) throw relative(href);
  if (/^\/vsi[a-z0-9_]+\//.test(href)) {
    throw new JobError('HREF_UNKNOWN_SCHEME', `Cannot use ${JSON.stringify(href)}: this is one of GDAL's virtual paths, which tilefan does not know; wanted ${wanted}`, {
      where: { href },
    });
  }
  return { scheme: 'file', path: href };
}

/**
 * The canonical href of what a user wrote: an href, an absolute path, or a path relative to `baseFolder`.
 * In a relative path `.` and `..` are resolved, against an S3 base too; in an `s3://` href they are part of the key.
 * A `/` at the end is kept.
 * @throws JobError as parseHref, and HREF_CLIMBS_OUT when a relative path leaves the bucket.
 */
export function resolveHref(text: string, baseFolder?: string): string {
  refuseUnusableText(text);
  if (baseFolder === undefined || isAbsolute(text) || urlPattern.test(text) || /^file:\//i.test(text)) return formatHref(parseHref(text));
  const base = parseHref(baseFolder);
  if (base.scheme === 'file') return fileHref(posix.join(base.path, text));
  const folder = base.key === '' || base.key.endsWith('/') ? base.key : `${base.key}/`;
  const key = posix.normalize(`${folder}${text}`);
  if (key === '..' || key.startsWith('../')) {
    throw new JobError('HREF_CLIMBS_OUT', `Cannot use ${JSON.stringify(text)}: it climbs out of the bucket ${base.bucket}; the base folder is ${baseFolder}`, {
      where: { href: text, base: baseFolder },
    });
  }
  return formatHref(parseHref(`s3://${base.bucket}/${key === '.' || key === './' ? '' : key}`));
}

/** The canonical href of a location. */
export function formatHref(location: Location): string {
  return location.scheme === 's3' ? `s3://${location.bucket}/${location.key}` : fileHref(location.path);
}

/**
 * The canonical href of an absolute path; `.` and `..` are resolved, a `/` at the end is kept. Encodes as url.pathToFileURL does,
 * which can't be used itself: it loses control characters at the end of a name.
 * @throws JobError HREF_RELATIVE, HREF_BAD_CHARACTER
 */
export function fileHref(path: string): string {
  refuseUnusableText(path);
  if (!isAbsolute(path)) throw relative(path);
  const encoded = encodeURI(posix.normalize(path)).replace(/[?#]|%5B|%5D|%7C/g, (found) => asPathToFileUrl[found] ?? found);
  return `file://${encoded}`;
}

/** Where encodeURI and the path of a URL differ. */
const asPathToFileUrl: Readonly<Record<string, string>> = { '?': '%3F', '#': '%23', '%5B': '[', '%5D': ']', '%7C': '|' };

/** The path behind a `file:` href. @throws JobError HREF_NOT_A_FILE for anything else. */
export function pathOf(href: string): string {
  const location = parseHref(href);
  if (location.scheme === 'file') return location.path;
  throw new JobError('HREF_NOT_A_FILE', `${href} is not a file: wanted a file:// href or a path`, { where: { href } });
}

/** Bucket and key behind an `s3://` href. @throws JobError HREF_NOT_S3 for anything else. */
export function s3LocationOf(href: string): { readonly bucket: string; readonly key: string } {
  const location = parseHref(href);
  if (location.scheme === 's3') return location;
  throw new JobError('HREF_NOT_S3', `${displayHref(href)} does not lie in S3: wanted s3://bucket/key`, { where: { href } });
}

/** How an href is shown to people: files as plain paths, S3 objects as they are. Never throws: it serves error messages. */
export function displayHref(href: string): string {
  if (!/^file:/i.test(href)) return href;
  try {
    return fileUrlToPath(href);
  } catch {
    return href;
  }
}

/** The same href with one `/` at its end: the folder or prefix of that name. */
export function folderHref(href: string): string {
  const canonical = resolveHref(href);
  return canonical.endsWith('/') ? canonical : `${canonical}/`;
}

/**
 * The object `name` under `folder`. `name` is literal (nothing in it is decoded) and may hold `/`.
 * @throws JobError HREF_CLIMBS_OUT when `name` is absolute or holds a `..` segment.
 */
export function joinHref(folder: string, ...names: readonly string[]): string {
  const location = parseHref(folderHref(folder));
  const name = names.join('/');
  if (name.startsWith('/') || name.split('/').some((segment) => segment === '..')) {
    throw new JobError('HREF_CLIMBS_OUT', `Cannot use ${JSON.stringify(name)} under ${displayHref(folder)}: it climbs out of that folder`, {
      where: { href: name, base: folder },
    });
  }
  if (location.scheme === 's3') return formatHref(parseHref(`s3://${location.bucket}/${location.key}${name}`));
  refuseUnusableText(name);
  return fileHref(`${location.path}${name}`);
}

/** The folder that an object (or a folder) lies in; ends in `/`. The root of a bucket or file system is its own parent. */
export function parentHref(href: string): string {
  const canonical = resolveHref(href);
  const location = parseHref(canonical);
  const root = location.scheme === 's3' ? `s3://${location.bucket}/` : 'file:///';
  if (canonical === root) return root;
  return canonical.slice(0, Math.max(canonical.lastIndexOf('/', canonical.length - 2) + 1, root.length));
}

/** The last segment, decoded: `a b.tif` for `file:///d/a%20b.tif`. */
export function basename(href: string): string {
  const location = parseHref(href);
  const path = location.scheme === 's3' ? location.key : location.path;
  const trimmed = path.endsWith('/') ? path.slice(0, -1) : path;
  return trimmed.slice(trimmed.lastIndexOf('/') + 1);
}

/** The last segment without its last extension: `scene.ndvi` for `…/scene.ndvi.tif`; `.hidden` stays whole. */
export function stem(href: string): string {
  const name = basename(href);
  const dot = name.lastIndexOf('.');
  return dot > 0 ? name.slice(0, dot) : name;
}

/**
 * Refuses an href that doesn't lie under `folder`. What a template was filled with decides where an output lands, so this is checked
 * after filling: `{key}` may hold `../`.
 * @throws JobError HREF_CLIMBS_OUT
 */
export function requireInside(href: string, folder: string): void {
  const base = folderHref(folder);
  const canonical = resolveHref(href);
  const inside = canonical.startsWith(base) && !canonical.slice(base.length).split('/').some((segment) => segment === '..' || segment === '.');
  if (inside) return;
  throw new JobError('HREF_CLIMBS_OUT', `Cannot use ${displayHref(href)}: it must lie under ${displayHref(base)}`, { where: { href, base } });
}

/** Whether two hrefs name the same object. */
export function sameHref(a: string, b: string): boolean {
  return resolveHref(a) === resolveHref(b);
}

function relative(href: string): JobError {
  return new JobError('HREF_RELATIVE', `Cannot use ${JSON.stringify(href)}: it is a relative path and there is no folder here to resolve it against; wanted ${wanted.replace(' or a relative path', '')}`, {
    where: { href },
  });
}

function parseS3(href: string): Location {
  const rest = href.slice('s3://'.length);
  const slash = rest.indexOf('/');
  const bucket = slash < 0 ? rest : rest.slice(0, slash);
  const key = slash < 0 ? '' : rest.slice(slash + 1);
  if (!bucketPattern.test(bucket)) {
    throw new JobError('HREF_BAD_BUCKET', `Cannot use ${JSON.stringify(href)}: found the bucket name ${JSON.stringify(bucket)}; wanted s3://bucket/key with a bucket of at most 63 letters, digits, dots and dashes`, {
      where: { href, bucket },
    });
  }
  const keyBytes = Buffer.byteLength(key);
  if (keyBytes > maxKeyBytes) {
    throw new JobError('HREF_KEY_TOO_LONG', `Cannot use ${JSON.stringify(href)}: its key has ${keyBytes} bytes; S3 allows ${maxKeyBytes}`, { where: { href } });
  }
  return { scheme: 's3', bucket, key };
}

function fileUrlToPath(href: string): string {
  const refuse = (found: string, cause?: unknown): JobError =>
    new JobError('HREF_BAD_FILE_URL', `Cannot use ${JSON.stringify(href)}: ${found}`, { cause, where: { href } });
  // A URL parser would take these for something else, silently, and another file than the one meant would be read.
  if (href.includes('#')) throw refuse('a # in a file URL begins a fragment; write %23, or give the plain path');
  if (href.includes('?')) throw refuse('a ? in a file URL begins a query; write %3F, or give the plain path');
  if (/[\t\n\r\\]|^\s|\s$/.test(href)) throw refuse('a file URL can hold no backslash, tab, line break or space at its end; percent-encode it, or give the plain path');
  let url: URL;
  try {
    url = new URL(href);
  } catch (cause) {
    throw refuse('it is not a valid file URL; wanted file:///path', cause);
  }
  if (url.host !== '') throw refuse(`it names the host ${url.host}; wanted file:///path (three slashes) on this machine`);
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw refuse('its percent-encoding is broken (%2F and bytes that are not UTF-8 cannot be part of a path)', cause);
  }
}

function refuseUnusableText(text: string): void {
  if (text === '') throw new JobError('HREF_EMPTY', `An href is empty; wanted ${wanted}`, { where: { href: text } });
  if (text.includes('\0')) {
    throw new JobError('HREF_BAD_CHARACTER', `Cannot use ${JSON.stringify(text)}: it holds a NUL character`, { where: { href: text } });
  }
  if (!text.isWellFormed()) {
    throw new JobError('HREF_BAD_CHARACTER', `Cannot use ${JSON.stringify(text)}: it holds half a surrogate pair, which UTF-8 cannot express`, { where: { href: text } });
  }
}
