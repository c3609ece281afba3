/** What `purge` finds and removes, what it leaves alone, and how it goes on after a failure. Buckets are those of a real server; the rest is scripted. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { CloudWatchLogsClient, DeleteLogGroupCommand, DescribeLogGroupsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { DeleteRepositoryCommand, DescribeRepositoriesCommand, ECRClient, ListImagesCommand, RepositoryNotFoundException } from '@aws-sdk/client-ecr';
import { DeleteTaskDefinitionsCommand, DeregisterTaskDefinitionCommand, ECSClient, ListTaskDefinitionFamiliesCommand, ListTaskDefinitionsCommand } from '@aws-sdk/client-ecs';
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { mockClient, type AwsClientStub } from 'aws-sdk-client-mock';
import { isOwnBucket } from '../../../cli/aws/leftover-buckets.ts';
import { isOwnLogGroup } from '../../../cli/aws/leftover-logs.ts';
import { isOwnFamily } from '../../../cli/aws/leftover-task-definitions.ts';
import { purge, type PurgeContext, type PurgeOptions } from '../../../cli/aws/purge.ts';
import { createS3Client } from '../../../lib/store/s3-client.ts';
import { imageFamily } from '../../../lib/job/image-definitions.ts';
import { startS3Server, whyNoS3Server, type S3Server } from '../../support/s3-server.ts';
import { Text } from './fake-aws.ts';

const clientOptions = { region: 'us-east-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' }, maxAttempts: 1 };
const fault = (name: string, message = name): Error => Object.assign(new Error(message), { name, $metadata: { httpStatusCode: 400 } });

interface Fake {
  readonly context: PurgeContext & { readonly streams: { readonly stdout: Text; readonly stderr: Text } };
  readonly removed: () => string[];
  readonly logs: AwsClientStub<CloudWatchLogsClient>;
  readonly ecs: AwsClientStub<ECSClient>;
  readonly stacks: AwsClientStub<CloudFormationClient>;
}

const groups = [
  '/tilefan/dev/worker',
  '/aws/lambda/tilefan-dev-split',
  '/aws/lambda/tilefan-dev-fail-batch',
  '/aws/lambda/tilefan-dev-2-split',
  '/aws/lambda/tilefan-dev-other',
  '/aws/vendedlogs/states/tilefan-dev',
  '/aws/vendedlogs/states/tilefan-dev-2',
  '/aws/ecs/containerinsights/tilefan-dev/performance',
  '/aws/ecs/containerinsights/tilefan-dev-2/performance',
];
const families = ['tilefan-dev-worker-fargate-arm64', 'tilefan-dev-worker-worker-ec2', imageFamily('tilefan-dev', 'arn:1', 'image'), 'tilefan-dev-image-worker-ec2'];

/** Everything but S3; 23 revisions of each family. */
function fake(s3: S3Client, ask?: PurgeContext['ask']): Fake {
  const cloudFormation = new CloudFormationClient(clientOptions);
  const ecr = new ECRClient(clientOptions);
  const ecs = new ECSClient(clientOptions);
  const logs = new CloudWatchLogsClient(clientOptions);
  const removed: string[] = [];
  const stacks = mockClient(cloudFormation);
  stacks.on(DescribeStacksCommand).rejects(fault('ValidationError', 'Stack with id tilefan-dev does not exist'));
  const repositories = mockClient(ecr);
  repositories.on(DescribeRepositoriesCommand, { repositoryNames: ['tilefan-dev-worker'] }).resolves({ repositories: [{ repositoryName: 'tilefan-dev-worker' }] });
  repositories.on(ListImagesCommand).resolves({ imageIds: [{ imageTag: 'latest' }, { imageDigest: 'sha256:1' }] });
  repositories.on(DeleteRepositoryCommand).callsFake(({ repositoryName, force }: { repositoryName: string; force: boolean }) => {
    removed.push(`${repositoryName} ${force ? 'with images' : ''}`);
    return {};
  });
  const logMock = mockClient(logs);
  logMock.on(DescribeLogGroupsCommand).callsFake(({ logGroupNamePrefix, nextToken }: { logGroupNamePrefix: string; nextToken?: string }) => {
    const found = groups.filter((group) => group.startsWith(logGroupNamePrefix));
    const at = Number(nextToken ?? 0);
    return { logGroups: found.slice(at, at + 1).map((logGroupName) => ({ logGroupName, storedBytes: 2048 })), ...(at + 1 < found.length ? { nextToken: String(at + 1) } : {}) };
  });
  logMock.on(DeleteLogGroupCommand).callsFake(({ logGroupName }: { logGroupName: string }) => {
    removed.push(logGroupName);
    return {};
  });
  const ecsMock = mockClient(ecs);
  const deregistered = new Set<string>();
  const revisions = (family: string): string[] => Array.from({ length: 23 }, (_, i) => `arn:aws:ecs:us-east-1:1:task-definition/${family}:${String(i + 1)}`);
  ecsMock.on(ListTaskDefinitionFamiliesCommand).callsFake(({ familyPrefix }: { familyPrefix: string }) => ({ families: families.filter((family) => family.startsWith(familyPrefix)) }));
  ecsMock.on(ListTaskDefinitionsCommand).callsFake(({ familyPrefix, status, nextToken }: { familyPrefix: string; status: string; nextToken?: string }) => {
    const [first, ...rest] = revisions(familyPrefix);
    if (status === 'INACTIVE') return { taskDefinitionArns: [first] };
    return nextToken === undefined ? { taskDefinitionArns: rest.slice(0, 20), nextToken: 't' } : { taskDefinitionArns: rest.slice(20) };
  });
  ecsMock.on(DeregisterTaskDefinitionCommand).callsFake(({ taskDefinition }: { taskDefinition: string }) => {
    deregistered.add(taskDefinition);
    return {};
  });
  ecsMock.on(DeleteTaskDefinitionsCommand).callsFake(({ taskDefinitions }: { taskDefinitions: string[] }) => {
    if (taskDefinitions.length > 10) throw fault('InvalidParameterException', 'Task definitions list cannot exceed 10');
    for (const arn of taskDefinitions) if (!deregistered.has(arn) && !arn.endsWith(':1')) throw fault('ClientException', `${arn} is active`);
    removed.push(...taskDefinitions.map((arn) => arn.replace(/^.*\//, '')));
    return { taskDefinitions: [], failures: [] };
  });
  const streams = { stdout: new Text(), stderr: new Text() };
  return { context: { cloudFormation, s3, ecr, ecs, logs, streams, ask }, removed: () => removed, logs: logMock, ecs: ecsMock, stacks };
}

/** S3 without a bucket. */
function noBuckets(): S3Client {
  const s3 = new S3Client(clientOptions);
  mockClient(s3).on(ListBucketsCommand).resolves({ Buckets: [] });
  return s3;
}

async function run(options: Partial<PurgeOptions>, { context }: Fake): Promise<{ code: number; out: string; err: string }> {
  const code = await purge({ stage: 'dev', ...options }, context);
  return { code, out: context.streams.stdout.text, err: context.streams.stderr.text };
}

void describe('purge', () => {
  // Catches: another stage's things, whose names begin alike, removed for good.
  void it('removes what this stage has left, and nothing of another', async () => {
    const all = fake(noBuckets());
    const { code, out } = await run({ yes: true }, all);
    assert.equal(code, 0);
    const revisions = [families[0], families[2]].flatMap((family) => Array.from({ length: 23 }, (_, i) => `${String(family)}:${String(i + 1)}`));
    assert.deepEqual(all.removed().toSorted(), ['tilefan-dev-worker with images', ...revisions, ...groups.filter((_, i) => [0, 1, 2, 5, 7].includes(i))].toSorted());
    assert.match(out, /repository {7}tilefan-dev-worker {2}\(2 images\)\n/);
    assert.match(out, /task definition {2}tilefan-dev-worker-fargate-arm64 {2}\(23 revisions\)\n/);
    assert.match(out, /log group {8}\/tilefan\/dev\/worker {2}\(2\.0 KiB\)\n/);
    assert.match(out, /8 things removed\n$/);
  });

  void it('knows its own names', () => {
    const own = (bucket: string): boolean => isOwnBucket(bucket, 'tilefan-dev', 'eu-west-1');
    for (const kind of ['input', 'work', 'output', 'logs']) assert.ok(own(`tilefan-dev-${kind}-123456789012-eu-west-1`));
    assert.ok(own('tilefan-dev-serverlessdeploymentbucket-1a2b3c4d5e6f') && own('tilefan-dev-serverlessdeploymentbuck-jypexyfbvlpl'));
    for (const other of [
      'tilefan-dev-input-123456789012-us-west-1', 'tilefan-dev-input-123456789012-us-eu-west-1', 'tilefan-dev-2-input-123456789012-eu-west-1', 'tilefan-dev-input',
      'tilefan-dev-photos-123456789012-eu-west-1', 'tilefan-development-input-123456789012-eu-west-1', 'my-tilefan-dev-input-123456789012-eu-west-1', 'tilefan-dev-2-serverlessdeploymentbuck-jypexyfbvlpl',
    ]) assert.ok(!own(other), other);
    assert.ok(isOwnFamily(imageFamily('tilefan-dev', 'a', 'b'), 'tilefan-dev'));
    for (const other of ['tilefan-dev-image-x', 'tilefan-dev-worker', 'tilefan-dev-worker-x', 'tilefan-dev-2-worker-ec2']) assert.ok(!isOwnFamily(other, 'tilefan-dev'), other);
  });

  // Catches: a function, log group or task definition that was added to the stack, and that purge doesn't know.
  void it('knows the names that the stack gives', () => {
    const root = new URL('../../../', import.meta.url);
    const resources = readdirSync(new URL('resources/', root)).map((file) => readFileSync(new URL(`resources/${file}`, root), 'utf8')).join('\n');
    const stack = readFileSync(new URL('serverless.yml', root), 'utf8');
    const written = (text: string): string => text.replaceAll(/\$\{self:custom\.(?:stack\.)?name\}/g, 'tilefan-dev').replaceAll('${self:service}', 'tilefan').replaceAll('${sls:stage}', 'dev');
    const namesOf = (page: string, pattern: RegExp): string[] => [...page.matchAll(pattern)].map(([, name = '']) => written(name));
    const foundFamilies = namesOf(resources, /^ +Family: (\S+)$/gm);
    const foundGroups = [...namesOf(resources, /^ +LogGroupName: (\/\S+)$/gm), ...namesOf(stack, /^ {4}name: (\S+)$/gm).map((name) => `/aws/lambda/${name}`)];
    assert.ok(foundFamilies.length > 0 && foundGroups.length > 4, JSON.stringify([foundFamilies, foundGroups]));
    assert.deepEqual(foundFamilies.filter((family) => !isOwnFamily(family, 'tilefan-dev')), []);
    assert.deepEqual(foundGroups.filter((group) => !isOwnLogGroup(group, 'dev', 'tilefan-dev')), []);
  });

  // Catches: buckets of a stack that is in use.
  void it('refuses while the stack is there', async () => {
    const living = fake(noBuckets());
    const stack = { StackName: 'tilefan-dev', CreationTime: new Date() };
    living.stacks.on(DescribeStacksCommand).resolves({ Stacks: [{ ...stack, StackStatus: 'DELETE_FAILED' }] });
    await assert.rejects(run({ yes: true }, living), { code: 'STACK_EXISTS', exitCode: 64, message: /\(DELETE_FAILED\): remove it first, with "npx sls remove --stage dev"/ });
    assert.deepEqual(living.removed(), []);
    const denied = fake(noBuckets());
    denied.stacks.on(DescribeStacksCommand).rejects(fault('AccessDenied'));
    await assert.rejects(run({ yes: true }, denied), { name: 'AccessDenied' });
    const gone = fake(noBuckets());
    gone.stacks.on(DescribeStacksCommand).resolves({ Stacks: [{ ...stack, StackStatus: 'DELETE_COMPLETE' }] });
    assert.equal((await run({ yes: true }, gone)).code, 0);
    assert.ok(gone.removed().length > 0);
  });

  void it('asks for the name, and removes nothing without it', async () => {
    const questions: string[] = [];
    const asking = (answer: string): PurgeContext['ask'] => (question) => {
      questions.push(question);
      return Promise.resolve(answer);
    };
    for (const [options, ask, code] of [[{}, undefined, 64], [{}, asking('yes'), 64], [{}, asking(''), 64], [{ dryRun: true }, asking('tilefan-dev'), 0], [{ dryRun: true, yes: true }, undefined, 0]] as const) {
      const each = fake(noBuckets(), ask);
      const result = await run(options, each);
      assert.deepEqual([result.code, each.removed()], [code, []]);
      assert.match(result.out, /tilefan-dev-worker /);
    }
    assert.equal(questions.length, 2);
    assert.match(questions[0] ?? '', /Type tilefan-dev to go on/);
    const typed = fake(noBuckets(), asking('tilefan-dev\n'));
    assert.equal((await run({}, typed)).code, 0);
    assert.ok(typed.removed().length > 0);
  });

  // Catches: one refusal that leaves everything else behind, or that is lost in a good exit code.
  void it('goes on after a failure, and says so at the end', async () => {
    const broken = fake(noBuckets());
    broken.ecs.on(ListTaskDefinitionFamiliesCommand).rejects(fault('AccessDeniedException', 'not authorized to perform: ecs:ListTaskDefinitionFamilies'));
    broken.logs.on(DeleteLogGroupCommand, { logGroupName: '/tilefan/dev/worker' }).rejects(fault('OperationAbortedException', 'again'));
    const { code, out, err } = await run({ yes: true }, broken);
    assert.equal(code, 73);
    assert.match(err, /Cannot look for task definitions: AWS refuses permission .*ecs:ListTaskDefinitionFamilies/);
    assert.match(err, /Cannot remove log group \/tilefan\/dev\/worker: AWS says OperationAbortedException: again/);
    assert.match(out, /5 things removed, 1 not\n$/);
    assert.deepEqual(broken.removed().length, 5);
    const kept = fake(noBuckets());
    kept.ecs.on(DeleteTaskDefinitionsCommand).resolves({ failures: [{ arn: 'arn:x:3', reason: 'MISSING', detail: 'd' }] });
    assert.match((await run({ yes: true }, kept)).err, /arn:x:3 can't be deleted: MISSING d/);
  });

  void it('says when there is nothing', async () => {
    const none = fake(noBuckets());
    none.logs.on(DescribeLogGroupsCommand).resolves({ logGroups: [] });
    none.ecs.on(ListTaskDefinitionFamiliesCommand).resolves({ families: [] });
    mockClient(none.context.ecr).on(DescribeRepositoriesCommand).rejects(new RepositoryNotFoundException({ message: 'none', $metadata: {} }));
    const { code, out } = await run({}, none);
    assert.deepEqual([code, out], [0, 'tilefan-dev has left nothing behind in us-east-1\n']);
  });

  // What the test server doesn't do: listings of more than one page, buckets that fill up again, objects that can't be deleted.
  void it('empties a bucket page by page, and once more when objects came in', async () => {
    const s3 = new S3Client(clientOptions);
    const mock = mockClient(s3);
    const bucket = 'tilefan-dev-logs-123456789012-us-east-1';
    mock.on(ListBucketsCommand, { ContinuationToken: 't' }).resolves({ Buckets: [{ Name: bucket }, { Name: 'tilefan-dev-photos' }] });
    mock.on(ListBucketsCommand, { ContinuationToken: undefined }).resolves({ Buckets: [], ContinuationToken: 't' });
    const pages = [
      { Versions: [{ Key: 'a', VersionId: '1', Size: 5 }], DeleteMarkers: [{ Key: 'a', VersionId: '2' }], IsTruncated: true, NextKeyMarker: 'a', NextVersionIdMarker: '2' },
      { Versions: [{ Key: 'b', VersionId: 'null' }], IsTruncated: false },
      { Versions: [{ Key: 'late', VersionId: 'null' }], IsTruncated: false },
    ];
    const asked: unknown[] = [];
    mock.on(ListObjectVersionsCommand).callsFake(({ KeyMarker, VersionIdMarker }: { KeyMarker?: string; VersionIdMarker?: string }) => {
      asked.push([KeyMarker, VersionIdMarker]);
      // The first call only looks how much there is.
      return pages[Math.max(0, asked.length - 2)] ?? {};
    });
    mock.on(ListMultipartUploadsCommand).resolves({});
    mock.on(DeleteObjectsCommand).resolves({});
    mock.on(DeleteBucketCommand).rejectsOnce(fault('BucketNotEmpty')).resolves({});
    const { code, out } = await run({ yes: true }, fake(s3));
    assert.equal(code, 0);
    assert.match(out, /tilefan-dev-logs-123456789012-us-east-1 {2}\(more than 2 object versions, 5 B\)/);
    assert.deepEqual(asked, [[undefined, undefined], [undefined, undefined], ['a', '2'], [undefined, undefined]]);
    assert.deepEqual(mock.commandCalls(DeleteObjectsCommand).map(({ args: [{ input }] }) => input.Delete?.Objects?.map(({ Key, VersionId }) => `${String(Key)} ${String(VersionId)}`)), [['a 1', 'a 2'], ['b null'], ['late null']]);
    assert.equal(mock.commandCalls(DeleteBucketCommand).length, 2);
    mock.on(ListObjectVersionsCommand).resolves({ Versions: [{ Key: 'a', VersionId: '1' }] });
    mock.on(DeleteObjectsCommand).resolves({ Errors: [{ Key: 'a', Code: 'AccessDenied', Message: 'no' }] });
    const locked = await run({ yes: true }, fake(s3));
    assert.equal(locked.code, 73);
    assert.match(locked.err, /1 object of tilefan-dev-logs-.* can't be deleted; the first is a: AccessDenied no/);
  });
});

void describe('purge of buckets', { skip: whyNoS3Server() ?? false }, () => {
  let server: S3Server;
  let s3: S3Client;
  before(async () => {
    server = await startS3Server('somebody-elses', { versioning: true });
    Object.assign(process.env, server.env);
    s3 = createS3Client();
  });
  after(async () => {
    s3.destroy();
    await server.stop();
  });

  // Catches: versions, delete markers or uploads that keep a bucket from being deleted, and a bucket that isn't the stack's.
  void it('empties and deletes its own, and leaves all others', async () => {
    const own = ['tilefan-dev-input-123456789012-us-east-1', 'tilefan-dev-work-123456789012-us-east-1', 'tilefan-dev-logs-123456789012-us-east-1'];
    const others = ['tilefan-dev-2-input-123456789012-us-east-1', 'tilefan-dev-input-123456789012-eu-west-1', 'tilefan-dev-photos'];
    for (const Bucket of [...own, ...others]) {
      await s3.send(new CreateBucketCommand({ Bucket }));
      await s3.send(new PutObjectCommand({ Bucket, Key: 'a/b c+ü.tif', Body: 'x' }));
    }
    const [Bucket] = own;
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
    for (const Body of ['one', 'two', 'three']) await s3.send(new PutObjectCommand({ Bucket, Key: 'versioned.json', Body }));
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'versioned.json' }));
    await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'never/finished.tif' }));
    const { code, out } = await run({ yes: true }, fake(s3));
    assert.equal(code, 0, out);
    assert.match(out, /bucket +tilefan-dev-input-123456789012-us-east-1 {2}\(5 object versions, 12 B\)\n/);
    const left = await s3.send(new ListBucketsCommand({}));
    assert.deepEqual(left.Buckets?.map(({ Name }) => Name), [...others, 'somebody-elses'].toSorted());
  });
});
