/** The definition by itself: asl-validator, and what it misses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRequire } from 'node:module';
import { isObject } from '../../local/adapt-definition.ts';
import type { Json } from '../../local/engine.ts';
import { readDefinition } from '../support/state-machine.ts';

type Validate = (definition: object, options: { checkArn: boolean; checkPaths: boolean }) => { isValid: boolean; errorsText: (separator: string) => string };
type State = { readonly [field: string]: Json };

/** Every state, with the path of names that leads to it. */
function* statesOf(machine: Json | undefined, path = ''): Generator<{ readonly name: string; readonly state: State }> {
  if (!isObject(machine) || !isObject(machine['States'])) return;
  for (const [key, state] of Object.entries(machine['States'])) {
    if (!isObject(state)) continue;
    yield { name: `${path}${key}`, state };
    yield* statesOf(state['ItemProcessor'], `${path}${key}/`);
  }
}

const states = [...statesOf(readDefinition())];
const ofType = (type: string): typeof states => states.filter(({ state }) => state['Type'] === type);
const rules = (state: State, field: 'Retry' | 'Catch'): readonly State[] => (Array.isArray(state[field]) ? (state[field] as readonly State[]) : []);

test('asl-validator finds nothing', () => {
  const require = createRequire(import.meta.url);
  const validate = require('asl-validator') as Validate | { default: Validate };
  const { isValid, errorsText } = (typeof validate === 'function' ? validate : validate.default)(readDefinition() as object, { checkArn: true, checkPaths: true });
  assert.ok(isValid, isValid ? '' : errorsText('\n'));
});

test('every task has a time limit', () => {
  for (const { name, state } of ofType('Task')) assert.ok('TimeoutSeconds' in state || 'TimeoutSecondsPath' in state, name);
});

test('every retry backs off with full jitter up to a limit', () => {
  for (const { name, state } of states) {
    for (const rule of rules(state, 'Retry')) {
      assert.equal(rule['JitterStrategy'], 'FULL', name);
      for (const field of ['IntervalSeconds', 'BackoffRate', 'MaxAttempts', 'MaxDelaySeconds']) assert.equal(typeof rule[field], 'number', `${name}: ${field}`);
    }
  }
});

test('nothing retries States.ALL or States.TaskFailed; in Catch they come last and alone, after States.Timeout', () => {
  for (const { name, state } of states) {
    const retried = rules(state, 'Retry').flatMap((rule) => rule['ErrorEquals'] as string[]);
    assert.ok(!retried.includes('States.ALL') && !retried.includes('States.TaskFailed'), name);
    for (const [index, rule] of rules(state, 'Catch').entries()) {
      if (!(rule['ErrorEquals'] as string[]).includes('States.ALL')) continue;
      assert.deepEqual(rule['ErrorEquals'], ['States.ALL'], name);
      assert.equal(index, rules(state, 'Catch').length - 1, name);
    }
  }
});

test('the Map is distributed, standard, reads JSON Lines, has a short label, and no Catch that would stop redrive', () => {
  const maps = ofType('Map');
  assert.equal(maps.length, 1);
  for (const { name, state } of maps) {
    assert.deepEqual((state['ItemProcessor'] as State)['ProcessorConfig'], { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' }, name);
    assert.deepEqual((state['ItemReader'] as State)['ReaderConfig'], { InputType: 'JSONL' }, name);
    assert.match(String(state['Label']), /^[^\s?*<>{}[\]:;,\\|^~$#%&`"]{1,40}$/);
    assert.ok(!('Catch' in state) && !('Retry' in state), name);
    assert.ok(isObject(state['ResultWriter']), name);
    assert.equal(state['ResultPath'], null, 'the next state gets the state, not the list of results');
  }
});

test('no Fail state in the children: redrive would enter it again and fail again', () => {
  assert.deepEqual(ofType('Fail').map(({ name }) => name).filter((name) => name.includes('/')), []);
});

test('every state can be reached, and every next state is there', () => {
  const check = (machine: Json | undefined): void => {
    if (!isObject(machine) || !isObject(machine['States'])) return;
    const all = machine['States'];
    const reached = new Set<string>();
    const visit = (name: string): void => {
      if (reached.has(name)) return;
      reached.add(name);
      const state = all[name];
      assert.ok(isObject(state), `there is no state ${name}`);
      const targets = [state['Next'], state['Default'], ...[...rules(state, 'Catch'), ...((state['Choices'] ?? []) as State[])].map((rule) => rule['Next'])];
      for (const target of targets) if (typeof target === 'string') visit(target);
      check(state['ItemProcessor']);
    };
    visit(machine['StartAt'] as string);
    assert.deepEqual(Object.keys(all).filter((name) => !reached.has(name)), []);
  };
  check(readDefinition());
});

test('what the account decides are placeholders that the packaged stack knows', () => {
  const found = new Set(JSON.stringify(readDefinition()).match(/#\{[^}]*\}/g));
  assert.deepEqual([...found].toSorted(), [
    '#{Cluster.Arn}',
    '#{FailBatchLambdaFunction.Arn}',
    '#{ReduceLambdaFunction.Arn}',
    '#{SplitLambdaFunction.Arn}',
    '#{WorkerSecurityGroups.Value}',
    '#{WorkerSubnets.Value}',
  ]);
  assert.ok(!JSON.stringify(readDefinition()).includes('${'), 'the packager leaves ${} as it is');
});
