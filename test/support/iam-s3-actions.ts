/**
 * Which permissions a request to S3 needs, and on which objects, as S3's documentation has them: "Required permissions for Amazon S3 API operations"
 * (userguide/using-with-s3-policy-actions.html), "Multipart upload API and permissions" (userguide/mpuoverview.html#mpuAndPermissions, for KMS too),
 * and "Permissions" of GetObject, HeadObject, UploadPartCopy and PutObject in the API reference.
 */
import type { S3Request } from './recording-proxy.ts';

export interface S3Need {
  readonly action: string;
  readonly bucket: string;
  /** Undefined when the bucket itself is meant. */
  readonly key: string | undefined;
  /** Actions on the key that encrypts the object, where KMS does. */
  readonly kms: readonly string[];
  /** For a list: the prefix that is listed. */
  readonly prefix?: string | undefined;
}

/** What a query may hold that is known here, and asks for no version, ACL, tag or other sub-resource. */
const knownQuery = new Set([
  'x-id', 'list-type', 'prefix', 'delimiter', 'encoding-type', 'max-keys', 'continuation-token', 'start-after',
  'uploadId', 'uploads', 'partNumber', 'delete', 'max-parts', 'part-number-marker',
]);
/** Beginnings of headers that need a permission of their own; the code sends none of them. */
const privilegedHeaders = ['x-amz-acl', 'x-amz-grant-', 'x-amz-tagging', 'x-amz-object-lock-', 'x-amz-bypass-governance-retention', 'x-amz-server-side-encryption'];

/** @throws Error for a request that the table doesn't know: look it up, and add it */
export function needsOf(request: S3Request): S3Need[] {
  const { method, bucket, key, query, headers, body, status } = request;
  const unknown = (): never => {
    throw new Error(`the table of permissions does not know ${method} /${bucket}/${key} ${JSON.stringify(query)} ${JSON.stringify(headers)}`);
  };
  if (Object.keys(query).some((name) => !knownQuery.has(name))) return unknown();
  if (Object.keys(headers).some((name) => privilegedHeaders.some((prefix) => name.startsWith(prefix)))) return unknown();
  const on = (action: string, of: string | undefined, kms: readonly string[] = [], where = bucket): S3Need => ({ action: `s3:${action}`, bucket: where, key: of, kms });
  const has = (name: string): boolean => name in query;
  if (key === '') {
    // GDAL lists by the older ListObjects, which wants the same (API/API_ListObjects.html).
    if (method === 'GET' && (query['list-type'] === '2' || has('prefix'))) return [{ ...on('ListBucket', undefined), prefix: query['prefix'] ?? '' }];
    if (method === 'POST' && has('delete')) return [...body.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, each]) => on('DeleteObject', each));
    return unknown();
  }
  const read = (of: string, where: string): S3Need => on('GetObject', of, ['kms:Decrypt'], where);
  if (method === 'GET' && has('uploadId')) return [on('ListMultipartUploadParts', key)];
  // Without s3:ListBucket a missing object is answered with 403, and the code could not tell it from a denied one.
  if (method === 'GET' || method === 'HEAD') return [read(key, bucket), ...(status === 404 ? [on('ListBucket', undefined)] : [])];
  if (method === 'DELETE') return [on(has('uploadId') ? 'AbortMultipartUpload' : 'DeleteObject', key)];
  // S3 reads the parts again when it completes the upload.
  const multipart = ['kms:GenerateDataKey', 'kms:Decrypt'];
  if (method === 'POST' && (has('uploads') || has('uploadId'))) return [on('PutObject', key, multipart)];
  if (method !== 'PUT') return unknown();
  // Overwriting one known version needs s3:GetObject too; the code only ever asks for none to be there.
  if ('if-match' in headers) return unknown();
  const source = headers['x-amz-copy-source'];
  if (source === undefined) return [on('PutObject', key, has('uploadId') ? multipart : ['kms:GenerateDataKey'])];
  const [, from, path] = /^\/?([^/?]+)\/([^?]+)$/.exec(source) ?? [];
  // A version of the source would need s3:GetObjectVersion.
  if (from === undefined || path === undefined) return unknown();
  return [on('PutObject', key, multipart), read(decodeURIComponent(path), from)];
}

/** The SDK's command that makes a request. */
export function commandOf({ method, key, query, headers }: S3Request): string {
  const has = (name: string): boolean => name in query;
  const name =
    key === '' ? (has('delete') ? 'DeleteObjects' : 'ListObjectsV2')
    : method === 'HEAD' ? 'HeadObject'
    : method === 'GET' ? (has('uploadId') ? 'ListParts' : 'GetObject')
    : method === 'DELETE' ? (has('uploadId') ? 'AbortMultipartUpload' : 'DeleteObject')
    : method === 'POST' ? (has('uploads') ? 'CreateMultipartUpload' : 'CompleteMultipartUpload')
    : !has('uploadId') ? 'PutObject'
    : 'x-amz-copy-source' in headers ? 'UploadPartCopy'
    : 'UploadPart';
  return `${name}Command`;
}
