/** Which packages hold machine code: such a thing can't be part of a bundle that runs wherever a worker does. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Packages whose only use is to load or build a package's own machine code. */
const loaders = new Set(['bindings', 'node-gyp-build', 'node-gyp-build-optional-packages', 'node-pre-gyp', '@mapbox/node-pre-gyp', 'prebuild-install', 'node-addon-api', 'nan', 'pkg-prebuilds']);

/** An optional dependency for each platform, as sharp and others have them. */
const forPlatform = /(?:^|[-/@])(?:linux|darwin|win32)[-/](?:x64|arm64|ia32|arm)/;

interface Manifest {
  readonly name?: string;
  readonly gypfile?: boolean;
  readonly binary?: unknown;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** The name of the package that `file` belongs to, if that package is a native addon. */
export function nativeAddon(file: string): string | undefined {
  const manifest = manifestOf(file);
  if (manifest === undefined) return undefined;
  const { name = 'it', gypfile, binary, dependencies = {}, optionalDependencies = {} } = manifest;
  const native =
    gypfile === true || (typeof binary === 'object' && binary !== null) || Object.keys(dependencies).some((wanted) => loaders.has(wanted)) || Object.keys(optionalDependencies).some((wanted) => forPlatform.test(wanted));
  return native ? name : undefined;
}

/** The package.json of the package that a file under node_modules belongs to. */
function manifestOf(file: string): Manifest | undefined {
  if (!file.includes('/node_modules/')) return undefined;
  for (let folder = dirname(file); folder !== dirname(folder) && !folder.endsWith('/node_modules'); folder = dirname(folder)) {
    const path = join(folder, 'package.json');
    // Packages have nameless ones within, which only say what kind of modules a folder has.
    const manifest = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Manifest) : undefined;
    if (manifest?.name !== undefined) return manifest;
  }
  return undefined;
}
