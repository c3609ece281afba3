/** An object with fixed names, which answers a wrong one with a sentence instead of undefined. */
import { nearestName } from '../../base/nearest.ts';
import { CodeError } from './code-error.ts';

/** What the language and printing ask of any object. */
const ofAnyObject = new Set<PropertyKey>(['then', 'toJSON', 'asymmetricMatch', 'nodeType', '$$typeof', ...Object.getOwnPropertyNames(Object.prototype)]);

/** `there is no input nri; did you mean nir? There are red, nir`. @param what for example `input` */
export function unknownName(what: string, name: string, known: readonly string[]): CodeError {
  const near = nearestName(name, known);
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  const list = known.length === 0 ? `the job has no ${what}s` : `the job's ${what}s are ${known.join(', ')}`;
  return new CodeError('function', `there is no ${what} ${name}${hint}${hint === '' ? ': ' : ' '}${list}`);
}

/** `values`, guarded: reading or writing a name that it has not is a CodeError. */
export function namedValues<Values extends object>(what: string, values: Values): Values {
  const check = (name: PropertyKey): boolean => {
    if (typeof name === 'symbol' || Object.hasOwn(values, name)) return true;
    if (ofAnyObject.has(name)) return false;
    throw unknownName(what, String(name), Object.keys(values));
  };
  return new Proxy(values, {
    get: (target, name) => (check(name) ? (Reflect.get(target, name) as unknown) : undefined),
    set: (target, name, value) => {
      check(name);
      return Reflect.set(target, name, value);
    },
    defineProperty: (_, name) => {
      throw unknownName(what, String(name), Object.keys(values));
    },
    deleteProperty: () => false,
  });
}
