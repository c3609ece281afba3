/** What AWS's own CDK gives the role of a state machine that does the same: a second opinion on the table in iam-pipeline-needs.ts. */
import { App, Stack } from 'aws-cdk-lib';
import { SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Cluster, ContainerImage, FargateTaskDefinition, LogDrivers } from 'aws-cdk-lib/aws-ecs';
import { CfnPolicy } from 'aws-cdk-lib/aws-iam';
import { Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { DefinitionBody, DistributedMap, IntegrationPattern, LogLevel, ResultWriterV2, S3JsonItemReader, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { CallAwsService, EcsFargateLaunchTarget, EcsRunTask, LambdaInvoke } from 'aws-cdk-lib/aws-stepfunctions-tasks';

interface Statement {
  readonly Action: string | readonly string[];
}

/** Actions, sorted, of a machine with lambda:invoke, a labelled distributed Map over a file in S3 with a ResultWriter, ecs:runTask.sync, s3:getObject, logs and tracing. */
export function actionsThatCdkGrants(): string[] {
  const stack = new Stack(new App({ context: { '@aws-cdk/aws-stepfunctions:useDistributedMapResultWriterV2': true } }), 'oracle');
  const bucket = Bucket.fromBucketName(stack, 'bucket', 'work');
  const vpc = Vpc.fromVpcAttributes(stack, 'vpc', { vpcId: 'vpc-0a', availabilityZones: ['a'], publicSubnetIds: ['subnet-0a'], publicSubnetRouteTableIds: ['rtb-0a'] });
  const cluster = Cluster.fromClusterAttributes(stack, 'cluster', { clusterName: 'workers', vpc });
  const taskDefinition = new FargateTaskDefinition(stack, 'task');
  taskDefinition.addContainer('worker', { image: ContainerImage.fromRegistry('worker'), logging: LogDrivers.awsLogs({ streamPrefix: 'batch' }) });
  const lambdaFunction = new LambdaFunction(stack, 'function', { runtime: Runtime.NODEJS_22_X, handler: 'index.handler', code: Code.fromInline('exports.handler = null') });
  const run = new EcsRunTask(stack, 'run', {
    integrationPattern: IntegrationPattern.RUN_JOB,
    cluster,
    taskDefinition,
    launchTarget: new EcsFargateLaunchTarget(),
    assignPublicIp: true,
    subnets: { subnetType: SubnetType.PUBLIC },
  });
  const record = new CallAwsService(stack, 'record', { service: 's3', action: 'getObject', iamAction: 's3:GetObject', parameters: {}, iamResources: [bucket.arnForObjects('runs/*')] });
  const map = new DistributedMap(stack, 'map', {
    label: 'Batches',
    itemReader: new S3JsonItemReader({ bucket, key: 'manifest' }),
    resultWriterV2: new ResultWriterV2({ bucket, prefix: 'map' }),
  });
  map.itemProcessor(run.next(record));
  const machine = new StateMachine(stack, 'machine', {
    definitionBody: DefinitionBody.fromChainable(new LambdaInvoke(stack, 'split', { lambdaFunction }).next(map)),
    tracingEnabled: true,
    logs: { destination: new LogGroup(stack, 'log'), level: LogLevel.ALL },
  });
  const policies = machine.node.root.node.findAll().filter((each) => each instanceof CfnPolicy && each.node.path.includes(`/${machine.node.id}/`));
  const documents = policies.map((policy) => stack.resolve((policy as CfnPolicy).policyDocument) as { readonly Statement: readonly Statement[] });
  return [...new Set(documents.flatMap(({ Statement }) => Statement.flatMap(({ Action }) => Action)))].toSorted();
}
