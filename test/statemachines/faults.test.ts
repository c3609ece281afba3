/** The state machine with scripted functions and a scripted ECS, and the proof that between them the tests take every way that it has. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { transitions } from '../support/scripted-ecs.ts';
import { readDefinition } from '../support/state-machine.ts';
import './batch-faults.ts';
import './run-faults.ts';

interface State {
  readonly Next?: string;
  readonly Default?: string;
  readonly Choices?: readonly { readonly Next: string }[];
  readonly Catch?: readonly { readonly Next: string }[];
  readonly ItemProcessor?: Machine;
}

interface Machine {
  readonly States: Readonly<Record<string, State>>;
}

/** Every way from one state to another that the definition has. */
function* waysOf({ States }: Machine): Generator<string> {
  for (const [name, { Next, Default, Choices = [], Catch = [], ItemProcessor }] of Object.entries(States)) {
    for (const target of [Next, Default, ...[...Choices, ...Catch].map((rule) => rule.Next)]) if (target !== undefined) yield `${name} -> ${target}`;
    if (ItemProcessor !== undefined) yield* waysOf(ItemProcessor);
  }
}

// Would catch a state or a branch that no test has ever entered.
after(() => {
  const ways = new Set(waysOf(readDefinition() as unknown as Machine));
  assert.ok(ways.size > 50, 'the definition has that many ways at least');
  assert.deepEqual([...ways].filter((way) => !transitions.has(way)), [], 'no test goes these ways');
  assert.deepEqual([...transitions].filter((way) => !ways.has(way) && !way.includes(':')), [], 'ways that the definition does not have');
});
