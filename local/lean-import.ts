/**
 * Imports aws-local-stepfunctions without the packages that a local run never uses.
 *
 * Its module imports two AWS SDK packages (to call real Lambda functions) and asl-validator (a test validates our definition instead):
 * 370 ms of start-up. A resolve hook gives it empty stand-ins, for its own imports only, and is taken away again: 18 ms.
 */
import { registerHooks } from 'node:module';

type Library = typeof import('aws-local-stepfunctions');

const importer = '/node_modules/aws-local-stepfunctions/';
/** In the form of those in stand-ins.mjs. */
export const interpreterStandIns = [
  { specifier: '@aws-sdk/client-lambda', importer, source: 'export class LambdaClient {} export class InvokeCommand {}' },
  { specifier: '@aws-sdk/credential-providers', importer, source: 'export function fromCognitoIdentityPool() {}' },
  { specifier: 'asl-validator', importer, source: 'export default function () { return { isValid: true }; }' },
];

export async function importInterpreter(): Promise<Library> {
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const standIn = context.parentURL?.includes(importer) === true ? interpreterStandIns.find((each) => each.specifier === specifier) : undefined;
      if (standIn === undefined) return next(specifier, context);
      return { url: `data:text/javascript,${encodeURIComponent(standIn.source)}`, shortCircuit: true };
    },
  });
  try {
    return await import('aws-local-stepfunctions');
  } finally {
    hooks.deregister();
  }
}
