/** Input, work and output in S3, on a server on the loopback interface: how it scales with workers, and what is asked of S3. */
import { copyFileSync, linkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { startRecordingProxy, type S3Request } from '../../test/support/recording-proxy.ts';
import { startS3Server, whyNoS3Server } from '../../test/support/s3-server.ts';
import { compareNdvi } from '../compare.ts';
import { deflateScene } from '../inputs.ts';
import { processColumns, quotient, type Figures, type Results, type Scenario, type Step } from '../scenario.ts';
import { execute, noGdal, path, python } from '../setting.ts';
import { tilefanStep } from '../steps.ts';
import { ndviOperation, ndviOutput } from './ndvi.ts';

const workerCounts = [1, 2, 4] as const;

function nameOf(workers: number): string {
  return workers === 1 ? '1 worker' : `${String(workers)} workers`;
}

/** GETs of an object, and the bytes that they asked for. */
function readsOf(requests: readonly S3Request[], key: string): Figures {
  const reads = requests.filter((request) => request.method === 'GET' && request.key === key);
  const bytes = reads.reduce((sum, { headers }) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers['range'] ?? '') ?? [];
    return sum + Number(last) - Number(first) + 1;
  }, 0);
  return { requests: reads.length, readBytes: bytes / 1e6, allRequests: requests.length };
}

export const s3: Scenario = {
  name: 's3',
  title: 'NDVI, deflate, from S3 to S3 on loopback',
  columns: [
    ...processColumns,
    { title: 'GETs of the scene', figure: 'requests', digits: 0 },
    { title: 'MB read of it', figure: 'readBytes', digits: 1 },
    { title: 'blocks', figure: 'blocks', digits: 0 },
    { title: 'MB of blocks', figure: 'blockBytes', digits: 1 },
    { title: 'all requests', figure: 'allRequests', digits: 0 },
  ],
  async prepare(setting) {
    const reason = whyNoS3Server();
    if (reason !== undefined) return { steps: [], checks: [], absent: [reason] };
    const scene = deflateScene(setting);
    const server = await startS3Server('bench');
    const folder = `${server.root}/${server.bucket}/`;
    try {
      linkSync(scene, `${folder}scene.tif`);
    } catch {
      copyFileSync(scene, `${folder}scene.tif`);
    }
    const href = `s3://${server.bucket}/`;
    const run = (name: string, step: string, workers: number, env: Readonly<Record<string, string>>): ReturnType<typeof tilefanStep> =>
      tilefanStep(
        {
          name,
          inputs: { scene: `${href}scene.tif` },
          operation: ndviOperation,
          output: ndviOutput,
          args: ['--workers', String(workers), '--threads', '1'],
          place: { href, folder, env },
        },
        step,
      );
    const timed = workerCounts.map((workers) => run(`s3-${String(workers)}`, nameOf(workers), workers, server.env));
    const counted: Step = {
      name: '4 workers, requests counted',
      runs: 1,
      async run() {
        const proxy = await startRecordingProxy(server.endpoint, true);
        try {
          const { output = NaN } = await run('s3-counted', 'counted', 4, { ...server.env, AWS_ENDPOINT_URL_S3: proxy.endpoint }).run();
          const needed = setting.peers.gdal ? (JSON.parse(execute(python, [path('peers/block_bytes.py'), scene])) as { blocks: number; bytes: number }) : { blocks: NaN, bytes: NaN };
          return { output, ...readsOf(proxy.requests, 'scene.tif'), blocks: needed.blocks, blockBytes: needed.bytes / 1e6 };
        } finally {
          await proxy.stop();
        }
      },
    };
    return {
      steps: [...timed, counted],
      checks: setting.peers.gdal ? timed.map((step) => compareNdvi(step.name, scene, step.file)) : [],
      absent: setting.peers.gdal ? [] : [noGdal],
      close: () => server.stop(),
    };
  },
  judge(results: Results) {
    const counted = '4 workers, requests counted';
    const cores = Math.min(4, availableParallelism());
    return [
      { what: 'bytes read from S3 against those of the blocks needed', value: quotient(results.median(counted, 'readBytes'), results.median(counted, 'blockBytes')), bound: '<=', target: 1.05 },
      { what: 'requests to S3 for the scene against blocks needed', value: quotient(results.median(counted, 'requests'), results.median(counted, 'blocks')), bound: '<=', target: 1.05 },
      // The server and this process's own parts have the same cores to run on.
      { what: `4 workers against one, S3 on loopback, ${String(availableParallelism())} cores`, value: results.ratio(nameOf(1), nameOf(4)), bound: '>=', target: 0.9 * cores },
    ];
  },
};
