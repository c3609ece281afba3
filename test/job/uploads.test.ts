/** Which run an upload starts, for any key and any document; the recorded events are in test/functions/start.test.ts. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, suite, test } from 'node:test';
import fc from 'fast-check';
import { DataError } from '../../lib/base/errors.ts';
import { executionInput } from '../../lib/job/events.ts';
import { checkRunId } from '../../lib/job/split.ts';
import { encodeKey, readMessage, type Upload } from '../../lib/job/upload-message.ts';
import { decide, requireTemplate, type Inbox } from '../../lib/job/uploads.ts';
import { fileHref, parseHref, requireInside } from '../../lib/store/href.ts';
import { createStore } from '../../lib/store/routing-store.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('uploads');
after(() => space.remove());

const bucketInbox: Inbox = { href: 's3://in/', ownRoles: new Set(['AROAOWN']) };
const folderInbox: Inbox = { href: 'file:///data/in/', ownRoles: new Set() };

function upload(key: string, more: Partial<Upload> = {}): Upload {
  return { kind: 'Upload', bucket: 'in', key, size: 10, version: 'v1', sequencer: '0A', principal: undefined, ...more };
}

function runOf(upload: Upload, inbox = bucketInbox): string {
  const decision = decide(upload, inbox);
  assert.equal(decision.do, 'start');
  return decision.run;
}

/** Any text that S3 takes as a key, and much that it doesn't. */
const anyKey = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.tuple(fc.constantFrom('jobs/', 'incoming/', 'incoming/t/', 'incoming/../', 'templates/'), fc.string({ unit: 'grapheme', maxLength: 40 }), fc.constantFrom('', '.json', '.tif', '/')).map((parts) => parts.join('')),
);

suite('any message', () => {
  // Catches: a document that gets past the schemas and breaks something further in.
  test('is understood or refused as malformed', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string(), fc.record({ Records: fc.array(fc.jsonValue()) }).map((value) => JSON.stringify(value))), (body) => {
        try {
          for (const notice of readMessage(body)) assert.ok(['start', 'ignore', 'refuse'].includes(decide(notice, bucketInbox).do));
        } catch (error) {
          assert.ok(error instanceof DataError, String(error));
          assert.equal(error.code, 'MESSAGE_MALFORMED');
        }
      }),
      { numRuns: 2000 },
    );
  });

  // Catches: a job in a schedule's message that runs with another number than was written.
  test('keeps the numbers of a job, or is refused', () => {
    const message = '{"schedule": "s", "scheduledTime": "2026-01-01T00:00:00Z", "job": {"operation": {"parameters": {"n": 9007199254740993}}}}';
    assert.throws(() => readMessage(message), (error) => error instanceof DataError && error.code === 'MESSAGE_MALFORMED' && /\$\.job\.operation\.parameters\.n: the whole number 9007199254740993 can't be kept/.test(error.message));
  });

  // Catches: an encoding of ours that isn't that of forms, for which URLSearchParams is the oracle, and a key that comes back changed.
  test('keys survive their encoding', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (key) => {
        const encoded = encodeKey(key);
        assert.match(encoded, /^[\w.*~/+%-]+$/);
        assert.equal(new URLSearchParams(`key=${encoded}`).get('key'), key);
        const record = { eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', s3: { bucket: { name: 'in' }, object: { key: encoded } } };
        const [notice] = readMessage(JSON.stringify({ Records: [record] }));
        assert.ok(notice?.kind === 'Upload');
        assert.equal(notice.key, key);
      }),
    );
  });
});

suite('any key', () => {
  for (const inbox of [bucketInbox, folderInbox, { ...bucketInbox, href: 's3://in/some/prefix/' }]) {
    // Catches: a key that throws, a run id that split refuses, an input that isn't an execution's, a file outside of the place for uploads.
    test(`is decided upon, in ${inbox.href}`, () => {
      fc.assert(
        fc.property(anyKey, (tail) => {
          const place = parseHref(inbox.href);
          const key = `${place.scheme === 's3' ? place.key : ''}${tail}`;
          const decision = decide(upload(key), inbox);
          if (decision.do !== 'start') return;
          checkRunId(decision.run);
          const input = executionInput.parse(decision.input);
          assert.ok('job' in input && typeof input['job'] === 'string');
          requireInside(input['job'], `${inbox.href}${decision.input.object === undefined ? 'jobs' : 'templates'}/`);
          if (decision.input.object !== undefined) requireInside(decision.input.object, `${inbox.href}incoming/`);
        }),
        { numRuns: 2000, examples: [['incoming/t/\u{1F6F0}.tif'], ['jobs/..json'], ['incoming/t/..'], ['incoming/../jobs/a.json']] },
      );
    });
  }

  // Catches: a prefix of the input that is left in the template's name, or keys beside it that start runs.
  test('counts from the prefix of the input', () => {
    const inbox: Inbox = { ...bucketInbox, href: 's3://in/some/prefix/' };
    const decision = decide(upload('some/prefix/incoming/ndvi/a.tif'), inbox);
    assert.ok(decision.do === 'start');
    assert.deepEqual(decision.input, { job: 's3://in/some/prefix/templates/ndvi.json', object: 's3://in/some/prefix/incoming/ndvi/a.tif' });
    assert.deepEqual(decide(upload('incoming/ndvi/a.tif'), inbox), { do: 'ignore', reason: 'Elsewhere', what: 's3://in/incoming/ndvi/a.tif' });
  });

  // Catches: a role that is taken for ours because its id or its session resembles one.
  // Catches: photos that a camera has named, and that nobody makes copies of.
  test('of a photo counts though its name begins with an underscore; other such files are hidden', () => {
    const reasonOf = (key: string): string => {
      const decision = decide(upload(key), bucketInbox);
      return decision.do === 'ignore' ? decision.reason : decision.do;
    };
    for (const key of ['incoming/photos/_DSC0001.JPG', 'incoming/photos/2024/_MG_1.jpeg']) assert.equal(reasonOf(key), 'start', key);
    for (const key of ['incoming/ndvi/_SUCCESS', 'incoming/ndvi/_temporary/a.tif', 'incoming/ndvi/_draft.tif', 'incoming/photos/._DSC0001.JPG', 'jobs/_draft.json']) assert.equal(reasonOf(key), 'Hidden', key);
  });

  test('is ignored for our own roles, and for no others', () => {
    for (const [principal, wanted] of [['AWS:AROAOWN:session', 'ignore'], ['AWS:AROAOWN', 'ignore'], ['AWS:AROAOWN2:session', 'start'], ['AWS:AROAX:AROAOWN', 'start'], ['AROAOWN', 'start'], ['', 'start']] as const) {
      assert.equal(decide(upload('jobs/a.json', { principal }), bucketInbox).do, wanted, principal);
    }
    assert.equal(decide(upload('jobs/a.json', { principal: 'AWS::x' }), { ...bucketInbox, ownRoles: new Set() }).do, 'start');
  });
});

suite('run ids', () => {
  // Catches: parts that run into each other, so that two uploads share a run; or a part that is left out.
  test('differ as soon as bucket, key, version or sequencer do', () => {
    const base = upload('incoming/t/a.tif');
    const others = [base, { ...base, bucket: 'in2' }, upload('incoming/t/b.tif'), upload('incoming/t/a.tif', { version: 'v2' }), upload('incoming/t/a.tif', { sequencer: '0B' }), upload('incoming/t/a.tif', { version: 'v10', sequencer: 'A' }), upload('incoming/t/a.tif', { version: '', sequencer: 'v10A' })];
    // A folder takes any bucket.
    assert.equal(new Set(others.map((each) => runOf(each, folderInbox))).size, others.length);
  });

  test('are readable, and short enough for an execution', () => {
    assert.match(runOf(upload('jobs/Crème brûlée (2).json')), /^Creme-brulee-2-[0-9a-f]{20}$/);
    assert.match(runOf(upload('jobs/東京.json')), /^run-[0-9a-f]{20}$/);
    assert.match(runOf(upload('incoming/-_odd_-/a.tif')), /^odd-[0-9a-f]{20}$/);
    assert.equal(runOf(upload(`incoming/${'x'.repeat(300)}/a.tif`)).length, 48 + 1 + 20);
  });
});

suite('templates', () => {
  const store = createStore();
  after(async () => { await store.close(); });

  // Catches: a template that is there and isn't found, and a suggestion that is none.
  test('are found, or the nearest is named', async () => {
    const folder = space.newFolder();
    mkdirSync(`${folder}/templates/nested`, { recursive: true });
    for (const name of ['ndvi', 'Flood Map (v2)', 'nested/deep', 'ndxx.txt']) writeFileSync(`${folder}/templates/${name}.json`.replace('.txt.json', '.txt'), '{}');
    const inbox: Inbox = { href: fileHref(`${folder}/`), ownRoles: new Set() };
    const check = async (template: string): Promise<void> => {
      const decision = decide(upload(`incoming/${template}/a.tif`), inbox);
      assert.ok(decision.do === 'start' && decision.input.object !== undefined);
      await requireTemplate(store, decision.input.job, decision.input.object, inbox);
    };
    await check('ndvi');
    await check('Flood Map (v2)');
    await assert.rejects(check('ndiv'), { code: 'TEMPLATE_UNKNOWN', message: /incoming\/ndiv\/a\.tif: there is no template "ndiv" \(wanted .*templates\/ndiv\.json\); did you mean ndvi\?/ });
    await assert.rejects(check('landcover'), { code: 'TEMPLATE_UNKNOWN', message: /there are Flood Map \(v2\), ndvi, photos$/ });
    await assert.rejects(check('nested'), { code: 'TEMPLATE_UNKNOWN' });
    // Catches: one that is built in, and is none where it is looked for by a wrong name.
    await assert.rejects(check('photso'), { code: 'TEMPLATE_UNKNOWN', message: /there is no template "photso" .*; did you mean photos\?$/ });
  });
});
