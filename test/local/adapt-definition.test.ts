/** What the local interpreter would run wrongly without a word must be refused by name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adaptDefinition } from '../../local/adapt-definition.ts';
import type { Json } from '../../local/engine.ts';
import { readDefinition } from '../support/state-machine.ts';

const machine = (state: Json, more: { readonly [field: string]: Json } = {}): Json => ({ StartAt: 'First', States: { First: state, Last: { Type: 'Succeed' } }, ...more });

for (const { what, definition } of [
  { what: 'JSONata', definition: machine({ Type: 'Succeed' }, { QueryLanguage: 'JSONata' }) },
  { what: 'JSONata', definition: machine({ Type: 'Pass', QueryLanguage: 'JSONata', End: true }) },
  { what: 'Assign', definition: machine({ Type: 'Pass', Assign: { x: 1 }, End: true }) },
  { what: 'Parallel', definition: machine({ Type: 'Parallel', Branches: [], End: true }) },
  { what: 'HeartbeatSeconds', definition: machine({ Type: 'Task', Resource: 'x', HeartbeatSeconds: 10, End: true }) },
  { what: 'IsPresent: false', definition: machine({ Type: 'Choice', Choices: [{ And: [{ Variable: '$.x', IsPresent: false }], Next: 'Last' }] }) },
  { what: 'inline Map', definition: machine({ Type: 'Map', ItemProcessor: { StartAt: 'X', States: { X: { Type: 'Succeed' } } }, End: true }) },
  { what: 'Wait until a time', definition: machine({ Type: 'Wait', TimestampPath: '$.x', Next: 'Last' }) },
]) {
  test(`${what} is refused`, () => {
    assert.throws(() => adaptDefinition(definition, 1), (error: Error & { code?: string }) => error.code === 'ENGINE_UNSUPPORTED' && error.message.includes(what));
  });
}

test('the definition itself is not changed by adapting it', () => {
  const definition = readDefinition();
  adaptDefinition(definition, 0.5);
  assert.deepEqual(definition, readDefinition());
});

test('times of retries are scaled, their counts are not; every adapted task outlasts the default limit of 60 s', () => {
  const { machine: adapted, children } = adaptDefinition(readDefinition(), 0.5);
  const original = (readDefinition() as { readonly States: { readonly Split: { readonly Retry: readonly { readonly [field: string]: Json }[] } } }).States.Split.Retry;
  const retry = adapted.States['Split']?.['Retry'] as readonly { readonly [field: string]: Json }[];
  for (const [index, rule] of original.entries()) {
    assert.equal(retry[index]?.['MaxAttempts'], rule['MaxAttempts']);
    assert.equal(retry[index]?.['IntervalSeconds'], Number(rule['IntervalSeconds']) / 2);
  }
  for (const states of [adapted.States, ...[...children.values()].map((child) => child.machine.States)]) {
    for (const [name, state] of Object.entries(states)) if (state.Type === 'Task') assert.equal(state['TimeoutSeconds'], 2_147_483, name);
  }
});
