/** The corpus is as wide as it claims to be. Would catch: a new axis or value that no file has, or has only beside some values of another. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cases, products } from './cases.ts';

/** Of these GDAL makes no files: liblerc and libtiff's predictors don't know the samples. */
function isImpossible(a: string, b: string): boolean {
  if (b.startsWith('lerc')) return a === 'bit' || a === 'float16' || a.endsWith('int64');
  if (a === 'bit') return b.endsWith('-2') || b.endsWith('-3');
  return /^u?int/.test(a) && b.endsWith('-3');
}

void test('every value of one axis meets every value of any other', () => {
  const rows = products.map(({ name }) => name.split('.'));
  const places = [...(rows[0] ?? []).keys()];
  assert.equal(places.length, 9);
  const values = places.map((place) => [...new Set(rows.map((row) => row[place] ?? ''))]);
  const met = new Set(rows.flatMap((row) => places.flatMap((i) => places.slice(i + 1).map((j) => `${i}${row[i]} ${j}${row[j]}`))));
  const missing = places.flatMap((i) =>
    places.slice(i + 1).flatMap((j) =>
      (values[i] ?? []).flatMap((a) => (values[j] ?? []).filter((b) => !met.has(`${i}${a} ${j}${b}`) && !isImpossible(a, b)).map((b) => `${a} with ${b}`)),
    ),
  );
  assert.deepEqual(missing, []);
});

void test('names are unique, since they name the files', () => {
  assert.equal(new Set(cases.map(({ name }) => name)).size, cases.length);
});
