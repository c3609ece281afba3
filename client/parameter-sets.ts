/** Items that are no objects, as the job has them: sets of parameters, of what JSON has. */
import { JobError } from '../lib/base/errors.ts';
import { shownValue } from '../lib/base/schema-problems.ts';

/**
 * An object is a set of parameters, anything else the parameter `value`. Fields that are undefined are left out: the function sees no difference.
 * @throws JobError MAP_ITEMS with the item's index, for what would come to the function as something else, or not at all
 */
export function parameterSets(items: readonly unknown[]): object[] {
  return items.map((item, index) => {
    const place = `item ${String(index)}`;
    return isPlainObject(item) ? plain(item, place, '') : { value: plain(item, place, '') };
  });
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function plain(value: Readonly<Record<string, unknown>>, item: string, path: string): Record<string, unknown>;
function plain(value: unknown, item: string, path: string): unknown;
function plain(value: unknown, item: string, path: string): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return value;
  if (Array.isArray(value)) return Array.from(value as unknown[], (each, i) => plain(each, item, `${path}[${String(i)}]`));
  if (isPlainObject(value)) {
    const fields = Object.entries(value).filter(([, each]) => each !== undefined);
    return Object.fromEntries(fields.map(([name, each]) => [name, plain(each, item, path === '' ? name : `${path}.${name}`)]));
  }
  throw new JobError('MAP_ITEMS', `${item}${path === '' ? '' : `, ${path}`}: wanted what JSON has (a string, a finite number, true, false, null, a list, a plain object); found ${shownValue(value)}`);
}
