/** An object job's hrefs made absolute, and filled in: `{run}` and `{name}` in outputs, the uploaded object in a template. */
import { messageOf } from '../../base/errors.ts';
import { nearestName } from '../../base/nearest.ts';
import { displayHref, formatHref, parseHref, resolveHref, stem } from '../../store/href.ts';
import { isPlacedLater, placeOutput } from '../output-place.ts';
import { hrefResolver } from '../job-hrefs.ts';
import { jsonPath, type Problem } from '../problems.ts';
import type { ResolveOptions } from '../resolve.ts';
import { pathBelow, wholePath } from './item-path.ts';
import type { ItemJobSpec, ItemOperation, JobItems } from './item-spec.ts';

type Path = readonly (string | number)[];
type Values = Readonly<Record<string, string>>;

/** How a template names the place that uploads go to, and the uploaded object itself. */
const uploadBucket = 's3://{bucket}/';
const uploadedObject = 's3://{bucket}/{key}';

/**
 * Makes every href canonical. Doing it again changes nothing.
 *
 * Of a template's upload `items.base` becomes the folder `incoming/<template>/` that it was uploaded to, if the job names no other: what the uploader has put below it is the
 * path of the item.
 * @param problems gets hrefs that can't be, and placeholders that don't exist; which places don't go together is asked of item-places.ts
 */
export function resolveItemJob(job: ItemJobSpec, { base, file, object, runId, outputPlace }: ResolveOptions, problems: Problem[]): ItemJobSpec {
  const uploaded = object === undefined ? undefined : readUpload(resolveHref(object), file);
  const resolve = hrefResolver(base, problems);
  const folder = (text: string, path: Path): string => {
    const resolved = resolve(text, path);
    return resolved.endsWith('/') ? resolved : `${resolved}/`;
  };
  const input = (text: string, path: Path): string => {
    if (uploaded !== undefined) return fillUpload(text, uploaded, {}, path, problems);
    if (text.startsWith(uploadBucket)) {
      problems.push({ path: jsonPath(path), message: `${text} is to be filled with an uploaded file, and this job was started without one; wanted an upload to incoming/<template>/, or "object" beside "job" (--object)` });
    }
    return text;
  };
  const output = (text: string, path: Path): string => {
    const values = { run: runId, name: job.name };
    return placeOutput(text, outputPlace, (each) => (uploaded === undefined ? fill(each, values, path, problems) : fillUpload(each, uploaded, values, path, problems)));
  };
  const written = (text: string, path: Path, place: (text: string, path: Path) => string): string => {
    try {
      const filled = output(text, path);
      return isPlacedLater(filled, outputPlace) ? filled : place(filled, path);
    } catch (error) {
      problems.push({ path: jsonPath(path), message: messageOf(error) });
      return text;
    }
  };
  const { items, outputs, results } = job;
  return {
    ...job,
    items: resolveItems(items, uploaded, (text, path) => (isUnfilled(text, uploaded) ? input(text, path) : resolve(input(text, path), path)), folder),
    operation: resolveCode(job.operation, resolve),
    ...(outputs === undefined ? {} : { outputs: { prefix: written(outputs.prefix, ['outputs', 'prefix'], folder) } }),
    ...(results === undefined ? {} : { results: { ...results, href: written(results.href, ['results', 'href'], resolve) } }),
  };
}

function isUnfilled(text: string, uploaded: Upload | undefined): boolean {
  return uploaded === undefined && text.startsWith(uploadBucket);
}

/** An uploaded object, and where uploads go. */
interface Upload {
  readonly href: string;
  /** The bucket, or the folder that stands for one: `s3://bucket/`, `file:///…/`. */
  readonly root: string;
  /** The folder of the template's uploads; undefined for an object that came another way. */
  readonly folder: string | undefined;
}

/** @param template the job file: `<inbox>templates/<template>.json`, whose uploads go to `<inbox>incoming/<template>/` */
function readUpload(href: string, template: string | undefined): Upload {
  const location = parseHref(href);
  const place = /^(.*\/)templates\/([^/]+)\.json$/s.exec(template ?? '');
  const inbox = place?.[1];
  const folder = inbox === undefined ? undefined : `${inbox}incoming/${place?.[2] ?? ''}/`;
  return {
    href,
    root: location.scheme === 's3' ? formatHref({ ...location, key: '' }) : (inbox ?? 'file:///'),
    folder: folder !== undefined && href.startsWith(folder) ? folder : undefined,
  };
}

function resolveItems(items: JobItems, uploaded: Upload | undefined, resolve: (text: string, path: Path) => string, folder: (text: string, path: Path) => string): JobItems {
  const { prefix, hrefs, manifest, base } = items;
  const at = (...rest: Path): Path => ['items', ...rest];
  const resolved = {
    ...items,
    ...(prefix === undefined ? {} : { prefix: folder(resolve(prefix, at('prefix')), at('prefix')) }),
    ...(hrefs === undefined ? {} : { hrefs: hrefs.map((each, i) => resolve(each, at('hrefs', i))) }),
    ...(manifest === undefined ? {} : { manifest: resolve(manifest, at('manifest')) }),
    ...(base === undefined ? {} : { base: folder(resolve(base, at('base')), at('base')) }),
  };
  const ofUpload = uploaded?.folder;
  if (base !== undefined || ofUpload === undefined || hrefs === undefined) return resolved;
  // A list of other objects beside the uploaded one has no such folder.
  return resolved.hrefs?.every((href) => href.startsWith(ofUpload)) === true ? { ...resolved, base: ofUpload } : resolved;
}

/** The hrefs of the code. */
function resolveCode(operation: ItemOperation, resolve: (text: string, path: Path) => string): ItemOperation {
  const { module, model } = operation;
  const at = (...rest: Path): Path => ['operation', ...rest];
  if (module !== undefined) return { ...operation, module: resolve(module, at('module')) };
  if (model === undefined) return operation;
  if (typeof model === 'string') return { ...operation, model: resolve(model, at('model')) };
  const { labels } = model;
  return { ...operation, model: { ...model, href: resolve(model.href, at('model', 'href')), ...(typeof labels === 'string' ? { labels: resolve(labels, at('model', 'labels')) } : {}) } };
}

/** An href of a template with the upload filled in. Where a folder stands for the bucket, hrefs in the bucket are files in the folder. */
function fillUpload(text: string, upload: Upload, others: Values, path: Path, problems: Problem[]): string {
  if (text === uploadedObject) return upload.href;
  const location = parseHref(upload.href);
  const key = pathBelow(upload.href, upload.root) ?? wholePath(upload.href);
  const values = { ...others, key, stem: stem(upload.href), ...(location.scheme === 's3' ? { bucket: location.bucket } : {}) };
  if (location.scheme === 's3' || !text.startsWith(uploadBucket)) return fill(text, values, path, problems);
  const below = fill(text.slice(uploadBucket.length), values, path, problems);
  if (below.split('/').includes('..')) {
    problems.push({ path: jsonPath(path), message: `${JSON.stringify(below)} climbs out of ${displayHref(upload.root)} with ".."` });
    return text;
  }
  const root = parseHref(upload.root);
  return root.scheme === 'file' ? formatHref({ scheme: 'file', path: `${root.path}${below}` }) : text;
}

function fill(text: string, values: Values, path: Path, problems: Problem[]): string {
  return text.replaceAll(/\{([^{}]*)\}/g, (whole, name: string) => {
    // Of its own: every object has a `constructor`.
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value !== undefined && !/[{}]/.test(value)) return value;
    const near = nearestName(name, Object.keys(values));
    const known = Object.keys(values).map((each) => `{${each}}`);
    // Braces would be taken for placeholders where the filled job is read again.
    const message =
      value !== undefined
        ? `${whole} stands for ${JSON.stringify(value)} here, which has braces; write the href out`
        : name === 'bucket'
          ? '{bucket} is known only of a file that was uploaded to S3'
          : `unknown placeholder ${whole}; ${near === undefined ? `known are ${known.join(', ')}` : `did you mean {${near}}?`}`;
    problems.push({ path: jsonPath(path), message });
    return whole;
  });
}

