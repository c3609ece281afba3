/** The CloudWatch dashboard: runs, what workers do, failures, and what costs. Metrics named here are those of docs/metrics.md and of AWS. */

interface Widget {
  readonly type: 'metric';
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly properties: Readonly<Record<string, unknown>>;
}

const region = '${AWS::Region}';
const half = 12;
const height = 6;
const periodSeconds = 300;

type Metric = readonly unknown[];

/** The body of AWS::CloudWatch::Dashboard, with texts for Fn::Sub. @param name for example `tilefan-dev` */
export function dashboardBody(name: string): { readonly widgets: readonly Widget[] } {
  const own = (metric: string, options: object = {}): Metric => ['tilefan', metric, 'service', name, { stat: 'Sum', ...options }];
  const pipeline = (metric: string, options: object = {}): Metric => ['AWS/States', metric, 'StateMachineArn', '${Pipeline}', { stat: 'Sum', ...options }];
  const queue = (metric: string, queueName: string, options: object): Metric => ['AWS/SQS', metric, 'QueueName', queueName, options];
  const lambda = (metric: string, fn: string): Metric => ['AWS/Lambda', metric, 'FunctionName', `${name}-${fn}`, { stat: 'Sum', label: fn }];
  const perSecond = (metric: string, label: string): Metric[] => [
    own(metric, { id: 'm1', visible: false }),
    [{ expression: 'm1/PERIOD(m1)', label, id: 'e1' }],
  ];
  const functions = ['start', 'split', 'reduce', 'fail-batch', 'tidy'];
  const graphs: readonly (readonly [string, readonly Metric[], object?])[] = [
    ['Runs', [pipeline('ExecutionsStarted', { label: 'started' }), pipeline('ExecutionsSucceeded', { label: 'succeeded' }), pipeline('ExecutionsFailed', { label: 'failed' }), pipeline('ExecutionsTimedOut', { label: 'timed out' }), pipeline('ExecutionsAborted', { label: 'cancelled' })]],
    ['Jobs', [own('JobsPlanned'), own('JobsRefused'), own('RunsFinished')]],
    ['Tiles per second', perSecond('TilesComputed', 'tiles/s')],
    ['Tiles', [own('TilesPlanned'), own('TilesComputed'), own('TilesReused')]],
    ['Tasks that failed', [own('AttemptsFailed', { label: 'attempts that failed' }), own('AttemptsFailed', { stat: 'SampleCount', label: 'attempts' })]],
    ['Uploads', [own('RunsStarted'), own('UploadsDuplicate'), own('UploadsIgnored'), own('UploadsRefused')]],
    [
      'Upload queue',
      [
        queue('ApproximateNumberOfMessagesVisible', `${name}-uploads`, { stat: 'Maximum', label: 'waiting' }),
        queue('ApproximateNumberOfMessagesVisible', `${name}-uploads-dead`, { stat: 'Maximum', label: 'dead' }),
        queue('ApproximateAgeOfOldestMessage', `${name}-uploads`, { stat: 'Maximum', label: 'age of the oldest, s', yAxis: 'right' }),
      ],
    ],
    ['Functions: errors and throttles', [...functions.map((fn) => lambda('Errors', fn)), ...functions.map((fn) => ['AWS/Lambda', 'Throttles', 'FunctionName', `${name}-${fn}`, { stat: 'Sum', label: `${fn}, throttled` }])]],
    ['Cost: vCPU-hours and GiB-hours of tasks', [own('VcpuSeconds', { id: 'm1', visible: false }), own('GibSeconds', { id: 'm2', visible: false }), [{ expression: 'm1/3600', label: 'vCPU-hours', id: 'e1' }], [{ expression: 'm2/3600', label: 'GiB-hours', id: 'e2' }]]],
    ['Cost: seconds of functions, batches, output', [...functions.map((fn, at): Metric => ['AWS/Lambda', 'Duration', 'FunctionName', `${name}-${fn}`, { stat: 'Sum', id: `m${String(at + 1)}`, visible: false }]), [{ expression: `(${functions.map((_, at) => `FILL(m${String(at + 1)},0)`).join('+')})/1000`, label: 'seconds of functions', id: 'e1' }], own('BatchesPlanned'), own('OutputBytes', { yAxis: 'right' })]],
  ];
  return {
    widgets: graphs.map(([title, metrics], at) => ({
      type: 'metric',
      x: (at % 2) * half,
      y: Math.floor(at / 2) * height,
      width: half,
      height,
      properties: { title, region, view: 'timeSeries', period: periodSeconds, metrics },
    })),
  };
}
