/** What can be said about a command before anything runs: whether its placeholders mean something, and whether its outputs are written. */
import { isAbsolute } from 'node:path';

import type { Json } from '../code-setup.ts';
import { fillTemplate, parameterText, parseTemplate, type Template } from './template.ts';

export interface CommandProblem {
  /** JSON path into the job. */
  readonly path: string;
  readonly message: string;
}

const here = '$.operation.command';

/**
 * What is wrong with a job's command; empty when nothing is.
 * @param inputs, outputs names of the job's @param parameters the job's own, by name
 */
export function checkCommand(command: readonly string[], inputs: readonly string[], outputs: readonly string[], parameters: Readonly<Record<string, Json>>): readonly CommandProblem[] {
  const names = { inputs, outputs, parameters: Object.keys(parameters) };
  const problems: CommandProblem[] = [];
  const named = new Set<string>();
  for (const [i, argument] of command.entries()) {
    const path = `${here}[${String(i)}]`;
    const { parts, problems: found } = parseTemplate(argument, names);
    for (const message of found) problems.push({ path, message });
    if (argument.includes('\0')) problems.push({ path, message: 'has a NUL character, which no argument of a program can have' });
    for (const part of parts) {
      if (part.kind === 'output') named.add(part.name);
      if (part.kind === 'parameter' && parameterText(parameters[part.name] ?? null).includes('\0')) {
        problems.push({ path, message: `has the parameter ${part.name}, whose value has a NUL character, which no argument of a program can have` });
      }
    }
    if (i === 0 && found.length === 0) problems.push(...checkProgram(parts, command.length, parameters));
  }
  if (command.length === 0) problems.push({ path: here, message: 'is empty: wanted a program and its arguments' });
  for (const output of outputs) {
    if (!named.has(output)) problems.push({ path: here, message: `never writes the output ${output}: wanted {output.${output}} in one of the arguments` });
  }
  return problems;
}

/** The program is the same for all tiles, so that it can be looked for before work begins. */
function checkProgram(program: Template, length: number, parameters: Readonly<Record<string, Json>>): readonly CommandProblem[] {
  const path = `${here}[0]`;
  const varying = program.find(({ kind }) => kind !== 'text' && kind !== 'parameter');
  if (varying !== undefined) return [{ path, message: 'is the program, which is the same for every tile: wanted a name or an absolute path without placeholders of a tile' }];
  const name = programText(program, parameters);
  if (name === '') return [{ path, message: 'is empty: wanted the name of a program' }];
  if (length === 1 && !isAbsolute(name) && /\s/.test(name)) {
    return [{ path, message: `is a whole command line: wanted one item for each word, as ${JSON.stringify(name.split(/\s+/).slice(0, 3))}, because no shell splits it` }];
  }
  if (name.includes('/') && !isAbsolute(name)) return [{ path, message: `is the relative path ${name}: wanted a name that is looked for in PATH, or an absolute path` }];
  return [];
}

function programText(program: Template, parameters: Readonly<Record<string, Json>>): string {
  const none = (): string => '';
  return fillTemplate(program, { input: none, output: none, parameters, scratch: '', column: 0, row: 0 });
}

/** The program of a command that `checkCommand` has nothing against: its name, or an absolute path. */
export function programOf(command: readonly string[], parameters: Readonly<Record<string, Json>>): string {
  const [first = ''] = command;
  return programText(parseTemplate(first, { inputs: [], outputs: [], parameters: Object.keys(parameters) }).parts, parameters);
}

/** The inputs that a command names, in the order of `inputs`; others need not be read for it. */
export function inputsOf(command: readonly string[], inputs: readonly string[]): readonly string[] {
  const names = { inputs, outputs: [], parameters: [] };
  const named = new Set(command.flatMap((argument) => parseTemplate(argument, names).parts.flatMap((part) => (part.kind === 'input' ? [part.name] : []))));
  return inputs.filter((name) => named.has(name));
}

/** What a command needs where it runs, as a requirement (lib/code/requirements). */
export function requirementOf(command: readonly string[], parameters: Readonly<Record<string, Json>>): string {
  return `program:${programOf(command, parameters)}`;
}
