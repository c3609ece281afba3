/** Buckets that a stack has made, with all that is in them: versions, delete markers and uploads that were never finished. */
import {
  AbortMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  type Bucket,
  type ListBucketsCommandOutput,
  type ListMultipartUploadsCommandOutput,
  type ListObjectVersionsCommandOutput,
  type ObjectIdentifier,
  type S3Client,
} from '@aws-sdk/client-s3';
import { OutputError } from '../../lib/base/errors.ts';
import { s3FaultOf } from '../../lib/store/s3-errors.ts';
import { bytesText, countText } from '../text.ts';
import type { Leftover } from './leftover.ts';

/**
 * Whether a stack of this name made the bucket: its name has the account and the region, or is the one that CloudFormation gives the bucket for
 * deployments. A bucket that was given by parameter has another name.
 */
export function isOwnBucket(bucket: string, name: string, region: string): boolean {
  const rest = bucket.startsWith(`${name}-`) ? bucket.slice(name.length + 1) : '';
  return (/^(?:input|work|output|logs)-\d{12}-/.test(rest) && rest.endsWith(`-${region}`) && rest.split('-').length === 2 + region.split('-').length) || /^serverlessdeploymentbuck[a-z]*-[a-z0-9]+$/.test(rest);
}

export async function leftoverBuckets(s3: S3Client, name: string): Promise<Leftover[]> {
  const region = await s3.config.region();
  const found: Bucket[] = [];
  let token: string | undefined;
  do {
    const page: ListBucketsCommandOutput = await s3.send(new ListBucketsCommand({ Prefix: `${name}-`, MaxBuckets: 1000, ...(token === undefined ? {} : { ContinuationToken: token }) }));
    found.push(...(page.Buckets ?? []));
    token = page.ContinuationToken;
  } while (token !== undefined && token !== '');
  const names = found.flatMap(({ Name: bucket = '' }) => (isOwnBucket(bucket, name, region) ? [bucket] : []));
  // Access logs of the others still come in while they are emptied.
  const last = (bucket: string): number => (bucket.startsWith(`${name}-logs-`) ? 1 : 0);
  const leftovers: Leftover[] = [];
  for (const bucket of names.toSorted((a, b) => last(a) - last(b) || a.localeCompare(b))) {
    leftovers.push({ kind: 'bucket', name: bucket, detail: await contentText(s3, bucket), remove: () => removeBucket(s3, bucket) });
  }
  return leftovers;
}

/** From one page of the listing: how much there is at least. */
async function contentText(s3: S3Client, bucket: string): Promise<string> {
  const page = await s3.send(new ListObjectVersionsCommand({ Bucket: bucket, MaxKeys: 1000 }));
  const count = (page.Versions?.length ?? 0) + (page.DeleteMarkers?.length ?? 0);
  const bytes = (page.Versions ?? []).reduce((sum, { Size = 0 }) => sum + Size, 0);
  if (count === 0) return 'empty';
  return `${page.IsTruncated === true ? 'more than ' : ''}${countText(count, 'object version')}, ${bytesText(bytes)}`;
}

/** Objects may come in while the bucket is emptied. */
const roundsOfEmptying = 5;

async function removeBucket(s3: S3Client, bucket: string): Promise<void> {
  for (let round = 1; ; round++) {
    await emptyBucket(s3, bucket);
    await abortUploads(s3, bucket);
    try {
      await s3.send(new DeleteBucketCommand({ Bucket: bucket }));
      return;
    } catch (error) {
      const { name } = s3FaultOf(error);
      if (name === 'NoSuchBucket') return;
      if (name !== 'BucketNotEmpty' || round === roundsOfEmptying) throw error;
    }
  }
}

async function emptyBucket(s3: S3Client, bucket: string): Promise<void> {
  let keyMarker: string | undefined;
  let versionMarker: string | undefined;
  for (;;) {
    const page: ListObjectVersionsCommandOutput = await s3.send(
      new ListObjectVersionsCommand({ Bucket: bucket, MaxKeys: 1000, ...(keyMarker === undefined ? {} : { KeyMarker: keyMarker }), ...(versionMarker === undefined ? {} : { VersionIdMarker: versionMarker }) }),
    );
    await deleteObjects(s3, bucket, [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map(({ Key, VersionId }): ObjectIdentifier => ({ Key, ...(VersionId === undefined ? {} : { VersionId }) })));
    if (page.IsTruncated !== true || page.NextKeyMarker === undefined) return;
    keyMarker = page.NextKeyMarker;
    versionMarker = page.NextVersionIdMarker;
  }
}

/** A page has 1000 entries at most, which is what DeleteObjects takes. */
async function deleteObjects(s3: S3Client, bucket: string, objects: ObjectIdentifier[]): Promise<void> {
  if (objects.length === 0) return;
  const { Errors = [] } = await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: objects, Quiet: true } }));
  const [first] = Errors;
  if (first === undefined) return;
  throw new OutputError('PURGE_OBJECTS', `${countText(Errors.length, 'object')} of ${bucket} can't be deleted; the first is ${first.Key ?? '?'}: ${first.Code ?? ''} ${first.Message ?? ''}`);
}

async function abortUploads(s3: S3Client, bucket: string): Promise<void> {
  let keyMarker: string | undefined;
  let uploadMarker: string | undefined;
  for (;;) {
    const page: ListMultipartUploadsCommandOutput = await s3.send(
      new ListMultipartUploadsCommand({ Bucket: bucket, ...(keyMarker === undefined ? {} : { KeyMarker: keyMarker }), ...(uploadMarker === undefined ? {} : { UploadIdMarker: uploadMarker }) }),
    );
    for (const { Key, UploadId } of page.Uploads ?? []) await s3.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }));
    if (page.IsTruncated !== true || page.NextKeyMarker === undefined) return;
    keyMarker = page.NextKeyMarker;
    uploadMarker = page.NextUploadIdMarker;
  }
}
