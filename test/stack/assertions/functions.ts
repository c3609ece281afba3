/** Functions and the state machine. */
import { at, breaking, list, type Assertion, type StackView } from './assertion.ts';
import { isObject } from '../../../local/adapt-definition.ts';
import type { Json } from '../../../local/engine.ts';
import type { JsonObject } from '../../support/packaged-stack.ts';

const fn = 'AWS::Lambda::Function';
const machine = 'AWS::StepFunctions::StateMachine';

/** Every state of the packaged definition. */
function* states(definition: Json | undefined): Generator<readonly [string, JsonObject]> {
  for (const [name, state] of Object.entries((at(definition, 'States') ?? {}) as JsonObject)) {
    if (!isObject(state)) continue;
    yield [name, state];
    if (isObject(state['ItemProcessor'] ?? null)) yield* states(state['ItemProcessor']);
  }
}

function definitionOf(stack: StackView): JsonObject {
  const [[, { DefinitionString }] = ['', { DefinitionString: '{}' }]] = stack.all(machine);
  return JSON.parse(String(DefinitionString)) as JsonObject;
}

/** Changes the text of the definition. */
const inDefinition = (change: (text: string) => string): ((template: Parameters<Assertion['mistakes'][number]>[0]) => boolean) =>
  breaking(machine, (properties) => {
    const substituted = properties['DefinitionString'] as { 'Fn::Sub': string };
    const text = substituted['Fn::Sub'];
    substituted['Fn::Sub'] = change(text);
    if (substituted['Fn::Sub'] === text) throw new Error('the mistake changes nothing');
  });

export const functions: readonly Assertion[] = [
  {
    holds: 'functions run on Node 24, by their own role each',
    problems: (stack) => {
      const roles = stack.all(fn).map(([, { Role }]) => String(Role));
      return [
        ...stack.all(fn).filter(([, { Runtime }]) => Runtime !== 'nodejs24.x').map(([id, { Runtime }]) => `${id} runs on ${String(Runtime)}`),
        ...(new Set(roles).size === roles.length ? [] : ['two functions share a role']),
      ];
    },
    mistakes: [breaking(fn, (properties) => Object.assign(properties, { Runtime: 'nodejs20.x' }))],
  },
  {
    holds: 'only a rule of the stack may call a function from outside, and only that rule',
    problems: (stack) => stack.all('AWS::Lambda::Permission').flatMap(([id, { Action, Principal, SourceArn, SourceAccount }]) => [
      ...(Action === 'lambda:InvokeFunction' && Principal === 'events.amazonaws.com' ? [] : [`${id} lets ${String(Principal)} do ${String(Action)}`]),
      ...(stack.all('AWS::Events::Rule').some(([rule]) => stack.resolve({ 'Fn::GetAtt': [rule, 'Arn'] }) === SourceArn) || SourceAccount !== undefined ? [] : [`${id} holds for rules of anybody`]),
    ]),
    mistakes: [
      breaking('AWS::Lambda::Permission', (properties) => delete properties['SourceArn']),
      breaking('AWS::Lambda::Permission', (properties) => Object.assign(properties, { Principal: '*' })),
    ],
  },
  {
    holds: 'every task has a time limit, and longer than that of the function it calls',
    problems: (stack) => {
      const timeouts = new Map(stack.all(fn).map(([id, { Timeout }]) => [stack.resolve({ 'Fn::GetAtt': [id, 'Arn'] }), Number(Timeout)]));
      return [...states(definitionOf(stack))].filter(([, { Type }]) => Type === 'Task').flatMap(([name, state]) => {
        const { TimeoutSeconds, TimeoutSecondsPath } = state;
        if (TimeoutSeconds === undefined && TimeoutSecondsPath === undefined) return [`state ${name} may wait for ever`];
        const called = timeouts.get(at(state, 'Parameters', 'FunctionName'));
        return called === undefined || called < Number(TimeoutSeconds) ? [] : [`state ${name} gives up after ${String(TimeoutSeconds)} s on a function that may take ${String(called)} s`];
      });
    },
    mistakes: [inDefinition((text) => text.replace(/"TimeoutSeconds":\s*960,/, '')), inDefinition((text) => text.replace(/"TimeoutSeconds":\s*960/, '"TimeoutSeconds": 60')), inDefinition((text) => text.replace(/"TimeoutSecondsPath":\s*"[^"]*",/, ''))],
  },
  {
    holds: 'the state machine tells everything to its log, and is traced',
    problems: (stack) => stack.all(machine).flatMap(([id, { LoggingConfiguration, TracingConfiguration }]) => [
      ...(at(LoggingConfiguration, 'Level') === 'ALL' ? [] : [`${id} logs ${String(at(LoggingConfiguration, 'Level') ?? 'nothing')}`]),
      ...(at(TracingConfiguration, 'Enabled') === true ? [] : [`${id} is not traced`]),
      ...list(at(LoggingConfiguration, 'Destinations')).filter((each) => !String(at(each, 'CloudWatchLogsLogGroup', 'LogGroupArn')).includes(':log-group:/aws/vendedlogs/')).map(() => `${id} logs where the resource policy of the account grows`),
    ]),
    mistakes: [breaking(machine, (properties) => Object.assign(properties['LoggingConfiguration'] as object, { Level: 'OFF' })), breaking(machine, (properties) => delete properties['TracingConfiguration'])],
  },
  {
    holds: 'the pipeline goes to subnets and groups that are there',
    problems: (stack) => {
      const [, run] = [...states(definitionOf(stack))].find(([name]) => name === 'RunTask') ?? [];
      const network = at(run, 'Parameters', 'NetworkConfiguration', 'AwsvpcConfiguration');
      return ['Subnets.$', 'SecurityGroups.$'].filter((field) => !/^States\.StringSplit\('[^',]+(,[^',]+)*', ','\)$/.test(String(at(network, field)))).map((field) => `RunTask has no ${field}: ${String(at(network, field))}`);
    },
    mistakes: [inDefinition((text) => text.replace(/States\.StringSplit\('[^']*'/, "States.StringSplit(''"))],
  },
  {
    holds: 'a schedule is given up and repeated like an upload: it goes to the queue',
    problems: (stack) => stack.all('AWS::Scheduler::Schedule').flatMap(([id, { Target, State }]) => [
      ...(stack.all('AWS::SQS::Queue').some(([queue]) => stack.resolve({ 'Fn::GetAtt': [queue, 'Arn'] }) === at(Target, 'Arn')) || stack.all(fn).some(([each]) => stack.resolve({ 'Fn::GetAtt': [each, 'Arn'] }) === at(Target, 'Arn')) ? [] : [`${id} goes to ${String(at(Target, 'Arn'))}`]),
      ...(State === undefined || State === 'ENABLED' ? [] : [`${id} is off`]),
    ]),
    mistakes: [breaking('AWS::Scheduler::Schedule', (properties) => Object.assign(properties['Target'] as object, { Arn: 'arn:aws:sqs:eu-west-1:123456789012:other' }))],
  },
];
