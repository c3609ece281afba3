/** Logs, alarms, the dashboard, tags. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { at, breaking, list, type Assertion, type StackView } from './assertion.ts';
import type { JsonObject } from '../../support/packaged-stack.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const alarm = 'AWS::CloudWatch::Alarm';

/** Names of metrics that the code emits: the first argument of `metrics.add` and of what wraps it. */
function emitted(): ReadonlySet<string> {
  const names = new Set<string>();
  for (const folder of ['lib', 'functions', 'containers']) {
    for (const file of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).filter((each) => each.endsWith('.ts'))) {
      for (const [, name = ''] of readFileSync(join(root, folder, file), 'utf8').matchAll(/\badd\(\s*(?:outcome === 'started' \? )?'([A-Z]\w+)'/g)) names.add(name);
      for (const [, name = ''] of readFileSync(join(root, folder, file), 'utf8').matchAll(/\['([A-Z]\w+)', '(?:Count|Seconds|Bytes|None)'/g)) names.add(name);
    }
  }
  // Chosen by a condition in functions/start/handle-message.ts.
  for (const name of ['RunsStarted', 'UploadsDuplicate']) if (readFileSync(join(root, 'functions/start/handle-message.ts'), 'utf8').includes(`'${name}'`)) names.add(name);
  return names;
}

/** Metrics of a dashboard: namespace, name and dimensions, one after another, as CloudWatch's dashboard body has them. Expressions are left out. */
function shown(stack: StackView): (readonly string[])[] {
  return stack.all('AWS::CloudWatch::Dashboard').flatMap(([, { DashboardBody }]) => {
    const { widgets = [] } = JSON.parse(String(DashboardBody)) as { readonly widgets?: readonly { readonly properties: { readonly metrics?: readonly (readonly unknown[])[] } }[] };
    return widgets.flatMap(({ properties: { metrics = [] } }) => metrics.map((metric) => metric.filter((part) => typeof part === 'string'))).filter((metric) => metric.length > 0);
  });
}

/** Every name that the dimensions of a metric can have in this stack. */
function named(stack: StackView): ReadonlySet<string> {
  const names = stack.all('AWS::Lambda::Function').map(([, { FunctionName }]) => String(FunctionName));
  const own = (type: string, field: string): string[] => stack.all(type).map(([id, properties]) => String(properties[field] ?? stack.resolve({ Ref: id })));
  return new Set([
    ...names, ...own('AWS::SQS::Queue', 'QueueName'), ...own('AWS::StepFunctions::StateMachine', 'StateMachineName'), ...own('AWS::ECS::Cluster', 'ClusterName'),
    ...stack.all('AWS::StepFunctions::StateMachine').map(([id]) => String(stack.resolve({ Ref: id }))),
  ]);
}

/** Metrics of AWS that are looked at, from its pages "Step Functions metrics", "Available CloudWatch metrics for Amazon SQS" and "Lambda metrics": a wrong name would never say anything. */
const knownMetrics: Readonly<Record<string, readonly string[]>> = {
  'AWS/States': ['ExecutionsStarted', 'ExecutionsSucceeded', 'ExecutionsFailed', 'ExecutionsTimedOut', 'ExecutionsAborted', 'ExecutionThrottled', 'ExecutionTime'],
  'AWS/SQS': ['ApproximateNumberOfMessagesVisible', 'ApproximateAgeOfOldestMessage', 'NumberOfMessagesSent', 'NumberOfMessagesReceived', 'NumberOfMessagesDeleted'],
  'AWS/Lambda': ['Invocations', 'Errors', 'Throttles', 'Duration', 'ConcurrentExecutions'],
};

/** What is wrong with the times and sums of an alarm: each of its metrics counts, whole, within a quarter of an hour. */
function evaluationFaults(id: string, properties: JsonObject): string[] {
  const metrics = list(properties['Metrics']);
  const stats = metrics.map((metric) => at(metric, 'MetricStat')).filter((stat) => stat !== undefined);
  const expressions = metrics.map((metric) => at(metric, 'Expression')).filter((each) => each !== undefined).map(String);
  const wanted = stats.length === 0 ? [] : [metrics.filter((metric) => at(metric, 'MetricStat') !== undefined).map((metric) => `FILL(${String(at(metric, 'Id'))},0)`).join(' + ')];
  const periods = stats.length === 0 ? [Number(properties['Period'])] : stats.map((stat) => Number(at(stat, 'Period')));
  const statistics = stats.length === 0 ? [properties['Statistic']] : stats.map((stat) => at(stat, 'Stat'));
  const evaluations = Number(properties['EvaluationPeriods']);
  return [
    ...(expressions.join() === wanted.join() ? [] : [`${id} computes ${expressions.join(', ')}, and not the sum of its metrics`]),
    ...(Math.max(...periods) * evaluations <= 900 ? [] : [`${id} takes ${String(Math.max(...periods) * evaluations)} s`]),
    ...(statistics.every((each) => each === 'Sum' || each === 'Maximum') ? [] : [`${id} looks at ${statistics.map(String).join()}`]),
  ];
}

interface Wanted {
  readonly metric: string;
  readonly dimension: RegExp;
  readonly threshold: (value: number) => boolean;
}

/** What somebody must hear of. */
const wantedAlarms: readonly Wanted[] = [
  { metric: 'ExecutionsFailed', dimension: /stateMachine/, threshold: (value) => value <= 1 },
  { metric: 'ApproximateNumberOfMessagesVisible', dimension: /dead/, threshold: (value) => value <= 1 },
  { metric: 'ApproximateAgeOfOldestMessage', dimension: /uploads$/, threshold: (value) => value >= 300 && value <= 86_400 },
  { metric: 'ExecutionsTimedOut', dimension: /stateMachine/, threshold: (value) => value <= 1 },
  { metric: 'ExecutionThrottled', dimension: /stateMachine/, threshold: (value) => value <= 10 },
  ...['start', 'split', 'reduce'].map((fn): Wanted => ({ metric: 'Throttles', dimension: new RegExp(`-${fn}$`), threshold: (value) => value <= 10 })),
];

function dimensionsOf(properties: JsonObject): string[] {
  return [...list(properties['Dimensions']), ...list(properties['Metrics']).flatMap((metric) => list(at(metric, 'MetricStat', 'Metric', 'Dimensions')))].map((each) => String(at(each, 'Value')));
}

function metricsOf(properties: JsonObject): string[] {
  return [properties['MetricName'], ...list(properties['Metrics']).map((metric) => at(metric, 'MetricStat', 'Metric', 'MetricName'))].filter((name) => name !== undefined).map(String);
}

export const operations: readonly Assertion[] = [
  {
    holds: 'every log group forgets after a time',
    problems: (stack) => stack.all('AWS::Logs::LogGroup').filter(([, { RetentionInDays }]) => !(Number(RetentionInDays) > 0)).map(([id]) => `${id} keeps logs for ever`),
    mistakes: [breaking('AWS::Logs::LogGroup', (properties) => delete properties['RetentionInDays'])],
  },
  {
    holds: 'every function has a log group of the stack, which nobody makes without retention',
    problems: (stack) => {
      const groups = new Set(stack.all('AWS::Logs::LogGroup').map(([id]) => stack.resolve({ Ref: id })));
      return stack.all('AWS::Lambda::Function').filter(([, { FunctionName }]) => !groups.has(`/aws/lambda/${String(FunctionName)}`)).map(([id]) => `${id} has no log group`);
    },
    mistakes: [breaking('AWS::Logs::LogGroup', (properties) => Object.assign(properties, { LogGroupName: '/aws/lambda/other' }), (_, properties) => String(properties['LogGroupName']).startsWith('/aws/lambda/'))],
  },
  {
    holds: 'failed runs, dead letters, messages that wait for long and throttling raise an alarm',
    problems: (stack) => wantedAlarms.flatMap(({ metric, dimension, threshold }) => {
      const found = stack.all(alarm).filter(([, properties]) => metricsOf(properties).includes(metric) && dimensionsOf(properties).some((value) => dimension.test(value)));
      if (found.length === 0) return [`no alarm for ${metric} of ${String(dimension)}`];
      return found.flatMap(([id, properties]) => [
        ...(threshold(Number(properties['Threshold']) + (String(properties['ComparisonOperator']) === 'GreaterThanThreshold' ? 1 : 0)) ? [] : [`${id} waits for ${String(properties['Threshold'])}`]),
        ...(String(properties['ComparisonOperator']).startsWith('GreaterThan') ? [] : [`${id} compares with ${String(properties['ComparisonOperator'])}`]),
        ...evaluationFaults(id, properties),
        // No runs and no messages are no fault.
        ...(properties['TreatMissingData'] === 'notBreaching' ? [] : [`${id} takes silence for ${String(properties['TreatMissingData'] ?? 'missing')}`]),
      ]);
    }),
    mistakes: [
      breaking(alarm, (properties) => Object.assign(properties, { Threshold: 1000 }), (_, properties) => metricsOf(properties).includes('ExecutionsFailed')),
      breaking(alarm, (properties) => Object.assign(properties, { MetricName: 'Other' }), (_, properties) => properties['MetricName'] === 'ApproximateAgeOfOldestMessage'),
      breaking(alarm, (properties) => delete properties['TreatMissingData'], (_, properties) => metricsOf(properties).includes('ExecutionsFailed')),
      breaking(alarm, (properties) => Object.assign(properties, { Metrics: JSON.parse(JSON.stringify(properties['Metrics']).replace('FILL(m1,0)', 'FILL(m1,0)*0')) as never }), (_, properties) => metricsOf(properties).includes('ExecutionsFailed')),
      breaking(alarm, (properties) => Object.assign(properties, { EvaluationPeriods: 10 }), (_, properties) => metricsOf(properties).includes('ExecutionThrottled')),
      breaking(alarm, (properties) => Object.assign(properties, { Statistic: 'Minimum' }), (_, properties) => metricsOf(properties).includes('ExecutionThrottled')),
    ],
  },
  {
    holds: 'all alarms go to the same topic, or all to none',
    problems: (stack) => {
      const actions = new Set(stack.all(alarm).map(([, { AlarmActions }]) => list(AlarmActions).join()));
      return actions.size <= 1 ? [] : [`alarms go to ${[...actions].map((each) => JSON.stringify(each)).join(' and ')}`];
    },
    mistakes: [breaking(alarm, (properties) => Object.assign(properties, { AlarmActions: ['arn:aws:sns:eu-west-1:123456789012:elsewhere'] }))],
  },
  {
    holds: 'what alarms and the dashboard look at is there',
    problems: (stack) => {
      const names = named(stack);
      const there = (name: string): boolean => names.has(name) || names.has(name.split('/').at(-1) ?? '');
      return stack.all(alarm).flatMap(([id, properties]) => [
        ...dimensionsOf(properties).filter((value) => !there(value)).map((value) => `${id} looks at ${value}, which the stack does not have`),
        ...metricsOf(properties).filter((name) => !Object.values(knownMetrics).flat().includes(name)).map((name) => `${id} looks at ${name}, which AWS does not have`),
      ]);
    },
    mistakes: [
      breaking(alarm, (properties) => Object.assign(properties, { Dimensions: [{ Name: 'QueueName', Value: 'none' }] })),
      breaking(alarm, (properties) => Object.assign(properties, { MetricName: 'ExecutionsThrottled' }), (_, properties) => properties['MetricName'] === 'ExecutionThrottled'),
    ],
  },
  {
    holds: 'the dashboard shows metrics that exist: those that the code emits under their one dimension, and AWS’s of resources of the stack',
    problems: (stack) => {
      const known = emitted();
      const names = named(stack);
      const metrics = shown(stack);
      if (metrics.length === 0) return ['there is no dashboard, or it is empty'];
      return metrics.flatMap(([namespace = '', metric = '', ...dimensions]) => {
        const where = `${namespace} ${metric} ${dimensions.join(' ')}`;
        if (namespace === 'tilefan') return known.has(metric) && dimensions[0] === 'service' && names.has(dimensions[1] ?? '') && dimensions.length === 2 ? [] : [`nobody emits ${where}`];
        if (knownMetrics[namespace]?.includes(metric) !== true) return [`AWS has no ${where}`];
        return dimensions.filter((_, index) => index % 2 === 1).filter((value) => !names.has(value)).map((value) => `${where}: the stack has no ${value}`);
      });
    },
    mistakes: [
      ({ Resources }) => {
        const [dashboard] = Object.values(Resources).filter(({ Type }) => Type === 'AWS::CloudWatch::Dashboard');
        if (dashboard !== undefined) dashboard.Properties['DashboardBody'] = JSON.parse(JSON.stringify(dashboard.Properties['DashboardBody']).replaceAll('TilesComputed', 'TilesMade')) as never;
        return dashboard !== undefined;
      },
      ({ Resources }) => {
        const [dashboard] = Object.values(Resources).filter(({ Type }) => Type === 'AWS::CloudWatch::Dashboard');
        if (dashboard !== undefined) dashboard.Properties['DashboardBody'] = JSON.parse(JSON.stringify(dashboard.Properties['DashboardBody']).replaceAll('ExecutionsFailed', 'ExecutionFailures')) as never;
        return dashboard !== undefined;
      },
      breaking('AWS::CloudWatch::Dashboard', (properties) => Object.assign(properties, { DashboardBody: '{"widgets":[]}' })),
    ],
  },
];
