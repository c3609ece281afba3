/**
 * Imports aws-local-stepfunctions without the packages that a local run never uses.
 *
 * Its module imports two AWS SDK packages (to call real Lambda functions) and asl-validator (a test validates our definition instead):
 * 370 ms of start-up. A resolve hook gives it empty stand-ins, for its own imports only, and is taken away again: 18 ms.
 */
import { registerHooks } from 'node:module';

type Library = typeof import('aws-local-stepfunctions');

const standIns: Readonly<Record<string, string>> = {
  '@aws-sdk/client-lambda': 'export class LambdaClient {} export class InvokeCommand {}',
  '@aws-sdk/credential-providers': 'export function fromCognitoIdentityPool() {}',
  'asl-validator': 'export default function () { return { isValid: true }; }',
};

export async function importInterpreter(): Promise<Library> {
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const source = standIns[specifier];
      if (source === undefined || context.parentURL?.includes('/node_modules/aws-local-stepfunctions/') !== true) return next(specifier, context);
      return { url: `data:text/javascript,${encodeURIComponent(source)}`, shortCircuit: true };
    },
  });
  try {
    return await import('aws-local-stepfunctions');
  } finally {
    hooks.deregister();
  }
}
