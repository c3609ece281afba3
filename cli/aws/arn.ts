/** ARNs of Step Functions, taken apart and put together. */

/** `arn:PARTITION:states:REGION:ACCOUNT:…` */
const arnPattern = /^arn:([^:]+):([^:]+):([^:]*):([^:]*):(.+)$/;

export interface ArnParts {
  readonly partition: string;
  readonly service: string;
  readonly region: string;
  readonly account: string;
  readonly resource: string;
}

/** Undefined for what isn't an ARN. */
export function arnParts(text: string): ArnParts | undefined {
  const [, partition, service, region, account, resource] = arnPattern.exec(text) ?? [];
  if (partition === undefined || service === undefined || region === undefined || account === undefined || resource === undefined) return undefined;
  return { partition, service, region, account, resource };
}

/** `…:stateMachine:NAME` gives NAME, `…:execution:NAME:RUN` gives RUN. */
export function nameInArn(arn: string): string {
  return arn.slice(arn.lastIndexOf(':') + 1);
}

/** The ARN that an execution of this name has, whether there is one or not. */
export function executionArnOf(pipeline: string, name: string): string {
  return `${pipeline.replace(':stateMachine:', ':execution:')}:${name}`;
}

/** The state machine's ARN in that of one of its executions; undefined for another ARN, and for a child of a Map Run (`…:execution:NAME/LABEL:ID`). */
export function pipelineOfExecution(arn: string): string | undefined {
  const [, name] = /^execution:([^:/]+):[^:]+$/.exec(arnParts(arn)?.resource ?? '') ?? [];
  return name === undefined ? undefined : arn.replace(/:execution:.*$/, `:stateMachine:${name}`);
}

const consoleDomains: Readonly<Record<string, string>> = { 'aws-cn': 'console.amazonaws.cn', 'aws-us-gov': 'console.amazonaws-us-gov.com' };

/** Where a browser shows an execution. */
export function consoleUrl(executionArn: string): string {
  const { partition = 'aws', region = '' } = arnParts(executionArn) ?? {};
  const domain = consoleDomains[partition] ?? 'console.aws.amazon.com';
  return `https://${region}.${domain}/states/home?region=${region}#/v2/executions/details/${executionArn}`;
}
