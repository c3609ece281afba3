/** What an item is called where its outputs lie, and which paths a pattern takes. */
import picomatch from 'picomatch';
import { basename, parseHref } from '../../store/href.ts';

/** The literal path of an object: its key, or the path of its file without the first slash. */
export function wholePath(href: string): string {
  const location = parseHref(href);
  return location.scheme === 's3' ? location.key : location.path.slice(1);
}

/**
 * What comes after `folder` in an href, decoded; undefined for an object that doesn't lie below it.
 * @param folder an href that ends in `/`
 */
export function pathBelow(href: string, folder: string): string | undefined {
  if (!href.startsWith(folder) || href.length === folder.length) return undefined;
  return wholePath(href).slice(wholePath(folder).length);
}

/** The path of a listed object: below the base, or its file name where there is none; undefined for one that isn't below the base. */
export function listedPath(href: string, base: string | undefined): string | undefined {
  return base === undefined ? basename(href) : pathBelow(href, base);
}

/** Everything that isn't hidden. */
const anything = '**';

/** A path with a name that begins with a dot, and a pattern that says such a dot. */
const hidden = /(^|\/)\./;
const saysDot = /(^|[/{,(|])\\?\./;

/**
 * A test for paths. Case and the Unicode form of letters make no difference: macOS writes an é as two characters.
 * @param pattern one that validation has seen; undefined takes what no name with a dot at its beginning hides
 */
export function pathTest(pattern: string | undefined): (path: string) => boolean {
  // i: no difference of case; s: a key may have line breaks, which * and ** go over as over anything else; posix: [!a] and [[:alpha:]].
  const test = picomatch((pattern ?? anything).normalize('NFC'), { flags: 'is', posix: true, windows: false });
  // picomatch lets `!(a)*` take hidden names, as a shell doesn't.
  const all = pattern !== undefined && saysDot.test(pattern);
  return (path) => (all || !hidden.test(path)) && test(path.normalize('NFC'));
}
