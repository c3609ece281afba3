import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { resultFormat } from '../../lib/job/result-format.ts';

void describe('the format of results', () => {
  // Catches: a format that doesn't overrule the ending, endings in capitals, an ending that is taken from a folder.
  void it('is the one that is asked for, else that of the ending', () => {
    const formats = ['a.json', 'a.jsonl', 'a.ndjson', 's3://b/x.y/A.CSV', 'a.parquet', 'a.txt', 'folder.csv/a', 'json'].map((href) => resultFormat({ href }));
    assert.deepEqual(formats, ['json', 'jsonl', 'jsonl', 'csv', 'parquet', undefined, undefined, undefined]);
    assert.equal(resultFormat({ href: 'a.json', format: 'parquet' }), 'parquet');
    assert.equal(resultFormat({ href: 'a', format: 'csv' }), 'csv');
  });
});
