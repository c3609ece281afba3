/** Packages the stack as a deployment would, without an account: credentials are taken away and the network leads nowhere. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Json } from '../../local/engine.ts';

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('../../', import.meta.url));

export type JsonObject = { readonly [key: string]: Json };

export interface Resource {
  readonly Type: string;
  readonly Properties: JsonObject;
  readonly [field: string]: Json;
}

export interface Template {
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Parameters?: Readonly<Record<string, JsonObject>>;
}

export interface PackagedStack {
  readonly folder: string;
  /** Where the template lies, for validators that read files. */
  readonly templateFile: string;
  readonly template: Template;
}

/** Packages into a new folder; the caller removes it. `params` are those of serverless.yml. */
export async function packageStack(params: Readonly<Record<string, string>> = {}): Promise<PackagedStack> {
  const folder = mkdtempSync(join(tmpdir(), 'tilefan-package-'));
  const manifest = require.resolve('serverless/package.json');
  const { bin } = JSON.parse(readFileSync(manifest, 'utf8')) as { readonly bin: Readonly<Record<string, string>> };
  const program = join(dirname(manifest), bin['osls'] ?? Object.values(bin)[0] ?? '');
  const given = Object.entries(params).flatMap(([name, value]) => ['--param', `${name}=${value}`]);
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('AWS_'));
  const nowhere = 'http://127.0.0.1:9';
  await promisify(execFile)(process.execPath, [program, 'package', '--package', folder, ...given], {
    cwd: root,
    env: { ...Object.fromEntries(clean), HTTPS_PROXY: nowhere, HTTP_PROXY: nowhere, AWS_EC2_METADATA_DISABLED: 'true', SLS_TELEMETRY_DISABLED: '1', SLS_NOTIFICATIONS_MODE: 'off' },
  });
  const templateFile = join(folder, 'cloudformation-template-update-stack.json');
  return { folder, templateFile, template: JSON.parse(readFileSync(templateFile, 'utf8')) as Template };
}

/** Resources of one type, with their names. */
export function ofType({ Resources }: Template, type: string): readonly (readonly [string, Resource])[] {
  return Object.entries(Resources).filter(([, resource]) => resource.Type === type);
}

/** Every value in a document, with the path that leads to it. */
export function* walk(value: Json, path = '$'): Generator<readonly [string, Json]> {
  yield [path, value];
  if (Array.isArray(value)) for (const [index, inner] of (value as readonly Json[]).entries()) yield* walk(inner, `${path}[${index}]`);
  else if (typeof value === 'object' && value !== null) for (const [key, inner] of Object.entries(value)) yield* walk(inner, `${path}.${key}`);
}
