/** Code of this machine goes along to AWS: what is stored, and what the job then says. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { sendCode } from '../../../cli/aws/send-code.ts';
import { createStore } from '../../../lib/store/routing-store.ts';
import { fileHref } from '../../../lib/store/href.ts';
import { createWorkspace } from '../../support/workspace.ts';

const space = createWorkspace('send-code');
const store = createStore();
after(async () => {
  await store.close();
  space.remove();
});

void describe('code that is sent along', () => {
  const folder = (): Promise<string> => Promise.resolve(fileHref(`${space.newFolder('there')}/`));

  // Catches: a module that stays on this machine, imports that don't come along, an operation that still names the file here.
  void it('is stored under a name of its content, with what it imports', async () => {
    writeFileSync(space.path('beside.ts'), "export const word = 'besides';\n");
    writeFileSync(space.path('f.ts'), "import { word } from './beside.ts';\nexport const f = (): string => word;\n");
    const { module, function: called } = await sendCode({ module: fileHref(space.path('f.ts')), function: 'f' }, store, folder);
    assert.equal(called, 'f');
    const bytes = await store.readAll(module ?? '');
    assert.match(new TextDecoder().decode(bytes), /besides/);
    assert.ok(module?.endsWith(`/code/${createHash('sha256').update(bytes).digest('hex')}.mjs`), module);
  });

  void it('is left alone where AWS can read it, or where there is none', async () => {
    const nowhere = (): Promise<string> => assert.fail('nothing is to be sent');
    for (const operation of [{ module: 's3://bucket/f.py' }, { model: 's3://bucket/m.onnx' }, { model: { href: 's3://bucket/m.onnx', labels: ['a'] } }, {}]) assert.equal(await sendCode(operation, store, nowhere), operation);
  });

  void it('says which file can not be sent', async () => {
    await assert.rejects(sendCode({ module: fileHref(space.path('none.py')) }, store, folder), (error: Error) => /\$\.operation\.module.*none\.py/s.test(error.message));
  });
});
