/** Which commands of the AWS SDK a program can send at all: those that are made in the modules of this project that its bundle holds. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Names of commands: `new XCommand(` and `paginateX(`, whose command is `XCommand`. */
export async function reachableCommands(entry: string): Promise<ReadonlySet<string>> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    outdir: 'out',
    splitting: true,
    packages: 'external',
    logLevel: 'error',
  });
  const commands = new Set<string>();
  for (const path of Object.keys(metafile.inputs)) {
    const source = readFileSync(join(root, path), 'utf8');
    if (!source.includes('@aws-sdk/')) continue;
    for (const [, name = ''] of source.matchAll(/\bnew (\w+Command)\(/g)) commands.add(name);
    for (const [, name = ''] of source.matchAll(/\bpaginate(\w+)\(/g)) commands.add(`${name}Command`);
  }
  return commands;
}
