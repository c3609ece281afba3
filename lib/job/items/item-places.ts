/** What an object job writes, and that none of it is an input of this run or of the next one. */
import { displayHref } from '../../store/href.ts';
import { realHref } from '../../store/real-path.ts';
import { jsonPath, type Problem } from '../problems.ts';
import type { ItemJobSpec } from './item-spec.ts';

/** A place that a job writes to, and where it says so. */
export interface WrittenPlace {
  /** A folder ends in `/`. */
  readonly href: string;
  /** JSON path. */
  readonly path: string;
}

/** Beside the outputs of a run lie its lists of them, and of the items that failed; where there are no outputs, beside the table. */
export function listHref({ outputs, results }: ItemJobSpec, run: string, list: 'outputs' | 'failures'): string | undefined {
  const folder = outputs?.prefix ?? results?.href.replace(/[^/]*$/, '');
  return folder === undefined ? undefined : `${folder}${run}-${list}.jsonl`;
}

/** All places that a job writes to; of images the folder of each variant. */
export function writtenPlaces(job: ItemJobSpec, run: string): WrittenPlace[] {
  const { outputs, results, operation } = job;
  const variants = Object.keys(operation.images ?? {});
  const prefix = outputs?.prefix;
  const lists = (['outputs', 'failures'] as const).map((list) => listHref(job, run, list)).filter((href) => href !== undefined);
  return [
    ...(prefix === undefined ? [] : variants.length === 0 ? [{ href: prefix, path: '$.outputs.prefix' }] : variants.map((variant) => ({ href: `${prefix}${variant}/`, path: jsonPath(['operation', 'images', variant]) }))),
    ...(results === undefined ? [] : [{ href: results.href, path: '$.results.href' }]),
    ...lists.map((href) => ({ href, path: prefix === undefined ? '$.results.href' : '$.outputs.prefix' })),
  ];
}

/** A test for items that lie where the run writes: it would read what it makes, or write over what it reads. */
export function writtenTest(job: ItemJobSpec, run: string): (href: string) => WrittenPlace | undefined {
  const places = writtenPlaces(job, run);
  return (href) => places.find((place) => (place.href.endsWith('/') ? href.startsWith(place.href) : href === place.href));
}

/**
 * Refuses outputs among the items, and where a new object starts a run: each result would start the next run, for ever. Of items that are listed one by one it is asked while they
 * are listed (`writtenTest`).
 * @param triggers folders, each with a `/` at its end
 * @param file the job file
 */
export async function checkItemPlaces(job: ItemJobSpec, run: string, triggers: readonly string[], file: string | undefined, problems: Problem[]): Promise<void> {
  const known = new Set(problems.map(({ path }) => path));
  const { prefix, manifest } = job.items;
  const real = async (href: string): Promise<{ href: string; real: string }> => ({ href, real: await realHref(href) });
  // A prefix that couldn't be resolved has been reported, and is no href.
  const input = prefix === undefined || known.has('$.items.prefix') ? undefined : await real(prefix);
  const folders = await Promise.all(triggers.map(real));
  const seen = new Set<string>();
  for (const { href, path } of writtenPlaces(job, run)) {
    if (known.has(path) || known.has('$.outputs.prefix') || seen.has(path)) continue;
    const written = await real(href);
    const shown = displayHref(href);
    const problem = ((): string | undefined => {
      if (input !== undefined && meet(written, input)) {
        return `${shown} lies ${isBelow(written, input) ? 'below' : 'above'} the items' prefix ${displayHref(input.href)}; a run doesn't read what it writes, wanted another place`;
      }
      const trigger = folders.find((each) => meet(written, each));
      if (trigger !== undefined) return `${shown} lies ${isBelow(written, trigger) ? 'under' : 'above'} ${displayHref(trigger.href)}, where every new object starts a run; wanted another place`;
      if (manifest === href) return `${shown} is the list of the items; a run doesn't overwrite what it reads`;
      if (file === href) return 'is the job file itself';
      return path === '$.results.href' && href.endsWith('/') ? `${shown} is a folder; wanted a file` : undefined;
    })();
    if (problem === undefined) continue;
    seen.add(path);
    problems.push({ path, message: problem });
  }
}

interface Place {
  readonly href: string;
  /** Without links. */
  readonly real: string;
}

function isBelow(place: Place, folder: Place): boolean {
  return place.href.startsWith(folder.href) || place.real.startsWith(folder.real);
}

/** Whether one lies in the other. */
function meet(written: Place, folder: Place): boolean {
  return isBelow(written, folder) || (written.href.endsWith('/') && isBelow(folder, written));
}
