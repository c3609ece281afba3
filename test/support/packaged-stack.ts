/** Packages the stack as a deployment would, without an account: credentials are taken away and the network leads nowhere. */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
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
  readonly Outputs?: Readonly<Record<string, JsonObject>>;
}

export interface PackagedStack {
  readonly folder: string;
  /** Where the template lies, for validators that read files. */
  readonly templateFile: string;
  readonly template: Template;
}

export interface Packaging {
  /** Parameters of the deployment, as --param takes them. */
  readonly params?: Readonly<Record<string, string>>;
  readonly stage?: string;
}

/** What the packager said and how it ended. */
export interface Packaged {
  readonly folder: string;
  readonly exitCode: number;
  readonly printed: string;
}

/**
 * Runs the packager in a folder of its own, whose entries are those of the project, folders as links: it keeps what it is about to pack beside serverless.yml,
 * where two at a time would take it from each other. The caller removes the folder.
 */
export async function runPackager({ params = {}, stage }: Packaging = {}): Promise<Packaged> {
  const folder = mkdtempSync(join(tmpdir(), 'tilefan-package-'));
  const service = mkdtempSync(join(tmpdir(), 'tilefan-service-'));
  // The packager leaves its bundles behind among temporary files.
  const scratch = mkdtempSync(join(tmpdir(), 'tilefan-packager-'));
  for (const entry of readdirSync(root, { withFileTypes: true })) {
    if (entry.name.startsWith('.')) continue;
    // The packager takes serverless.yml from a plain file only.
    if (entry.isFile()) copyFileSync(join(root, entry.name), join(service, entry.name));
    else symlinkSync(join(root, entry.name), join(service, entry.name));
  }
  const manifest = require.resolve('serverless/package.json');
  const { bin } = JSON.parse(readFileSync(manifest, 'utf8')) as { readonly bin: Readonly<Record<string, string>> };
  const program = join(dirname(manifest), bin['osls'] ?? Object.values(bin)[0] ?? '');
  const given = Object.entries(params).flatMap(([name, value]) => ['--param', `${name}=${value}`]);
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('AWS_'));
  const nowhere = 'http://127.0.0.1:9';
  const env = { ...Object.fromEntries(clean), TMPDIR: scratch, HTTPS_PROXY: nowhere, HTTP_PROXY: nowhere, AWS_EC2_METADATA_DISABLED: 'true', SLS_TELEMETRY_DISABLED: '1', SLS_NOTIFICATIONS_MODE: 'off' };
  return await new Promise((resolve) => {
    execFile(process.execPath, [program, 'package', '--package', folder, ...(stage === undefined ? [] : ['--stage', stage]), ...given], { cwd: service, env }, (error, stdout, stderr) => {
      for (const made of [service, scratch]) rmSync(made, { recursive: true, force: true });
      resolve({ folder, exitCode: error === null ? 0 : Number(error.code), printed: `${stdout}${stderr}` });
    });
  });
}

/** Packages into a new folder; the caller removes it. @throws Error with what the packager said when it refuses */
export async function packageStack(params: Readonly<Record<string, string>> = {}, stage?: string): Promise<PackagedStack> {
  const { folder, exitCode, printed } = await runPackager({ params, ...(stage === undefined ? {} : { stage }) });
  if (exitCode !== 0) throw new Error(`the packager ended with ${String(exitCode)}: ${printed}`);
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
