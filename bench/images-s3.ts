/**
 * Copies of small images from S3 to S3: whole runs of `tilefan run` and a plain loop of sharp over the same objects, by turns. The server is on the loopback interface
 * (versitygw, as in bench/README.md), and each of its answers waits, as those of S3 do.
 *
 *     node bench/images-s3.ts [--images 600] [--runs 3] [--delay 30]
 *
 * The plain loop has four images under way on two vCPUs, from reading to writing.
 */
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pLimit from 'p-limit';
import { startRecordingProxy } from '../test/support/recording-proxy.ts';
import { startS3Server } from '../test/support/s3-server.ts';
import { makeImageFiles } from './image-files.ts';
import { measure, median } from './measure.ts';
import { bothCopies, setUpSharp } from './plain-sharp.ts';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { images: { type: 'string', default: '600' }, runs: { type: 'string', default: '3' }, delay: { type: 'string', default: '30' } } });
const [plainBucket] = positionals;
const atATime = 4;

if (plainBucket === undefined) await compare();
else await plainLoop(plainBucket);

async function compare(): Promise<void> {
  const files = await makeImageFiles(640);
  const server = await startS3Server('bench');
  const proxy = await startRecordingProxy(server.endpoint, true, Number(values.delay));
  const folder = fileURLToPath(new URL('data/images-s3/', import.meta.url));
  try {
    const bucket = `${server.root}/${server.bucket}`;
    mkdirSync(`${bucket}/in`);
    for (let i = 0; i < Number(values.images); i++) copyFileSync(files[i % files.length] ?? '', `${bucket}/in/${String(i).padStart(6, '0')}.jpg`);
    mkdirSync(folder, { recursive: true });
    const job = `${folder}job.json`;
    const copies = { resized: { fit: 'inside', width: 1024, height: 768, quality: 90 }, thumbs: { width: 192, height: 192 } };
    writeFileSync(job, JSON.stringify({ name: 'images', items: { prefix: `s3://${server.bucket}/in/` }, operation: { images: copies }, outputs: { prefix: `s3://${server.bucket}/out/` }, results: { href: `${folder}table.csv` } }));
    const env = { ...server.env, AWS_ENDPOINT_URL_S3: proxy.endpoint };
    const commands = {
      'plain loop': [process.execPath, fileURLToPath(import.meta.url), server.bucket],
      'tilefan run': [process.execPath, fileURLToPath(new URL('../cli/tilefan.mjs', import.meta.url)), 'run', job, '--work', `${folder}work`],
    };
    const seconds = { 'plain loop': [] as number[], 'tilefan run': [] as number[] };
    for (let round = 0; round < Number(values.runs); round++) {
      const order = ['plain loop', 'tilefan run'] as const;
      for (const name of round % 2 === 0 ? order : order.toReversed()) {
        rmSync(`${bucket}/out`, { recursive: true, force: true });
        seconds[name].push((await measure({ name, command: commands[name], env })).wallSeconds);
        const made = readdirSync(`${bucket}/out/thumbs`).length;
        if (made !== Number(values.images)) throw new Error(`${name} has made ${String(made)} of ${values.images} thumbs`);
      }
    }
    for (const [name, each] of Object.entries(seconds)) process.stdout.write(`${name}: ${each.map((one) => one.toFixed(1)).join(', ')} s\n`);
    process.stdout.write(`tilefan takes ${(median(seconds['tilefan run']) / median(seconds['plain loop'])).toFixed(2)} of the loop's time: ${values.images} images, each answer ${values.delay} ms late\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await proxy.stop();
    await server.stop();
  }
}

async function plainLoop(bucket: string): Promise<void> {
  setUpSharp();
  const s3 = new S3Client({ forcePathStyle: true });
  const limit = pLimit(atATime);
  const works: Promise<void>[] = [];
  for (let token: string | undefined, more = true; more; ) {
    const page = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: 'in/', ContinuationToken: token }));
    for (const { Key: key = '' } of page.Contents ?? []) works.push(limit(async () => await copyOne(s3, bucket, key)));
    token = page.NextContinuationToken;
    more = token !== undefined;
  }
  await Promise.all(works);
}

async function copyOne(s3: S3Client, bucket: string, key: string): Promise<void> {
  const { Body: body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  if (body === undefined) throw new Error(`${key} has no body`);
  const [resized, thumbs] = await bothCopies(Buffer.from(await body.transformToByteArray()));
  const put = async (folder: string, bytes: Buffer): Promise<unknown> => await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key.replace(/^in/, `out/${folder}`), Body: bytes, ContentType: 'image/jpeg' }));
  await Promise.all([put('resized', resized), put('thumbs', thumbs)]);
}
