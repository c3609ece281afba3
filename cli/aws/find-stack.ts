/** The CloudFormation stack of a stage, and what it puts out. */
import { DescribeStacksCommand, type CloudFormationClient, type Stack } from '@aws-sdk/client-cloudformation';

/** Undefined when there is none (any more). */
export async function findStack(client: CloudFormationClient, name: string): Promise<Stack | undefined> {
  try {
    const { Stacks: [stack] = [] } = await client.send(new DescribeStacksCommand({ StackName: name }));
    return stack?.StackStatus === 'DELETE_COMPLETE' ? undefined : stack;
  } catch (error) {
    // What CloudFormation says of a name that no stack has; the form of the name has been checked before.
    if (error instanceof Error && error.name === 'ValidationError') return undefined;
    throw error;
  }
}

export function outputOf({ Outputs = [] }: Stack, key: string): string | undefined {
  return Outputs.find(({ OutputKey }) => OutputKey === key)?.OutputValue;
}
