/**
 * Writes what is generated from schemas: schemas/*.schema.json, docs/job-spec.md and docs/item-job-spec.md from those of jobs, docs/parameters.md from that of
 * the deployment's parameters; and lib/raster/kernels.generated.ts from kernels/, compiled. With `--check` it writes nothing and fails when a file isn't what it should be.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { itemJobJsonSchema } from '../lib/job/items/item-validate.ts';
import { jobJsonSchema } from '../lib/job/validate.ts';
import { parametersPage } from '../stack/parameters-page.ts';

type Schema = ReturnType<typeof jobJsonSchema>;

const root = new URL('../', import.meta.url);
const schema = jobJsonSchema();
const itemSchema = itemJobJsonSchema();
const files: readonly [string, string][] = [
  ['schemas/job.schema.json', `${JSON.stringify(schema, undefined, 2)}\n`],
  ['schemas/item-job.schema.json', `${JSON.stringify(itemSchema, undefined, 2)}\n`],
  [
    'docs/job-spec.md',
    referencePage(schema, 'The job spec', 'lib/job/spec.ts', 'One strict JSON document: a field that is not listed here is an error. `tilefan schema` prints the JSON Schema, `tilefan validate` checks a job against it. A job over objects instead of rasters has [another form](item-job-spec.md).'),
  ],
  [
    'docs/item-job-spec.md',
    referencePage(itemSchema, 'The spec of object jobs', 'lib/job/items/item-spec.ts', 'A job with `items`: objects, or sets of parameters, in place of rasters ([items.md](items.md)). A field that is not listed here is an error. `tilefan schema --items` prints the JSON Schema, `tilefan validate` checks a job against it.'),
  ],
  ['docs/parameters.md', parametersPage()],
  ['lib/raster/kernels.generated.ts', kernelModule()],
];

const check = process.argv.includes('--check');
let stale = 0;
for (const [name, content] of files) {
  const url = new URL(name, root);
  if (!check) {
    writeFileSync(url, content);
    process.stdout.write(`${name} written\n`);
  } else if (read(url) !== content) {
    stale++;
    process.stderr.write(`${name} is not what its source says: run "npm run generate"\n`);
  }
}
process.exitCode = stale === 0 ? 0 : 1;

function read(url: URL): string | undefined {
  try {
    return readFileSync(url, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * The loops of kernels/ as WebAssembly, in hexadecimal digits: base64 spells words by chance, which whoever searches the sources would find. The compiler has its own
 * process, since its types would be everybody's here.
 */
function kernelModule(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tilefan-kernels-'));
  try {
    const compiled = join(folder, 'kernels.wasm');
    const asc = fileURLToPath(import.meta.resolve('assemblyscript/bin/asc.js'));
    execFileSync(process.execPath, [asc, '--config', 'asconfig.json', '--outFile', compiled], { cwd: new URL('kernels/', root), stdio: ['ignore', 'inherit', 'inherit'] });
    const lines = readFileSync(compiled).toString('hex').match(/.{1,140}/g) ?? [];
    return `/** Generated from kernels/ by "npm run generate". Do not edit. */\nexport const kernelModule =\n${lines.map((line) => `  '${line}'`).join(' +\n')};\n`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function referencePage(top: Schema, title: string, source: string, about: string): string {
  const sections: string[] = [`<!-- Generated from ${source} by "npm run generate". Do not edit. -->`, `# ${title}`, about];
  addObject('Job', top, sections);
  return `${sections.join('\n\n')}\n`;
}

/** A section with a table for an object, and the sections of the objects within it. */
function addObject(title: string, node: Schema, sections: string[]): void {
  const inner: [string, Schema][] = [];
  const required = new Set(node.required);
  const rows = Object.entries(node.properties ?? {}).map(([name, value]) => {
    const field = value as Schema;
    const object = objectIn(field);
    if (object !== undefined) inner.push([sectionTitle(title, name, field), object]);
    const missing = required.has(name) ? 'required' : field.default === undefined || typeof field.default === 'object' ? '' : `\`${JSON.stringify(field.default)}\``;
    return `| \`${name}\` | ${typeText(field)} | ${missing} | ${cell(field.description ?? '')} |`;
  });
  sections.push(`## ${title}`, ['| field | type | default | what it says |', '| --- | --- | --- | --- |', ...rows].join('\n'));
  for (const [name, object] of inner) addObject(name, object, sections);
}

function sectionTitle(above: string, name: string, field: Schema): string {
  const path = above === 'Job' ? name : `${above}.${name}`;
  return field.additionalProperties === undefined || typeof field.additionalProperties === 'boolean' ? path : `${path}.NAME`;
}

/** The object that a field is or holds, if its own fields need a table. */
function objectIn(field: Schema): Schema | undefined {
  if (field.properties !== undefined) return field;
  const inside = [...(field.anyOf ?? []), ...(typeof field.additionalProperties === 'object' ? [field.additionalProperties] : [])];
  for (const each of inside) {
    const object = objectIn(each);
    if (object !== undefined) return object;
  }
  return undefined;
}

function typeText(field: Schema): string {
  // Where anything may stand, zod refers to a schema of JSON itself.
  if (field.$ref !== undefined) return 'any JSON';
  if (field.anyOf !== undefined) return field.anyOf.map((each) => typeText(each)).join(' or ');
  if (field.const !== undefined) return `\`${JSON.stringify(field.const)}\``;
  if (field.enum !== undefined) return field.enum.map((value) => `\`${JSON.stringify(value)}\``).join(', ');
  if (field.type === 'array' && field.prefixItems !== undefined) return `list of ${String(field.prefixItems.length)}: ${[...new Set(field.prefixItems.map((each) => typeText(each as Schema)))].join(', ')}`;
  if (field.type === 'array') return `list of ${typeText(field.items as Schema)}`;
  if (field.type === 'object' && typeof field.additionalProperties === 'object') return `NAME: ${typeText(field.additionalProperties)}`;
  if (field.type === 'string' && field.pattern !== undefined) return `text like \`${cell(field.pattern)}\``;
  const bounds = [field.minimum === undefined ? '' : `from ${String(field.minimum)}`, field.maximum === undefined ? '' : `to ${String(field.maximum)}`].filter((text) => text !== '');
  const name = { string: 'text', integer: 'whole number', number: 'number', boolean: '`true`, `false`', object: 'object', null: '`null`' }[String(field.type)] ?? String(field.type);
  return [name, ...bounds].join(' ');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
