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
  /** Totals in another unit. */
  const hours = (metric: string, label: string, at: number): Metric[] => [own(metric, { id: `m${String(at)}`, visible: false }), [{ expression: `m${String(at)}/3600`, label, id: `e${String(at)}` }]];
  const graphs: readonly (readonly [title: string, metrics: readonly Metric[]])[] = [
    [
      'Runs',
      [
        pipeline('ExecutionsStarted', { label: 'started' }),
        pipeline('ExecutionsSucceeded', { label: 'succeeded' }),
        pipeline('ExecutionsFailed', { label: 'failed' }),
        pipeline('ExecutionsTimedOut', { label: 'timed out' }),
        pipeline('ExecutionsAborted', { label: 'cancelled' }),
      ],
    ],
    ['Jobs', [own('JobsPlanned'), own('JobsRefused'), own('RunsFinished')]],
    ['Tiles per second', perSecond('TilesComputed', 'tiles/s')],
    ['Tiles and items', [own('TilesPlanned'), own('ItemsPlanned'), own('TilesComputed'), own('TilesReused'), own('ItemsFailed')]],
    ['Attempts of tasks', [own('AttemptsFailed', { stat: 'SampleCount', label: 'ended' }), own('AttemptsFailed', { label: 'failed' })]],
    ['Seconds of a task', [own('TaskSeconds', { stat: 'Average', label: 'average' }), own('TaskSeconds', { stat: 'Maximum', label: 'longest' })]],
    ['Uploads', [own('RunsStarted'), own('UploadsDuplicate'), own('UploadsIgnored'), own('UploadsRefused')]],
    [
      'Upload queue',
      [
        queue('ApproximateNumberOfMessagesVisible', `${name}-uploads`, { stat: 'Maximum', label: 'waiting' }),
        queue('ApproximateNumberOfMessagesVisible', `${name}-uploads-dead`, { stat: 'Maximum', label: 'dead' }),
        queue('ApproximateAgeOfOldestMessage', `${name}-uploads`, { stat: 'Maximum', label: 'age of the oldest, s', yAxis: 'right' }),
      ],
    ],
    ['Errors of functions', functions.map((fn) => lambda('Errors', fn))],
    ['Throttling', [...functions.map((fn) => lambda('Throttles', fn)), pipeline('ExecutionThrottled', { label: 'state machine' })]],
    ['Cost: vCPU-hours and GiB-hours of tasks', [...hours('VcpuSeconds', 'vCPU-hours', 1), ...hours('GibSeconds', 'GiB-hours', 2)]],
    [
      'Cost: functions',
      [
        ...functions.map((fn, at): Metric => ['AWS/Lambda', 'Duration', 'FunctionName', `${name}-${fn}`, { stat: 'Sum', id: `m${String(at + 1)}`, visible: false }]),
        [{ expression: `(${functions.map((_, at) => `FILL(m${String(at + 1)},0)`).join('+')})/1000`, label: 'seconds', id: 'e1' }],
      ],
    ],
    ['Cost: state machine (four transitions a batch and attempt)', [own('BatchesPlanned', { label: 'batches' })]],
    ['Output', [own('OutputBytes', { label: 'bytes' })]],
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
