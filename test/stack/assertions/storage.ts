/** Buckets and the notifications of the input bucket. */
import { isObject } from '../../../local/adapt-definition.ts';
import { at, breaking, list, type Assertion, type StackView } from './assertion.ts';
import type { JsonObject } from '../../support/packaged-stack.ts';
import { statementsOf } from '../../support/template-roles.ts';

const bucket = 'AWS::S3::Bucket';
/** Where the Serverless Framework keeps what it deploys: nothing of a user's, rebuilt by any deployment. */
const deployment = 'ServerlessDeploymentBucket';

function buckets(stack: StackView): readonly (readonly [string, JsonObject, { readonly [field: string]: unknown }])[] {
  return stack.all(bucket);
}

function dataBuckets(stack: StackView): ReturnType<typeof buckets> {
  return buckets(stack).filter(([id]) => id !== deployment);
}

/** Whether a policy denies everything that does not come over TLS, to these resources. */
export function deniesPlainHttp(document: JsonObject, action: string, resources: readonly string[]): boolean {
  return statementsOf(document).some(
    ({ Effect, Principal, Action, Resource, Condition }) =>
      Effect === 'Deny' &&
      (Principal === '*' || at(Principal, 'AWS') === '*') &&
      list(Action).includes(action) &&
      resources.every((resource) => list(Resource).includes(resource)) &&
      String(at(Condition, 'Bool', 'aws:SecureTransport')) === 'false',
  );
}

export const storage: readonly Assertion[] = [
  {
    holds: 'no bucket can be made public',
    problems: (stack) => buckets(stack).flatMap(([id, properties]) =>
      ['BlockPublicAcls', 'BlockPublicPolicy', 'IgnorePublicAcls', 'RestrictPublicBuckets'].filter((field) => at(properties, 'PublicAccessBlockConfiguration', field) !== true).map((field) => `${id} lacks ${field}`)),
    mistakes: [
      breaking(bucket, (properties) => delete properties['PublicAccessBlockConfiguration']),
      breaking(bucket, (properties) => Object.assign(properties['PublicAccessBlockConfiguration'] as object, { RestrictPublicBuckets: false })),
    ],
  },
  {
    holds: 'every bucket is encrypted, and one that KMS encrypts asks KMS once for many objects',
    problems: (stack) => buckets(stack).flatMap(([id, properties]) => {
      const [rule] = list(at(properties, 'BucketEncryption', 'ServerSideEncryptionConfiguration'));
      const algorithm = at(rule, 'ServerSideEncryptionByDefault', 'SSEAlgorithm');
      if (algorithm === 'AES256') return [];
      if (algorithm !== 'aws:kms') return [`${id} is not encrypted`];
      return [
        ...(typeof at(rule, 'ServerSideEncryptionByDefault', 'KMSMasterKeyID') === 'string' ? [] : [`${id} names no key`]),
        ...(at(rule, 'BucketKeyEnabled') === true ? [] : [`${id} has no bucket key`]),
      ];
    }),
    mistakes: [breaking(bucket, (properties) => delete properties['BucketEncryption'])],
  },
  {
    holds: 'every bucket refuses requests without TLS, for itself and its objects',
    problems: (stack) => {
      const policies = stack.all('AWS::S3::BucketPolicy');
      return buckets(stack).flatMap(([id]) => {
        const name = stack.resolve({ Ref: id });
        const arn = stack.resolve({ 'Fn::GetAtt': [id, 'Arn'] }) as string;
        const denies = policies.some(([, properties]) => properties['Bucket'] === name && deniesPlainHttp(properties['PolicyDocument'] as JsonObject, 's3:*', [arn, `${arn}/*`]));
        return denies ? [] : [`${id} takes requests without TLS`];
      });
    },
    mistakes: [
      ({ Resources }) => {
        const found = Object.keys(Resources).find((id) => Resources[id]?.Type === 'AWS::S3::BucketPolicy');
        if (found !== undefined) delete Resources[found];
        return found !== undefined;
      },
    ],
  },
  {
    holds: 'buckets with data stay when the stack goes, or when they would be replaced',
    problems: (stack) => dataBuckets(stack).flatMap(([id, , resource]) =>
      ['DeletionPolicy', 'UpdateReplacePolicy'].filter((field) => resource[field] !== 'Retain' && resource[field] !== 'RetainExceptOnCreate').map((field) => `${id} has the ${field} ${String(resource[field])}`)),
    mistakes: [breaking(bucket, (_, resource) => delete resource['DeletionPolicy'], (id) => id !== deployment)],
  },
  {
    holds: 'the input bucket keeps versions, and old ones go after a time',
    problems: (stack) => dataBuckets(stack).filter(([id]) => id.startsWith('Input')).flatMap(([id, properties]) => [
      ...(at(properties, 'VersioningConfiguration', 'Status') === 'Enabled' ? [] : [`${id} keeps no versions`]),
      ...(rules(properties).some((rule) => isObject(rule['NoncurrentVersionExpiration'] ?? null)) ? [] : [`${id} keeps old versions for ever`]),
    ]),
    mistakes: [breaking(bucket, (properties) => delete properties['VersioningConfiguration'], (id) => id.startsWith('Input'))],
  },
  {
    holds: 'uploads that were given up cost nothing for long, and runs expire',
    problems: (stack) => [
      ...dataBuckets(stack).filter(([, properties]) => !rules(properties).some((rule) => isObject(rule['AbortIncompleteMultipartUpload'] ?? null) && !('Prefix' in rule) && rule['Status'] === 'Enabled')).map(([id]) => `${id} keeps parts of uploads for ever`),
      ...dataBuckets(stack).filter(([id]) => id.startsWith('Work')).filter(([, properties]) => !rules(properties).some((rule) => rule['Prefix'] === 'runs/' && Number(rule['ExpirationInDays']) > 0)).map(([id]) => `${id} keeps runs for ever`),
    ],
    mistakes: [breaking(bucket, (properties) => delete properties['LifecycleConfiguration'], (id) => id !== deployment)],
  },
  {
    holds: 'access to buckets with data is logged, into a bucket that only the log service of S3 may write for this account',
    problems: (stack) => {
      const targets = new Set(dataBuckets(stack).map(([, properties]) => at(properties, 'LoggingConfiguration', 'DestinationBucketName')).filter((name) => name !== undefined));
      const unlogged = dataBuckets(stack).filter(([id, properties]) => !targets.has(stack.resolve({ Ref: id }) ?? '') && at(properties, 'LoggingConfiguration', 'DestinationBucketName') === undefined);
      const open = [...targets].filter((target) => !stack.all('AWS::S3::BucketPolicy').some(([, { Bucket, PolicyDocument }]) => Bucket === target && statementsOf(PolicyDocument).some(
        ({ Effect, Principal, Action, Condition }) => Effect === 'Allow' && at(Principal, 'Service') === 'logging.s3.amazonaws.com' && list(Action).join() === 's3:PutObject' && JSON.stringify(Condition ?? null).includes('"aws:SourceAccount"'))));
      return [...unlogged.map(([id]) => `access to ${id} is not logged`), ...open.map((target) => `S3 may not log into ${String(target)}, or for anybody`)];
    },
    mistakes: [breaking(bucket, (properties) => delete properties['LoggingConfiguration'], (_, properties) => 'LoggingConfiguration' in properties)],
  },
];

function rules(properties: JsonObject): readonly JsonObject[] {
  return list(at(properties, 'LifecycleConfiguration', 'Rules')).filter(isObject);
}
