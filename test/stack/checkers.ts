/** Other people's checkers, run over packaged templates. */
import { execFile, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { App, Stack } from 'aws-cdk-lib';
import { CfnInclude } from 'aws-cdk-lib/cloudformation-include';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { Finding } from './findings.ts';

const require = createRequire(import.meta.url);

/** cdk-nag's rules "AWS Solutions". A rule that could not be evaluated is a finding too: CdkNagValidationFailure. */
export function runCdkNag(templateFile: string): Finding[] {
  const app = new App();
  const include = new CfnInclude(new Stack(app, 'stack'), 'template', { templateFile });
  const { violations } = new AwsSolutionsChecks(app).validateScope(app);
  const prefix = `${include.node.path}/`;
  return violations.flatMap(({ ruleName, description, violatingResources }) =>
    violatingResources.map(({ constructPath = '' }) => ({ tool: 'cdk-nag', id: ruleName, resource: constructPath.replace(prefix, ''), message: description ?? '' }) as const));
}

/** AWS's own validator, which aws-cdk-lib brings along. Only FATAL and ERROR are findings. */
export function runCloudformationValidate(templateFile: string): { readonly diagnostics: number; readonly findings: Finding[] } {
  interface Validator {
    readonly CompositeEngine: new () => { validateTemplate(file: unknown): { readonly diagnostics: readonly ({ readonly severity: string } & Record<string, unknown>)[] }; free(): void };
    readonly TemplateFile: new (path: string) => unknown;
  }
  const { CompositeEngine, TemplateFile } = createRequire(require.resolve('aws-cdk-lib'))('@aws/cloudformation-validate') as Validator;
  const engine = new CompositeEngine();
  try {
    const { diagnostics } = engine.validateTemplate(new TemplateFile(templateFile));
    const grave = diagnostics.filter(({ severity }) => severity === 'FATAL' || severity === 'ERROR');
    return { diagnostics: diagnostics.length, findings: grave.map((each) => ({ tool: 'cloudformation-validate', id: String(each['ruleId']), resource: String(each['propertyPath']), message: String(each['message']) })) };
  } finally {
    engine.free();
  }
}

/** A program of Python's that is named in the environment, or lies in .tools/venv/bin or PATH. */
export function findProgram(name: string, variable: string): string | undefined {
  const named = process.env[variable];
  const candidates = [
    ...(named === undefined || named === '' ? [] : [named]),
    join(import.meta.dirname, '../../.tools/venv/bin', name),
    ...(process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name)),
  ];
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
    } catch {
      return false;
    }
    // A wrapper for a program that isn't there can be executed too.
    return spawnSync(path, ['--version'], { stdio: 'ignore' }).status === 0;
  });
}

/** Standard output of a program whose exit code says that it found something, which is no failure of its own. */
async function outputOf(program: string, args: readonly string[], cwd: string): Promise<string> {
  const { HTTPS_PROXY: _proxy, ...env } = process.env;
  try {
    return (await promisify(execFile)(program, args, { cwd, maxBuffer: 2 ** 28, env: { ...env, LOG_LEVEL: 'ERROR' } })).stdout;
  } catch (error) {
    const { stdout, stderr, code } = error as { stdout?: string; stderr?: string; code?: unknown };
    if (typeof code !== 'number' || stdout === undefined || stdout === '') throw new Error(`${program} ${args.join(' ')} failed: ${stderr ?? String(error)}`, { cause: error });
    return stdout;
  }
}

/** cfn-lint over many templates at once; errors and warnings, by the template's file. */
export async function runCfnLint(program: string, files: readonly string[]): Promise<ReadonlyMap<string, Finding[]>> {
  interface Match {
    readonly Filename: string;
    readonly Rule: { readonly Id: string };
    readonly Location: { readonly Path?: readonly (string | number)[] };
    readonly Message: string;
  }
  const matches = JSON.parse(await outputOf(program, ['--format', 'json', '--regions', 'eu-west-1', '--', ...files], import.meta.dirname)) as readonly Match[];
  const found = new Map<string, Finding[]>(files.map((file) => [file, []]));
  for (const { Filename, Rule, Location: { Path = [] }, Message } of matches) {
    found.get(Filename)?.push({ tool: 'cfn-lint', id: Rule.Id, resource: Path.join('/'), message: Message });
  }
  return found;
}

/** checkov over a folder of templates, or one Dockerfile; findings by the file's path in the folder. */
export async function runCheckov(program: string, folder: string, framework: 'cloudformation' | 'dockerfile'): Promise<{ readonly passed: number; readonly findings: ReadonlyMap<string, Finding[]> }> {
  interface Check {
    readonly check_id: string;
    readonly check_name: string;
    readonly resource: string;
    readonly file_path: string;
  }
  interface Report {
    readonly summary: { readonly passed: number; readonly parsing_errors: number };
    readonly results: { readonly failed_checks: readonly Check[] };
  }
  // What it would download are guidelines to read.
  const report = JSON.parse(await outputOf(program, ['--directory', folder, '--framework', framework, '--skip-download', '--compact', '--quiet', '--output', 'json'], folder)) as Report;
  if (report.summary.parsing_errors > 0) throw new Error(`checkov cannot read ${report.summary.parsing_errors} files in ${folder}`);
  const findings = new Map<string, Finding[]>();
  for (const { check_id, check_name, resource, file_path } of report.results.failed_checks) {
    const list = findings.get(file_path) ?? [];
    findings.set(file_path, list);
    list.push({ tool: 'checkov', id: check_id, resource: resource.split('.').slice(1).join('.') || resource, message: check_name });
  }
  return { passed: report.summary.passed, findings };
}
