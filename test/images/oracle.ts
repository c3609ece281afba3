/** Other programs that know images: ImageMagick, exiftool and PIL. */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';

const python = '/usr/bin/python3';

/** Why tests with these programs can't run here, for `skip`; false where they can. */
export const withoutImagePrograms: string | false =
  spawnSync('identify', ['-version']).status !== 0
    ? 'needs identify (apt-get install imagemagick)'
    : spawnSync('exiftool', ['-ver']).status !== 0
      ? 'needs exiftool (apt-get install libimage-exiftool-perl)'
      : spawnSync(python, ['-c', 'import PIL.ImageCms, numpy']).status === 0
        ? false
        : 'needs PIL and numpy (apt-get install python3-pil python3-numpy)';

/** Runs steps of image_oracle.py in one process and gives their results. */
export function pil(steps: readonly Readonly<Record<string, unknown>>[]): unknown[] {
  const done = spawnSync(python, ['-W', 'ignore', join(import.meta.dirname, 'image_oracle.py'), JSON.stringify(steps)], { encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (done.status !== 0) throw new Error(`image_oracle.py: ${done.stderr}`);
  return JSON.parse(done.stdout) as unknown[];
}

export interface Difference {
  readonly shape: unknown;
  readonly mean: number;
  readonly max: number;
}

export interface Identified {
  readonly format: string;
  readonly width: number;
  readonly height: number;
  readonly orientation: string;
}

/** What ImageMagick says of each file: its first frame, as it is stored. */
export function identify(paths: readonly string[]): Identified[] {
  const lines = execFileSync('identify', ['-ping', '-format', '%m %w %h %[orientation]\n', ...paths.map((path) => `${path}[0]`)], { encoding: 'utf8' }).trim().split('\n');
  return lines.map((line) => {
    const [format = '', width, height, orientation = ''] = line.split(' ');
    return { format, width: Number(width), height: Number(height), orientation };
  });
}

/** All that exiftool finds in a file, by `Group:Tag`. */
export function exifOf(path: string): Readonly<Record<string, unknown>> {
  const [found] = JSON.parse(execFileSync('exiftool', ['-j', '-G1', '-a', path], { encoding: 'utf8' })) as Record<string, unknown>[];
  return found ?? {};
}

/** Writes tags into a file in place: `Orientation#=6`, `GPSLatitude=48.2`. */
export function tag(path: string, ...tags: readonly string[]): void {
  execFileSync('exiftool', ['-q', '-overwrite_original', ...tags.map((each) => `-${each}`), path]);
}
